import contextlib
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from conftest import Client, Trained, eventually, point, serve, silent
from fixture_project import main
from seams import PARCEL, binary, regression

from mlprod.serving import record_routes
from mlprod.serving.logs import log
from mlprod.settings import Settings
from mlprod.training.registry import Registry
from mlprod.training.train import train

NOON = "2026-01-31T12:00:00Z"
LIVE = {"prediction_id": "p", "verdict": "accepted", "reviewer": "desk-7"}


@pytest.fixture(scope="module")
def strict(new_settings: Callable[[], Settings], trained: Trained) -> Iterator[Client]:
    """A service for refused requests, which records nothing."""
    settings = new_settings()
    point(settings.models, trained.bundle, 1)
    with serve(binary, settings) as client:
        yield client


def stored(settings: Settings, query: str) -> list[Any]:
    path = settings.database_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def ids(settings: Settings) -> list[str]:
    return [id for (id,) in stored(settings, "SELECT id FROM predictions")]


def everything_in(*folders: Path) -> bytes:
    """Return all bytes of all files, also of the database's log and the event log."""
    return b"".join(
        path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()
    )


def records_of(settings: Settings) -> bytes:
    return everything_in(
        Path(settings.database_url.removeprefix("sqlite:///")).parent, settings.spooled
    )


