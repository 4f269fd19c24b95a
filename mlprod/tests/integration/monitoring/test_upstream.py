"""The columns of the data today, beside those that the champion was trained on."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ibis
import pyarrow as pa
import pytest
from champions import champion, here, kept
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
    """A champion that was made of the parcels, through the pipeline."""
    promote(
        Registry(here), "you", "a test", train_with_governance(binary, here, silent).version.number
    )
    return here


def later(**columns: pa.Array) -> Callable[..., Any]:
    """load(), as the parcels are today: columns in other types, or with other values in the later
    half of the rows.
    """
    table = parcels()
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    rows = ibis.memtable(table)
    return lambda since=None, until=None: (
        rows.filter(rows["at"] >= ibis.literal(since)) if since else rows
    )


def test_data_that_comes_as_before_is_said_with_its_newer_rows(
    made: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Project, "seam", lambda _: replace(binary, load=later()))
    assert main(["check-source"]) == 0
    assert "the columns are those of version 1, 61 newer rows hold" in capsys.readouterr().out
    assert kept(made, "dependencies-watched")[0].passed


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
            "stops is missing in 100.0% of the rows; it was in 0.0%",
        ),
        (
            {"city": pa.array(["rome"] * 3_000)},
            "100.0% of city are words that the model does not know",
        ),
    ],
)
def test_what_the_contract_would_let_pass_is_noticed(
    columns: dict[str, Any], message: str, made: Settings, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(Project, "seam", lambda _: replace(binary, load=later(**columns)))
    assert main(["check-source"]) == 1
    assert message in capsys.readouterr().out
    assert not kept(made, "dependencies-watched")[0].passed


def test_a_champion_of_before_this_look_is_told(
    champion: ChampionInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-source"]) == 2
    assert (
        "SchemaNotRecordedError: what it was made of was not written down then"
        in capsys.readouterr().err
    )
