"""Transactions of the database of records, which end within seconds or raise an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import SQLAlchemyError

from .database import READING, engine_of
from .failures import to_store_error
from .time_limits import WAIT


class Transactions:
    """The engine and its transactions. Thread-safe.

    Every method raises StoreUnavailableError if the database does not respond within seconds.
    """

    def __init__(self, url: str, wait: int = WAIT) -> None:
        """Connect to `url`; `wait`: the seconds that a statement or a lock may take."""
        self.engine = engine_of(url, wait)
        # It uses the same connections.
        self._reader = self.engine.execution_options(**{READING: True})

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Open a transaction."""
        with self._transaction(self.engine) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that only reads: it neither waits for writers nor blocks them."""
        with self._transaction(self._reader) as connection:
            yield connection

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise to_store_error(error) from error

    def _insert(self, table: Table) -> Any:
        if self.engine.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert as insert_or_not

            return insert_or_not(table)
        from sqlalchemy.dialects.sqlite import insert as insert_if_new

        return insert_if_new(table)
