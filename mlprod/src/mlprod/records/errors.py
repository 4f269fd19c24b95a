"""What may go wrong with the records."""

from collections.abc import Mapping


class StoreUnavailableError(Exception):
    """The database does not answer now; the message says what is known. Try again."""


class TablesMissingError(StoreUnavailableError):
    """The database answers, but its tables are missing or old."""


class StoreInterruptedError(StoreUnavailableError):
    """The database was there and did not finish: a time limit, a lock, a deadlock, a connection
    that was cut. What asks for less at once may get it.
    """


class SpoolError(Exception):
    """Nothing more can be written down, so nothing more may be answered."""


class EventsRefusedError(Exception):
    """The database answers, but will never take what it was given."""


class OutcomeConflictError(Exception):
    """Outcomes differ from those that are known, and are not called corrections.

    Nothing was written.
    """

    def __init__(self, known: Mapping[int, float]) -> None:
        super().__init__(f"{len(known)} outcomes differ from those that are known")
        self.known = known  # position in what was given → the outcome that is known
