"""What the service tells Prometheus. Nobody who is scored is ever a label; `owner` is who answers."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """One set for each application, so that tests do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("ml_requests", "Requests answered", ["route", "status"], registry=self.registry)
        self.duration = Histogram(
            "ml_request_duration_seconds",
            "Time to answer",
            ["route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
            registry=self.registry,
        )
        self.predictions = Counter(
            "ml_predictions", "Rows scored", ["model_version", "arm", "decision"], registry=self.registry
        )
        self.model = Gauge(
            "ml_model_info",
            "1 for the model that answers",
            ["version", "commit", "contract", "owner"],
            registry=self.registry,
        )
        self.load_failures = Counter("ml_model_load_failures", "Bundles refused", ["reason"], registry=self.registry)
