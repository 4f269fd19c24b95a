"""How many connections a port has, and which of them makes room for another."""

from collections import Counter
from typing import Any, Protocol


class Connection(Protocol):
    """What a place needs of a connection: a way to close it."""

    @property
    def transport(self) -> Any:
        """asyncio's."""


class Places:
    """The connections of one port.

    When all places are taken, the one that has waited longest for a request is closed: first of
    those that have shown no key, then of callers. A connection whose request is being answered
    stays, unless the port `cuts_answers`, so that a probe finds a place whatever the others ask.
    """

    def __init__(self, limit: int, cuts_answers: bool = False) -> None:
        self.limit, self.cuts_answers = limit, cuts_answers
        self.open: dict[Connection, None] = {}  # in the order in which they were made
        self.strangers: dict[Connection, None] = {}  # in the order in which they began to wait
        self.callers: dict[Connection, None] = {}
        self.full = 0  # connections that were closed for another, or refused since none could be
        self.refused: Counter[int] = (
            Counter()
        )  # requests that were not read to their end, by status

    def free_one(self) -> bool:
        """Close the connection that can best be spared; False when every one is being answered."""
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
        """Take a connection off the list of those that wait."""
        self.strangers.pop(connection, None)
        self.callers.pop(connection, None)