def predicted(client: Client, *rows: dict[str, Any]) -> Any:
    answer = client.post("/v1/predict", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    return answer.json()


def outcome(prediction: str, value: float, **more: Any) -> dict[str, Any]:
    return {"prediction_id": prediction, "outcome": value, "at": NOON} | more


def send_outcomes(client: Client, *outcomes: dict[str, Any]) -> Any:
    return client.post("/v1/outcomes", json={"outcomes": outcomes})


def reviewed(client: Client, *feedback: dict[str, Any]) -> Any:
    return client.post("/v1/feedback", json={"feedback": feedback})


def switched(client: Client, mode: str, why: str = "complaints since noon") -> Any:
    answer = client.post("/v1/mode", json={"mode": mode, "reason": why})
    assert answer.status_code == 200, answer.text
    return answer.json()


def metric(client: Client, line: str) -> bool:
    return f"\n{line}\n" in client.operations.get("/metrics").text


def test_answers_are_in_the_database(client: Client, settings: Settings, trained: Trained) -> None:
    answer = predicted(client, PARCEL | {"id": "mine"}, PARCEL | {"stops": 0})
    eventually(lambda: len(ids(settings)) == 2)
    columns = "id, score, decision, mode, model_version, arm, bundle"
    subject = ("assist", "1", "champion", trained.bundle.name)
    received = [
        (item["id"], item["score"], item["decision"], *subject) for item in answer["predictions"]
    ]
    rows = stored(settings, f"SELECT {columns} FROM predictions")  # noqa: S608
    assert sorted(rows) == sorted(received)


def test_caller_and_request_are_recorded(client: Client, settings: Settings) -> None:
    def send(route: str, body: Any, request: str) -> None:
        client.post(route, json=body, headers={"x-request-id": request}).raise_for_status()

    send("/v1/predict", {"rows": [PARCEL | {"id": "p"}]}, "r-1")
    send("/v1/outcomes", {"outcomes": [outcome("p", 1)]}, "r-2")
    send("/v1/outcomes", {"outcomes": [outcome("p", 0, correction=True)]}, "r-3")
    send("/v1/feedback", {"feedback": [LIVE]}, "r-4")
    send("/v1/mode", {"mode": "automate", "reason": "a test"}, "r-5")
    eventually(lambda: ids(settings))
    result = [
        stored(settings, f"SELECT caller, request FROM {table}")  # noqa: S608
        for table in ("predictions", "outcomes", "outcome_history", "feedback")
    ]
    assert result == [
        [("local", "r-1")],
        [("local", "r-3")],
        [("local", "r-2")],
        [("local", "r-4")],
    ]
    assert stored(settings, "SELECT who, request FROM modes") == [("local", "r-5")]


@pytest.mark.parametrize("request_id", ["x" * 65, "a b", "é", "", "\x1b[31m", "a;DROP"])
def test_a_request_id_with_other_characters_is_replaced(
    client: Client, settings: Settings, request_id: str
) -> None:
    headers = {b"x-request-id": request_id.encode()}
    answer = client.post("/v1/predict", json={"rows": [PARCEL]}, headers=headers)
    eventually(lambda: ids(settings))
    ((recorded,),) = stored(settings, "SELECT request FROM predictions")
    assert recorded == answer.headers["x-request-id"]
    assert len(recorded) == 32
    assert recorded.isalnum()


def test_a_row_is_stored_without_its_personal_field_and_with_a_hashed_unit(
    client: Client, settings: Settings
) -> None:
    row = PARCEL | {"distance": 77.123456, "weight": 7.654321}
    named = [("a", "Ada"), ("b", "Ada"), ("c", "Bob"), ("d", None)]
    predicted(client, *(row | {"id": id, "unit": unit} for id, unit in named))
    eventually(lambda: len(ids(settings)) == 4)
    result = stored(settings, "SELECT unit_hash, row FROM predictions ORDER BY id")
    units = [unit for unit, _ in result]
    assert json.loads(result[0][1]) == {
        name: value for name, value in row.items() if name != "distance"
    }
    assert units[0] == units[1] != units[2]
    assert units[3] is None
    retained = records_of(settings)
    assert b"7.654321" in retained
    assert b"77.123456" not in retained
    assert b"Ada" not in retained


def test_in_shadow_the_decision_is_recorded_but_not_returned(
    client: Client, settings: Settings
) -> None:
    switched(client, "shadow")
    (answer,) = predicted(client, PARCEL | {"id": "mine"})["predictions"]
    assert answer["decision"] is None
    eventually(lambda: ids(settings))
    assert stored(settings, "SELECT score, decision, mode FROM predictions") == [
        (answer["score"], "call", "shadow")
    ]


def test_a_repeated_prediction_is_stored_once(client: Client, settings: Settings) -> None:
    first, again = (predicted(client, PARCEL | {"id": "mine"}) for _ in range(2))
    assert first == again
    predicted(client, PARCEL | {"id": "last"})
    eventually(lambda: "last" in ids(settings))
    assert len(ids(settings)) == 2


def test_a_duplicate_id_in_one_body_is_refused_and_nothing_is_stored(
    client: Client, settings: Settings
) -> None:
    answer = client.post(
        "/v1/predict", json={"rows": [PARCEL | {"id": "mine"}, PARCEL | {"id": "mine"}]}
    )
    assert (answer.status_code, "twice in the body" in answer.json()["detail"]) == (422, True)
    predicted(client, PARCEL | {"id": "last"})
    eventually(lambda: ids(settings))
    assert ids(settings) == ["last"]


@pytest.mark.parametrize(
    ("route", "body"),
    [
        *(("/v1/predict", {"rows": [PARCEL | {name: "a\0b"}]}) for name in ("id", "unit", "city")),
        ("/v1/explain", {"rows": [PARCEL | {"city": "a\0b"}]}),
        ("/v1/outcomes", {"outcomes": [outcome("a\0b", 1)]}),
        ("/v1/feedback", {"feedback": [LIVE | {"decision_taken": "a\0b"}]}),
        ("/v1/mode", {"mode": "shadow", "reason": "a\0b and more"}),
    ],
)
def test_a_nul_character_is_refused(strict: Client, route: str, body: Any) -> None:
    answer = strict.post(route, json=body)
    assert (answer.status_code, "u0000" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    "id", ["\\ud800", "\\u00e9", "\\\\", "'; DROP TABLE predictions; --", "😀", "\\u2028"]
)
def test_any_other_text_is_a_valid_id_or_refused(
    client: Client, settings: Settings, id: str
) -> None:
    body = '{"rows": [' + json.dumps(PARCEL)[:-1] + f', "id": "{id}"' + "}]}"
    answer = client.post("/v1/predict", content=body.encode())
    if answer.status_code == 400:
        assert answer.json()["errors"][0]["rule"].startswith("JSON")
        return
    assert answer.json()["predictions"][0]["id"] == json.loads(f'"{id}"')
    eventually(lambda: ids(settings))
    assert ids(settings) == [json.loads(f'"{id}"')]


def test_outcomes_are_counted_by_result(client: Client, settings: Settings) -> None:
    predicted(client, PARCEL | {"id": "a"}, PARCEL | {"id": "b"})
    eventually(lambda: len(ids(settings)) == 2)
    first = send_outcomes(
        client, outcome("a", 1), outcome("b", 0), outcome("b", 0), outcome("never asked", 1)
    )
    assert first.json() == {"accepted": 3, "repeated": 1, "corrected": 0, "unknown": 1}
    again = send_outcomes(client, outcome("a", 1), outcome("b", 1, correction=True))
    assert again.json() == {"accepted": 0, "repeated": 1, "corrected": 1, "unknown": 0}
    for result, count in {"accepted": 3, "repeated": 2, "corrected": 1, "unknown": 1}.items():
        assert metric(client, 'ml_outcomes_received_total{result="' + result + '"} ' + f"{count}.0")


def test_a_correction_replaces_the_outcome_and_the_history_has_the_old_one(
    client: Client, settings: Settings
) -> None:
    send_outcomes(client, outcome("a", 0, at="2026-01-31T12:00:00+02:00"))
    send_outcomes(client, outcome("a", 1, correction=True))
    assert stored(settings, "SELECT outcome, at FROM outcomes") == [
        (1.0, "2026-01-31 12:00:00.000000")
    ]
    assert stored(settings, "SELECT outcome, at FROM outcome_history") == [
        (0.0, "2026-01-31 10:00:00.000000")
    ]


def test_an_outcome_that_differs_is_refused_with_the_stored_one_and_a_remedy(
    client: Client, settings: Settings
) -> None:
    send_outcomes(client, outcome("a", 1))
    given = [outcome("new", 1), outcome("a", 0)]
    answer = send_outcomes(client, *given)
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert (error["row"], error["field"], error["given"]) == (1, "outcome", 0)
    assert "1 is stored for 'a'" in error["rule"]
    assert stored(settings, "SELECT prediction_id, outcome FROM outcomes") == [("a", 1.0)]
    corrected = send_outcomes(client, given[0], given[1] | error["example"])
    assert corrected.json() == {"accepted": 1, "repeated": 0, "corrected": 1, "unknown": 2}


def test_two_outcomes_for_one_prediction_in_one_body_must_agree(
    client: Client, settings: Settings
) -> None:
    assert send_outcomes(client, outcome("a", 1), outcome("a", 0)).status_code == 409
    assert stored(settings, "SELECT * FROM outcomes") == []


def test_a_classifier_accepts_only_the_outcomes_0_and_1(client: Client, settings: Settings) -> None:
    given = [outcome("a", 1), outcome("b", 0.5), outcome("c", -1)]
    answer = send_outcomes(client, *given)
    errors = answer.json()["errors"]
    assert answer.status_code == 422
    assert [(item["row"], item["field"], item["given"]) for item in errors] == [
        (1, "outcome", 0.5),
        (2, "outcome", -1),
    ]
    assert stored(settings, "SELECT * FROM outcomes") == []
    corrected = [
        given[0],
        *(given[error["row"]] | {"outcome": error["example"]} for error in errors),
    ]
    assert send_outcomes(client, *corrected).json()["accepted"] == 3


def test_a_regressor_accepts_any_finite_outcome(
    settings: Settings, registry: Registry, tmp_path: Path
) -> None:
    version = train(regression, settings, silent, kind="baseline").version
    point(
        settings.models, registry.download(version, tmp_path).rename(tmp_path / version.digest), 1
    )
    with serve(regression, settings) as client:
        assert (
            send_outcomes(
                client, outcome("a", -1234.5), outcome("b", 3e38), outcome("c", 0)
            ).json()["accepted"]
            == 3
        )
        infinite = (
            '{"outcomes": [' + json.dumps(outcome("d", 1)).replace(": 1,", ": Infinity,") + "]}"
        )
        assert client.post("/v1/outcomes", content=infinite).status_code == 422
        # their squares are infinite, and would make every sum of squares infinite
        for far in (1e39, -1e300):
            (error,) = send_outcomes(client, outcome("d", far)).json()["errors"]
            assert (error["row"], error["field"], error["example"]) == (0, "outcome", 1)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"outcome": "1"}, "valid number"),
        ({"outcome": True}, "valid number"),
        ({"outcome": None}, "valid number"),
        ({"at": "2026-01-31T12:00:00"}, "timezone"),
        ({"at": "2026-02-31T12:00:00Z"}, "valid datetime"),
        ({"at": "yesterday"}, "valid datetime"),
        ({"at": "0001-01-02T00:00:00Z"}, "between 1970 and now"),
        ({"at": "1969-12-31T23:59:59Z"}, "between 1970 and now"),
        ({"at": "9999-12-31T00:00:00Z"}, "between 1970 and now"),
        (
            {"at": f"{datetime.now(UTC) + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"},
            "between 1970 and now",
        ),
        ({"at": 1_769_860_800}, "valid datetime"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "calendar"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "calendar"),
        ({"prediction_id": ""}, "at least 1 character"),
        ({"prediction_id": "x" * 129}, "at most 128 characters"),
        ({"prediction_id": 7}, "valid string"),
        ({"correction": "yes"}, "valid boolean"),
    ],
)
def test_an_invalid_outcome_is_named_with_a_valid_example(
    strict: Client, change: dict[str, Any], rule: str
) -> None:
    ((name, _),) = change.items()
    good = outcome("fine", 1)
    answer = send_outcomes(strict, good, outcome("wrong", 1) | change)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert (error["row"], error["field"]) == (1, name)
    assert rule in error["rule"]
    corrected = send_outcomes(strict, good | {name: error["example"]})
    assert corrected.status_code == 200, corrected.text


