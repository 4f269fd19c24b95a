"""Errors of the records."""

from collections.abc import Mapping


class StoreUnavailableError(Exception):
    """The database is unavailable now. The message has the known cause. Retry later."""


class TablesMissingError(StoreUnavailableError):
    """The database responds, but its tables are missing or old."""


class StoreInterruptedError(StoreUnavailableError):
    """The database responded and did not finish: a time limit, a lock, a deadlock, a lost
    connection.

    A smaller statement may succeed.
    """


class EventLogError(Exception):
    """The event log cannot be written, so the service must not return predictions."""


class EventsRefusedError(Exception):
    """The database responds, but will never accept these records."""


class OutcomeConflictError(Exception):
    """Outcomes differ from the recorded ones and are not marked as corrections.

    Nothing was written.
    """

    def __init__(self, known: Mapping[int, float | str]) -> None:
        super().__init__(f"{len(known)} outcomes differ from the recorded ones")
        # position in the request → recorded outcome
        self.known = known
