"""Run by Alembic, with what pipeline/migrate.py hands over."""

from alembic import context
from sqlalchemy import text

given = context.config.attributes
with given["engine"].begin() as connection:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(7206201)"))  # any number: one migration at a time
    context.configure(connection, target_metadata=given["metadata"], version_table=given["versions"])
    context.run_migrations()
