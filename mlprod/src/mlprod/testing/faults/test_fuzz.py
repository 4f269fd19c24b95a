"""Fuzzed requests: the service accepts or rejects each one, and none makes it fail.

FUZZ_SECONDS is the approximate duration of all tests in this module together.
"""

import contextlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies
from schemathesis import GenerationMode

from ...ops.migrate import migrate
from ...serving.api_keys import add_key
from .bodies import OUTCOMES, body_of
from .callers import CONNECTION_ERRORS, seconds_of
from .mutation import mutated
from .service import HOST, ServiceProcess, running
from .sockets import connected, statuses_of

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]
SECONDS = seconds_of("FUZZ_SECONDS", 60)
ROLES = ("predict", "outcomes", "feedback", "operate")
ROUTES = ("/v1/predict", "/v1/explain", "/v1/outcomes", "/v1/feedback", "/v1/mode")
EXPECTED = {200, 400, 401, 403, 404, 405, 409, 413, 422, 307}
AT = "2026-01-31T12:00:00Z"
GOOD: dict[str, Any] = {
    "/v1/outcomes": {
        "outcomes": [{"prediction_id": "a", "outcome": OUTCOMES[1], "at": AT, "correction": True}]
        * 2
    },
    "/v1/feedback": {
        "feedback": [
            {
                "prediction_id": "a",
                "verdict": "edited",
                "decision_taken": "b",
                "reason": "c",
                "reviewer": "d",
            },
            {"prediction_id": "a", "verdict": "accepted", "reviewer": "d", "handling_seconds": 1.5},
        ]
    },
    "/v1/mode": {"mode": "assist", "reason": "a test"},
}


@dataclass(frozen=True)
class Guarded:
    """A service with API keys: role → key. "all" has every role, "none" is an empty key."""

    service: ServiceProcess
    keys: dict[str, str]

    def base(self) -> str:
        return f"http://{HOST}:{self.service.port}"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def guarded(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guarded]:
    """Start a service that requires API keys."""
    folder = tmp_path_factory.mktemp("guarded")
    if request.param == "postgresql":
        url = request.getfixturevalue("server").database()
    else:
        url = f"sqlite:///{folder / 'records.db'}"
    migrate(url)
    keys = {role: add_key(folder / "keys.json", role, [role]) for role in ROLES}
    keys |= {"all": add_key(folder / "keys.json", "all", ROLES), "none": ""}
    with running(folder, models, url, ML_KEYS_FILE=folder / "keys.json") as service:
        yield Guarded(service, keys)
        service.wait_until_shipped()
        assert service.metric("ml_records_lost_total") == 0


def is_expected(status: int, headers: dict[str, str]) -> bool:
    return status in EXPECTED or (status == 503 and "retry-after" in headers)


@pytest.mark.parametrize("role", ["none", *ROLES, "all"])
def test_requests_from_the_openapi_document_never_make_the_service_fail(
    guarded: Guarded, role: str
) -> None:
    _, _, documented = guarded.service.send("/openapi.json", key=guarded.keys["all"])
    # With security schemes, a generated key would replace the tested one.
    documented["components"].pop("securitySchemes", None)
    for verbs in documented["paths"].values():
        for message in verbs.values():
            message.pop("security", None)
    schema: Any = schemathesis.openapi.from_dict(documented)
    operations = [made.ok() for made in schema.get_all_operations()]
    assert {operation.path for operation in operations} == {*ROUTES, "/v1/model"}
    # Share of the time, for each of two databases.
    share = 0.3 if role == "all" else 0.06
    seconds = SECONDS * share / len(operations)
    seen = sum(
        (fuzz(guarded, operation, role, seconds) for operation in operations), Counter[int]()
    )
    assert seen.total() > len(operations)
    print(f"\n{role}: {dict(seen)}")


