from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from champions import DAY, Send, champion, heavier, here, send, store, stored_evidence
from conftest import Trained, silent
from filled import Filled, filled
from fixture_project import main
from past import became
from seams import binary, parcels
from sklearn.ensemble import HistGradientBoostingClassifier

from mlprod.monitoring.champion import ChampionInfo, NoChampionError, champion_if_any, load_champion
from mlprod.monitoring.retrain_trigger import detect_trigger
from mlprod.records.database import now
from mlprod.records.errors import StoreUnavailableError
from mlprod.records.store import Store
from mlprod.settings import Settings
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import CHALLENGER, Registry

__all__ = ["champion", "filled", "here", "send", "store"]


# make drift


def test_drift_without_drift_exits_zero_and_records_evidence(
    here: Settings, send: Send, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(stored_evidence(here, "drift-watched"))
    send(parcels(2_000, seed=4))
    assert main(["drift"]) == 0
    message = capsys.readouterr().out
    assert "weight    no drift" in message
    assert "distance  not recorded" in message
    assert "These rows span 1.0 hours, which is less than a day" in message
    assert "2,000 rows" in (here.state_dir / "drift" / "report.html").read_text()
    assert len(stored_evidence(here, "drift-watched")) == before + 1
    assert stored_evidence(here, "inputs-watched")[0].passed


def test_drift_of_a_shifted_field_exits_one_and_names_it(
    here: Settings, send: Send, capsys: pytest.CaptureFixture[str]
) -> None:
    send(heavier(parcels(2_000, seed=4)))
    assert main(["drift"]) == 1
    assert "weight    drifts" in capsys.readouterr().out
    assert "<h2>weight: drifts</h2>" in (here.state_dir / "drift" / "report.html").read_text()


def test_drift_of_a_field_without_values_exits_one(
    here: Settings, send: Send, capsys: pytest.CaptureFixture[str]
) -> None:
    table = parcels(2_000, seed=4)
    place = table.column_names.index("stops")
    send(table.set_column(place, "stops", pa.nulls(2_000, pa.int64())))
    assert main(["drift"]) == 1
    assert (
        "MissingValues: stops is missing in 100.0% of the rows; in the training data it was 0.0%"
        in capsys.readouterr().out
    )
    assert not stored_evidence(here, "inputs-watched")[0].passed


def test_drift_of_too_few_rows_exits_two_and_records_no_evidence(
    here: Settings, send: Send, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(stored_evidence(here, "drift-watched"))
    send(parcels(60, seed=4))
    send(heavier(parcels(900, seed=4)), hours=30, prefix="of yesterday")
    assert main(["drift"]) == 2
    assert "60 rows are too few" in capsys.readouterr().out
    assert len(stored_evidence(here, "drift-watched")) == before
    assert main(["drift", "--hours", "48"]) == 1


def test_drift_of_load_and_of_a_file_records_no_evidence(
    here: Settings, champion: ChampionInfo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(stored_evidence(here, "drift-watched"))
    pq.write_table(heavier(parcels(2_000, seed=4)), tmp_path / "june.parquet")
    assert main(["drift", "--since", "2026-01-01"]) == 0
    assert "distance  no drift" in capsys.readouterr().out, (
        "a table holds the PII field that the records omit"
    )
    assert main(["drift", "--input", str(tmp_path / "june.parquet")]) == 1
    assert "the rows of " in capsys.readouterr().out
    assert len(stored_evidence(here, "drift-watched")) == before, (
        "only scored rows are evidence about the service"
    )


def test_drift_without_a_champion_exits_two(
    here: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift"]) == 2
    assert (
        "NoChampionError: the registry has no champion: no version was promoted yet"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("requested", "says"),
    [
        (["--input", "june.parquet", "--since", "2026-06-01"], "--input reads a whole file"),
        (["--input", "nowhere.csv"], "nowhere.csv: no such file"),
        (
            ["--input", "short.csv"],
            "no column 'stops', 'courier', 'city', 'express', 'distance', which the model needs",
        ),
    ],
)
def test_drift_of_a_table_that_cannot_be_compared_exits_two(
    requested: list[str], says: str, champion: ChampionInfo, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("short.csv").write_text("weight\n1\n")
    assert main(["drift", *requested]) == 2
    assert says in capsys.readouterr().err


def test_champion_is_none_before_the_first_promotion(here: Settings, registry: Registry) -> None:
    assert champion_if_any(here) is None
    with pytest.raises(NoChampionError):
        load_champion(registry)


def test_records_trigger_a_retraining_by_age_or_quality(
    here: Settings, filled: Filled, send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger, message = detect_trigger(here, binary, store, days=90)
    assert (trigger, "the records show no drift" in message) == ("", True)
    assert detect_trigger(here, binary, store, days=0)[0] == "age"
    send(parcels(400, seed=4), hours=24 * 9, prefix="old")
    send(parcels(400, seed=6), hours=24 * 2)
    became(store, {f"old{place}": 0.0 for place in range(100)}, now() - 8 * DAY, monkeypatch)
    became(store, {f"c{place}": place % 2 for place in range(300)}, now() - DAY, monkeypatch)
    trigger, message = detect_trigger(here, binary, store, days=90)
    assert (trigger, "mean squared error of 300 real cases" in message) == ("quality", True)


def test_waiting_challenger_of_the_same_trigger_prevents_another_training(
    here: Settings, filled: Filled, send: Send, store: Store, registry: Registry, trained: Trained
) -> None:
    send(heavier(parcels(2_000, seed=4)), hours=23)
    assert detect_trigger(here, binary, store, days=90)[0] == "drift"
    other = replace(
        binary,
        build_model=lambda fields: HistGradientBoostingClassifier(max_iter=25, random_state=0),
    )
    challenger = train_with_governance(other, here, silent).version
    assert registry.get_by_alias(CHALLENGER) == challenger
    registry.tag(challenger.number, "retrain.because", "drift")
    trigger, message = detect_trigger(here, binary, store, days=90)
    assert (trigger, f"version {challenger.number} was already trained for it" in message) == (
        "",
        True,
    )


def test_unreadable_records_raise_instead_of_no_trigger(
    here: Settings, filled: Filled, champion: ChampionInfo, tmp_path: Path
) -> None:
    with pytest.raises(StoreUnavailableError):
        detect_trigger(here, binary, Store(f"sqlite:///{tmp_path / 'nothing.db'}"), days=90)
