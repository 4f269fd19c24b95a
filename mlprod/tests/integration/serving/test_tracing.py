import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from conftest import Trained, assemble, eventually, point
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from seams import PARCEL, binary
from starlette.testclient import TestClient

from mlprod.serving.tracing import traced
from mlprod.settings import Settings

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NAMES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
)


class Collector(ThreadingHTTPServer):
    """Collects the spans of an exporter."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.resources: list[Any] = []

    @property
    def spans(self) -> list[Any]:
        return [
            span for item in self.resources for scope in item.scope_spans for span in scope.spans
        ]


class CollectorHandler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.resources += ExportTraceServiceRequest.FromString(body).resource_spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def attributes_of(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    result = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{result.server_port}")
    thread = threading.Thread(target=result.serve_forever, args=(0.01,))
    thread.start()
    yield result
    result.shutdown()
    thread.join(10)
    result.server_close()


@pytest.fixture
def client(collector: Collector, settings: Settings, trained: Trained) -> Iterator[TestClient]:
    """A client of a traced service."""
    point(settings.models, trained.bundle, 1)
    with TestClient(
        traced(assemble(binary, settings).service, settings.model_name), "http://localhost"
    ) as result:
        yield result


def test_a_span_names_the_route_and_continues_the_callers_trace(
    client: TestClient, collector: Collector, settings: Settings
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "authorization": "Bearer secret"}
    row = PARCEL | {"weight": 7.654321, "id": "quokka-1"}
    assert client.post("/v1/predict", json={"rows": [row]}, headers=headers).status_code == 200
    eventually(lambda: collector.spans)
    (span,) = collector.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert span.name == "POST /v1/predict"
    message = attributes_of(span.attributes)
    assert (message["http.route"], message["http.response.status_code"]) == ("/v1/predict", 200)
    assert (
        attributes_of(collector.resources[0].resource.attributes)["service.name"]
        == settings.model_name
    )
    for value in ("7.654321", "quokka", "secret"):
        assert value not in str(collector.resources)


def test_every_route_and_refusal_has_a_span_of_its_own(
    client: TestClient, collector: Collector
) -> None:
    client.get("/v1/model")
    client.post("/v1/explain", json={"rows": [PARCEL]})
    client.post("/v1/predict", json={})
    eventually(lambda: len(collector.spans) == 3)
    received = [
        (span.name, attributes_of(span.attributes)["http.response.status_code"])
        for span in collector.spans
    ]
    assert received == [
        ("GET /v1/model", 200),
        ("POST /v1/explain", 200),
        ("POST /v1/predict", 422),
    ]
    assert len({span.trace_id for span in collector.spans}) == 3


def test_an_unavailable_collector_delays_and_fails_no_answer(
    settings: Settings, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    point(settings.models, trained.bundle, 1)
    with TestClient(traced(assemble(binary, settings).service, "x"), "http://localhost") as client:
        for _ in range(3):
            assert client.post("/v1/predict", json={"rows": [PARCEL]}).status_code == 200


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_without_an_endpoint_the_application_is_not_wrapped(
    message: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in message.items():
        monkeypatch.setenv(name, value)
    app = object()
    assert traced(app, "x") is app


def test_without_an_endpoint_nothing_is_imported() -> None:
    program = (
        "import sys, mlprod.serving.server as run; assert run.traced(sys, 'x') is sys; "
        "print(*sys.modules)"
    )
    message = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = message.stdout.split()
    assert "mlprod.serving.tracing" in loaded
    assert not [
        name for name in loaded if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))
    ]
