"""The environment that Alembic runs, with the attributes that ops/migrate.py sets."""

from alembic import context
from sqlalchemy import inspect, text

given = context.config.attributes
with given["engine"].begin() as connection:
    if connection.dialect.name == "postgresql":
        # An arbitrary number: one migration runs at a time.
        connection.execute(text("SELECT pg_advisory_xact_lock(7206201)"))
    context.configure(
        connection, target_metadata=given["metadata"], version_table=given["versions"]
    )
    known = {item.revision for item in context.script.walk_revisions()}
    newer = not known.issuperset(context.get_context().get_current_heads())
    if newer and given["metadata"].tables.keys() <= set(inspect(connection).get_table_names()):
        # Newer code migrated the tables: this older version may use them as they are.
        given["newer"] = True
    else:
        context.run_migrations()
