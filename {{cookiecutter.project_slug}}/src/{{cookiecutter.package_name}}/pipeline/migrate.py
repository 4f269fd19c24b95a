"""Bring the database of records to the tables that this code knows. The service never does this itself."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from .. import records
from ..records.engine import LONG_WAIT, engine_of
from ..records.tables import VERSIONS, metadata


def config_of(url: str) -> Config:
    """What Alembic's commands take."""
    config = Config()
    config.set_main_option("script_location", str(Path(records.__file__).parent / "migrations").replace("%", "%%"))
    config.attributes.update(engine=engine_of(url, LONG_WAIT), metadata=metadata, versions=VERSIONS)
    return config


def migrate(url: str) -> bool:
    """Run the migrations that are still missing, all or none. Safe to repeat, and to run twice at once.

    Gives whether the tables are this code's now. Those of newer code stay as they are: code must be able to go back.
    """
    config = config_of(url)
    try:
        command.upgrade(config, "head")
    finally:
        config.attributes["engine"].dispose()
    return not config.attributes.get("newer")
