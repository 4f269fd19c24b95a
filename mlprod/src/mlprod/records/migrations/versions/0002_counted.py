"""Marks of the outcomes and the feedback that a replica counted for Prometheus."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for table, key in (("outcomes", "prediction_id"), ("feedback", "id")):
        op.add_column(table, sa.Column("counted_at", sa.DateTime))
        waiting = sa.text("counted_at IS NULL")
        op.create_index(
            f"{table}_not_counted", table, [key], sqlite_where=waiting, postgresql_where=waiting
        )
