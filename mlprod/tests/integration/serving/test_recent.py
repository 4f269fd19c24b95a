"""An id is for one row. The same row gets the recorded answer again, another row is refused.

Every answer is recorded.
"""

import contextlib
import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Client, Trained, assemble, eventually, point, serve
from seams import PARCEL, PARCELS, binary

from mlprod.serving import recent
from mlprod.serving.problems import ProblemError
from mlprod.serving.recent import RecentAnswers, merge_answers
from mlprod.serving.request_models import validator_of
from mlprod.settings import Settings

OTHER = PARCEL | {"stops": 0}
Row = dict[str, Any]


def post(client: Client, *rows: Row) -> Any:
    return client.post("/v1/predict", json={"rows": rows})


def predicted(client: Client, *rows: Row) -> Any:
    answer = post(client, *rows)
    assert answer.status_code == 200, answer.text
    return answer.json()


def stored(settings: Settings, query: str) -> list[Any]:
    path = settings.database_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def on_record(settings: Settings, number: int) -> list[Any]:
    """Return id and score of `number` answers in any table."""
    query = (
        "SELECT id, score FROM predictions UNION ALL SELECT prediction_id, score FROM "
        "repeated_answers"
    )
    eventually(lambda: len(stored(settings, query)) >= number)
    return sorted(stored(settings, query))


def metric(client: Client, name: str) -> float:
    lines = client.operations.get("/metrics").text.splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith((f"{name} ", f"{name}{'{'}"))
    )


def test_the_same_row_again_gets_the_recorded_answer_and_is_recorded_once(
    client: Client, settings: Settings
) -> None:
    first = post(client, PARCEL | {"id": "a", "unit": "k"}, PARCEL)
    alone = PARCEL | {"id": "a", "unit": "k"}
    again = post(client, alone)
    assert again.json() == first.json() | {"predictions": first.json()["predictions"][:1]}
    assert post(
        client, dict(reversed(alone.items())), PARCEL | {"id": first.json()["predictions"][1]["id"]}
    ).json()
    assert len(on_record(settings, 2)) == 2
    metric(client, "ml_predictions_total")  # a new series shows zero first
    assert metric(client, "ml_predictions_duplicate_total") == 3
    assert metric(client, "ml_predictions_total") == 2
    assert metric(client, "ml_predictions_conflicting_total") == 0


@pytest.mark.parametrize(
    "other",
    [
        {"stops": 41},
        {"weight": 3.500001},
        {"city": "never heard of"},
        {"express": not PARCEL["express"]},
        {"distance": None},  # a personal field, which is not recorded
        {"unit": "another"},
    ],
)
def test_another_row_with_a_known_id_is_refused_and_named(
    client: Client, settings: Settings, other: Row
) -> None:
    predicted(client, PARCEL | {"id": "a"}, PARCEL | {"id": "b"})
    answer = post(client, PARCEL | {"id": "c"}, PARCEL | {"id": "b"}, PARCEL | other | {"id": "a"})
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert (error["row"], error["field"], error["given"]) == (2, "id", "a")
    assert "used for another row" in error["rule"]
    assert "no row was scored" in answer.json()["detail"]
    predicted(client, PARCEL | {"id": "last"})
    eventually(lambda: ("last",) in stored(settings, "SELECT id FROM predictions"))
    assert [id for id, _ in on_record(settings, 3)] == ["a", "b", "last"]
    assert metric(client, "ml_predictions_conflicting_total") == 0
    assert metric(client, 'ml_requests_total{route="/v1/predict",status="409"}') == 1


def test_an_id_that_the_service_created_is_for_one_row_too(client: Client) -> None:
    (given,) = predicted(client, PARCEL)["predictions"]
    assert predicted(client, PARCEL | {"id": given["id"]})["predictions"] == [given]
    assert post(client, OTHER | {"id": given["id"]}).status_code == 409


def test_many_conflicts_are_counted_and_the_first_are_shown(client: Client) -> None:
    predicted(client, *(PARCEL | {"id": f"{n}"} for n in range(50)))
    problem = post(client, *(OTHER | {"id": f"{n}"} for n in range(50))).json()
    assert len(problem["errors"]) == 20
    assert problem["detail"].startswith("50 rows have the id of another row")


