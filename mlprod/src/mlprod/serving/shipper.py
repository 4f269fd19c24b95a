"""Writes the event log to the database, in transactions that fit into its time limit."""

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

MAX_PREDICTIONS = 2_000  # predictions in one transaction


@dataclass(frozen=True)
class ShippingLoad:
    """Content of one transaction: `size` predictions.

    After it, `left` predictions of the last event remain.
    """

    events: list[bytes]
    size: int
    left: int = 0


class Shipper:
    """Ships events to the database, oldest first.

    If the database refuses a transaction or does not finish it, the next try has fewer predictions.
    After a success it has more. The predictions of one event may take several transactions. An end
    in between loses nothing, because the database stores a repeated prediction only once.
    """

    def __init__(self, spool: EventLog, metrics: Metrics) -> None:
        self.spool, self.metrics, self.pace = spool, metrics, Pace(MAX_PREDICTIONS)
        # True if at least as much waits as the last transaction wrote. Then another one is worth
        # its cost.
        self.behind = False
        self._done = 0  # predictions of the oldest event that are in the database or quarantined
        self._slow = False

    def step(self, store: "Store") -> bool:
        """Write one transaction; return False if nothing waits.

        Raises StoreUnavailableError if the database is not available, or if a single prediction
        takes too long.
        """
        if (load := self._load()) is None:
            return False
        self.behind = True
        try:
            shipped = store.insert_events(load.events)
        except EventsRefusedError as error:
            # search for the refused prediction, which must not stop the others
            if self.pace.fail(load.size):
                return True
            log.error(
                f"an answer cannot be stored and is moved to "
                f"{self.spool.folder}/refused.kept: {error}"
            )
            self.spool.quarantine(load.events[0])
        except StoreInterruptedError as error:
            if not self.pace.fail(load.size):
                raise
            if not self._slow:
                log.warning(
                    f"the database did not finish a transaction of {load.size} predictions: "
                    f"{error}; trying fewer"
                )
            self._slow = True
            return True
        else:
            self.metrics.stored.inc(shipped.new)
            self.metrics.repeated.add(amount=shipped.repeated)
            self.metrics.conflicting.add(amount=shipped.conflicting)
            self.pace.succeed()
            self._slow = self._slow and self.pace.size < MAX_PREDICTIONS
        if load.left:
            self._done += load.size
        else:
            self._done = 0
            self.spool.acknowledge()
        self.behind = bool(load.left) or self.spool.events >= len(load.events)
        return True

    def _load(self) -> ShippingLoad | None:
        """Return the next load. `spool.acknowledge` then acknowledges exactly its events."""
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
    # Each prediction has the key once. Within a text, its quotes have backslashes.
    return max(event.count(b'"unit":'), 1)


def _part(event: bytes, start: int, size: int) -> ShippingLoad:
    """Return a new event with some predictions of an event; the whole event if it is unreadable."""
    try:
        content: dict[str, Any] = json.loads(event)
        predictions = content["predictions"]
        part = predictions[start : start + size]
    except (ValueError, TypeError, KeyError):
        return ShippingLoad([event], 1)
    if len(part) == len(predictions):
        return ShippingLoad([event], len(part))
    # the database numbers an answer by its place in the whole event
    content |= {"predictions": part, "start": start}
    text = json.dumps(content, separators=(",", ":")).encode()
    return ShippingLoad([text], len(part), len(predictions) - start - len(part))
