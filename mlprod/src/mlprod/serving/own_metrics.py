"""The project's Prometheus metrics. They cannot damage the metrics of the service."""

from prometheus_client import CollectorRegistry, generate_latest

from ..extensions import ExtensionError, MetricsHook
from ..project.extension_loader import FILE, call_hook
from .logs import log

RESERVED = "ml_"


class OwnMetrics:
    """Collectors of metrics(), in a registry of their own."""

    def __init__(self, hook: MetricsHook) -> None:
        """Raises ExtensionError for an object without `collect` and a used or reserved name."""
        self.registry = CollectorRegistry()
        for collector in call_hook("metrics", lambda: list(hook())):
            if not callable(getattr(collector, "collect", None)):
                raise ExtensionError(
                    f"{FILE}: metrics() returned {collector!r}; it must return Prometheus "
                    "collectors, for example "
                    '[Gauge("fraud_limits", "Limits loaded", registry=None)]'
                )
            for metric in call_hook("metrics", lambda one=collector: list(one.collect())):
                if metric.name.startswith(RESERVED):
                    raise ExtensionError(
                        f"{FILE}: metrics() uses the name {metric.name}; names that begin with "
                        f"{RESERVED} belong to the library, so choose another name"
                    )
            try:
                self.registry.register(collector)
            except ValueError as error:
                raise ExtensionError(
                    f"{FILE}: metrics(): {error}; use each name only once"
                ) from error

    def exposition(self) -> bytes:
        """Return their text; empty if a collector fails, to keep the metrics of the service."""
        try:
            return generate_latest(self.registry)
        except Exception:
            log.exception(
                f"metrics() of {FILE}: a collector failed, so this scrape has only the metrics of "
                "the service"
            )
            return b""
