import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import Any, get_args

import pytest
from conftest import Client, Trained, assemble, point, serve
from fixture_project import PACKAGE
from seams import PARCEL, binary

from mlprod.project.project import Project
from mlprod.serving import api_keys as keys
from mlprod.serving import server
from mlprod.serving.api_keys import ApiKeys, KeysError, Role, add_key
from mlprod.serving.middleware import REQUIRED_ROLES
from mlprod.serving.preconditions import require_keys
from mlprod.settings import Settings

ROLES = get_args(Role)


@dataclass(frozen=True)
class Keyed:
    """A service that needs keys, with a key for each role by the role's name."""

    client: Client
    path: Path
    keys: dict[str, str]

    def ask(self, method: str, route: str, key: str | None, **more: Any) -> Any:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return self.client.request(method, route, headers=headers, **more)

    def works(self, key: str) -> bool:
        return bool(
            self.ask("POST", "/v1/predict", key, json={"rows": [PARCEL]}).status_code == 200
        )


@pytest.fixture(scope="module")
def keyed(
    new_settings: Callable[[], Settings], trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Keyed]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    made = {role: add_key(path, f"system-{role}", [role]) for role in ROLES}
    made |= {"two": add_key(path, "system-two", ["outcomes", "feedback"])}
    settings = new_settings().model_copy(update={"keys_file": path})
    point(settings.models, trained.bundle, 1)
    with serve(binary, settings) as client:
        yield Keyed(client, path, made)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def on(day: date) -> type[datetime]:
    """A clock that is stopped on a day."""

    class FixedClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "FixedClock":
            return cls(day.year, day.month, day.day, 23, 59, tzinfo=tz)

    return FixedClock


def bearer(key: str) -> bytes:
    return b"Bearer " + key.encode()


@pytest.mark.parametrize("role", [*ROLES, "two"])
@pytest.mark.parametrize("route", REQUIRED_ROLES)
def test_a_key_opens_only_the_routes_of_its_roles(keyed: Keyed, route: str, role: str) -> None:
    held = ["outcomes", "feedback"] if role == "two" else [role]
    answer = keyed.ask("POST", route, keyed.keys[role], json={})
    assert answer.status_code == (422 if REQUIRED_ROLES[route] in held else 403)
    assert answer.headers["content-type"] == "application/problem+json"
    if REQUIRED_ROLES[route] not in held:
        assert (
            f"'system-{role}' does not have the role '{REQUIRED_ROLES[route]}'"
            in answer.json()["detail"]
        )


@pytest.mark.parametrize(
    "route", [*REQUIRED_ROLES, "/v1/model", "/openapi.json", "/docs", "/nothing"]
)
def test_without_a_key_every_path_returns_401(keyed: Keyed, route: str) -> None:
    for method in ("GET", "POST"):
        answer = keyed.ask(method, route, None, json={})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert (answer.headers["content-type"], answer.json()["status"]) == (
            "application/problem+json",
            401,
        )


@pytest.mark.parametrize(
    "route", ["/v1/mode/", "/v1//mode", "/v1/%6dode", "/v1/x/../mode", "/V1/MODE"]
)
def test_another_spelling_of_a_path_is_refused(keyed: Keyed, route: str) -> None:
    body = {"mode": "shadow", "reason": "to see whether it works"}
    assert keyed.ask("POST", route, None, json=body).status_code == 401
    assert keyed.ask("POST", route, keyed.keys["predict"], json=body).status_code in (403, 404)
    assert keyed.client.assembly.mode_state.mode == "assist"


def test_an_unknown_key_is_refused(keyed: Keyed) -> None:
    good = keyed.keys["predict"]
    held = json.loads(keyed.path.read_text())["keys"][0]["sha256"]
    errors = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {good}",
        f"Bearer {good}x",
        f"Bearer {good.swapcase()}",
    ]
    for message in (*errors, f"Bearer {held}", f"Bearer {good} {good}", f"Bearer Bearer {good}"):
        answer = keyed.client.post(
            "/v1/predict", json={"rows": [PARCEL]}, headers={"authorization": message}
        )
        assert answer.status_code == 401, message
    assert keyed.works(good)


