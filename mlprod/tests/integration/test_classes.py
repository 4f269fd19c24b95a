"""A label with four classes, from rows to a rollback."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Client, eventually, serve, silent
from seams import TICKET, TICKETS, given, multiclass, small_classifier, terms_of, tickets
from team_model import TeamModel

from mlprod.batch.job import score
from mlprod.batch.selection import ScoringFunctions, ScoringInput
from mlprod.bundle.manifest import FORMAT
from mlprod.contract.schema import ContractError
from mlprod.contract.validation import ContractViolationError
from mlprod.governance.config import read_governance
from mlprod.governance.gates import Gate, GateError
from mlprod.monitoring.alerts import drift_alerts, quality_alerts
from mlprod.monitoring.champion import feature_counts, load_champion
from mlprod.monitoring.drift import compare_distributions
from mlprod.monitoring.live_checks import collect_evidence
from mlprod.monitoring.quality import count_scored, outcome_stats
from mlprod.project.project import Seam
from mlprod.records.database import now
from mlprod.records.outcome_stats import merge
from mlprod.records.store import Store
from mlprod.settings import Settings
from mlprod.training.dataset import load_rows
from mlprod.training.governed_training import train_with_governance
from mlprod.training.outcome_labels import read_outcome_labels
from mlprod.training.promotion import promote, rollback
from mlprod.training.registry import CHAMPION, Registry
from mlprod.training.report import write_report
from mlprod.training.retrain import retrain
from mlprod.training.split import SplitError
from mlprod.training.staleness import NoTimeColumnError, staleness
from mlprod.training.sync import sync
from mlprod.training.train import train
from mlprod.training.tune import tune

TEAMS = ("billing", "delivery", "returns", "other")
NOON = "2026-01-31T12:00:00Z"
ANY_DAY = timedelta(days=400)


@dataclass(frozen=True)
class Live:
    """A service with the model as champion and the baseline as the version before."""

    client: Client
    settings: Settings
    registry: Registry
    store: Store


@pytest.fixture(scope="module")
def live(new_settings: Callable[[], Settings]) -> Iterator[Live]:
    settings = new_settings()
    registry, store = Registry(settings), Store(settings.records_url)
    train_with_governance(multiclass, settings, silent, kind="baseline")
    promote(registry, "you", "today's rule")
    train_with_governance(multiclass, settings, silent)
    promote(registry, "you", "it passed the gates")
    sync(registry, settings.models)
    with serve(multiclass, settings) as client:
        yield Live(client, settings, registry, store)
    store.engine.dispose()


@pytest.fixture
def service(live: Live) -> Client:
    return live.client


def predicted(client: Client, *rows: dict[str, Any]) -> list[Any]:
    response = client.post("/v1/predict", json={"rows": rows})
    assert response.status_code == 200, response.text
    result: list[Any] = response.json()["predictions"]
    return result


def send_outcomes(client: Client, *pairs: tuple[str, Any]) -> Any:
    sent = [{"prediction_id": id, "outcome": value, "at": NOON} for id, value in pairs]
    return client.post("/v1/outcomes", json={"outcomes": sent})


def scored_rows(table: pa.Table) -> ScoringInput:
    return ScoringInput(ibis.memtable(table), "june", "june")


def domain_of(seam: Seam) -> ScoringFunctions:
    return ScoringFunctions(seam.terms, seam.load, seam.baseline, seam.decide)


def test_an_answer_has_the_probability_of_each_class(service: Client) -> None:
    assert service.get("/v1/model").json()["classes"] == list(TEAMS)
    sure, unsure = predicted(service, TICKET, {"amount": 700.0, "channel": "chat"})
    assert sure["decision"] == "billing"
    assert sure["score"] == sure["scores"]["billing"] > 0.8
    assert tuple(sure["scores"]) == TEAMS
    assert sum(sure["scores"].values()) == pytest.approx(1, abs=1e-6)
    if unsure["decision"] == "person":
        assert unsure["score"] == max(unsure["scores"].values())
    schema = service.get("/openapi.json").json()["components"]["schemas"]
    assert "scores" in schema["ClassPrediction"]["properties"]
    assert "class" in schema["ClassExplanation"]["properties"]


def test_an_explanation_names_the_class_that_it_explains(service: Client) -> None:
    (explained,) = service.post("/v1/explain", json={"rows": [TICKET]}).json()["explanations"]
    assert explained["class"] == "billing"
    assert explained["score"] == predicted(service, TICKET)[0]["scores"]["billing"]
    assert explained["fields"][0]["field"] == "amount"
    assert explained["fields"][0]["effect"] > 0.3


def test_an_outcome_that_is_no_class_is_refused_with_the_classes(service: Client) -> None:
    response = send_outcomes(service, ("a", "billing"), ("b", "Billing"), ("c", 1))
    assert response.status_code == 422
    first, second = response.json()["errors"]
    assert first["row"] == 1
    assert "billing, delivery, returns, other" in first["rule"]
    assert "other case than 'billing'" in first["rule"]
    assert first["example"] == "billing"
    assert second["given"] == 1
    assert send_outcomes(service, ("a", "billing")).json()["accepted"] == 1
    assert send_outcomes(service, ("a", "billing")).json()["repeated"] == 1
    conflict = send_outcomes(service, ("a", "other"))
    assert conflict.status_code == 409
    assert "billing is stored for 'a'" in conflict.text


def test_records_give_quality_drift_and_metrics(live: Live) -> None:
    service, registry, store = live.client, live.registry, live.store
    table = tickets(400, seed=9).drop_columns(["ticket"]).to_pylist()
    labels = [row.pop("team") for row in table]
    rows = [
        {name: value for name, value in row.items() if value is not None} | {"id": f"c{place}"}
        for place, row in enumerate(table)
    ]
    champion, since = load_champion(registry), now()
    answers = predicted(service, *rows)
    service.operations.get("/metrics")
    pairs = [(item["id"], label) for item, label in zip(answers, labels, strict=True)]
    assert send_outcomes(service, *pairs).json()["accepted"] == 400
    window = {"since": since, "until": now() + ANY_DAY}
    eventually(lambda: count_scored(store, **window) == (400, 400))

    top = [max(item["scores"], key=item["scores"].get) for item in answers]
    stats = merge(
        outcome_stats(
            store, multiclass.payoff, binary=False, classes=multiclass.terms.classes, **window
        )
    )
    assert stats.cases == stats.paid == 400
    assert stats.class_quality
    assert stats.class_quality[0] == pytest.approx(np.mean(np.array(top) == np.array(labels)))
    own = [item["scores"][label] for item, label in zip(answers, labels, strict=True)]
    assert stats.class_quality[1] == pytest.approx(-np.mean(np.log(own)))
    test_error = champion.squared_error
    assert test_error
    assert stats.mean_squared_error == pytest.approx(test_error.value, abs=0.03)
    assert not list(quality_alerts(stats, 1, "multiclass", test_error))

    org = read_governance(live.settings.governance_dir)
    (live_quality,) = [
        item.value
        for item in collect_evidence(org, multiclass, store, champion, {}, now())
        if item.check == "live-quality-watched"
    ]
    assert f"accuracy {stats.class_quality[0]:.3f}, log loss" in str(live_quality)
    assert str(live_quality).endswith("on the test rows")

    counts = feature_counts(multiclass, store, champion, **window)
    drifts = {item.name: item for item in compare_distributions(champion.reference, counts)}
    assert drifts["(class)"].verdict == "steady"
    assert drifts["(class)"].shares[0] == pytest.approx(top.count("billing") / 400)
    assert drifts["(class)"].shares[-1] == 0

    eventually(lambda: 'outcome="returns"' in service.operations.get("/metrics").text)
    text = service.operations.get("/metrics").text
    assert 'ml_feature_bucket_total{field="(class)",le="0 billing"' in text
    assert 'ml_slice_outcomes_total{arm="champion",decision="billing"' in text
    assert 'outcome="correct"' in text
    eventually(lambda: counted_correct(service) == stats.correct)


def counted_correct(service: Client) -> float:
    """Return the number of correct outcomes, by the metrics."""
    lines = service.operations.get("/metrics").text.splitlines()
    correct = [line for line in lines if line.startswith("ml_outcome_correct_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in correct)


def test_a_shift_of_the_classes_is_prediction_drift(live: Live) -> None:
    store, champion, since = live.store, load_champion(live.registry), now()
    rows = ({"amount": 990.0, "channel": "mail", "id": f"s{n}"} for n in range(200))
    predicted(live.client, *rows)
    window = (since, now() + ANY_DAY)
    eventually(lambda: count_scored(store, *window)[0] == 200)
    drifts = compare_distributions(
        champion.reference, feature_counts(multiclass, store, champion, *window)
    )
    assert ("PredictionDrift", "(class)") in {
        (alert.alert, alert.subject) for alert in drift_alerts(drifts)
    }


def test_a_table_is_scored_with_a_column_for_each_class(live: Live, tmp_path: Path) -> None:
    service, settings, store = live.client, live.settings, live.store
    table, path = tickets(50, seed=8), tmp_path / "june.parquet"
    for records in (store, None):
        score(domain_of(multiclass), settings, scored_rows(table), str(path), records, "you")
        rows = pq.read_table(path).to_pylist()
        shares = [[row[f"score_{team}"] for team in TEAMS] for row in rows]
        assert np.allclose(np.sum(shares, axis=1), 1)
        assert all(row["score"] in share for row, share in zip(rows, shares, strict=True))
        path.unlink()
    # A second run answers as recorded.
    score(domain_of(multiclass), settings, scored_rows(table), str(path), store, "you")
    again = pq.read_table(path).to_pylist()
    assert [[row[f"score_{team}"] for team in TEAMS] for row in again] == shares
    (answer,) = predicted(
        service, {k: v for k, v in table.to_pylist()[0].items() if k in TICKET and v is not None}
    )
    assert answer["scores"]["billing"] == pytest.approx(shares[0][0], abs=1e-6)


def test_report_and_card_show_the_classes(live: Live, tmp_path: Path) -> None:
    version = live.registry.get_by_alias(CHAMPION)
    assert version
    card = write_report(live.registry, version, tmp_path / "report")
    text = card.read_text()
    assert "Classes: billing, delivery, returns, other" in text
    assert "| billing | 0." in text
    assert f"]({version.digest[:12]}/confusion.svg)" in text
    svg = (card.parent / version.digest[:12] / "confusion.svg").read_text()
    assert "delivery" in svg
    assert "Which classes are confused?" in svg


def test_a_bundle_with_classes_has_a_format_that_older_services_refuse(live: Live) -> None:
    manifest = load_champion(live.registry).manifest
    assert (manifest.format, manifest.classes) == (FORMAT, TEAMS)


def test_a_champion_with_other_classes_is_not_compared(live: Live) -> None:
    changed = pa.Table.from_pylist(
        [
            row | {"team": "logistics" if row["team"] == "delivery" else row["team"]}
            for row in tickets().to_pylist()
        ]
    )
    classes = ("billing", "logistics", "returns", "other")
    other = replace(
        multiclass, terms=replace(TICKETS, classes=classes), load=given(changed), digest="changed"
    )
    result = train_with_governance(other, live.settings, silent)
    (verdict,) = [item for item in result.verdicts if item.gate.compare == "champion"]
    assert verdict.passed is None
    assert "does not fit today's CLASSES; it has billing, delivery" in verdict.says


def test_outcomes_become_labels_of_a_retraining(live: Live) -> None:
    store = live.store
    table = tickets(1_000, seed=21)
    teams = table["team"].to_pylist()
    unlabeled = table.set_column(
        table.column_names.index("team"), "team", pa.array([None] * 100 + teams[100:])
    )
    for place in range(100):
        store.add_outcomes(
            [
                {
                    "prediction_id": f"t{place:05d}",
                    "outcome": 0.0,
                    "outcome_class": teams[place] if place else "a team of the past",
                    "at": now(),
                    "correction": False,
                }
            ]
        )
    known = set(read_outcome_labels(store, TEAMS)["prediction_id"].to_pylist())
    assert ("t00000" in known, "t00001" in known) == (False, True)
    lines: list[str] = []
    seam = replace(multiclass, load=given(unlabeled), digest="with outcomes")
    retrain(seam, live.settings, store, lines.append, trigger="person", who="you", why="to see")
    assert any("99 fill missing labels" in line for line in lines)
    assert any("1,000 rows conform to it, 999 have a label" in line for line in lines)


def test_a_rollback_answers_with_the_baseline(live: Live) -> None:
    rollback(live.registry, "you", "to see that it works")
    sync(live.registry, live.settings.models)
    eventually(lambda: live.client.get("/v1/model").json()["kind"] == "baseline")
    assert predicted(live.client, TICKET)[0]["scores"]["other"] == 0.4


# Integers as classes


STARS = terms_of(TICKETS.row, ID="ticket", LABEL="stars", CLASSES=(1, 2, 5))


def stars(kind: pa.DataType) -> Seam:
    table = tickets()
    values = [(5, 2, 1, 1)[TEAMS.index(team)] for team in table["team"].to_pylist()]
    return replace(
        multiclass,
        terms=STARS,
        load=given(table.append_column("stars", pa.array(values, kind))),
        baseline=lambda columns: np.full((len(columns["amount"]), 3), 1 / 3),
        decide=lambda scores, threshold: max(scores, key=scores.__getitem__),
        payoff=lambda decision, outcome, row: -float(abs(decision - outcome)),
    )


@pytest.mark.parametrize("kind", [pa.int8(), pa.float64()])
def test_integers_can_be_labels(kind: pa.DataType) -> None:
    _, rows = load_rows(stars(kind))
    assert set(rows.y.tolist()) == {0.0, 1.0, 2.0}


def test_integers_can_be_classes(settings: Settings, registry: Registry) -> None:
    seam, store = stars(pa.int64()), Store(settings.records_url)
    train_with_governance(seam, settings, silent)
    promote(registry, "you", "it passed the gates")
    sync(registry, settings.models)
    with serve(seam, settings) as client:
        (answer,) = predicted(client, TICKET | {"id": "one"})
        assert answer["decision"] == 5
        assert answer["score"] == answer["scores"]["5"]
        assert send_outcomes(client, ("one", 5), ("two", "2")).json()["accepted"] == 2
        refused = send_outcomes(client, ("three", 3))
        assert "one of the classes of the model: 1, 2, 5" in refused.json()["errors"][0]["rule"]
        eventually(lambda: 'outcome="5"' in client.operations.get("/metrics").text)
    window = {"since": now() - ANY_DAY, "until": now() + ANY_DAY}
    stats = merge(outcome_stats(store, seam.payoff, binary=False, classes=(1, 2, 5), **window))
    assert (stats.paid, stats.net, stats.correct) == (1, 0.0, 1)
    assert sorted(read_outcome_labels(store, (1, 2, 5))["outcome"].to_pylist()) == [2.0, 5.0]


# Errors with what works


def test_a_label_that_is_no_class_is_counted_and_named(settings: Settings) -> None:
    terms = terms_of(TICKETS.row, ID="ticket", LABEL="team", CLASSES=TEAMS[:3])
    with pytest.raises(ContractViolationError) as raised:
        train(replace(multiclass, terms=terms), settings, silent)
    others = tickets()["team"].to_pylist().count("other")
    assert (
        f"team: not one of CLASSES, billing, delivery, returns (add it to CLASSES in contract.py, "
        f"or change it in load()): {others:,} rows, for example 'other' in row"
    ) in str(raised.value)


def test_a_class_without_a_row_is_named_with_the_counts(settings: Settings) -> None:
    terms = terms_of(TICKETS.row, ID="ticket", LABEL="team", CLASSES=(*TEAMS, "press"))
    with pytest.raises(SplitError, match=r"train has no row of the class 'press'.*press 0.*Load"):
        train(replace(multiclass, terms=terms), settings, silent)


def test_a_label_of_another_type_is_named(settings: Settings) -> None:
    terms = terms_of(TICKETS.row, ID="ticket", LABEL="team", CLASSES=(1, 2, 3))
    with pytest.raises(ContractViolationError, match="type string does not hold an integer"):
        train(replace(multiclass, terms=terms), settings, silent)


def test_a_baseline_without_probabilities_is_refused(settings: Settings) -> None:
    for baseline, message in (
        (lambda columns: np.zeros(len(columns["amount"])), r"1000 rows and 4 classes; what works"),
        (lambda columns: np.ones((len(columns["amount"]), 4)), r"add up to 1, for example scores"),
    ):
        with pytest.raises(Exception, match=message):
            train(replace(multiclass, baseline=baseline), settings, silent)


def test_a_regressor_for_classes_is_refused() -> None:
    from sklearn.linear_model import Ridge

    with pytest.raises(ContractError, match=r"contract.py has CLASSES, and Ridge of model.py does"):
        replace(multiclass, build_model=lambda fields: Ridge()).task()


def test_an_object_of_the_project_predicts_classes(settings: Settings, registry: Registry) -> None:
    seam = replace(multiclass, runtime="python", build_model=lambda fields: TeamModel())
    assert seam.task() == "multiclass"
    train(seam, settings, silent)
    assert registry.versions()[-1].tags["task"] == "multiclass"
    with pytest.raises(ContractError, match="does binary; works: a classifier"):
        replace(seam, build_model=lambda fields: TeamModel("binary")).task()
    with pytest.raises(ContractError, match=r"contract.py has no CLASSES; works: CLASSES = "):
        replace(seam, terms=replace(TICKETS, classes=())).task()


def test_gates_may_name_a_class(settings: Settings) -> None:
    gate = Gate(
        id="finds-deliveries",
        metric="recall",
        slice="team=delivery",
        op=">=",
        threshold=0.999,
        why="a late parcel calls for an answer",
    )
    with pytest.raises(GateError, match="recall in team=delivery = 0"):
        train(multiclass, settings, silent, gates=[gate])


def test_tuning_and_staleness_work_with_classes(settings: Settings) -> None:
    _, rows = load_rows(multiclass)
    seam = replace(
        multiclass,
        build_model=lambda fields, iterations=20: small_classifier(fields).set_params(
            max_iter=iterations
        ),
        search_space={"iterations": [1, 20]},
    )
    worse, same = tune(seam, rows)
    assert worse.gain.high < 0 == same.gain.value
    with pytest.raises(NoTimeColumnError, match="names no EVENT_TIME"):
        staleness(multiclass, rows)
    timed = replace(rows, at=np.datetime64("2026-01-01", "us") + np.arange(len(rows)))
    assert [item.days > 0 for item in staleness(multiclass, timed)] == [False, True, True]