def test_repeated_feedback_is_stored_once_and_counted(client: Client, settings: Settings) -> None:
    predicted(client, PARCEL | {"id": "p"})
    eventually(lambda: ids(settings))
    why = {"decision_taken": "leave", "reason": "known-customer", "handling_seconds": 40}
    other = LIVE | why | {"verdict": "overridden"}
    first = reviewed(client, LIVE, other, LIVE, other | {"prediction_id": "never asked"})
    assert first.json() == {"accepted": 3, "repeated": 1, "unknown": 1}
    assert reviewed(client, other, LIVE).json() == {"accepted": 0, "repeated": 2, "unknown": 0}
    result = stored(
        settings,
        "SELECT verdict, decision_taken, reason, handling_seconds FROM feedback WHERE "
        "prediction_id = 'p'",
    )
    assert sorted(result) == [
        ("accepted", None, None, None),
        ("overridden", "leave", "known-customer", 40.0),
    ]
    judged = (
        'ml_decision_feedback_total{arm="champion",model_version="1",reason="%s",verdict="%s"} %s'
    )
    eventually(lambda: metric(client, judged % ("", "accepted", "1.0")))
    # one feedback waits for its prediction
    eventually(lambda: metric(client, judged % ("known-customer", "overridden", "1.0")))


@pytest.mark.parametrize(("given", "text"), [(66, "66"), (70.5, "70.5"), ("70", "70")])
def test_a_decision_that_is_a_number_may_come_back_as_it_was_sent(
    client: Client, settings: Settings, given: float | str, text: str
) -> None:
    case = f"number-{text}-{type(given).__name__}"
    predicted(client, PARCEL | {"id": case})
    eventually(lambda: case in ids(settings))
    sent = LIVE | {"prediction_id": case, "decision_taken": given}
    assert reviewed(client, sent).status_code == 200
    query = "SELECT prediction_id, decision_taken FROM feedback"
    eventually(lambda: (case, text) in stored(settings, query))


