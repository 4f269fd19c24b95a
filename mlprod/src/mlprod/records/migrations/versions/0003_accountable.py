"""The sender of each record, the number of each prediction, and predictions under a known id."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("predictions", sa.Column("answer_id", sa.String(32)))
    for table in ("predictions", "outcomes", "outcome_history", "feedback"):
        op.add_column(table, sa.Column("caller", sa.String(128)))
        op.add_column(table, sa.Column("request", sa.String(64)))
    for table in ("predictions", "outcomes", "feedback"):
        op.add_column(table, sa.Column("smoke", sa.Boolean))
    op.add_column("modes", sa.Column("request", sa.String(64)))
    op.create_table(
        "repeated_answers",
        sa.Column("answer_id", sa.String(32), primary_key=True),
        sa.Column("prediction_id", sa.String(128), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("arm", sa.String(16), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("unit_hash", sa.String(32)),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("row", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("caller", sa.String(128)),
        sa.Column("request", sa.String(64)),
        sa.Column("smoke", sa.Boolean, nullable=False),
        sa.Column("conflicting", sa.Boolean, nullable=False),
    )
    op.create_index("repeated_answers_prediction_id", "repeated_answers", ["prediction_id"])
    op.create_index("repeated_answers_at", "repeated_answers", ["at"])