def test_after_a_promotion_the_recorded_answer_is_returned(
    client: Client, settings: Settings, trained_baseline: Trained
) -> None:
    first = predicted(client, PARCEL | {"id": "a"})
    point(settings.models, trained_baseline.bundle, 2)
    eventually(lambda: client.get("/v1/model").json()["model_version"] == "2")
    assert predicted(client, PARCEL | {"id": "a"}) == first
    mixed = predicted(client, PARCEL | {"id": "b"}, PARCEL | {"id": "a"})
    new, old = mixed["predictions"]
    assert (mixed["model_version"], old) == ("2", first["predictions"][0] | {"model_version": "1"})
    assert "model_version" not in new
    assert new["score"] != old["score"]
    assert predicted(client, PARCEL | {"id": "b"})["model_version"] == "2"
    both = predicted(client, PARCEL | {"id": "a"}, PARCEL | {"id": "b"})
    assert (both["model_version"], both["predictions"][1]["model_version"]) == ("1", "2")
    assert len(on_record(settings, 2)) == 2


def test_a_repeated_answer_has_no_decision_in_shadow_now_or_then(client: Client) -> None:
    def switch(mode: str) -> None:
        client.post("/v1/mode", json={"mode": mode, "reason": "a test"}).raise_for_status()

    (called,) = predicted(client, PARCEL | {"id": "a"})["predictions"]
    assert called["decision"] == "call"
    switch("shadow")
    stopped = predicted(client, PARCEL | {"id": "a"})
    assert stopped["predictions"] == [called | {"decision": None}]
    assert stopped["mode"] == "shadow"
    predicted(client, PARCEL | {"id": "b"})
    switch("automate")
    again = predicted(client, PARCEL | {"id": "b"}, PARCEL | {"id": "a"}, PARCEL | {"id": "c"})
    withheld, before, now = again["predictions"]
    assert (withheld["decision"], withheld["mode"], again["mode"]) == (None, "shadow", "automate")
    assert before == called | {"mode": "assist"}
    assert (now["decision"], "mode" in now) == ("call", False)
    assert predicted(client, PARCEL | {"id": "a"})["predictions"] == [called]


def test_a_repetition_that_the_replica_forgot_is_flagged_when_stored(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "MAX_ANSWERS", 2)
    (first,) = predicted(client, PARCEL | {"id": "a"})["predictions"]
    predicted(client, *(PARCEL for _ in range(3)))
    predicted(client, *(PARCEL for _ in range(3)))
    (second,) = predicted(client, OTHER | {"id": "a"})["predictions"]
    predicted(client, *(PARCEL for _ in range(3)))
    predicted(client, *(PARCEL for _ in range(3)))
    predicted(client, PARCEL | {"id": "a"})
    eventually(lambda: metric(client, "ml_predictions_conflicting_total") == 1)
    eventually(lambda: metric(client, "ml_predictions_duplicate_total") == 1)
    assert [score for id, score in on_record(settings, 15) if id == "a"].count(first["score"]) == 2
    retained = (
        "SELECT score, conflicting, caller FROM repeated_answers WHERE prediction_id = 'a' "
        "ORDER BY conflicting"
    )
    assert stored(settings, retained) == [
        (first["score"], 0, "local"),
        (second["score"], 1, "local"),
    ]


