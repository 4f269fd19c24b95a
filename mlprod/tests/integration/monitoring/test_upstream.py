"""The verb check-source: today's data compared with the champion's training data."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ibis
import pyarrow as pa
import pytest
from champions import champion, here, stored_evidence
from conftest import silent
from fixture_project import main
from seams import binary, parcels

from mlprod.monitoring.champion import ChampionInfo
from mlprod.project.project import Project
from mlprod.settings import Settings
from mlprod.training.governed_training import train_with_governance
from mlprod.training.promotion import promote
from mlprod.training.registry import Registry

__all__ = ["champion", "here"]


# make check-source


@pytest.fixture
def made(here: Settings) -> Settings:
    """A champion that the pipeline trained on the parcels."""
    promote(
        Registry(here), "you", "a test", train_with_governance(binary, here, silent).version.number
    )
    return here


def later(**columns: pa.Array) -> Callable[..., Any]:
    """A load() of today: parcels with other column types or values."""
    table = parcels()
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    rows = ibis.memtable(table)
    return lambda since=None, until=None: (
        rows.filter(rows["at"] >= ibis.literal(since)) if since else rows
    )


def test_unchanged_source_passes_with_the_number_of_newer_rows(
    made: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Project, "seam", lambda _: replace(binary, load=later()))
    assert main(["check-source"]) == 0
    assert (
        "the columns are those of version 1; 61 newer rows are complete" in capsys.readouterr().out
    )
    assert stored_evidence(made, "dependencies-watched")[0].passed


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"weight": parcels()["weight"].cast("string")}, "weight was float64, and is string"),
        (
            {"at": parcels()["at"].cast(pa.timestamp("us", "UTC"))},
            "at was timestamp(6), and is timestamp('UTC', 6)",
        ),
        (
            {"stops": pa.nulls(3_000, pa.int64())},
            "stops is missing in 100.0% of the rows; in the training data it was 0.0%",
        ),
        (
            {"city": pa.array(["rome"] * 3_000)},
            "100.0% of the values of city are categories that the model does not know",
        ),
    ],
)
def test_change_that_passes_the_contract_is_reported(
    columns: dict[str, Any], message: str, made: Settings,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(Project, "seam", lambda _: replace(binary, load=later(**columns)))
    assert main(["check-source"]) == 1
    assert message in capsys.readouterr().out
    assert not stored_evidence(made, "dependencies-watched")[0].passed


def test_champion_without_a_recorded_schema_exits_two(
    champion: ChampionInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-source"]) == 2
    assert (
        "SchemaNotRecordedError: the version has no record of its source schema"
        in capsys.readouterr().err
    )
