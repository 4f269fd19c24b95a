import asyncio
import contextlib
import http.client
import json
import logging
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from conftest import Client, Trained, eventually, point, serve
from numpy.typing import NDArray
from seams import PARCEL, binary, call_or_leave, heaviest_first

from mlprod.contract.schema import Columns
from mlprod.ops.migrate import migrate
from mlprod.serving import load_shedding
from mlprod.serving.logs import JsonFormatter
from mlprod.serving.problems import ProblemError
from mlprod.settings import Settings

ROWS = {"rows": [PARCEL]}
OUTCOMES = {"outcomes": [{"prediction_id": "p", "outcome": 1, "at": "2026-01-31T12:00:00Z"}]}
FEEDBACK = {"feedback": [{"prediction_id": "p", "verdict": "accepted", "reviewer": "desk-7"}]}
MODE = {"mode": "assist", "reason": "as before"}
BODIES = {
    "/v1/predict": ROWS,
    "/v1/explain": ROWS,
    "/v1/outcomes": OUTCOMES,
    "/v1/feedback": FEEDBACK,
    "/v1/mode": MODE,
}


@pytest.fixture(scope="module")
def shared(new_settings: Callable[[], Settings], trained: Trained) -> Iterator[Client]:
    """A service for tests that do not change it."""
    settings = new_settings()
    point(settings.models, trained.bundle, 1)
    with serve(binary, settings) as client:
        yield client


def is_problem(answer: Any, status: int) -> dict[str, Any]:
    """Check the form of a problem, and return it."""
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert re.fullmatch("[A-Za-z0-9._-]{1,64}", answer.headers["x-request-id"])
    message: dict[str, Any] = answer.json()
    assert list(message) == ["type", "title", "status", "detail", "errors"]
    assert (message["type"], message["status"]) == ("about:blank", status)
    assert message["title"]
    assert message["detail"]
    assert all(
        list(error) == ["row", "field", "rule", "given", "example"] for error in message["errors"]
    )
    return message


def shed(client: Client, reason: str) -> float:
    line = 'ml_requests_shed_total{reason="' + reason + '"} '
    lines = client.operations.get("/metrics").text.splitlines()
    return sum(float(message.removeprefix(line)) for message in lines if message.startswith(line))


def recorded(settings: Settings) -> list[Any]:
    with contextlib.closing(
        sqlite3.connect(settings.records_url.removeprefix("sqlite:///"))
    ) as connection:
        return connection.execute("SELECT id FROM predictions").fetchall()


@pytest.mark.parametrize("id", ["a", "A.b_c-9", "0" * 64])
def test_the_id_of_a_request_is_returned(shared: Client, id: str) -> None:
    for route in ("/v1/predict", "/v1/explain", "/v1/nothing"):
        assert (
            shared.post(route, json=ROWS, headers={"x-request-id": id}).headers["x-request-id"]
            == id
        )


@pytest.mark.parametrize(
    "id",
    [
        "",
        "a b",
        "x" * 65,
        "a\r\nset-cookie: mine=1",
        "a\n",
        '"}',
        "\x7f",
        "a/b",
        "<script>",
        "${jndi:ldap://x}",
    ],
)
def test_an_unsafe_request_id_is_replaced(shared: Client, id: str) -> None:
    for route in ("/v1/predict", "/v1/explain"):
        answer = shared.post(route, json=ROWS, headers={"x-request-id": id})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
        assert "set-cookie" not in answer.headers


def test_requests_without_an_id_get_one_each(shared: Client) -> None:
    assert len({shared.get("/v1/model").headers["x-request-id"] for _ in range(3)}) == 3


def test_every_refusal_has_one_form(shared: Client) -> None:
    is_problem(shared.post("/v1/nothing"), 404)
    is_problem(shared.get("/v1/predict"), 405)
    is_problem(shared.delete("/v1/mode"), 405)
    for route in BODIES:
        is_problem(shared.post(route, content=b"{"), 400)
        is_problem(shared.post(route, json={}), 422)
        is_problem(shared.post(route, json={"x" * 1_000: ["y" * 1_000]}), 422)
    assert shared.get("/v1/predict").headers["allow"] == "POST"