def test_any_key_reads_the_model_and_openapi_but_docs_is_off(keyed: Keyed) -> None:
    for key in keyed.keys.values():
        assert keyed.ask("GET", "/v1/model", key).status_code == 200
        assert keyed.ask("GET", "/openapi.json", key).status_code == 200
        assert keyed.ask("GET", "/docs", key).status_code == 404


def test_openapi_states_the_key_header_and_the_role_of_each_route(keyed: Keyed) -> None:
    message = keyed.ask("GET", "/openapi.json", keyed.keys["operate"]).json()
    for route, methods in message["paths"].items():
        for operation in methods.values():
            assert operation["x-role"] == REQUIRED_ROLES.get(route, "any")
            assert {401, 403} <= {int(status) for status in operation["responses"]}
            (name,) = operation["security"][0]
            assert message["components"]["securitySchemes"][name] == {
                "type": "http",
                "scheme": "bearer",
            }


def test_the_admin_port_needs_no_key(keyed: Keyed) -> None:
    for route in ("/healthz", "/readyz", "/metrics"):
        assert keyed.client.operations.get(route).status_code == 200


@pytest.mark.parametrize("after", ["%0A", "%0a", "%0D%0A", "/", "//", "%20", "%00", ";", "/."])
@pytest.mark.parametrize("route", ["/v1/mode", "/v1/outcomes", "/v1/feedback"])
def test_no_spelling_of_a_path_bypasses_its_role(keyed: Keyed, route: str, after: str) -> None:
    body = {"mode": "automate", "reason": "to get in"}
    for path in (
        route + after,
        route.replace("/v1", "//v1"),
        route.replace("/v1/", "/v1/%2e/"),
        route.upper(),
    ):
        assert keyed.ask("POST", path, keyed.keys["predict"], json=body).status_code in (
            400,
            403,
            404,
        ), path


def test_a_mode_switch_records_the_name_of_the_key(keyed: Keyed) -> None:
    body = {"mode": "assist", "reason": "as before"}
    assert (
        keyed.ask("POST", "/v1/mode", keyed.keys["operate"], json=body).json()["by"]
        == "system-operate"
    )


def test_the_log_has_the_caller_and_no_key(keyed: Keyed, output: Callable[[], str]) -> None:
    keyed.works(keyed.keys["predict"])
    keyed.ask("POST", "/v1/mode", keyed.keys["predict"], json={})
    keyed.ask("GET", "/v1/model", "a-wrong-key-of-someone")
    keyed.client.flush()
    message = output()
    lines = [json.loads(line) for line in message.splitlines()]
    assert [(line["status"], line["caller"]) for line in lines if "status" in line] == [
        (200, "system-predict"),
        (403, "system-predict"),
        (401, "-"),
    ]
    assert "a-wrong-key-of-someone" not in message
    assert not any(key in message for key in keyed.keys.values())


def test_a_rotation_needs_no_restart(keyed: Keyed) -> None:
    refresh = keyed.client.assembly.keys.refresh
    old = add_key(keyed.path, "checkout", ["predict"])
    refresh()
    new = add_key(keyed.path, "checkout", ["predict"])
    assert keyed.works(old)
    refresh()  # the service also does this every half second
    assert keyed.works(old)
    assert keyed.works(new)
    message = json.loads(keyed.path.read_text())
    message["keys"] = [
        item
        for item in message["keys"]
        if item["sha256"] != hashlib.sha256(old.encode()).hexdigest()
    ]
    keyed.path.write_text(json.dumps(message))
    refresh()
    assert not keyed.works(old)
    assert keyed.works(new)


