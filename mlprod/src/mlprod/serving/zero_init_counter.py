"""Counters whose labels are not known beforehand, and how long a new series shows 0."""

import threading
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from ..settings import ZERO_SECONDS


class ZeroPeriod:
    """A new series shows 0 until it has been scraped for `seconds`; with 0 seconds it counts at
    once. Prometheus sees no increase in a series that begins above 0, so each Prometheus replica
    has to see the 0.
    """

    def __init__(
        self, seconds: float = ZERO_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds, self.now = seconds, clock
        # this process ends: what has been shown at all counts from now on, or it would be lost
        self.ending = False

    def over(self, first_shown: float | None) -> bool:
        """Whether a series that was first scraped then counts from now on; None: it never was."""
        if not self.seconds:
            return True
        return first_shown is not None and (self.ending or self.now() - first_shown >= self.seconds)


class ZeroInitCounter:
    """A counter that holds back what is counted under new labels until their zero period is over.

    Safe for threads.
    """

    def __init__(
        self,
        name: str,
        meaning: str,
        labels: tuple[str, ...],
        registry: CollectorRegistry,
        zeros: ZeroPeriod,
    ) -> None:
        """Without labels there is one series, which is there from the start."""
        self._counter, self._zeros = Counter(name, meaning, labels, registry=registry), zeros
        self._lock = threading.Lock()
        self._held: dict[tuple[str, ...], float] = {}
        self._first_shown: dict[tuple[str, ...], float] = {}  # of those held
        self._counting: dict[tuple[str, ...], Counter] = {}  # `labels()` costs twice an increment
        if not labels:
            self.add(amount=0)

    def add(self, *labels: str, amount: float = 1) -> None:
        """Count; what has new labels is shown once their zero period is over.

        An amount of 0 begins it.
        """
        if (series := self._counting.get(labels)) is not None:
            series.inc(amount)
            return
        with self._lock:
            if (series := self._counting.get(labels)) is not None:  # since the look above
                series.inc(amount)
                return
            if not self._zeros.seconds:
                self._counting[labels] = series = self._series(labels)
                series.inc(amount)
                return
            if labels not in self._held:
                self._series(labels)
            self._held[labels] = self._held.get(labels, 0) + amount

    def begin(self, *labels: str) -> None:
        """Count under these labels at once: the process shows them before anything can happen."""
        self._counting[labels] = self._series(labels)

    def release(self) -> None:
        """Before a scrape: show what has been held back for long enough."""
        with self._lock:
            for labels in [
                item for item in self._held if self._zeros.over(self._first_shown.get(item))
            ]:
                series = self._series(labels)
                series.inc(self._held.pop(labels))
                del self._first_shown[labels]
                self._counting[labels] = series

    def shown(self) -> None:
        """After a scrape: somebody has seen the zeros."""
        with self._lock:
            for labels in self._held:
                self._first_shown.setdefault(labels, self._zeros.now())

    def _series(self, labels: tuple[str, ...]) -> Counter:
        return self._counter.labels(*labels) if labels else self._counter
