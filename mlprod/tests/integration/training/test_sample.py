from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from seams import binary, dated, flats, given, multiclass, parcels, regression, text

from mlprod.contract.validation import ContractViolationError, check
from mlprod.project.project import Seam
from mlprod.training.dataset import collect
from mlprod.training.sample import read_sample, write_sample
from mlprod.training.split import split


def absent(since: datetime | None = None, until: datetime | None = None) -> Any:
    raise FileNotFoundError("data/parcels.csv")


@pytest.mark.parametrize(
    "seam",
    [binary, regression, text, multiclass, dated],
    ids=["binary", "regression", "text", "classes", "dates"],
)
@pytest.mark.parametrize("has_rows", [True, False])
def test_sample_conforms_to_the_contract_and_can_be_split(
    seam: Seam, has_rows: bool, tmp_path: Path
) -> None:
    file = tmp_path / "data" / "sample.parquet"
    message = write_sample(seam if has_rows else replace(seam, load=absent), file)
    assert ("drawn from load()" in message) is has_rows
    assert ("data/parcels.csv" in message) is not has_rows
    table = read_sample(file)
    assert check(table, seam.terms, seam.task()).ok
    rows = collect(table, seam.terms)
    assert len(split(rows, seam.task(), seam.terms).test) >= 30
    assert 1_000 <= len(rows) <= 3_000
    assert file.stat().st_size < 100_000


def test_no_real_id_group_or_value_of_a_personal_field_reaches_the_sample(tmp_path: Path) -> None:
    write_sample(binary, tmp_path / "sample.parquet")
    sample, real = pq.read_table(tmp_path / "sample.parquet"), parcels()
    for name in ("parcel", "customer"):
        assert not set(sample[name].to_pylist()) & set(real[name].to_pylist())
    by_time = dict(zip(real["at"].to_pylist(), real.to_pylist(), strict=True))
    pairs = [(row, by_time[row["at"]]) for row in sample.to_pylist()]
    assert all(row["stops"] == own["stops"] for row, own in pairs)
    assert np.mean([row["distance"] == own["distance"] for row, own in pairs]) < 0.1
    assert {row["city"] for row, own in pairs if own["city"] == "tromso"} == {"another category"}
    groups = {(row["customer"], own["customer"]) for row, own in pairs}
    assert len(groups) == len({group for group, _ in groups}) == len({own for _, own in groups})


def test_texts_are_replaced_even_without_pii(tmp_path: Path) -> None:
    write_sample(text, tmp_path / "sample.parquet")
    bodies = set(pq.read_table(tmp_path / "sample.parquet")["body"].to_pylist())
    assert bodies <= {"a few words", "other words here", "", "never seen in training"}


def test_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_sample(binary, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_rows_that_break_the_contract_write_nothing(tmp_path: Path) -> None:
    table = flats()
    broken = table.set_column(1, "size", [[1.0] * len(table)])
    with pytest.raises(ContractViolationError, match="size: below 10"):
        write_sample(replace(regression, load=given(broken)), tmp_path / "sample.parquet")
    assert list(tmp_path.iterdir()) == []