def test_a_key_is_valid_through_its_last_day(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = add_key(path, "checkout", ["predict"], date(2027, 6, 30))
    known = ApiKeys(path)
    monkeypatch.setattr(keys, "datetime", on(date(2027, 6, 30)))
    caller = known.caller(bearer(secret))
    assert caller
    assert (caller.name, set(caller.roles)) == ("checkout", {"predict"})
    monkeypatch.setattr(keys, "datetime", on(date(2027, 7, 1)))
    assert known.caller(bearer(secret)) is None


def test_the_file_of_keys_has_no_key_in_clear_and_mode_0600(path: Path) -> None:
    first = add_key(path, "checkout", ["predict"])
    salt = json.loads(path.read_text())["salt"]
    second = add_key(path, "back-office", ["outcomes", "feedback"])
    message = path.read_text()
    assert first not in message
    assert second not in message
    assert json.loads(message)["salt"] == salt
    assert [entry["name"] for entry in json.loads(message)["keys"]] == ["checkout", "back-office"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["keys.json"]


def test_a_change_is_noticed_with_the_same_file_time(path: Path) -> None:
    secret = add_key(path, "checkout", ["predict"])
    known, before = ApiKeys(path), path.stat()
    path.write_text('{"salt": "0123456789abcdef", "keys": []}')
    # as on a file system that counts in steps of 4 ms
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert known.refresh() == f"0 keys read from {path}"
    assert known.caller(bearer(secret)) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"salt": "short", "keys": [{"name": "a", "roles": ["predict"], "sha256": "'
        + "0" * 64
        + '"}]}',
        '{"salt": "0123456789abcdef", "keys": [{"name": "a", "roles": ["all"], "sha256": "'
        + "0" * 64
        + '"}]}',
        '{"salt": "0123456789abcdef", "keys": [{"name": "a", "roles": [], "sha256": "'
        + "0" * 64
        + '"}]}',
        '{"salt": "0123456789abcdef", "keys": [{"name": "a b", "roles": ["predict"], "sha256": "'
        + "0" * 64
        + '"}]}',
        '{"salt": "0123456789abcdef", "keys": [{"name": "a", "roles": ["predict"], '
        '"sha256": "the key itself"}]}',
        None,
    ],
)
def test_a_broken_file_keeps_the_keys_is_logged_once_and_stops_a_start(
    path: Path, content: str | None
) -> None:
    secret = add_key(path, "checkout", ["predict"])
    good, known = path.read_text(), ApiKeys(path)
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert "the last valid keys remain valid" in (known.refresh() or "")
    assert known.refresh() is None
    assert known.caller(bearer(secret))
    with pytest.raises(
        KeysError, match=r"keys\.json: the keys .*key --name checkout --role predict"
    ):
        ApiKeys(path)
    (path.parent / "repaired").write_text(good)
    (path.parent / "repaired").replace(path)
    assert known.refresh() == f"1 keys read from {path}"


def test_a_file_without_keys_refuses_everybody_and_stops_a_start(path: Path) -> None:
    secret = add_key(path, "checkout", ["predict"])
    known = ApiKeys(path)
    path.write_text('{"salt": "0123456789abcdef", "keys": []}')
    assert known.refresh() == f"0 keys read from {path}"
    assert known.caller(bearer(secret)) is None
    with pytest.raises(KeysError, match=r"keys\.json: the file has no key"):
        ApiKeys(path)


def test_the_error_of_a_broken_file_has_no_content_of_it(path: Path) -> None:
    secret = add_key(path, "checkout", ["predict"])
    path.write_text(path.read_text().replace('"sha256": "', f'"sha256": "{secret}'))
    with pytest.raises(KeysError) as received:
        ApiKeys(path)
    assert secret not in str(received.value)


@pytest.mark.parametrize(
    ("name", "roles"), [("a b", ["predict"]), ("", ["predict"]), ("a", []), ("a", ["all"])]
)
def test_an_invalid_key_is_not_created(path: Path, name: str, roles: list[str]) -> None:
    with pytest.raises(KeysError):
        add_key(path, name, roles)
    assert not path.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": "staging"},
        {"environment": "production"},
        {"host": "0.0.0.0"},  # noqa: S104
        *({"host": host} for host in ("::", "10.0.0.1", "scoring.example.org", "")),
    ],
)
def test_a_service_that_others_can_reach_does_not_start_without_keys(
    changes: dict[str, str], settings: Settings
) -> None:
    with pytest.raises(KeysError, match="key --name checkout --role predict"):
        server.serve(Project(PACKAGE), settings.model_copy(update=changes), follower=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_a_local_service_on_loopback_needs_no_keys(host: str) -> None:
    require_keys(Settings(host=host))


def test_with_keys_a_service_starts_anywhere_but_not_with_a_missing_file(
    settings: Settings, path: Path
) -> None:
    elsewhere = settings.model_copy(
        update={"environment": "production", "host": "10.0.0.1", "keys_file": path}
    )
    require_keys(elsewhere)
    with pytest.raises(KeysError, match="the keys cannot be read"):
        assemble(binary, elsewhere)