def fuzz(guarded: Guarded, operation: Any, role: str, seconds: float) -> Counter[int]:
    """Send valid and invalid requests of an operation for some seconds; return the statuses."""
    given = {"authorization": f"Bearer {guarded.keys[role]}"} if role != "none" else {}
    seen, until = Counter[int](), time.monotonic() + seconds
    modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

    @hypothesis.settings(
        max_examples=1_000_000,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=strategies.one_of(modes))
    def send(case: Any) -> None:
        if time.monotonic() > until:
            raise TimeOverError
        for name in [name for name in case.headers or {} if name.lower() == "authorization"]:
            del case.headers[name]
        message = case.call(base_url=guarded.base(), headers=given, timeout=30)
        seen[message.status_code] += 1
        headers = {name.lower(): str(value) for name, value in message.headers.items()}
        assert is_expected(message.status_code, headers), (
            f"{message.status_code} {message.text[:300]} to {case.as_curl_command()}"
        )
        assert (message.status_code == 401) == (role == "none")

    with contextlib.suppress(TimeOverError):
        send()
    return seen


class TimeOverError(Exception):
    """The time is over."""


@pytest.mark.parametrize(
    "path", [*ROUTES, "/v1/model", "/openapi.json", "/docs", "/", "/v1/none", "/%761/mode", "//"]
)
def test_request_without_a_valid_key_gets_401(guarded: Guarded, path: str) -> None:
    for verb in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
        for key in (
            "",
            "Bearer ",
            "Bearer none",
            "Basic YWxsOmFsbA==",
            f"Bearer {guarded.keys['all'][:-1]}",
        ):
            connection = HTTPConnection(HOST, guarded.service.port, timeout=30)
            connection.request(verb, path, body_of(), {"authorization": key} if key else {})
            assert connection.getresponse().status == 401
            connection.close()


def good_bodies(guarded: Guarded) -> dict[str, bytes]:
    known = {route: json.dumps(body).encode() for route, body in GOOD.items()}
    bodies = {"/v1/predict": body_of(2, "mine"), "/v1/explain": body_of(2)} | known
    for route, body in bodies.items():
        assert guarded.service.send(route, body, guarded.keys["all"])[0] == 200
    return bodies


def test_damaged_bodies_never_make_the_service_fail(guarded: Guarded) -> None:
    chance, until = random.Random(0), time.monotonic() + SECONDS / 12  # noqa: S311
    bodies = list(good_bodies(guarded).items())
    seen: Counter[int] = Counter()
    connection = HTTPConnection(HOST, guarded.service.port, timeout=30)
    while time.monotonic() < until:
        route, body = chance.choice(bodies)
        damaged = mutated(body, chance)
        connection.request(
            "POST", route, damaged, {"authorization": f"Bearer {guarded.keys['all']}"}
        )
        response = connection.getresponse()
        received = response.read()
        seen[response.status] += 1
        headers = {name.lower(): value for name, value in response.headers.items()}
        assert is_expected(response.status, headers), (
            f"{response.status} {received!r} to {route} {damaged!r}"
        )
        json.loads(received)
    connection.close()
    assert seen[200] > 0
    assert guarded.service.alive()
    print(f"\ndamaged bodies: {dict(seen)}")


ENDS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "1e18"]


@pytest.mark.parametrize("at", ENDS)
def test_extreme_time_is_accepted_or_rejected(guarded: Guarded, at: str) -> None:
    given = {"outcomes": [{"prediction_id": at, "outcome": OUTCOMES[1], "at": at}]}
    status, headers, _ = guarded.service.send(
        "/v1/outcomes", json.dumps(given).encode(), guarded.keys["outcomes"]
    )
    assert is_expected(status, headers)


def test_damaged_requests_never_make_the_service_fail(guarded: Guarded) -> None:
    chance, until = random.Random(1), time.monotonic() + SECONDS / 30  # noqa: S311
    bodies, seen, closed = list(good_bodies(guarded).items()), Counter[int](), 0
    while time.monotonic() < until:
        route, body = chance.choice(bodies)
        lines = (
            f"POST {route} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: "
            f"{len(body)}"
        )
        head = f"{lines}\r\nauthorization: Bearer {guarded.keys['all']}\r\n\r\n".encode()
        made = connected(guarded.service, mutated(head, chance) + body)
        try:
            made.shutdown(1)
            given = statuses_of(made)
        except CONNECTION_ERRORS:
            given = []
        closed += not given
        seen.update(given)
        assert all(status in EXPECTED | {503} for status in given), given
    assert guarded.service.send("/v1/predict", body_of(), guarded.keys["all"])[0] in (200, 503)
    print(f"\ndamaged requests: {dict(seen)}, {closed} cut off")
