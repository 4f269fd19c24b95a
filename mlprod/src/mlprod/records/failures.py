"""A database's own errors, as those of this package: what happened, and what can be done about it."""

from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from .errors import (
    EventsRefusedError,
    StoreInterruptedError,
    StoreUnavailableError,
    TablesMissingError,
)

REFUSED = ("malformed JSON", "total size of jsonb", "string too long to represent as jsonb")
LOCKS = ("55P03", "40P01", "40001")  # PostgreSQL: a lock not had in time, a deadlock, a lost race
BUSY = ("database is locked", "database table is locked", "interrupted")  # SQLite
MIGRATE = "its tables are missing or old: run the verb migrate"
HINTS = {
    "no such table": MIGRATE,
    "no such column": MIGRATE,
    "has no column": MIGRATE,
    "connection refused": "does it run, and does ML_DATABASE_URL name its host and port?",
    "failed to resolve host": "is the host in ML_DATABASE_URL right?",
    "too many clients": "give it more max_connections, or put PgBouncer in front of it",
    "too many connections": "give it more max_connections, or put PgBouncer in front of it",
    "connection slots are reserved": "give it more max_connections, or put PgBouncer in front of it",
    "no more connections allowed": "give the pooler a larger max_client_conn",
    "password authentication failed": "the password comes from PGPASSWORD or a PGPASSFILE",
    "permission denied": "grant its user SELECT, INSERT, UPDATE and DELETE on the tables of records",
    "takes no writes": "where servers change roles, ML_DATABASE_URL names them all: postgresql://user@host1,host2/database",
    "read-only": "where servers change roles, ML_DATABASE_URL names them all: postgresql://user@host1,host2/database",
    "readonly database": "the file and its folder must be writable for the user who runs this",
    "unable to open database file": "its folder must exist and be writable for the user who runs this",
    "is full": "make room on its disk",
    "no space left": "make room on its disk",
    "unsupported startup parameter": "a pooler takes no PGOPTIONS and no options in ML_DATABASE_URL: remove them",
}  # a part of the message, in small letters: what to do


def explained(error: SQLAlchemyError) -> StoreUnavailableError | EventsRefusedError:
    """What to raise instead.

    The message holds no statement and no values, which a caller may have chosen.
    """
    message = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    if isinstance(error, (DataError, IntegrityError)) or any(part in message for part in REFUSED):
        return EventsRefusedError(message)
    # A database that does not exist is another error than a table that does not.
    no_table = isinstance(error, ProgrammingError) and "does not exist" in message
    hint = (
        MIGRATE
        if no_table
        else next((hint for part, hint in HINTS.items() if part in message.lower()), "")
    )
    known = f"{message}; {hint}" if hint else message
    if hint == MIGRATE:
        return TablesMissingError(known)
    return (
        StoreInterruptedError(known)
        if _interrupted(error, message)
        else StoreUnavailableError(known)
    )


def waits_for_others(error: SQLAlchemyError) -> bool:
    """Was it a lock that others hold, so that another try may get it?"""
    cause = getattr(error, "orig", None)
    return getattr(cause, "sqlstate", None) in LOCKS or any(part in str(cause) for part in BUSY)


def _interrupted(error: SQLAlchemyError, message: str) -> bool:
    if (
        not isinstance(error, OperationalError) or error.statement is None
    ):  # without a statement it did not connect
        return False
    return hasattr(error.orig, "sqlstate") or any(
        part in message for part in BUSY
    )  # SQLite has no such states
