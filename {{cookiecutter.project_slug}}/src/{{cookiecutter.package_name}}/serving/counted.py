"""Counters whose labels are not known beforehand."""

import threading

from prometheus_client import CollectorRegistry, Counter


class Counted:
    """A new series is shown at 0 once before it counts: Prometheus sees no increase in one that begins at 1. Safe for
    threads."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...], registry: CollectorRegistry) -> None:
        self._counter, self._lock = Counter(name, meaning, labels, registry=registry), threading.Lock()
        self._held: dict[tuple[str, ...], float] = {}
        self._bound: dict[tuple[str, ...], Counter] = {}  # `labels()` costs twice an increment

    def add(self, *labels: str, amount: float = 1) -> None:
        """Count, from the next scrape on where the labels are new; an amount of 0 shows them."""
        if (bound := self._bound.get(labels)) is not None:
            bound.inc(amount)
            return
        with self._lock:
            self._counter.labels(*labels)
            self._held[labels] = self._held.get(labels, 0) + amount

    def shown(self) -> None:
        """Prometheus has seen the zeros."""
        with self._lock:
            held, self._held = self._held, {}
            for labels, amount in held.items():
                self._bound[labels] = bound = self._counter.labels(*labels)
                bound.inc(amount)
