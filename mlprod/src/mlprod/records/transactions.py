"""Transactions of the database of records.

Whoever asks gets an answer within seconds, or StoreUnavailableError.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import SQLAlchemyError

from .database import READING, engine_of
from .failures import explained
from .time_limits import WAIT


class Transactions:
    """Safe for threads.

    Every method raises StoreUnavailableError when the database does not answer within seconds.
    """

    def __init__(self, url: str, wait: int = WAIT) -> None:
        """`wait`: seconds that a statement or a lock may take."""
        self.engine = engine_of(url, wait)
        self._reader = self.engine.execution_options(**{READING: True})  # over the same connections

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """One transaction."""
        with self._transaction(self.engine) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that only reads: it neither waits for those who write nor keeps them
        waiting.
        """
        with self._transaction(self._reader) as connection:
            yield connection

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise explained(error) from error

    def _insert(self, table: Table) -> Any:
        if self.engine.dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import insert as insert_or_not

            return insert_or_not(table)
        from sqlalchemy.dialects.sqlite import insert as insert_if_new

        return insert_if_new(table)
