"""Indexes of uncounted rows by time of arrival, and of replaced outcomes by time.

The service refuses outcomes and feedback with 503 while it builds their index: some seconds for ten
million rows. Predictions continue.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    waiting = sa.text("counted_at IS NULL")
    for table, columns in (
        ("outcomes", ["received_at", "prediction_id"]),
        ("feedback", ["at", "id"]),
    ):
        op.create_index(
            f"{table}_waiting", table, columns, sqlite_where=waiting, postgresql_where=waiting
        )
    op.create_index("outcome_history_received_at", "outcome_history", ["received_at"])
    # Last, because dropping an index blocks readers.
    for table in ("outcomes", "feedback"):
        op.drop_index(f"{table}_not_counted", table)
