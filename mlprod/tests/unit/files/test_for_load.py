import gc
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import ibis
import pytest
from seams import PARCELS, Parcel, binary, parcels

from mlprod.contract.validation import ContractViolationError
from mlprod.files.errors import FileError
from mlprod.files.for_load import rows_of
from mlprod.training.dataset import collect, load_rows


@pytest.fixture
def contract() -> ModuleType:
    module = ModuleType(Parcel.__module__)
    names = {
        "ID": "parcel",
        "GROUP": "customer",
        "EVENT_TIME": "at",
        "LABEL": "late",
        "PII": ("distance",),
    }
    vars(module).update({"row": Parcel} | names)
    return module


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


def test_csv_and_table_give_the_same_training_rows(
    tmp_path: Path, temporary: Path, contract: ModuleType
) -> None:
    table = parcels(300)
    table.to_pandas().to_csv(
        tmp_path / "rows.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig"
    )
    read = rows_of(tmp_path / "rows.csv", contract)
    assert collect(read, PARCELS).digest() == collect(ibis.memtable(table), PARCELS).digest()
    assert len(list(temporary.iterdir())) == 1
    del read
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_unreadable_cell_is_named_before_training(
    tmp_path: Path, temporary: Path, contract: ModuleType
) -> None:
    frame: Any = parcels(300).to_pandas().astype({"weight": str})
    frame.loc[7, "weight"] = "12.5 kg"
    frame.to_csv(tmp_path / "rows.csv", index=False)
    seam = replace(
        binary, load=lambda since=None, until=None: rows_of(tmp_path / "rows.csv", contract)
    )
    with pytest.raises(
        ContractViolationError,
        match=r"weight: not a number: 1 row, for example '12.5 kg' in line 9. Works",
    ):
        load_rows(seam)


def test_missing_file_leaves_no_temporary_folder(
    tmp_path: Path, temporary: Path, contract: ModuleType
) -> None:
    with pytest.raises(FileError, match="no such file"):
        rows_of(tmp_path / "rows.csv", contract)
    assert list(temporary.iterdir()) == []
