"""Migrations of the database of records.

The service never runs them.
"""

import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError

from .. import records
from ..records.database import engine_of
from ..records.errors import StoreUnavailableError
from ..records.failures import to_store_error, waits_for_others
from ..records.tables import VERSIONS, metadata
from ..records.time_limits import LONG_WAIT, WAIT

# Between two attempts to get a lock that other processes hold.
RETRY_SECONDS = 5.0
# Seconds until the migration gives up on such a lock.
PATIENCE = 600.0


def config_of(url: str) -> Config:
    """Return the configuration of Alembic's commands."""
    config = Config()
    config.set_main_option(
        "script_location", str(Path(records.__file__).parent / "migrations").replace("%", "%%")
    )
    # A process that waits for the lock of a table blocks all later ones: wait briefly, and retry.
    engine = engine_of(url, LONG_WAIT, lock_wait=WAIT)
    config.attributes.update(engine=engine, metadata=metadata, versions=VERSIONS)
    return config


def migrate(url: str) -> bool:
    """Run the missing migrations, all or none; return whether the tables now match this code.

    It is safe to repeat, and to run twice at the same time. Tables of newer code stay unchanged, so
    that the code can be rolled back. Raises StoreUnavailableError.
    """
    config = config_of(url)
    until = time.monotonic() + PATIENCE
    try:
        while not _upgraded(config, time.monotonic() > until):
            time.sleep(RETRY_SECONDS)
    finally:
        config.attributes["engine"].dispose()
    return not config.attributes.get("newer")


def _upgraded(config: Config, last: bool) -> bool:
    """Run the migrations; return False if other processes hold a lock that they need.

    On the `last` attempt such a lock raises StoreUnavailableError.
    """
    try:
        command.upgrade(config, "head")
    except SQLAlchemyError as error:
        if waits_for_others(error) and not last:
            return False
        raise StoreUnavailableError(str(to_store_error(error))) from error
    return True
