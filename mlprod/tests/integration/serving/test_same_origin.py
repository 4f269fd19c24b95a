"""A web page that a developer visits cannot use the service on the same machine."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Client, Trained, point, serve
from seams import PARCEL, binary

from mlprod.serving.api_keys import add_key
from mlprod.settings import Settings

ROWS = {"rows": [PARCEL]}
STOP = {"mode": "shadow", "reason": "from a page"}
FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example:8000",
    "0.0.0.0:8000",
    "10.0.0.1:8000",
    "[::2]:8000",
    "user@localhost",
    "testserver",
    "x" * 5_000,
)
OWN_HOSTS = (
    "localhost",
    "LOCALHOST:8000",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.8.8.8:1",
    "[::1]",
    "[::1]:8000",
)
FOREIGN_PAGES: tuple[dict[str, str], ...] = (
    {"origin": "http://evil.example"},
    {"origin": "https://evil.example:8000"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "http://localhost:3000"},
    {"origin": "http://127.0.0.1"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
)
ROUTES = (
    ("POST", "/v1/predict"),
    ("POST", "/v1/explain"),
    ("POST", "/v1/outcomes"),
    ("POST", "/v1/feedback"),
    ("POST", "/v1/mode"),
    ("GET", "/v1/model"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
)
READS = ("/healthz", "/readyz", "/metrics")


@pytest.fixture(scope="module")
def open_service(new_settings: Callable[[], Settings], trained: Trained) -> Iterator[Client]:
    """A service without keys."""
    settings = new_settings()
    point(settings.models, trained.bundle, 1)
    with serve(binary, settings) as client:
        yield client


def is_refused(answer: Any, status: int = 403) -> bool:
    return (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_foreign_host_is_refused(open_service: Client, host: str) -> None:
    for method, route in ROUTES:
        answer = open_service.request(method, route, json=STOP, headers={"host": host})
        assert is_refused(answer)
        assert len(answer.json()["detail"]) < 200
        assert "localhost or 127.0.0.1" in answer.json()["detail"]
    for route in READS:
        assert is_refused(open_service.operations.get(route, headers={"host": host}))
    assert open_service.assembly.mode_state.mode == "assist"


@pytest.mark.parametrize("page", FOREIGN_PAGES)
def test_a_page_of_another_site_is_refused(open_service: Client, page: dict[str, str]) -> None:
    for method, route in ROUTES:
        assert is_refused(open_service.request(method, route, json=STOP, headers=page))
    for route in READS:
        assert is_refused(open_service.operations.get(route, headers=page))
    assert open_service.assembly.mode_state.mode == "assist"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "TEXT/PLAIN; charset=utf-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; a=b",
    ],
)
def test_a_body_that_any_page_can_send_is_refused(open_service: Client, kind: str) -> None:
    for method, route in ROUTES:
        if method == "POST":
            answer = open_service.post(route, content=b"{}", headers={"content-type": kind})
            assert is_refused(answer, 415)
            assert "send content-type: application/json" in answer.json()["detail"]
    assert open_service.assembly.mode_state.mode == "assist"


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_programs_and_the_services_own_page_are_answered(open_service: Client, host: str) -> None:
    own = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    for headers in ({"host": host}, {"host": host, "sec-fetch-site": "none"}, own):
        assert open_service.post("/v1/predict", json=ROWS, headers=headers).status_code == 200
        assert open_service.get("/docs", headers=headers).status_code == 200
        assert open_service.operations.get("/metrics", headers=headers).status_code == 200
    bare = open_service.post(
        "/v1/predict", content=open_service.build_request("POST", "/", json=ROWS).content
    )
    assert "content-type" not in bare.request.headers
    assert bare.status_code == 200


def test_a_link_to_the_documentation_works_from_anywhere(open_service: Client) -> None:
    link = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    assert open_service.get("/docs", headers=link).status_code == 200
    assert is_refused(open_service.post("/v1/mode", json=STOP, headers=link))


def test_with_keys_the_host_is_not_checked(
    settings: Settings, trained: Trained, tmp_path: Path
) -> None:
    """As behind a load balancer, which uses any host name."""
    path = tmp_path / "keys.json"
    key = add_key(path, "checkout", ["predict"])
    point(settings.models, trained.bundle, 1)
    # nothing listens, because the client calls the application
    reached = {"keys_file": path, "host": "0.0.0.0", "admin_host": "0.0.0.0"}  # noqa: S104
    with serve(binary, settings.model_copy(update=reached)) as client:
        foreign = {
            "host": "scoring.example.org",
            "origin": "https://shop.example.org",
            "content-type": "text/plain",
        }
        headers = foreign | {"authorization": f"Bearer {key}"}
        body = client.build_request("POST", "/", json=ROWS).content
        assert client.post("/v1/predict", content=body, headers=headers).status_code == 200
        assert client.post("/v1/predict", content=body, headers=foreign).status_code == 401
        assert client.get("/healthz", headers=foreign).status_code == 200
        for route in READS:
            assert (
                client.operations.get(route, headers={"host": "10.1.2.3:8001"}).status_code == 200
            )
