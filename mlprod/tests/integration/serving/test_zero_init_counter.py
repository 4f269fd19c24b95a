"""A new series shows 0 until every Prometheus replica has scraped it, and then the whole count."""

import re
import threading

import numpy as np
from conftest import Client, Trained, point, serve
from fixture_project import LIBRARY
from prometheus_client import CollectorRegistry, generate_latest
from seams import PARCEL, binary

from mlprod.bundle.loader import open_bundle
from mlprod.serving.feature_metrics import LiveFeatureCounts
from mlprod.serving.metrics import RESULTS, Metrics
from mlprod.serving.zero_init_counter import ZeroInitCounter, ZeroPeriod
from mlprod.settings import ZERO_SECONDS, Settings

# Series that are created late or may count before the first scrape, by the start of their lines.
HELD = (
    "ml_predictions_total{",
    'ml_requests_total{route="unknown",status="404"}',
    "ml_contract_violations_total{",
    "ml_outcomes_total{",
    "ml_outcome_squared_error_total{",
    "ml_payoff_total{",
    "ml_cases_total{",
    "ml_decision_feedback_total{",
    "ml_feature_bucket_total{",
    "ml_feature_missing_total{",
    "ml_predictions_duplicate_total",
    "ml_predictions_conflicting_total",
    "ml_payoff_failures_total",
)