def test_a_reviewer_is_stored_only_as_a_pseudonym_of_the_month(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def month(number: int) -> None:
        class FixedClock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> "FixedClock":
                return cls(2026, number, 15, tzinfo=tz)

        monkeypatch.setattr(record_routes, "datetime", FixedClock)

    def pseudonym(prediction: str) -> str:
        query = f"SELECT pseudonym FROM feedback WHERE prediction_id = '{prediction}'"  # noqa: S608
        ((result,),) = stored(settings, query)
        return str(result)

    grace = LIVE | {"reviewer": "Grace Hopper"}
    month(3)
    answer = reviewed(
        client,
        grace | {"prediction_id": "first"},
        grace | {"prediction_id": "second"},
        grace | {"prediction_id": "other", "reviewer": "Ada Lovelace"},
    )
    month(4)
    later = reviewed(client, grace | {"prediction_id": "later"})
    assert (answer.json()["accepted"], later.json()["accepted"]) == (3, 1)
    assert pseudonym("first") == pseudonym("second")
    assert len({pseudonym(name) for name in ("first", "other", "later")}) == 3
    retained = records_of(settings)
    assert pseudonym("first").encode() in retained
    assert b"Hopper" not in retained
    assert b"Lovelace" not in retained


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"verdict": "liked"}, "'accepted', 'edited' or 'overridden'"),
        ({"reason": "Mrs Miller called twice"}, "pattern"),
        ({"reason": ""}, "pattern"),
        ({"reason": "word\n"}, "pattern"),
        ({"reason": "x" * 41}, "pattern"),
        ({"reviewer": ""}, "at least 1 character"),
        ({"reviewer": None}, "valid string"),
        ({"decision_taken": "Anna of desk 7 let it pass"}, "should match pattern"),
        ({"handling_seconds": -1}, "greater than or equal to 0"),
        ({"handling_seconds": 86_401}, "less than or equal to 86400"),
        ({"prediction_id": 7}, "valid string"),
    ],
)
def test_invalid_feedback_is_named_with_a_valid_example(
    strict: Client, change: dict[str, Any], rule: str
) -> None:
    ((name, _),) = change.items()
    answer = reviewed(strict, LIVE, LIVE | change)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert (error["row"], error["field"]) == (1, name)
    assert rule in error["rule"]
    corrected = reviewed(strict, LIVE | {name: error["example"]})
    assert corrected.status_code == 200, corrected.text


