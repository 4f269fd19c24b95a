"""Number of connections of a port, and the choice of a connection to close for a new one."""

from collections import Counter
from typing import Any, Protocol


class Connection(Protocol):
    """A connection that can be closed."""

    @property
    def transport(self) -> Any:
        """Transport of asyncio."""


class Places:
    """Connections of one port, at most `limit`.

    When all places are taken, the connection that has waited longest for a request is closed.
    Connections without a valid key go first, then connections of callers. A connection with an
    active request stays open. With `cuts_answers` the oldest one closes too, so that a health probe
    always finds a place.
    """

    def __init__(self, limit: int, cuts_answers: bool = False) -> None:
        self.limit, self.cuts_answers = limit, cuts_answers
        self.open: dict[Connection, None] = {}  # oldest first
        # Both in the order in which they began to wait. Strangers have shown no valid key.
        self.strangers: dict[Connection, None] = {}
        self.callers: dict[Connection, None] = {}
        # connections that were closed for a new one, or refused because none could be closed
        self.full = 0
        # requests that were not read to their end, by status
        self.refused: Counter[int] = Counter()

    def free_one(self) -> bool:
        """Close the least important connection; return False if all have active requests."""
        self.full += 1
        for waiting in (self.strangers, self.callers):
            for connection in waiting:
                if not connection.transport.get_write_buffer_size():
                    del waiting[connection]
                    connection.transport.close()
                    return True
        if self.cuts_answers and self.open:
            oldest = next(iter(self.open))
            del self.open[oldest]
            self.leave(oldest)
            oldest.transport.abort()
            return True
        return False

    def leave(self, connection: Connection) -> None:
        """Remove a connection from the lists of waiting connections."""
        self.strangers.pop(connection, None)
        self.callers.pop(connection, None)
