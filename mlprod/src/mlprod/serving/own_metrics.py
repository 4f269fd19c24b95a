"""The project's own Prometheus metrics, shown beside those of the service and without harm to them."""

from prometheus_client import CollectorRegistry, generate_latest

from ..extensions import ExtensionError, MetricsHook
from ..project.extension_loader import FILE, call_hook
from .logs import log

RESERVED = "ml_"


class OwnMetrics:
    """The collectors of metrics(), in a registry of their own."""

    def __init__(self, hook: MetricsHook) -> None:
        """Raises ExtensionError for what is no collector, and for a name that stands twice or is
        reserved.
        """
        self.registry = CollectorRegistry()
        for collector in call_hook("metrics", lambda: list(hook())):
            if not callable(getattr(collector, "collect", None)):
                raise ExtensionError(
                    f"{FILE}: metrics() gave {collector!r}; it returns Prometheus collectors, for example "
                    '[Gauge("fraud_limits", "Limits loaded", registry=None)]'
                )
            for metric in call_hook("metrics", lambda one=collector: list(one.collect())):
                if metric.name.startswith(RESERVED):
                    raise ExtensionError(
                        f"{FILE}: metrics() names {metric.name}; names that begin with {RESERVED} are the library's"
                    )
            try:
                self.registry.register(collector)
            except ValueError as error:
                raise ExtensionError(f"{FILE}: metrics(): {error}; a name stands once") from error

    def exposition(self) -> bytes:
        """Their text; empty when one of them fails, which must not take the service's metrics away."""
        try:
            return generate_latest(self.registry)
        except Exception:
            log.exception(
                f"metrics() of {FILE}: a collector failed, so this scrape has only the service's metrics"
            )
            return b""
