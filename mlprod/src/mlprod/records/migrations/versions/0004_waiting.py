"""What waits to be counted, in the order in which it came; what a correction replaced, by its time.

Outcomes and feedback are refused with 503 while their index is made: some seconds for ten million.
Predictions go on.
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
    for table in ("outcomes", "feedback"):  # last, since it keeps those out who read
        op.drop_index(f"{table}_not_counted", table)
