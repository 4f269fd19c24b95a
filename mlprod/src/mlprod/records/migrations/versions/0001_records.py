"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "predictions",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("arm", sa.String(16), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("unit_hash", sa.String(32)),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("row", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    )
    op.create_index("predictions_at", "predictions", ["at"])
    op.create_table(
        "outcomes",
        sa.Column("prediction_id", sa.String(128), primary_key=True),
        sa.Column("outcome", sa.Float, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
    )
    op.create_index("outcomes_received_at", "outcomes", ["received_at"])
    op.create_table(
        "outcome_history",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("prediction_id", sa.String(128), nullable=False),
        sa.Column("outcome", sa.Float, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
        sa.Column("replaced_at", sa.DateTime, nullable=False),
    )
    op.create_index("outcome_history_prediction_id", "outcome_history", ["prediction_id"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("prediction_id", sa.String(128), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("decision_taken", sa.String(128)),
        sa.Column("reason", sa.String(40)),
        sa.Column("pseudonym", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("handling_seconds", sa.Float),
    )
    op.create_index("feedback_prediction_id", "feedback", ["prediction_id"])
    op.create_index("feedback_at", "feedback", ["at"])
    op.create_table(
        "modes",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("who", sa.String(128), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
