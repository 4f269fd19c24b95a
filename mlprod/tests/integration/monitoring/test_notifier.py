import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from past import NOW

from mlprod.monitoring import notifier
from mlprod.monitoring.alerts import Alert
from mlprod.monitoring.notifier import DeliveryError, news, post, remember

DRIFT = Alert("FeatureDrift", "amount is 12% away", "amount")
STALE = Alert("ModelStale", "the model is old")
OWNERS = {"model_quality": "Bea Invented <bea@example.org>"}


class Taker(ThreadingHTTPServer):
    """Takes messages, and answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.taken = 204, list[tuple[str, Any, str]]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Taker

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.taken.append((self.path, body, self.headers.get("authorization", "")))
        self.send_response(self.server.status)
        self.send_header("location", f"{self.server.url}/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def taker() -> Iterator[Taker]:
    with Taker() as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_what_goes_on_keeps_its_beginning_and_what_ends_is_told_once(tmp_path: Path) -> None:
    state = tmp_path / "state" / "watch.json"
    first = news(state, [DRIFT], OWNERS, NOW)
    assert first.wrong["FeatureDrift: amount"] == {
        "alert": "FeatureDrift",
        "says": "amount is 12% away",
        "outcome": "model_quality",
        "owner": "Bea Invented <bea@example.org>",
        "since": "2026-06-15T12:30:00Z",
        "runbook": "docs/runbooks/data.md#featuredrift",
    }
    remember(state, first, taken=True)
    second = news(state, [DRIFT, STALE], OWNERS, NOW + timedelta(hours=1))
    assert [facts["since"] for facts in second.wrong.values()] == [
        "2026-06-15T12:30:00Z",
        "2026-06-15T13:30:00Z",
    ]
    assert second.ended == {}
    remember(state, second, taken=True)
    third = news(state, [STALE], {}, NOW + timedelta(hours=2))
    assert list(third.ended) == ["FeatureDrift: amount"]
    assert third.wrong["ModelStale"]["owner"] == "TODO"
    remember(state, third, taken=True)
    assert news(state, [STALE], OWNERS, NOW).ended == {}
    assert [path.name for path in state.parent.iterdir()] == ["watch.json"]


def test_an_end_that_nobody_took_is_told_again(tmp_path: Path) -> None:
    state = tmp_path / "watch.json"
    remember(state, news(state, [DRIFT], OWNERS, NOW), taken=True)
    remember(state, news(state, [], OWNERS, NOW), taken=False)
    again = news(state, [], OWNERS, NOW)
    assert list(again.ended) == ["FeatureDrift: amount"]
    remember(state, again, taken=True)
    assert news(state, [], OWNERS, NOW).ended == {}


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"a": 1}', "null", "\x00"])
def test_a_damaged_state_is_as_none(tmp_path: Path, damage: str) -> None:
    state = tmp_path / "watch.json"
    state.write_text(damage)
    result = news(state, [DRIFT], OWNERS, NOW)
    assert (list(result.wrong), result.ended) == (["FeatureDrift: amount"], {})


def test_one_message_holds_all_of_it(taker: Taker, tmp_path: Path) -> None:
    remember(tmp_path / "s", news(tmp_path / "s", [STALE], OWNERS, NOW), taken=True)
    result = news(tmp_path / "s", [DRIFT], OWNERS, NOW)
    post(taker.url, result.message("parcels", NOW), "from the safe")
    ((path, body, authorization),) = taker.taken
    assert (path, authorization) == ("/hook", "Bearer from the safe")
    assert (body["system"], body["at"]) == ("parcels", "2026-06-15T12:30:00Z")
    assert [entry["id"] for entry in body["wrong"]] == ["FeatureDrift: amount"]
    assert [item["id"] for item in body["ended"]] == ["ModelStale"]


@pytest.mark.parametrize("status", [302, 307, 400, 404, 500, 503])
def test_an_address_that_does_not_take_it_is_said_without_its_path(
    taker: Taker, status: int
) -> None:
    taker.status = status
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1 did not take the message") as refused:
        post(f"{taker.url}/quokka", {})
    assert "quokka" not in str(refused.value)
    assert len(taker.taken) == 1, "a redirect is not followed: it would carry the token away"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/quokka", "file:///etc/passwd", "quokka", "https://"]
)
def test_nobody_there_is_said(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "SECONDS", 2)
    with pytest.raises(DeliveryError):
        post(url, {})
