"""Run by Alembic, with what pipeline/migrate.py hands over."""

from alembic import context
from sqlalchemy import inspect, text

given = context.config.attributes
with given["engine"].begin() as connection:
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(7206201)")
        )  # any number: one migration at a time
    context.configure(
        connection, target_metadata=given["metadata"], version_table=given["versions"]
    )
    known = {item.revision for item in context.script.walk_revisions()}
    newer = not known.issuperset(context.get_context().get_current_heads())
    if newer and given["metadata"].tables.keys() <= set(inspect(connection).get_table_names()):
        given["newer"] = (
            True  # brought further by code that came later: the version before may use it as it is
        )
    else:
        context.run_migrations()
