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
from mlprod.monitoring.notifier import DeliveryError, build_digest, post_message, save_digest

DRIFT = Alert("FeatureDrift", "amount is 12% away", "amount")
STALE = Alert("ModelStale", "the model is old")
OWNERS = {"model_quality": "Bea Invented <bea@example.org>"}


class Taker(ThreadingHTTPServer):
    """A webhook that stores messages and responds with `status`."""

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


def test_active_alert_keeps_its_start_and_ended_alert_is_sent_once(tmp_path: Path) -> None:
    state = tmp_path / "state" / "watch.json"
    first = build_digest(state, [DRIFT], OWNERS, NOW)
    assert first.active["FeatureDrift: amount"] == {
        "alert": "FeatureDrift",
        "says": "amount is 12% away",
        "outcome": "model_quality",
        "owner": "Bea Invented <bea@example.org>",
        "since": "2026-06-15T12:30:00Z",
        "runbook": "docs/runbooks/data.md#featuredrift",
    }
    save_digest(state, first, delivered=True)
    second = build_digest(state, [DRIFT, STALE], OWNERS, NOW + timedelta(hours=1))
    assert [facts["since"] for facts in second.active.values()] == [
        "2026-06-15T12:30:00Z",
        "2026-06-15T13:30:00Z",
    ]
    assert second.ended == {}
    save_digest(state, second, delivered=True)
    third = build_digest(state, [STALE], {}, NOW + timedelta(hours=2))
    assert list(third.ended) == ["FeatureDrift: amount"]
    assert third.active["ModelStale"]["owner"] == "TODO"
    save_digest(state, third, delivered=True)
    assert build_digest(state, [STALE], OWNERS, NOW).ended == {}
    assert [path.name for path in state.parent.iterdir()] == ["watch.json"]


def test_ended_alert_that_was_not_delivered_is_sent_again(tmp_path: Path) -> None:
    state = tmp_path / "watch.json"
    save_digest(state, build_digest(state, [DRIFT], OWNERS, NOW), delivered=True)
    save_digest(state, build_digest(state, [], OWNERS, NOW), delivered=False)
    again = build_digest(state, [], OWNERS, NOW)
    assert list(again.ended) == ["FeatureDrift: amount"]
    save_digest(state, again, delivered=True)
    assert build_digest(state, [], OWNERS, NOW).ended == {}


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"a": 1}', "null", "\x00"])
def test_damaged_state_file_counts_as_empty(tmp_path: Path, damage: str) -> None:
    state = tmp_path / "watch.json"
    state.write_text(damage)
    result = build_digest(state, [DRIFT], OWNERS, NOW)
    assert (list(result.active), result.ended) == (["FeatureDrift: amount"], {})


def test_one_message_holds_active_and_ended_alerts(taker: Taker, tmp_path: Path) -> None:
    save_digest(tmp_path / "s", build_digest(tmp_path / "s", [STALE], OWNERS, NOW), delivered=True)
    result = build_digest(tmp_path / "s", [DRIFT], OWNERS, NOW)
    post_message(taker.url, result.message("parcels", NOW), "from the safe")
    ((path, body, authorization),) = taker.taken
    assert (path, authorization) == ("/hook", "Bearer from the safe")
    assert (body["system"], body["at"]) == ("parcels", "2026-06-15T12:30:00Z")
    assert [entry["id"] for entry in body["wrong"]] == ["FeatureDrift: amount"]
    assert [item["id"] for item in body["ended"]] == ["ModelStale"]


@pytest.mark.parametrize("status", [302, 307, 400, 404, 500, 503])
def test_failed_delivery_names_the_host_without_the_path(taker: Taker, status: int) -> None:
    taker.status = status
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1 did not accept the message") as refused:
        post_message(f"{taker.url}/quokka", {})
    assert "quokka" not in str(refused.value)
    assert len(taker.taken) == 1, "a redirect is not followed: it would carry the token away"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/quokka", "file:///etc/passwd", "quokka", "https://"]
)
def test_unreachable_or_invalid_url_raises_delivery_error(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "TIMEOUT_SECONDS", 2)
    with pytest.raises(DeliveryError):
        post_message(url, {})
