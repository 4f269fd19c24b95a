"""Bring the database of records to the tables that this code knows.

The service never does this itself.
"""

import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import SQLAlchemyError

from .. import records
from ..records.database import engine_of
from ..records.errors import StoreUnavailableError
from ..records.failures import explained, waits_for_others
from ..records.tables import VERSIONS, metadata
from ..records.time_limits import LONG_WAIT, WAIT

RETRY_SECONDS = 5.0  # between two tries to get a lock that others hold
PATIENCE = 600.0  # seconds until others had it for too long


def config_of(url: str) -> Config:
    """What Alembic's commands take."""
    config = Config()
    config.set_main_option(
        "script_location", str(Path(records.__file__).parent / "migrations").replace("%", "%%")
    )
    # Who waits for the lock of a table keeps everyone out who comes later: wait shortly, and try
    # again.
    engine = engine_of(url, LONG_WAIT, lock_wait=WAIT)
    config.attributes.update(engine=engine, metadata=metadata, versions=VERSIONS)
    return config


def migrate(url: str) -> bool:
    """Run the migrations that are still missing, all or none.

    Safe to repeat, and to run twice at once.

    Gives whether the tables are this code's now. Those of newer code stay as they are: code must be
    able to go back. Raises StoreUnavailableError.
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
    """False when others hold what the migrations need; on the `last` try that is an error.

    Raises StoreUnavailableError.
    """
    try:
        command.upgrade(config, "head")
    except SQLAlchemyError as error:
        if waits_for_others(error) and not last:
            return False
        raise StoreUnavailableError(str(explained(error))) from error
    return True