def test_a_path_of_any_length_gives_a_short_answer(shared: Client) -> None:
    answer = shared.get("/v1/" + "x" * 5_000 + "%22%0d%0a")
    assert len(is_problem(answer, 404)["detail"]) < 200


@pytest.mark.parametrize("route", BODIES)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_long_is_refused_with_or_without_its_length(
    shared: Client, route: str, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.assembly.limits, "body_bytes", 1_000)
    body = json.dumps(BODIES[route]).encode()
    fits, too_long = body.ljust(1_000), body.ljust(1_001)
    assert shared.post(route, content=iter([fits]) if chunked else fits).status_code == 200
    message = is_problem(shared.post(route, content=iter([too_long]) if chunked else too_long), 413)
    assert "at most 1,000 bytes" in message["detail"]


def test_a_body_is_not_read_beyond_its_limit() -> None:
    requested = 0

    async def endless() -> dict[str, Any]:
        nonlocal requested
        requested += 1
        return {"type": "http.request", "body": b"x" * 400, "more_body": True}

    with pytest.raises(ProblemError, match="at most 1,000 bytes") as received:
        asyncio.run(load_shedding.LoadLimits(1_000, 1, 1.0).body(endless, b"10"))
    assert (received.value.status, requested) == (413, 3)


def test_a_long_body_over_a_socket_is_refused_and_the_service_continues(
    shared: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.assembly.limits, "body_bytes", 1_000)
    server = uvicorn.Server(
        uvicorn.Config(shared.assembly.service, port=0, lifespan="off", log_level="warning")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        for body, status in ((b" " * 1_001, 413), (json.dumps(ROWS).encode(), 200)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("POST", "/v1/predict", iter([body]))
            assert connection.getresponse().status == status
            connection.close()
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.mark.parametrize("route", [*sorted(set(BODIES) - {"/v1/mode"}), "/v1/model"])
def test_requests_beyond_the_limit_are_refused(
    shared: Client, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shed(shared, "concurrency")
    monkeypatch.setattr(shared.assembly.limits, "requests", 0)
    answer = shared.request("POST" if route in BODIES else "GET", route, json=BODIES.get(route))
    assert "nothing was done" in is_problem(answer, 503)["detail"]
    assert answer.headers["retry-after"] == "1"
    assert shed(shared, "concurrency") == before + 1
    assert shared.post("/v1/mode", json=BODIES["/v1/mode"]).status_code == 200, (
        "the kill switch must work"
    )
    monkeypatch.undo()
    assert shared.post("/v1/predict", json=ROWS).status_code == 200


def test_a_request_that_has_waited_too_long_is_refused(
    shared: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.assembly.limits, "late", -1.0)  # every heartbeat is too old
    answer = shared.post("/v1/predict", json=ROWS)
    assert "s late" in is_problem(answer, 503)["detail"]
    assert (answer.headers["retry-after"], shed(shared, "late")) == ("1", 1)


def test_too_much_work_on_threads_is_refused_and_predictions_continue(
    shared: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_shedding, "MAX_THREADS", 0)
    for number, route in enumerate(("/v1/explain", "/v1/outcomes", "/v1/feedback"), start=1):
        answer = shared.post(route, json=BODIES[route])
        is_problem(answer, 503)
        assert (answer.headers["retry-after"], shed(shared, "aside")) == ("1", number)
    assert shared.post("/v1/mode", json=BODIES["/v1/mode"]).status_code == 200, (
        "the kill switch must work"
    )
    assert shared.post("/v1/predict", json=ROWS).status_code == 200


def test_slow_work_on_a_thread_is_answered_with_503(
    shared: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_shedding, "ANSWER_SECONDS", 0.0)
    answer = shared.post("/v1/explain", json=ROWS)
    is_problem(answer, 503)
    assert (answer.headers["retry-after"], shed(shared, "time")) == ("2", 1)
    monkeypatch.undo()
    eventually(lambda: shared.assembly.limits._in_threads == 0)
    assert shared.post("/v1/explain", json=ROWS).status_code == 200


def test_a_prediction_that_cannot_be_recorded_is_refused(
    shared: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.assembly.spool, "limit", 10)
    answer = shared.post("/v1/predict", json=ROWS)
    assert "cannot be recorded" in is_problem(answer, 503)["detail"]
    assert (answer.headers["retry-after"], shed(shared, "records")) == ("5", 1)
    assert shared.post("/v1/explain", json=ROWS).status_code == 200


def test_without_its_database_a_service_predicts_and_writes_it_later(
    settings: Settings, trained: Trained, tmp_path: Path
) -> None:
    alone = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/records.db"})
    point(alone.models, trained.bundle, 1)
    with serve(binary, alone) as client:
        for route in ("/v1/outcomes", "/v1/feedback", "/v1/mode"):
            answer = client.post(route, json=BODIES[route])
            assert "run the verb migrate" in is_problem(answer, 503)["detail"]
            assert answer.headers["retry-after"] == "2"
        assert shed(client, "database") == 3
        assert client.operations.get("/readyz").status_code == 200
        assert (
            client.post("/v1/predict", json={"rows": [PARCEL | {"id": "mine"}]}).status_code == 200
        )
        text = client.operations.get("/metrics").text
        assert "\nml_record_store_up 0.0\n" in text
        assert "\nml_record_backlog_events 1.0\n" in text
        migrate(alone.database_url)
        eventually(lambda: "\nml_record_store_up 1.0\n" in client.operations.get("/metrics").text)
        eventually(lambda: recorded(alone) == [("mine",)])
        assert client.post("/v1/outcomes", json=OUTCOMES).status_code == 200
        eventually(
            lambda: "\nml_record_backlog_events 0.0\n" in client.operations.get("/metrics").text
        )


def test_a_missing_table_is_reported_without_the_sql_statement(
    client: Client, settings: Settings
) -> None:
    with contextlib.closing(
        sqlite3.connect(settings.records_url.removeprefix("sqlite:///"))
    ) as connection:
        connection.execute("DROP TABLE outcomes")
    message = is_problem(client.post("/v1/outcomes", json=OUTCOMES), 503)
    assert "no such table: outcomes" in message["detail"]
    assert "SELECT" not in message["detail"]
    assert client.post("/v1/predict", json=ROWS).status_code == 200


def test_a_defect_is_answered_without_details_and_records_nothing(
    settings: Settings, trained: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(score: float, threshold: float) -> str:
        if failing:
            raise ZeroDivisionError("the password is hunter2")
        return call_or_leave(score, threshold)

    failing = True
    point(settings.models, trained.bundle, 1)
    with serve(replace(binary, decide=fail), settings) as client:
        answer = client.post(
            "/v1/predict", json={"rows": [PARCEL | {"id": "lost"}]}, headers={"x-request-id": "r-1"}
        )
        is_problem(answer, 500)
        assert answer.headers["x-request-id"] == "r-1"
        for detail in ("hunter2", "ZeroDivision", "Traceback", ".py"):
            assert detail not in answer.text
        (logged,) = [record for record in caplog.records if record.exc_info]
        assert vars(logged)["facts"] == {"request": "r-1", "path": "/v1/predict"}
        failing = False
        assert (
            client.post("/v1/predict", json={"rows": [PARCEL | {"id": "kept"}]}).status_code == 200
        )
        eventually(lambda: recorded(settings))
        assert recorded(settings) == [("kept",)]


@pytest.mark.parametrize("route", ["/v1/explain", "/v1/outcomes"])
def test_a_defect_on_a_thread_is_answered_without_details(
    shared: Client, route: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("the password is hunter2")

    monkeypatch.setattr(shared.assembly.models, "get_or_503", fail)
    answer = shared.post(route, json=BODIES[route], headers={"x-request-id": "r-2"})
    is_problem(answer, 500)
    assert "hunter2" not in answer.text
    assert [vars(record)["facts"]["request"] for record in caplog.records if record.exc_info] == [
        "r-2"
    ]


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_not_answered(
    settings: Settings, trained_baseline: Trained, number: float
) -> None:
    def sometimes(columns: Columns) -> NDArray[np.float64]:
        return np.where(columns["weight"] == 29.123, number, heaviest_first(columns))

    point(settings.models, trained_baseline.bundle, 1)
    with serve(replace(binary, baseline=sometimes), settings) as client:
        is_problem(
            client.post("/v1/predict", json={"rows": [PARCEL, PARCEL | {"weight": 29.123}]}), 500
        )
        assert (
            client.post("/v1/predict", json={"rows": [PARCEL | {"id": "kept"}]}).status_code == 200
        )
        eventually(lambda: recorded(settings))
        assert recorded(settings) == [("kept",)]


def test_readiness_and_metrics_are_only_on_the_admin_port(shared: Client) -> None:
    # also after the tests above
    eventually(lambda: shared.operations.get("/readyz").status_code == 200)
    for route in ("/healthz", "/metrics"):
        assert shared.operations.get(route).status_code == 200
    for route in ("/readyz", "/metrics"):
        is_problem(shared.get(route), 404)
    for route in BODIES:
        assert shared.operations.post(route, json=BODIES[route]).status_code == 404


def test_a_draining_service_answers_and_closes_connections(client: Client) -> None:
    assert "connection" not in client.post("/v1/predict", json=ROWS).headers
    client.assembly.service.draining = True
    for answer in (client.post("/v1/predict", json=ROWS), client.get("/v1/model")):
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    assert client.operations.get("/healthz").status_code == 200
    assert client.operations.get("/readyz").json() == {"status": "ending"}


def test_logs_are_lines_of_json_without_a_value_of_any_row(
    client: Client, output: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(score: float, threshold: float) -> str:
        raise ValueError("zyzzyva")  # as a model in Python does with an unknown category

    row = PARCEL | {
        "weight": 7.654321,
        "city": "zyzzyva",
        "distance": 77.123456,
        "id": "quokka-1",
        "unit": "Ada",
    }
    for route in ("/v1/predict", "/v1/explain"):
        assert client.post(route, json={"rows": [row]}).status_code == 200
        assert (
            client.post(
                route, json={"rows": [row, row | {"courier": "zyzzyva", "zyzzyva": 7.654321}]}
            ).status_code
            == 422
        )
        assert client.post(route, content=b'{"rows": [{"city": "zyzzyva"').status_code == 400
    assert client.post("/v1/predict", json={"rows": [row, row]}).status_code == 422
    client.post(
        "/v1/outcomes", json={"outcomes": [OUTCOMES["outcomes"][0] | {"prediction_id": "quokka-1"}]}
    )
    client.post(
        "/v1/feedback", json={"feedback": [FEEDBACK["feedback"][0] | {"reviewer": "zyzzyva"}]}
    )
    client.get("/v1/zyzzyva?city=zyzzyva", headers={"user-agent": "zyzzyva"})
    monkeypatch.setattr(client.assembly.service.predict, "decide", fail)
    assert client.post("/v1/predict", json={"rows": [row]}).status_code == 500
    client.flush()
    out = output()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["route"], line["status"]) for line in lines if line["event"] == "request"] == [
        *(("/v1/predict", status) for status in (200, 422, 400)),
        *(("/v1/explain", status) for status in (200, 422, 400)),
        ("/v1/predict", 422),
        ("/v1/outcomes", 200),
        ("/v1/feedback", 200),
        ("unknown", 404),
        ("/v1/predict", 500),
    ]
    (failed,) = [line for line in lines if line["event"] == "failed"]
    assert failed["failure"] == "ValueError"
    assert any(place.startswith("predict_handler.py:") for place in failed["at_code"])
    for value in ("7.654321", "zyzzyva", "77.123456", "quokka", "Ada"):
        assert value not in out


def test_a_request_is_logged_with_id_route_status_time_and_caller(
    client: Client, output: Callable[[], str]
) -> None:
    client.post("/v1/outcomes", json=OUTCOMES, headers={"x-request-id": "r-3"})
    client.flush()
    (line,) = [json.loads(line) for line in output().splitlines()]
    assert {
        name: line[name] for name in ("level", "event", "request", "route", "status", "caller")
    } == {
        "level": "info",
        "event": "request",
        "request": "r-3",
        "route": "/v1/outcomes",
        "status": 200,
        "caller": "local",
    }
    assert line["ms"] > 0


def test_on_a_terminal_a_log_line_is_plain_text() -> None:
    record = logging.LogRecord("x", logging.WARNING, "x.py", 1, "mode", None, None)
    record.facts = {"who": "grace", "why": "complaints"}
    assert JsonFormatter(plain=True).format(record).endswith(" mode who=grace why=complaints")
    message = json.loads(JsonFormatter(plain=False).format(record))
    assert (message["level"], message["event"], message["who"], message["why"]) == (
        "warning",
        "mode",
        "grace",
        "complaints",
    )