def test_answers_of_two_replicas_and_after_a_restart_are_all_on_record(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    scores = [predicted(client, PARCEL | {"id": "a"})["predictions"][0]["score"]]
    on_record(settings, 1)
    for folder, row in (("two", OTHER), ("three", PARCEL), ("two", PARCEL | {"stops": 50})):
        with serve(
            binary, settings.model_copy(update={"event_log_dir": tmp_path / folder})
        ) as replica:
            scores += [predicted(replica, row | {"id": "a"})["predictions"][0]["score"]]
    assert on_record(settings, 4) == sorted(("a", score) for score in scores)
    assert sorted(stored(settings, "SELECT conflicting FROM repeated_answers")) == [
        (0,),
        (1,),
        (1,),
    ]


def test_an_answer_that_could_not_be_recorded_is_not_added(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(client.assembly.spool, "limit", 0)
        assert post(client, OTHER | {"id": "a"}).status_code == 503
    predicted(client, PARCEL | {"id": "a"})
    assert len(on_record(settings, 1)) == 1


@pytest.mark.parametrize("same", [True, False])
def test_of_two_concurrent_requests_with_one_id_one_answer_is_recorded(
    settings: Settings, trained: Trained, same: bool
) -> None:
    point(settings.models, trained.bundle, 1)
    gate = threading.Barrier(2)

    def decide(score: float, threshold: float) -> str:
        gate.wait(20)  # both rows are scored before one is recorded
        return binary.decide(score, threshold)  # type: ignore[no-any-return]

    assembly = assemble(replace(binary, decide=decide), settings)
    assembly.models.reload_if_changed()
    caller = assembly.keys.caller(b"")
    assert caller

    def ask(row: Row) -> Any:
        body = json.dumps({"rows": [row | {"id": "a"}]}).encode()
        try:
            return json.loads(assembly.service.predict.answer(body, b"salt", caller, "r"))
        except ProblemError as problem:
            return problem.status

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(ask, (PARCEL, PARCEL if same else OTHER)))
    if same:
        assert answers[0] == answers[1]
    else:
        assert [answer for answer in answers if isinstance(answer, int)] == [409]
    assert sum(len(json.loads(item)["predictions"]) for item in assembly.spool.read()) == 1
    assembly.spool.close()


def body_of(*rows: Row) -> bytes:
    return json.dumps({"rows": rows}).encode()


def answer_to(*ids: str) -> bytes:
    answers = [{"id": id, "score": 0.5, "decision": "call"} for id in ids]
    return json.dumps(
        {"model_version": "1", "arm": "champion", "mode": "assist", "predictions": answers}
    ).encode()


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> RecentAnswers:
    monkeypatch.setattr(recent, "MAX_ANSWERS", 100)
    monkeypatch.setattr(recent, "MAX_BYTES", 100_000)
    return RecentAnswers(validator_of(PARCELS))


def held(memory: RecentAnswers) -> tuple[int, int]:
    """Return the number of answers, and the bytes of bodies and answers."""
    generations = [memory._new, memory._old]
    requests = {id(request): request for item in generations for request in item.values()}
    return sum(map(len, generations)), sum(
        len(part) for request in requests.values() for part in request
    )


@pytest.mark.parametrize("padding", [0, 20_000])
def test_the_memory_is_limited_in_answers_and_bytes(memory: RecentAnswers, padding: int) -> None:
    for number in range(1_000):
        memory.add([f"{number}"], body_of(PARCEL) + b" " * padding, answer_to(f"{number}"))
        assert memory.known([f"{number}"])
        answers, size = held(memory)
        assert answers <= 200
        assert size <= 200_000
    assert memory.known(["0"]) == {}


def test_the_bytes_parsed_again_for_one_request_are_limited(
    memory: RecentAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "MAX_READ", 3_000)
    for number in range(50):
        memory.add([f"{number}"], body_of(PARCEL), answer_to(f"{number}"))
    assert 3 < len(memory.known([f"{number}" for number in range(50)])) < 20


def test_an_id_belongs_to_the_request_that_sent_it_first(memory: RecentAnswers) -> None:
    memory.add(["a"], body_of(PARCEL), answer_to("a"))
    memory.add(["b"], body_of(OTHER, OTHER), answer_to("a", "b"))
    result = memory.known(["b", "a", "c"])
    assert result.keys() == {"a", "b"}
    assert (result["a"].row["stops"], result["b"].row["stops"]) == (PARCEL["stops"], OTHER["stops"])
    new: dict[str, Any] = {
        "model_version": "1",
        "arm": "champion",
        "mode": "assist",
        "predictions": [],
    }
    assert (
        merge_answers(["b"], new, result)["predictions"]
        == json.loads(answer_to("b"))["predictions"]
    )
