"""The probability of each class of a prediction, and the class of an outcome."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for table in ("predictions", "repeated_answers"):
        op.add_column(table, sa.Column("scores", sa.JSON().with_variant(JSONB(), "postgresql")))
    for table in ("outcomes", "outcome_history"):
        op.add_column(table, sa.Column("outcome_class", sa.String(64)))