class Clock:
    """A clock that a test moves forward."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Scraped:
    """A counter as Prometheus replicas scrape it."""

    def __init__(self, *labels: str, seconds: float = 60) -> None:
        self.clock, self.registry = Clock(), CollectorRegistry()
        self.zeros = ZeroPeriod(seconds, self.clock)
        self.counter = ZeroInitCounter("some", "Words", labels, self.registry, self.zeros)

    def scrape(self, after: float = 0) -> dict[str, float]:
        self.clock.now += after
        self.counter.release()
        text = generate_latest(self.registry).decode()
        self.counter.mark_scraped()
        return {
            word: float(value)
            for word, value in re.findall(r'^some_total(?:\{word="(\w+)"\})? (\S+)', text, re.M)
        }


def test_every_prometheus_replica_sees_the_zero() -> None:
    some = Scraped("word")
    some.counter.add("x", amount=3)
    assert some.scrape() == {"x": 0}, "a person's curl"
    some.counter.add("x")
    assert [some.scrape(after=15)["x"] for _ in range(3)] == [0, 0, 0]
    assert some.scrape(after=15) == {"x": 4}, "60 seconds after it was first shown: all of it"
    some.counter.add("x", amount=0.5)
    assert some.scrape() == {"x": 4.5}, "and from now on at once"


def test_the_period_begins_when_a_series_is_first_scraped() -> None:
    some = Scraped("word")
    some.counter.add("x")
    some.clock.now += 3_600
    assert some.scrape() == {"x": 0}
    some.counter.add("y", amount=2)
    assert some.scrape(after=60) == {"x": 1, "y": 0}
    assert some.scrape(after=60) == {"x": 1, "y": 2}


def test_a_series_without_labels_has_a_zero_period_too() -> None:
    some = Scraped()
    some.counter.add(amount=7)
    assert some.scrape() == {"": 0}
    assert some.scrape(after=60) == {"": 7}


def test_labels_known_at_the_start_count_at_once() -> None:
    some = Scraped("word")
    some.counter.begin("x")
    assert some.scrape() == {"x": 0}
    some.counter.add("x")
    assert some.scrape() == {"x": 1}


def test_without_a_period_everything_counts_at_once() -> None:
    some = Scraped("word", seconds=0)
    some.counter.add("x", amount=3)
    assert some.scrape() == {"x": 3}


def test_only_the_local_environment_has_no_zero_period() -> None:
    assert Settings().zero_seconds == 0
    assert Settings(environment="staging").zero_seconds == ZERO_SECONDS
    assert Settings(environment="production", new_series_seconds=0).zero_seconds == 0
    assert Settings(new_series_seconds=30).zero_seconds == 30


def test_a_process_that_ends_shows_its_held_counts() -> None:
    some = Scraped("word")
    some.counter.add("x", amount=3)
    some.zeros.ending = True
    assert some.scrape() == {"x": 0}, "never seen, so a jump would not be seen either"
    assert some.scrape() == {"x": 3}


def test_concurrent_counts_and_scrapes_lose_and_repeat_nothing() -> None:
    some = Scraped("word", seconds=0)
    stop = threading.Event()

    def count() -> None:
        for _ in range(5_000):
            some.counter.add("x")

    def scrape() -> None:
        while not stop.is_set():
            some.scrape()

    threads, scraper = (
        [threading.Thread(target=count) for _ in range(4)],
        threading.Thread(target=scrape),
    )
    for thread in (scraper, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    scraper.join()
    some.scrape()
    assert some.scrape() == {"x": 20_000}
    assert not some.counter._held
    assert not some.counter._first_shown


def test_feature_counts_have_the_same_zero_period(trained: Trained) -> None:
    clock = Clock()
    counts = LiveFeatureCounts(
        open_bundle(trained.bundle, binary.terms.fields, binary.baseline), ZeroPeriod(60, clock)
    )

    def rows(after: float = 0) -> int:
        clock.now += after
        (*_, (_, values, _)) = counts.bin_counts()
        return int(values.sum())

    counts.add(np.zeros((5, len(binary.terms.fields)), dtype=np.float32), [0.5] * 5)
    assert [rows(), rows(after=30), rows(after=29)] == [0, 0, 0]
    counts.add(np.zeros((1, len(binary.terms.fields)), dtype=np.float32), [0.5])
    assert [rows(after=1), rows()] == [6, 6]


def test_two_prometheus_replicas_agree_over_a_restart_of_the_service(
    trained: Trained, settings: Settings
) -> None:
    """Every scraper of the real service sees zeros for the whole period, then one jump."""
    point(settings.models, trained.bundle, 1)
    for _ in range(2):
        with serve(
            binary, settings.model_copy(update={"new_series_seconds": ZERO_SECONDS})
        ) as client:
            clock = client.assembly.metrics._zeros.now = Clock()
            everything_happens(client)
            first, second = text_of(client), text_of(client)
            for beginning in HELD:
                assert values(first, beginning) == values(second, beginning) == {0.0}, beginning
            clock.now += ZERO_SECONDS
            third = text_of(client)
            assert values(third, "ml_predictions_total{") == {2.0}
            assert values(third, 'ml_requests_total{route="unknown",status="404"}') == {1.0}
            assert values(third, 'ml_contract_violations_total{field="weight"') == {1.0}
            assert 2.0 in values(third, "ml_feature_bucket_total{")


def test_a_draining_service_shows_its_held_counts(trained: Trained, settings: Settings) -> None:
    point(settings.models, trained.bundle, 1)
    with serve(binary, settings.model_copy(update={"new_series_seconds": ZERO_SECONDS})) as client:
        client.post("/v1/predict", json={"rows": [PARCEL]})
        assert values(text_of(client), "ml_predictions_total{") == {0.0}
        client.assembly.service.draining = True
        assert values(text_of(client), "ml_predictions_total{") == {1.0}
        assert 1.0 in values(text_of(client), "ml_feature_bucket_total{")


def everything_happens(client: Client) -> None:
    assert client.post("/v1/predict", json={"rows": [PARCEL, PARCEL]}).status_code == 200
    assert client.post("/v1/predict", json={"rows": [PARCEL | {"weight": 99}]}).status_code == 422
    assert client.get("/v1/nothing").status_code == 404
    results = client.assembly.outcome_metrics
    for counter, labels in (
        (results.outcomes, ("1", "champion", "assist", "call", "1")),
        (results.errors, ("1", "champion")),
        (results.value, ("1", "champion", "assist", "gain")),
        (results.cases, ("model",)),
        (results.cases, ("manual",)),
        (results.failures, ()),
        (client.assembly.metrics.repeated, ()),
        (client.assembly.metrics.conflicting, ()),
    ):
        counter.add(*labels)
    for verdict in ("accepted", "edited", "overridden"):
        results.feedback.add("1", "champion", verdict, "")


def text_of(client: Client) -> str:
    text: str = client.operations.get("/metrics").text
    return text


def values(text: str, beginning: str) -> set[float]:
    return {
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(beginning)
    }


def test_results_of_outcomes_begin_at_zero() -> None:
    registry = Metrics().registry
    for result in RESULTS:
        assert registry.get_sample_value("ml_outcomes_received_total", {"result": result}) == 0
    source = (LIBRARY / "src" / "mlprod" / "records" / "store.py").read_text()
    assert set(re.findall(r'count\["(\w+)"', source)) <= set(RESULTS)
