"""Counters whose labels are not known beforehand, and how long a new series shows 0."""

import threading
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from ..settings import ZERO_SECONDS


class ZeroPeriod:
    """Time for which a new series shows 0: `seconds` after its first scrape; 0 means no such time.

    Prometheus sees no increase in a series that begins above 0, so each Prometheus replica has to
    scrape the 0.
    """

    def __init__(
        self, seconds: float = ZERO_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds, self.now = seconds, clock
        # True when the process ends. Then every scraped series shows its counts, or they were lost.
        self.ending = False

    def is_over(self, first_shown: float | None) -> bool:
        """Return whether the zero period of a series is over; `first_shown` None: never scraped."""
        if not self.seconds:
            return True
        return first_shown is not None and (self.ending or self.now() - first_shown >= self.seconds)


class ZeroInitCounter:
    """A counter that shows new labels at 0 until their zero period is over.

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
        """Create the counter. Without labels it has one series, which exists from the start."""
        self._counter, self._zeros = Counter(name, meaning, labels, registry=registry), zeros
        self._lock = threading.Lock()
        self._held: dict[tuple[str, ...], float] = {}
        self._first_shown: dict[tuple[str, ...], float] = {}  # of the series in `_held`
        # a cache, because `labels()` costs twice an increment
        self._counting: dict[tuple[str, ...], Counter] = {}
        if not labels:
            self.add(amount=0)

    def add(self, *labels: str, amount: float = 1) -> None:
        """Add an amount. With new labels it is shown after their zero period.

        An amount of 0 begins that period.
        """
        if (series := self._counting.get(labels)) is not None:
            series.inc(amount)
            return
        with self._lock:
            # another thread may have added the series since the check above
            if (series := self._counting.get(labels)) is not None:
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
        """Show these labels now, and count them without a zero period.

        Use it at the start of the process, before anything can be counted.
        """
        self._counting[labels] = self._series(labels)

    def release(self) -> None:
        """Show the counts whose zero period is over; call it before a scrape."""
        with self._lock:
            for labels in [
                item for item in self._held if self._zeros.is_over(self._first_shown.get(item))
            ]:
                series = self._series(labels)
                series.inc(self._held.pop(labels))
                del self._first_shown[labels]
                self._counting[labels] = series

    def mark_scraped(self) -> None:
        """Note that the zeros were scraped; call it after a scrape."""
        with self._lock:
            for labels in self._held:
                self._first_shown.setdefault(labels, self._zeros.now())

    def _series(self, labels: tuple[str, ...]) -> Counter:
        return self._counter.labels(*labels) if labels else self._counter