@pytest.mark.parametrize(
    ("route", "name"), [("/v1/outcomes", "outcomes"), ("/v1/feedback", "feedback")]
)
@pytest.mark.parametrize("items", [None, [], {}, [7], "many"])
def test_a_body_of_another_shape_is_refused_by_name(
    strict: Client, route: str, name: str, items: Any
) -> None:
    for body in ({name: items}, {}, {name: [LIVE], "more": 1}):
        answer = strict.post(route, json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (
            422,
            "application/problem+json",
        )
        assert answer.json()["errors"][0]["field"]
    assert strict.post(route, json={name: [LIVE] * 1_001}).json()["errors"][0]["field"] == name


@pytest.mark.parametrize("route", ["/v1/outcomes", "/v1/feedback", "/v1/mode"])
def test_the_example_of_the_documentation_works(client: Client, route: str) -> None:
    documented = client.get("/openapi.json").json()["paths"][route]["post"]
    example = documented["requestBody"]["content"]["application/json"]["schema"]["example"]
    assert client.post(route, json=example).status_code == 200


@pytest.fixture
def second(client: Client, settings: Settings, tmp_path: Path) -> Iterator[Client]:
    """Another replica of the service of `client`."""
    with serve(
        binary, settings.model_copy(update={"event_log_dir": tmp_path / "spool-2"})
    ) as result:
        yield result


def test_the_kill_switch_acts_here_at_once_and_elsewhere_soon(
    client: Client, second: Client
) -> None:
    assert predicted(second, PARCEL)["predictions"][0]["decision"] == "call"
    message = switched(client, "shadow")
    assert (message["mode"], message["by"], message["reason"]) == (
        "shadow",
        "local",
        "complaints since noon",
    )
    assert datetime.fromisoformat(message["since"]).tzinfo
    assert predicted(client, PARCEL)["predictions"][0]["decision"] is None
    eventually(lambda: predicted(second, PARCEL)["predictions"][0]["decision"] is None)
    line = 'ml_mode_info{mode="shadow"} 1.0'
    for service in (client, second):
        assert service.get("/v1/model").json()["mode"] == "shadow"
        assert service.operations.get("/readyz").json()["mode"] == "shadow"
        eventually(lambda service=service: metric(service, line))  # type: ignore[misc]
        assert not metric(service, 'ml_mode_info{mode="assist"} 1.0')


def test_the_kill_switch_by_command_arrives_too(
    client: Client,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ML_DATABASE_URL", settings.database_url)
    assert main(["set-mode", "shadow", "--reason", "the desk is flooded", "--actor", "grace"]) == 0
    assert "by grace: the desk is flooded" in capsys.readouterr().out
    eventually(lambda: client.get("/v1/model").json()["mode"] == "shadow")


def test_a_switch_is_logged_with_actor_and_reason(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, log.name)
    switched(client, "automate", "the board agreed")
    facts = [vars(record)["facts"] for record in caplog.records if record.getMessage() == "mode"]
    by = {"source": "database", "who": "local", "why": "the board agreed"}
    assert facts == [{"mode": "automate", "before": "assist", **by}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "shadow"}, "reason"),
        ({"mode": "shadow", "reason": ""}, "reason"),
        ({"mode": "shadow", "reason": "x" * 501}, "reason"),
        ({"mode": "stop", "reason": "complaints"}, "mode"),
        ({"reason": "complaints"}, "mode"),
        ({"mode": "shadow", "reason": "complaints", "who": "me"}, "who"),
    ],
)
def test_a_switch_without_a_reason_or_a_known_mode_is_refused(
    strict: Client, body: Any, field: str
) -> None:
    answer = strict.post("/v1/mode", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert strict.get("/v1/model").json()["mode"] == "assist"
    if field != "who":
        corrected = (
            {"mode": "assist", "reason": "as before"}
            | body
            | {field: answer.json()["errors"][0]["example"]}
        )
        assert strict.post("/v1/mode", json=corrected).status_code == 200
        assert switched(strict, "assist")["mode"] == "assist"


@pytest.mark.parametrize(
    ("retained", "holds"),
    [
        ("automate", "automate"),
        ("shadow", "shadow"),
        ("", "shadow"),
        ("auto", "shadow"),
        (None, "shadow"),
    ],
)
def test_without_the_database_the_last_mode_stays_active_or_else_the_safest(
    settings: Settings, trained: Trained, tmp_path: Path, retained: str | None, holds: str
) -> None:
    point(settings.models, trained.bundle, 1)
    if retained is not None:
        (settings.spooled / "mode").write_text(retained)
    with serve(
        binary, settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/nothing.db"})
    ) as client:
        answer = predicted(client, PARCEL)
    assert answer["mode"] == holds
    assert (answer["predictions"][0]["decision"] is None) == (holds == "shadow")


def test_a_mode_survives_a_restart(client: Client, settings: Settings, tmp_path: Path) -> None:
    switched(client, "automate")
    with serve(
        binary,
        settings.model_copy(update={"event_log_dir": tmp_path / "another", "mode": "shadow"}),
    ) as later:
        assert later.get("/v1/model").json()["mode"] == "automate"
