from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from champions import DAY, Send, champion, heavier, here, kept, send, store
from conftest import Trained, silent
from filled import Filled, filled
from fixture_project import main
from past import became
from seams import binary, parcels
from sklearn.ensemble import HistGradientBoostingClassifier

from mlprod.monitoring.champion import ChampionInfo, NoChampionError, answering, champion_if_any
from mlprod.monitoring.retrain_trigger import reason
from mlprod.records.database import now
from mlprod.records.errors import StoreUnavailableError
from mlprod.records.store import Store
from mlprod.settings import Settings
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import CHALLENGER, Registry

__all__ = ["champion", "filled", "here", "send", "store"]


# make drift


def test_what_is_as_learnt_ends_well_and_is_kept_as_evidence(
    here: Settings, send: Send, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(kept(here, "drift-watched"))
    send(parcels(2_000, seed=4))
    assert main(["drift"]) == 0
    message = capsys.readouterr().out
    assert "weight    as learnt" in message
    assert "distance  not recorded" in message
    assert "They span 1.0 hours: a part of a day is no day" in message
    assert "2,000 rows" in (here.state_dir / "drift" / "report.html").read_text()
    assert len(kept(here, "drift-watched")) == before + 1
    assert kept(here, "inputs-watched")[0].passed


def test_a_shifted_field_is_named_and_ends_with_one(
    here: Settings, send: Send, capsys: pytest.CaptureFixture[str]
) -> None:
    send(heavier(parcels(2_000, seed=4)))
    assert main(["drift"]) == 1
    assert "weight    drifts" in capsys.readouterr().out
    assert "<h2>weight: drifts</h2>" in (here.state_dir / "drift" / "report.html").read_text()


def test_a_field_that_is_no_longer_sent_ends_with_one_though_nothing_of_it_can_drift(
    here: Settings, send: Send, capsys: pytest.CaptureFixture[str]
) -> None:
    table = parcels(2_000, seed=4)
    place = table.column_names.index("stops")
    send(table.set_column(place, "stops", pa.nulls(2_000, pa.int64())))
    assert main(["drift"]) == 1
    assert (
        "MissingValues: stops is missing in 100.0% of the rows; it was in 0.0%"
        in capsys.readouterr().out
    )
    assert not kept(here, "inputs-watched")[0].passed


def test_too_few_rows_end_with_two_and_are_no_evidence(
    here: Settings, send: Send, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(kept(here, "drift-watched"))
    send(parcels(60, seed=4))
    send(heavier(parcels(900, seed=4)), hours=30, prefix="of yesterday")
    assert main(["drift"]) == 2
    assert "60 rows are too few" in capsys.readouterr().out
    assert len(kept(here, "drift-watched")) == before
    assert main(["drift", "--hours", "48"]) == 1


def test_rows_of_load_and_of_a_file_can_be_looked_at_instead(
    here: Settings, champion: ChampionInfo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(kept(here, "drift-watched"))
    pq.write_table(heavier(parcels(2_000, seed=4)), tmp_path / "june.parquet")
    assert main(["drift", "--since", "2026-01-01"]) == 0
    assert "distance  as learnt" in capsys.readouterr().out, "a table holds what the records do not"
    assert main(["drift", "--input", str(tmp_path / "june.parquet")]) == 1
    assert "the rows of " in capsys.readouterr().out
    assert len(kept(here, "drift-watched")) == before, (
        "what nobody was answered shows nothing of the service"
    )


def test_where_nothing_can_be_said_it_ends_with_two(
    here: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift"]) == 2
    assert "NoChampionError: nothing was promoted yet; make train" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("requested", "says"),
    [
        (["--input", "june.parquet", "--since", "2026-06-01"], "--input is all of a file"),
        (["--input", "nowhere.csv"], "nowhere.csv: no such file"),
        (
            ["--input", "short.csv"],
            "no column 'stops', 'courier', 'city', 'express', 'distance', which the model needs",
        ),
    ],
)
def test_a_table_that_cannot_be_compared_ends_with_two(
    requested: list[str], says: str, champion: ChampionInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("short.csv").write_text("weight\n1\n")
    assert main(["drift", *requested]) == 2
    assert says in capsys.readouterr().err


def test_without_a_champion_there_is_none(here: Settings, registry: Registry) -> None:
    assert champion_if_any(here) is None
    with pytest.raises(NoChampionError):
        answering(registry)


def test_what_the_records_show_asks_for_a_retraining(
    here: Settings, filled: Filled, send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    because, message = reason(here, binary, store, days=90)
    assert (because, "neither drift nor more errors" in message) == ("", True)
    assert reason(here, binary, store, days=0)[0] == "age"
    send(parcels(400, seed=4), hours=24 * 9, prefix="old")
    send(parcels(400, seed=6), hours=24 * 2)
    became(store, {f"old{place}": 0.0 for place in range(100)}, now() - 8 * DAY, monkeypatch)
    became(store, {f"c{place}": place % 2 for place in range(300)}, now() - DAY, monkeypatch)
    because, message = reason(here, binary, store, days=90)
    assert (because, "mean squared error of 300 real cases" in message) == ("quality", True)


def test_what_was_made_for_drift_and_waits_is_not_made_again(
    here: Settings, filled: Filled, send: Send, store: Store, registry: Registry, trained: Trained
) -> None:
    send(heavier(parcels(2_000, seed=4)), hours=23)
    assert reason(here, binary, store, days=90)[0] == "drift"
    other = replace(
        binary,
        build_model=lambda fields: HistGradientBoostingClassifier(max_iter=25, random_state=0),
    )
    challenger = train_with_governance(other, here, silent).version
    assert registry.get_by_alias(CHALLENGER) == challenger
    registry.tag(challenger.number, "retrain.because", "drift")
    because, message = reason(here, binary, store, days=90)
    assert (because, f"version {challenger.number} was made for it and waits" in message) == (
        "",
        True,
    )


def test_records_that_cannot_be_looked_at_are_no_reason_to_go_on(
    here: Settings, filled: Filled, champion: ChampionInfo, tmp_path: Path
) -> None:
    with pytest.raises(StoreUnavailableError):
        reason(here, binary, Store(f"sqlite:///{tmp_path / 'nothing.db'}"), days=90)
