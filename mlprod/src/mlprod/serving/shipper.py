"""Brings the event log into the database, in transactions that fit into the time that it has for
one.
"""

import json
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ..records.errors import EventsRefusedError, StoreInterruptedError
from ..records.event_log import EventLog
from ..records.pace import Pace
from .logs import log
from .metrics import Metrics

if TYPE_CHECKING:
    from ..records.store import Store

LARGEST = 2_000  # predictions in one transaction


@dataclass(frozen=True)
class ShippingLoad:
    """What one transaction writes: `size` predictions, after which `left` predictions of the last
    event remain.
    """

    events: list[bytes]
    size: int
    left: int = 0


class Shipper:
    """Oldest first.

    What the database does not finish, or refuses, is tried again with fewer predictions at once;
    after a success come more. The predictions of one event may take several transactions: what is
    written twice is there once, so an end in between loses nothing.
    """

    def __init__(self, spool: EventLog, metrics: Metrics) -> None:
        self.spool, self.metrics, self.pace = spool, metrics, Pace(LARGEST)
        self.behind = (
            False  # as much waits as the last transaction wrote, so the next one is worth its cost
        )
        self._done = 0  # predictions of the oldest event that are in the database, or kept aside
        self._slow = False

    def step(self, store: "Store") -> bool:
        """One transaction; False when nothing waits.

        Raises StoreUnavailableError, also for one prediction that takes too long.
        """
        if (load := self._load()) is None:
            return False
        self.behind = True
        try:
            shipped = store.ship(load.events)
        except EventsRefusedError as error:
            if self.pace.fail(load.size):  # the one that cannot be stored must not stop the rest
                return True
            log.error(
                f"an answer cannot be stored and is kept in "
                f"{self.spool.folder}/refused.kept: {error}"
            )
            self.spool.refuse(load.events[0])
        except StoreInterruptedError as error:
            if not self.pace.fail(load.size):
                raise
            if not self._slow:
                log.warning(
                    f"the database did not finish {load.size} predictions at once: "
                    f"{error}; trying fewer"
                )
            self._slow = True
            return True
        else:
            self.metrics.stored.inc(shipped.new)
            self.metrics.repeated.add(amount=shipped.repeated)
            self.metrics.conflicting.add(amount=shipped.conflicting)
            self.pace.succeed()
            self._slow = self._slow and self.pace.size < LARGEST
        if load.left:
            self._done += load.size
        else:
            self._done = 0
            self.spool.shipped()
        self.behind = bool(load.left) or self.spool.events >= len(load.events)
        return True

    def _load(self) -> ShippingLoad | None:
        """What comes next. `spool.shipped` then means the events of it, and no more."""
        events, room = self.spool.read(), self.pace.size
        if not events:
            return None
        sizes = [_predictions(event) for event in events]
        if self._done or sizes[0] > room:
            return _part(self.spool.read(1)[0], self._done, room)
        if (total := sum(sizes)) <= room:
            return ShippingLoad(events, total)
        events = self.spool.read(sum(total <= room for total in accumulate(sizes)))
        return ShippingLoad(events, sum(map(_predictions, events)))


def _predictions(event: bytes) -> int:
    return max(event.count(b'"unit":'), 1)  # one each; within a text it has backslashes


def _part(event: bytes, start: int, size: int) -> ShippingLoad:
    """An event of its own with some of the predictions of an event; all of it where that cannot be
    read.
    """
    try:
        content: dict[str, Any] = json.loads(event)
        predictions = content["predictions"]
        part = predictions[start : start + size]
    except (ValueError, TypeError, KeyError):
        return ShippingLoad([event], 1)
    if len(part) == len(predictions):
        return ShippingLoad([event], len(part))
    content |= {
        "predictions": part,
        "start": start,
    }  # an answer is numbered by its place in the whole event
    text = json.dumps(content, separators=(",", ":")).encode()
    return ShippingLoad([text], len(part), len(predictions) - start - len(part))
