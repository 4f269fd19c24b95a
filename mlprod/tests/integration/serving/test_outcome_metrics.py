"""Outcomes reach Prometheus exactly once, and equal plain arithmetic over the records."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from conftest import Client, eventually
from hypothesis import given
from hypothesis import strategies as st
from seams import PARCEL, PARCELS, costs
from sqlalchemy import update

from mlprod.monitoring.quality import outcome_stats
from mlprod.records import waiting
from mlprod.records.database import now
from mlprod.records.outcome_stats import JOIN_WINDOW, merge
from mlprod.records.store import Store
from mlprod.records.tables import feedback
from mlprod.records.usage_stats import active_reviewers
from mlprod.serving.exploration import MAX_SHARE, Exploration, ExplorationError, read_exploration
from mlprod.serving.label_words import MAX_VALUES, LabelValues
from mlprod.serving.metrics import Metrics
from mlprod.serving.model_loader import ModelLoader
from mlprod.serving.outcome_metrics import OutcomeMetrics
from mlprod.settings import Settings

pytest_plugins = ["postgres"]
SALT = b"s" * 32
NOON = datetime(2026, 1, 31, 12)
ROW = {name: value for name, value in PARCEL.items() if name not in PARCELS.personal}


class Clock:
    """A clock that a test can move forward."""

    later = timedelta(0)

    def __call__(self) -> datetime:
        return now() + self.later


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(waiting, "now", made)
    return made


class Replica:
    """Counters of one service over a database that other services use too."""

    def __init__(self, url: str, payoff: Any = costs, task: str = "binary") -> None:
        answering = SimpleNamespace(
            version="7", bundle=SimpleNamespace(manifest=SimpleNamespace(task=task))
        )
        self.store, self.metrics = Store(url), Metrics(zero_seconds=0)
        self.results = OutcomeMetrics(
            PARCELS, payoff, cast(ModelLoader, SimpleNamespace(current=answering)), self.metrics
        )

    def count(self) -> None:
        self.results.count(self.store)
        for _ in range(2):  # Prometheus scrapes the zeros, and then the counts
            self.metrics.exposition()

    def get(self, name: str, **labels: str) -> float:
        """Return the sum over all series with these labels."""
        result = [
            sample.value
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(result) if result else math.nan


@pytest.fixture
def replica(records_url: str) -> Iterator[Callable[..., Replica]]:
    made: list[Replica] = []

    def make(**how: Any) -> Replica:
        made.append(Replica(records_url, **how))
        return made[-1]

    yield make
    for item in made:
        item.store.engine.dispose()


def ship(store: Store, *predictions: dict[str, Any], **more: Any) -> None:
    """Store predictions as a service does."""
    facts = {
        "at": "2026-01-31 12:00:00.000000",
        "bundle": "f" * 64,
        "model_version": "7",
        "arm": "champion",
    }
    stored = [
        {"score": 0.25, "decision": "call", "unit": None, "row": ROW} | item for item in predictions
    ]
    event = facts | {"mode": "assist"} | more | {"predictions": stored}
    store.insert_events([json.dumps(event).encode()])


def send_outcomes(
    store: Store,
    *outcomes: tuple[str, float],
    at: datetime = NOON + timedelta(days=2),
    again: bool = False,
) -> None:
    store.add_outcomes(
        [{"prediction_id": id, "outcome": y, "at": at, "correction": again} for id, y in outcomes]
    )


def send_feedback(
    store: Store, id: str, prediction: str, verdict: str = "accepted", **more: Any
) -> None:
    message = {"decision_taken": None, "reason": None, "pseudonym": "p", "handling_seconds": None}
    store.add_feedback(
        [{"id": id, "prediction_id": prediction, "verdict": verdict} | message | more]
    )


def test_outcomes_become_confusion_calibration_and_payoff(replica: Callable[..., Replica]) -> None:
    one = replica()
    scores = {"a": 0.25, "b": 0.9, "c": 0.0005, "d": 0.25}
    decided = {"a": "call", "b": "call", "c": "leave", "d": "leave"}
    truth = {"a": 1.0, "b": 0.0, "c": 1.0, "d": 0.0}
    ship(one.store, *({"id": id, "score": scores[id], "decision": decided[id]} for id in scores))
    send_outcomes(one.store, *truth.items())
    one.count()
    subject = {"model_version": "7", "arm": "champion"}
    for decision in ("call", "leave"):
        for y in (0, 1):
            expected = sum(decided[id] == decision and truth[id] == y for id in scores)
            result = one.get(
                "ml_outcomes_total", decision=decision, outcome=str(y), mode="assist", **subject
            )
            assert result == expected == 1
    squared = sum((scores[id] - truth[id]) ** 2 for id in scores)
    assert one.get("ml_outcome_squared_error_total", **subject) == pytest.approx(squared)
    assert one.get("ml_calibration_rows_total", le="0.3", **subject) == 2
    assert one.get("ml_calibration_scores_total", le="0.3", **subject) == pytest.approx(0.5)
    assert one.get("ml_calibration_outcomes_total", le="0.3", **subject) == 1
    assert one.get("ml_calibration_rows_total", le="0.001", **subject) == 1
    paid = [costs(decided[id], truth[id], ROW) for id in scores]
    net = one.get("ml_payoff_total", direction="gain", **subject) - one.get(
        "ml_payoff_total", direction="loss", **subject
    )
    assert net == pytest.approx(sum(paid)) == -7
    assert one.get("ml_slice_outcomes_total", slice="courier=bike") == 4
    assert one.get("ml_slice_outcomes_total", slice="express=true") == 4
    assert one.get("ml_cases_total", decided_by="model") == 4
    assert one.get("ml_outcome_delay_seconds_bucket", le="259200.0") == 4
    assert one.get("ml_outcome_delay_seconds_bucket", le="86400.0") == 0


def test_the_counters_equal_the_sums_of_monitoring(
    replica: Callable[..., Replica],
) -> None:
    one = replica(
        payoff=lambda decision, outcome, row: 1 / (row["weight"] - 30) if outcome else 2.5
    )
    scores = [0.0, 0.001, 0.0011, 0.3, 0.5, 0.75, 1.0]
    cases: list[dict[str, Any]] = [
        {"id": f"{mode}{place}", "score": score, "decision": "call" if score > 0.5 else "leave"}
        | {"row": ROW | {"weight": 29.0 + place % 3}}
        for mode in ("shadow", "assist")
        for place, score in enumerate(scores)
    ]
    ship(one.store, *(case for case in cases if case["id"].startswith("shadow")), mode="shadow")
    ship(one.store, *(case for case in cases if case["id"].startswith("assist")))
    send_outcomes(one.store, *((case["id"], place % 2) for place, case in enumerate(cases)))
    one.count()
    parts = outcome_stats(
        one.store, one.results.payoff, binary=True, since=NOON, until=now() + timedelta(days=1)
    )
    whole = merge(parts)
    assert 0 < whole.failures == one.get("ml_payoff_failures_total")
    assert whole.cases == one.get("ml_cases_total", decided_by="model") == len(cases)
    assert whole.squared_error == pytest.approx(one.get("ml_outcome_squared_error_total"))
    for (decision, label), count in whole.confusion.items():
        assert one.get("ml_outcomes_total", decision=decision, outcome=label) == count
    names = (
        "ml_calibration_rows_total",
        "ml_calibration_scores_total",
        "ml_calibration_outcomes_total",
    )
    for end, sums in whole.calibration.items():
        assert [one.get(name, le=f"{end:g}") for name in names] == pytest.approx(sums)
    for mode in ("shadow", "assist"):
        mine = merge(parts, mode=mode)
        assert one.get("ml_payoff_total", mode=mode, direction="gain") == pytest.approx(mine.gain)
        assert one.get("ml_payoff_total", mode=mode, direction="loss") == pytest.approx(mine.loss)


def test_two_replicas_together_count_each_outcome_once(replica: Callable[..., Replica]) -> None:
    several = [replica() for _ in range(3)]
    ids = [f"p{number}" for number in range(1_201)]
    for start in range(0, len(ids), 400):
        ship(several[0].store, *({"id": id} for id in ids[start : start + 400]))
        send_outcomes(several[0].store, *((id, 1) for id in ids[start : start + 400]))
    for entry in several * 4:
        entry.count()
    result = [item.get("ml_outcomes_total", outcome="1") for item in several]
    assert sum(count for count in result if count == count) == len(ids)


def test_an_outcome_before_its_prediction_is_counted_with_the_prediction(
    replica: Callable[..., Replica], clock: Clock
) -> None:
    one = replica()
    send_outcomes(one.store, ("late", 1))
    send_feedback(one.store, "o", "late", "overridden")
    one.count()
    assert math.isnan(one.get("ml_outcomes_total"))
    assert one.get("ml_decision_feedback_total", verdict="overridden") == 0
    ship(one.store, {"id": "late"})
    clock.later += waiting.FIRST_AGE
    one.count()
    assert one.get("ml_outcomes_total") == 1
    assert one.get("ml_decision_feedback_total", verdict="overridden", model_version="7") == 1
    assert one.get("ml_cases_total", decided_by="manual") == 0


def test_a_case_without_a_prediction_counts_as_manual(
    replica: Callable[..., Replica], clock: Clock
) -> None:
    one = replica()
    send_outcomes(one.store, ("elsewhere", 1))
    send_feedback(one.store, "o", "elsewhere")
    one.count()
    assert one.get("ml_cases_total", decided_by="manual") == 0, "it may still come"
    clock.later += JOIN_WINDOW + timedelta(minutes=1)
    one.count()
    one.count()
    assert one.get("ml_cases_total", decided_by="manual") == 1
    assert one.get("ml_decision_feedback_total", verdict="accepted") == 0


def test_a_correction_changes_the_records_but_not_the_counters(
    replica: Callable[..., Replica],
) -> None:
    one = replica()
    ship(one.store, {"id": "a"})
    send_outcomes(one.store, ("a", 1))
    one.count()
    send_outcomes(one.store, ("a", 0), again=True)
    one.count()
    assert one.get("ml_outcomes_total", outcome="1") == 1
    assert math.isnan(one.get("ml_outcomes_total", outcome="0"))


def test_smoke_records_are_not_counted(replica: Callable[..., Replica]) -> None:
    one = replica()
    ship(one.store, {"id": "smoke-1"})
    send_outcomes(one.store, ("smoke-1", 1), ("smoke-never", 1))
    send_feedback(one.store, "o", "smoke-1")
    one.count()
    assert math.isnan(one.get("ml_outcomes_total"))
    assert one.get("ml_cases_total") == one.get("ml_decision_feedback_total") == 0
    assert active_reviewers(one.store, now()) is None


def test_payoff_in_shadow_has_its_own_label(replica: Callable[..., Replica]) -> None:
    one = replica()
    ship(one.store, {"id": "a", "decision": "leave"}, mode="shadow")
    send_outcomes(one.store, ("a", 1))
    one.count()
    assert one.get("ml_payoff_total", mode="shadow", direction="loss") == 5
    assert math.isnan(one.get("ml_payoff_total", mode="assist"))
    assert one.get("ml_slice_payoff_total", slice="courier=bike", mode="shadow") == 5


def test_the_explored_share_is_an_arm_of_its_own(replica: Callable[..., Replica]) -> None:
    one = replica()
    ship(one.store, {"id": "a"}, {"id": "b", "arm": "explored", "decision": "leave"})
    send_outcomes(one.store, ("a", 1), ("b", 1))
    one.count()
    assert one.get("ml_outcomes_total", arm="explored", decision="leave") == 1
    assert one.get("ml_outcomes_total", arm="champion") == 1


def test_a_failing_payoff_is_counted_logged_once_and_stops_nothing(
    replica: Callable[..., Replica], output: Callable[[], str]
) -> None:
    def broken(decision: str, outcome: float, row: Mapping[str, Any]) -> float:
        return 1.0 if outcome else row["no such field"] if decision == "call" else math.inf

    one = replica(payoff=broken)
    ship(one.store, {"id": "a"}, {"id": "b"}, {"id": "c", "decision": "leave"})
    send_outcomes(one.store, ("a", 0), ("b", 1), ("c", 0))
    one.count()
    assert one.get("ml_payoff_failures_total") == 2
    assert one.get("ml_payoff_total", direction="gain") == 1
    assert one.get("ml_outcomes_total") == 3
    assert output().count("payoff() gave no value") == 1


def test_a_regression_has_errors_and_payoff_but_no_confusion(
    replica: Callable[..., Replica],
) -> None:
    one = replica(payoff=lambda decision, outcome, row: -abs(decision - outcome), task="regression")
    ship(one.store, {"id": "a", "score": 2_000.4, "decision": 2_000})
    send_outcomes(one.store, ("a", 2_010))
    one.count()
    assert one.get("ml_outcomes_total", decision="number", outcome="number") == 1
    assert one.get("ml_outcome_squared_error_total") == pytest.approx(9.6**2)
    assert one.get("ml_payoff_total", direction="loss") == 10
    assert math.isnan(one.get("ml_calibration_rows_total"))


def test_callers_cannot_create_unlimited_labels(replica: Callable[..., Replica]) -> None:
    one = replica()
    ship(one.store, {"id": "a"})
    for number in range(MAX_VALUES + 5):
        send_feedback(
            one.store,
            f"o{number}",
            "a",
            reason=f"word-{number}",
            pseudonym=f"p{number}",
            handling_seconds=40,
        )
    one.count()
    assert one.get("ml_decision_feedback_total") == MAX_VALUES + 5
    assert one.get("ml_decision_feedback_total", reason="(other)") == 5
    assert one.get("ml_handling_seconds_count") == MAX_VALUES + 5


def test_the_number_of_people_is_shown_from_five(replica: Callable[..., Replica]) -> None:
    one = replica()
    ship(one.store, {"id": "a"})
    for number in range(4):
        send_feedback(one.store, f"o{number}", "a", pseudonym=f"p{number}")
    send_feedback(one.store, "again", "a", "edited", pseudonym="p0")
    one.count()
    assert math.isnan(one.get("ml_active_reviewers"))
    send_feedback(one.store, "o4", "a", pseudonym="p4")
    two = replica()
    two.count()
    assert two.get("ml_active_reviewers") == 5


def test_a_week_in_two_months_does_not_count_people_twice(replica: Callable[..., Replica]) -> None:
    one = replica()
    ship(one.store, {"id": "a"})
    for month, day in ((1, 30), (2, 2)):
        for number in range(6):
            send_feedback(one.store, f"o{month}{number}", "a", pseudonym=f"p{month}{number}")
            with one.store.connected() as connection:
                written = feedback.c.id == f"o{month}{number}"
                connection.execute(
                    update(feedback).where(written).values(at=datetime(2026, month, day))
                )
    assert active_reviewers(one.store, datetime(2026, 2, 3)) == 6


def test_refused_bodies_are_counted_by_field_and_rule(client: Client) -> None:
    errors = PARCEL | {"weight": 99, "courier": "drone", "made up by a caller": 1}
    assert client.post("/v1/predict", json={"rows": [errors, PARCEL]}).status_code == 422
    assert client.post("/v1/predict", content=b"{").status_code == 400
    client.operations.get("/metrics")
    text = client.operations.get("/metrics").text
    for field, rule in (
        ("weight", "less_than_equal"),
        ("courier", "literal_error"),
        ("(other)", "extra_forbidden"),
        ("(other)", "json_invalid"),
    ):
        assert (
            f'field="{field}",rule="{rule}"' in text.partition("ml_contract_violations_total{")[2]
        )
    assert "made up" not in text


def test_outcomes_sent_to_a_service_are_counted_within_seconds(
    client: Client, settings: Settings
) -> None:
    client.post("/v1/predict", json={"rows": [PARCEL | {"id": "a"}]})
    received = {"prediction_id": "a", "outcome": 1, "at": "2026-01-31T12:00:00Z"}
    client.post("/v1/outcomes", json={"outcomes": [received]})
    labels = 'arm="champion",decision="call",mode="assist",model_version="1",outcome="1"'
    joined = f"ml_outcomes_total{{{labels}}} 1.0"
    eventually(lambda: joined in client.operations.get("/metrics").text)


# Exploration.


@given(st.text(min_size=1, max_size=128))
def test_the_same_case_is_explored_again(id: str) -> None:
    share = Exploration("leave", 0.1)
    assert share.includes(id, SALT) == share.includes(id, SALT)


def test_the_explored_share_has_its_size_and_depends_on_the_salt() -> None:
    share, ids = Exploration("leave", 0.05), [f"case-{number}" for number in range(20_000)]
    taken = {id for id in ids if share.includes(id, SALT)}
    assert 0.044 < len(taken) / len(ids) < 0.056, "six standard errors"
    others = {id for id in ids if share.includes(id, b"t" * 32)}
    assert len(taken & others) < 0.2 * len(taken), "without the salt, the share cannot be predicted"


@pytest.mark.parametrize(
    "value",
    ["leave", ("leave",), ("leave", "0.1"), ("leave", -0.1), ("leave", MAX_SHARE * 2), (1, 0.1)],
)
def test_an_invalid_exploration_is_refused_with_a_valid_example(value: Any) -> None:
    with pytest.raises(ExplorationError, match=r'EXPLORATION = \("approve", 0.01\)'):
        read_exploration(value)


def test_without_a_share_there_is_no_exploration() -> None:
    assert read_exploration(None) is None
    assert read_exploration(("leave", 0)) is None
    assert read_exploration(("leave", 0.1)) == Exploration("leave", 0.1)


def test_an_explored_case_is_answered_and_recorded_as_explored(
    client: Client, settings: Settings
) -> None:
    predict = client.assembly.service.predict
    predict.explored = Exploration("leave", 1.0)
    (let, _) = client.post(
        "/v1/predict", json={"rows": [PARCEL | {"id": "a"}, PARCEL | {"stops": 0}]}
    ).json()["predictions"]
    assert (let["decision"], let["arm"]) == ("leave", "explored")
    client.operations.get("/metrics")
    text = client.operations.get("/metrics").text
    assert 'ml_predictions_total{arm="explored",decision="leave",model_version="1"} 1.0' in text
    assert 'ml_predictions_total{arm="champion",decision="leave",model_version="1"} 1.0' in text, (
        "the score said so too"
    )
    Store(settings.records_url).set_mode("shadow", "ops@example.org", "a test")
    eventually(lambda: client.assembly.mode_state.mode == "shadow")
    (stored,) = client.post("/v1/predict", json={"rows": [PARCEL]}).json()["predictions"]
    assert "arm" not in stored, "nothing is let through where nothing is decided"


def test_unlimited_decisions_become_a_few_labels(replica: Callable[..., Replica]) -> None:
    one = replica()
    ids = [f"p{number}" for number in range(200)]
    ship(one.store, *({"id": id, "decision": f"word-{id}"} for id in ids))
    send_outcomes(one.store, *((id, 1) for id in ids))
    one.count()
    result = {
        sample.labels["decision"]
        for metric in one.metrics.registry.collect()
        for sample in metric.samples
        if sample.name in ("ml_outcomes_total", "ml_slice_outcomes_total")
    }
    assert len(result) == MAX_VALUES + 1
    assert one.get("ml_outcomes_total", decision="(other)") == 200 - MAX_VALUES
    for start in range(0, 20_000, 1_000):
        one.metrics.count_predictions(
            "7", [("champion", f"word-p{number}") for number in range(start, start + 1_000)]
        )
    for _ in range(2):
        one.metrics.exposition()
    assert one.get("ml_predictions_total") == 20_000
    assert one.get("ml_predictions_total", decision="(other)") == 20_000 - MAX_VALUES
    assert one.get("ml_predictions_total", decision=f"word-{ids[0]}") == 1, (
        "the words are those of the outcomes"
    )


def test_a_value_that_is_too_long_is_labeled_other() -> None:
    parts = LabelValues()
    assert [parts.label(word) for word in ("a", "x" * 64, "x" * 65, "x" * 900_000)] == [
        "a",
        "x" * 64,
        *["(other)"] * 2,
    ]


def test_an_outcome_with_an_infinite_square_does_not_stop_the_count(
    replica: Callable[..., Replica],
) -> None:
    one = replica(task="regression", payoff=lambda decision, outcome, row: 1.0)
    ship(one.store, *({"id": id, "decision": 12.5} for id in "abc"))
    send_outcomes(one.store, ("a", 1.0), ("b", 1e300), ("c", 0.0))  # as older records may have it
    one.count()
    assert one.get("ml_outcomes_total", outcome="number") == 3
    assert one.get("ml_outcome_squared_error_total") == pytest.approx(0.75**2 + 0.25**2)
