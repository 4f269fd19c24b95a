from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Trained, release, silent
from filled import Filled, filled
from fixture_project import main
from past import became, judged, scored
from seams import binary, parcels
from sklearn.ensemble import HistGradientBoostingClassifier

from mlprod.bundle.loader import open_bundle
from mlprod.governance.alert_thresholds import due
from mlprod.governance.evidence import Evidence
from mlprod.monitoring import live_checks, notifier
from mlprod.monitoring.champion import Answering, NothingToWatch, answering, champion_if_any
from mlprod.monitoring.live_checks import seen, wrong
from mlprod.project import Project
from mlprod.records.database import now
from mlprod.records.errors import StoreAway
from mlprod.records.store import Store
from mlprod.settings import Settings
from mlprod.training.evidence_store import read
from mlprod.training.governed_training import train_with_governance
from mlprod.training.promotion import promote
from mlprod.training.registry import CHALLENGER, Registry
from mlprod.training.retrain_trigger import reason

__all__ = ["filled"]
DAY = timedelta(days=1)
Send = Callable[..., None]


@pytest.fixture
def here(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project whose domain is that of the parcels, with records in which nothing happened yet."""
    monkeypatch.setattr(Project, "seam", lambda _: binary)
    monkeypatch.setenv("ML_STATE", str(settings.state))
    monkeypatch.setenv("ML_GOVERNANCE", str(settings.governance))
    monkeypatch.setenv("ML_MODEL_NAME", settings.model_name)
    monkeypatch.setenv("ML_DATABASE_URL", settings.database_url)
    (settings.state / "watch.json").unlink(missing_ok=True)
    return settings


@pytest.fixture
def champion(here: Settings, trained: Trained, registry: Registry) -> Answering:
    release(registry, trained.bundle)
    return answering(registry)


@pytest.fixture
def store(here: Settings) -> Store:
    return Store(here.records_url)


@pytest.fixture
def send(store: Store, champion: Answering, trained: Trained) -> Send:
    """Rows that the champion scored so long ago; ids and decisions are made up."""
    bundle = open_bundle(trained.bundle, binary.terms.fields, binary.baseline)

    def ship(table: pa.Table, hours: float = 1, prefix: str = "c", **said: Any) -> None:
        rows = table.to_pylist()
        for place, (row, score) in enumerate(zip(rows, bundle.score_rows(rows)[1].tolist(), strict=True)):
            row |= {"id": f"{prefix}{place}", "score": score, "decision": "call" if place % 2 else "leave"}
        facts = {"bundle": champion.bundle, "model_version": champion.version}
        scored(store, rows, now() - timedelta(hours=hours), **facts | said)

    return ship


def heavier(table: pa.Table) -> pa.Table:
    weights = pa.array([0.7 * weight for weight in table["weight"].to_pylist()])
    return table.set_column(table.column_names.index("weight"), "weight", weights)


def kept(settings: Settings, check: str) -> list[Evidence]:
    return [record for record in read(Registry(settings)) if record.check == check]


# make drift


def test_what_is_as_learnt_ends_well_and_is_kept_as_evidence(
    here: Settings, send: Send, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(kept(here, "drift-watched"))
    send(parcels(2_000, seed=4))
    assert main(["drift"]) == 0
    said = capsys.readouterr().out
    assert "weight    as learnt" in said
    assert "distance  not recorded" in said
    assert "They span 1.0 hours: a part of a day is no day" in said
    assert "2,000 rows" in (here.state / "drift" / "report.html").read_text()
    assert len(kept(here, "drift-watched")) == before + 1
    assert kept(here, "inputs-watched")[0].passed


def test_a_shifted_field_is_named_and_ends_with_one(
    here: Settings, send: Send, capsys: pytest.CaptureFixture[str]
) -> None:
    send(heavier(parcels(2_000, seed=4)))
    assert main(["drift"]) == 1
    assert "weight    drifts" in capsys.readouterr().out
    assert "<h2>weight: drifts</h2>" in (here.state / "drift" / "report.html").read_text()


def test_a_field_that_is_no_longer_sent_ends_with_one_though_nothing_of_it_can_drift(
    here: Settings, send: Send, capsys: pytest.CaptureFixture[str]
) -> None:
    table = parcels(2_000, seed=4)
    place = table.column_names.index("stops")
    send(table.set_column(place, "stops", pa.nulls(2_000, pa.int64())))
    assert main(["drift"]) == 1
    assert "MissingValues: stops is missing in 100.0% of the rows; it was in 0.0%" in capsys.readouterr().out
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
    here: Settings, champion: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(kept(here, "drift-watched"))
    pq.write_table(heavier(parcels(2_000, seed=4)), tmp_path / "june.parquet")
    assert main(["drift", "--since", "2026-01-01"]) == 0
    assert "distance  as learnt" in capsys.readouterr().out, "a table holds what the records do not"
    assert main(["drift", "--table", str(tmp_path / "june.parquet")]) == 1
    assert "the rows of " in capsys.readouterr().out
    assert len(kept(here, "drift-watched")) == before, "what nobody was answered shows nothing of the service"


def test_where_nothing_can_be_said_it_ends_with_two(
    here: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drift"]) == 2
    assert "NothingToWatch: nothing was promoted yet; make train" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--table", "june.parquet", "--since", "2026-06-01"], "--table is all of a file"),
        (["--table", "nowhere.csv"], "nowhere.csv: no such file"),
        (
            ["--table", "short.csv"],
            "no column 'stops', 'courier', 'city', 'express', 'distance', which the model needs",
        ),
    ],
)
def test_a_table_that_cannot_be_compared_ends_with_two(
    asked: list[str], says: str, champion: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("short.csv").write_text("weight\n1\n")
    assert main(["drift", *asked]) == 2
    assert says in capsys.readouterr().err


def test_without_a_champion_there_is_none(here: Settings, registry: Registry) -> None:
    assert champion_if_any(here) is None
    with pytest.raises(NothingToWatch):
        answering(registry)


# make watch


def test_what_is_wrong_is_told_until_it_has_ended(
    here: Settings, filled: Filled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Mapping[str, Any]] = []
    monkeypatch.setattr(
        notifier, "post", lambda url, message, token: told.append({"url": url, "token": token, **message})
    )
    monkeypatch.setattr(live_checks, "due", lambda org: [("a key", datetime(2020, 1, 1).date())])
    monkeypatch.setenv("ML_GOVERNANCE", str(filled.folder))
    monkeypatch.setenv("ML_WEBHOOK_TOKEN", "of the safe")
    filled.change("ownership.yaml", "skills:\n", "alerting: {webhook: 'https://hooks.example.org/x'}\nskills:\n")
    assert main(["watch"]) == 1
    assert "GovernanceOverdue: a key was due on 2020-01-01 (business_value: Ada Invented" in capsys.readouterr().out
    assert main(["watch", "--url", "http://elsewhere"]) == 1
    monkeypatch.setattr(live_checks, "due", lambda org: [])
    assert main(["watch"]) == 0
    assert main(["watch"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["ended: GovernanceOverdue: a key", "nothing is wrong"]
    assert [(one["url"], len(one["wrong"]), len(one["ended"])) for one in told] == [
        ("https://hooks.example.org/x", 1, 0), ("http://elsewhere", 1, 0), ("https://hooks.example.org/x", 0, 1),
    ]  # fmt: skip
    assert {one["token"] for one in told} == {"of the safe"}


def test_an_address_that_takes_nothing_ends_with_two_and_is_asked_again(
    here: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live_checks, "due", lambda org: [("a key", datetime(2020, 1, 1).date())])
    assert main(["watch", "--url", "http://127.0.0.1:9/x"]) == 2
    assert "NotTaken: 127.0.0.1 did not take the message" in capsys.readouterr().err
    monkeypatch.setattr(live_checks, "due", lambda org: [])
    assert main(["watch", "--url", "http://127.0.0.1:9/x"]) == 2
    monkeypatch.setattr(notifier, "post", lambda *_: None)
    assert main(["watch", "--url", "http://127.0.0.1:9/x"]) == 0
    assert "ended: GovernanceOverdue: a key" in capsys.readouterr().out


def alerts(filled: Filled, store: Store, champion: Answering | None) -> list[str]:
    found = wrong(filled.org, binary, store, champion, now())
    return sorted(signal.id for signal in found if signal.alert != "GovernanceOverdue")


def test_drift_is_told_once_a_whole_day_was_seen(filled: Filled, send: Send, store: Store, champion: Answering) -> None:
    send(heavier(parcels(1_500, seed=4)), hours=20)
    assert not [id for id in alerts(filled, store, champion) if "Drifts" in id]
    send(heavier(parcels(1_500, seed=5)), hours=23, prefix="earlier")
    assert "FieldDrifts: weight" in alerts(filled, store, champion)


def test_outcomes_people_errors_and_age_are_looked_at(
    filled: Filled, send: Send, store: Store, champion: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alerts(filled, store, champion) == []
    send(parcels(400, seed=4), hours=24 * 9, prefix="old")
    send(parcels(400, seed=6), hours=24 * 2)
    became(store, {f"old{place}": 0.0 for place in range(100)}, now() - 8 * DAY, monkeypatch)
    assert alerts(filled, store, champion) == ["OutcomesStopped"]
    became(store, {f"c{place}": place % 2 for place in range(300)}, now() - DAY, monkeypatch)
    became(store, {f"around{place}": 1.0 for place in range(60)}, now() - 2 * DAY, monkeypatch)
    judged(store, {f"c{place}": "overridden" for place in range(40)}, now() - DAY, monkeypatch)
    old = replace(champion, made=now() - 91 * DAY)
    found = alerts(filled, store, old)
    assert found == ["BypassHigh", "ModelStale", "OverrideRateHigh", "QualityBelowTest", "ValueBelowTarget"]
    assert alerts(filled, store, None) == ["ValueBelowTarget"], "whatever answers"
    assert filled.org.watch.model_days == 90


def test_what_the_records_show_asks_for_a_retraining(
    here: Settings, filled: Filled, send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    because, said = reason(here, binary, store, days=90)
    assert (because, "neither drift nor more errors" in said) == ("", True)
    assert reason(here, binary, store, days=0)[0] == "age"
    send(parcels(400, seed=4), hours=24 * 9, prefix="old")
    send(parcels(400, seed=6), hours=24 * 2)
    became(store, {f"old{place}": 0.0 for place in range(100)}, now() - 8 * DAY, monkeypatch)
    became(store, {f"c{place}": place % 2 for place in range(300)}, now() - DAY, monkeypatch)
    because, said = reason(here, binary, store, days=90)
    assert (because, "mean squared error of 300 real cases" in said) == ("quality", True)


def test_what_was_made_for_drift_and_waits_is_not_made_again(
    here: Settings, filled: Filled, send: Send, store: Store, registry: Registry, trained: Trained
) -> None:
    send(heavier(parcels(2_000, seed=4)), hours=23)
    assert reason(here, binary, store, days=90)[0] == "drift"
    other = replace(binary, build_model=lambda fields: HistGradientBoostingClassifier(max_iter=25, random_state=0))
    challenger = train_with_governance(other, here, silent).version
    assert registry.behind(CHALLENGER) == challenger
    registry.tag(challenger.number, "retrain.because", "drift")
    because, said = reason(here, binary, store, days=90)
    assert (because, f"version {challenger.number} was made for it and waits" in said) == ("", True)


def test_records_that_cannot_be_looked_at_are_no_reason_to_go_on(
    here: Settings, filled: Filled, champion: Answering, tmp_path: Path
) -> None:
    with pytest.raises(StoreAway):
        reason(here, binary, Store(f"sqlite:///{tmp_path / 'nothing.db'}"), days=90)


def test_a_database_that_is_away_is_itself_wrong(filled: Filled, champion: Answering, tmp_path: Path) -> None:
    assert alerts(filled, Store(f"sqlite:///{tmp_path / 'nothing.db'}"), champion) == ["DatabaseAway"]


def test_each_day_that_somebody_named_is_due(filled: Filled) -> None:
    found = {what: str(day) for what, day in due(filled.org)}
    assert found["governance/problem.yaml: value.by"] == "2026-12-31"
    assert found["governance/problem.yaml: kill_criteria[0].by"] == "2026-09-30"
    assert found["governance/risk.yaml: risks[0].review_by (unfair)"] == "2026-08-01"
    assert found["governance/ownership.yaml: accepted: serving: review_by"] == "2026-07-31"
    assert len(found) == 3 + 7


# make upstream


@pytest.fixture
def made(here: Settings) -> Settings:
    """A champion that was made of the parcels, through the pipeline."""
    promote(Registry(here), "you", "a test", train_with_governance(binary, here, silent).version.number)
    return here


def later(**columns: pa.Array) -> Callable[..., Any]:
    """load(), as the parcels are today: columns in other types, or with other values in the later half of the rows."""
    table = parcels()
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    rows = ibis.memtable(table)
    return lambda since=None, until=None: rows.filter(rows["at"] >= ibis.literal(since)) if since else rows


def test_data_that_comes_as_before_is_said_with_its_newer_rows(
    made: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Project, "seam", lambda _: replace(binary, load=later()))
    assert main(["upstream"]) == 0
    assert "the columns are those of version 1, 61 newer rows hold" in capsys.readouterr().out
    assert kept(made, "dependencies-watched")[0].passed


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"weight": parcels()["weight"].cast("string")}, "weight was float64, and is string"),
        ({"at": parcels()["at"].cast(pa.timestamp("us", "UTC"))}, "at was timestamp(6), and is timestamp('UTC', 6)"),
        ({"stops": pa.nulls(3_000, pa.int64())}, "stops is missing in 100.0% of the rows; it was in 0.0%"),
        ({"city": pa.array(["rome"] * 3_000)}, "100.0% of city are words that the model does not know"),
    ],
)
def test_what_the_contract_would_let_pass_is_noticed(
    columns: dict[str, Any], said: str, made: Settings, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(Project, "seam", lambda _: replace(binary, load=later(**columns)))
    assert main(["upstream"]) == 1
    assert said in capsys.readouterr().out
    assert not kept(made, "dependencies-watched")[0].passed


def test_a_champion_of_before_this_look_is_told(champion: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upstream"]) == 2
    assert "NotKnown: what it was made of was not written down then" in capsys.readouterr().err


# make observe


def shown(filled: Filled, store: Store, champion: Answering | None) -> dict[str, tuple[bool, Any]]:
    return {r.check: (r.passed, r.value) for r in seen(filled.org, binary, store, champion, {}, now())}


def test_of_no_cases_only_the_age_is_said(filled: Filled, store: Store, champion: Answering) -> None:
    assert shown(filled, store, None) == {}
    assert shown(filled, store, champion) == {"model-fresh": (True, "0 days old, 90 are allowed")}
    assert shown(filled, store, replace(champion, made=None)) == {}
    assert not shown(filled, store, replace(champion, made=now() - 91 * DAY))["model-fresh"][0]


def test_money_quality_and_use_become_evidence(
    filled: Filled, send: Send, store: Store, champion: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(parcels(300, seed=4), hours=48)
    send(parcels(20, seed=4), hours=48, prefix="shadowed", mode="shadow")
    became(store, {f"c{place}": 0.0 for place in range(300)}, now() - DAY, monkeypatch)
    became(store, {f"shadowed{place}": 0.0 for place in range(20)}, now() - DAY, monkeypatch)
    for person in range(9):
        judged(store, {f"c{person}": "accepted"}, now() - DAY, monkeypatch, who=f"p{person}")
    found = shown(filled, store, champion)
    assert found["value-metric"] == (True, "-150.00 over 300 cases; -10.00 over 20 in shadow, not earned")
    if now().day not in (1, 2):  # a pseudonym lasts a calendar month
        assert found["adoption-at-target"] == (False, "75% of 12 used it in seven days")
    assert "over 320 real cases" in str(found["live-quality-watched"][1])
    agrees, said = found["offline-and-online-agree"]
    figure = champion.manifest.metrics["value"]
    assert f"-0.5 a case over 320 real ones, give or take 0.055; {figure.value:.4g}" in str(said)
    assert agrees == (figure.low - 0.0549 <= -0.5 <= figure.high + 0.0549)


@pytest.mark.parametrize(("cases", "judged"), [(199, False), (200, True)])
def test_of_too_few_cases_nothing_is_said_of_quality(
    cases: int, judged: bool, filled: Filled, send: Send, store: Store, champion: Answering,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    send(parcels(cases, seed=4), hours=48)
    became(store, {f"c{place}": 0.0 for place in range(cases)}, now() - DAY, monkeypatch)
    found = shown(filled, store, champion)
    assert ("live-quality-watched" in found) is judged
    assert not found.get("live-quality-watched", (False,))[0], "half of them were late by the model"


def test_a_payoff_that_fails_is_no_value(
    filled: Filled, send: Send, store: Store, champion: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(parcels(2, seed=4), hours=48)
    became(store, {"c0": 0.0, "c1": 1.0}, now() - DAY, monkeypatch)
    broken = replace(binary, payoff=lambda decision, outcome, row: row["distance"])
    (found,) = (r for r in seen(filled.org, broken, store, None, {}, now()) if r.check == "value-metric")
    assert (found.passed, found.value) == (False, "0.00 over 0 cases; payoff() failed for 2")


def test_observe_writes_what_the_records_show(
    here: Settings, send: Send, store: Store, filled: Filled, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("ML_GOVERNANCE", str(filled.folder))
    send(parcels(40, seed=4), hours=48)
    became(store, {f"c{place}": 0.0 for place in range(40)}, now() - DAY, monkeypatch)
    assert main(["observe"]) == 0
    said = capsys.readouterr().out
    assert "passed value-metric: -20.00 over 40 cases" in said
    assert "passed model-fresh" in said
    assert kept(here, "value-metric")[0].value == "-20.00 over 40 cases"
