"""A proxy of the environment serves other machines, never this one."""

import json
import os
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import requests
from fixture_project import main

from mlprod.loopback import bypass_proxies, describe_proxy, is_loopback, open_address
from mlprod.monitoring.notifier import DeliveryError, post_message
from mlprod.ops.alert_drill import Alertmanager
from mlprod.ops.drills import DrilledService, DrillError

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
NOBODY = "http://127.0.0.1:9"  # a proxy that does not answer


class Answering(BaseHTTPRequestHandler):
    """A service that responds to every request with the facts of a model."""

    def do_GET(self) -> None:
        body = json.dumps({"model_version": "7", "mode": "assist", "kind": "model"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy for everything, by the variables in both spellings."""
    for name in PROXIES:
        for spelling in (name, name.upper()):
            monkeypatch.setenv(spelling, "" if name == "no_proxy" else NOBODY)


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("localhost", True),
        ("LocalHost", True),
        ("::1", True),
        ("[::1]", True),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_addresses_of_this_machine_are_recognized(host: str, near: bool) -> None:
    assert is_loopback(host) is near


def test_drills_reach_the_service_of_this_machine_without_the_proxy(address: str) -> None:
    assert DrilledService(address).call("model")["model_version"] == "7"
    assert DrilledService(address).wait_for(lambda facts: facts, "an answer", seconds=10) < 10
    assert DrilledService(address.replace("127.0.0.1", "localhost")).call("model")
    assert Alertmanager(address).call("status")
    post_message(f"{address}/alerts", {"system": "parcels"})


def test_every_command_keeps_its_libraries_and_children_from_the_proxy(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get(address, timeout=10)
    main(["help"])
    assert requests.get(address, timeout=10).json()["model_version"] == "7"
    with urllib.request.urlopen(address, timeout=10) as response:  # noqa: S310 - our own
        assert response.status == 200
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "localhost,127.0.0.1,::1,[::1]"


def test_hosts_of_no_proxy_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", ".example.org, 127.0.0.1")
    bypass_proxies()
    assert os.environ["NO_PROXY"] == ".example.org,127.0.0.1,localhost,::1,[::1]"
    monkeypatch.setenv("no_proxy", "*")
    bypass_proxies()
    assert os.environ["no_proxy"] == "*"


def test_without_a_proxy_no_variable_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        for spelling in (name, name.upper()):
            monkeypatch.delenv(spelling)
    bypass_proxies()
    assert "no_proxy" not in os.environ, "it would switch off the proxies of the system"


def test_the_message_names_a_proxy_that_fails() -> None:
    with pytest.raises(
        DrillError,
        match=r"last seen: .*refused.*, requested through the proxy http://127\.0\.0\.1:9",
    ):
        DrilledService("http://scoring.example.org").wait_for(
            lambda facts: facts, "an answer", seconds=0.2
        )
    with pytest.raises(DeliveryError, match=r"hooks\.example\.org .*requested through the proxy"):
        post_message("https://hooks.example.org/alerts", {})
    with pytest.raises(DrillError, match="requested through the proxy"):
        Alertmanager("http://alerts.example.org").call("status")
    with pytest.raises(OSError, match="refused"):
        open_address(urllib.request.Request("http://scoring.example.org"), 5)
    assert describe_proxy("http://127.0.0.1:8000") == ""


@pytest.mark.parametrize(
    "url", ["", "hooks", "ftp://h/c4n4ry", "http://[c4n4ry", "http://", "http://h/c4n4ry word"]
)
def test_an_invalid_webhook_address_is_refused_and_not_shown(
    url: str,
) -> None:
    with pytest.raises(DeliveryError) as caught:
        post_message(url, {})
    assert "c4n4ry" not in str(caught.value)
