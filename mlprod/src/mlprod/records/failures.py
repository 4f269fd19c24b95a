"""Conversion of database errors into errors of this package, with a hint at the remedy."""

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

UNSTORABLE = ("malformed JSON", "total size of jsonb", "string too long to represent as jsonb")
# SQLSTATE of PostgreSQL: lock timeout, deadlock, serialization failure
LOCKS = ("55P03", "40P01", "40001")
# messages of SQLite
BUSY = ("database is locked", "database table is locked", "interrupted")
MIGRATE = "its tables are missing or old: run the verb migrate"
CONNECTIONS = "raise max_connections, or put PgBouncer in front of the server"
ALL_HOSTS = (
    "after a failover the service needs all servers in ML_DATABASE_URL: "
    "postgresql://user@host1,host2/database"
)
# a part of the error's message in lower case → the remedy
HINTS = {
    "no such table": MIGRATE,
    "no such column": MIGRATE,
    "has no column": MIGRATE,
    "connection refused": "does it run, and does ML_DATABASE_URL name its host and port?",
    "failed to resolve host": "is the host in ML_DATABASE_URL correct?",
    "too many clients": CONNECTIONS,
    "too many connections": CONNECTIONS,
    "connection slots are reserved": CONNECTIONS,
    "no more connections allowed": "raise max_client_conn of the pooler",
    "password authentication failed": "set the password in PGPASSWORD or a PGPASSFILE",
    "permission denied": (
        "grant its user SELECT, INSERT, UPDATE and DELETE on the tables of records"
    ),
    "accepts no writes": ALL_HOSTS,
    "read-only": ALL_HOSTS,
    "readonly database": "the file and its folder must be writable for the user of this process",
    "unable to open database file": (
        "its folder must exist and be writable for the user of this process"
    ),
    "is full": "free space on its disk",
    "no space left": "free space on its disk",
    "unsupported startup parameter": (
        "the pooler accepts neither PGOPTIONS nor options in ML_DATABASE_URL: remove them"
    ),
}


def to_store_error(error: SQLAlchemyError) -> StoreUnavailableError | EventsRefusedError:
    """Return the error to raise instead of an error of SQLAlchemy.

    Its message contains neither the statement nor values, because a caller may have chosen them.
    """
    message = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    if isinstance(error, (DataError, IntegrityError)) or any(
        part in message for part in UNSTORABLE
    ):
        return EventsRefusedError(message)
    # A missing database is another error than a missing table.
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
    """Return whether others held a lock, so that another attempt may succeed."""
    cause = getattr(error, "orig", None)
    return getattr(cause, "sqlstate", None) in LOCKS or any(part in str(cause) for part in BUSY)


def _interrupted(error: SQLAlchemyError, message: str) -> bool:
    # Without a statement the connection failed.
    if not isinstance(error, OperationalError) or error.statement is None:
        return False
    # Errors of SQLite have no SQLSTATE.
    return hasattr(error.orig, "sqlstate") or any(part in message for part in BUSY)
