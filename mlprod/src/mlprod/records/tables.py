"""The tables.

Times are UTC and do not say so. A change here needs a migration; a test compares the two.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()
# which migration was last: a name of its own, so that MLflow may share the database
VERSIONS = "records_version"
NOT_COUNTED = text("counted_at IS NULL")
Row = JSON().with_variant(JSONB(), "postgresql")


def _answer() -> list[Column[Any]]:
    """What is recorded of an answer beside its id and number."""
    return [
        Column("at", DateTime, nullable=False),
        Column("model_version", String(64), nullable=False),
        Column("bundle", String(64), nullable=False),
        Column("arm", String(16), nullable=False),
        Column("mode", String(16), nullable=False),
        Column("unit_hash", String(32)),
        Column("score", Float, nullable=False),
        Column("decision", Text, nullable=False),  # what the model would do, in shadow too
        Column("row", Row, nullable=False),  # the fields of the contract without the PII ones
    ]


def _origin() -> list[Column[Any]]:
    """Who sent it: the name of a key, or of the person who ran a batch; and the id of the request.

    Rows that are older than these columns have neither.
    """
    return [Column("caller", String(128)), Column("request", String(64))]


predictions = Table(  # the first answer under an id
    "predictions",
    metadata,
    Column("id", String(128), primary_key=True),
    *_answer(),
    Column(
        "answer_id", String(32)
    ),  # the number of this answer; another answer under the same id has another
    *_origin(),
    Column(
        "smoke", Boolean
    ),  # only tried the service; smoke.py says what holds where it is not known
    Index("predictions_at", "at"),
)

repeated_answers = Table(  # every further answer under an id that was found when it was stored
    "repeated_answers",
    metadata,
    Column("answer_id", String(32), primary_key=True),
    Column("prediction_id", String(128), nullable=False),
    *_answer(),
    *_origin(),
    Column("smoke", Boolean, nullable=False),
    Column("conflicting", Boolean, nullable=False),  # it answered another row than the first one
    Index("repeated_answers_prediction_id", "prediction_id"),
    Index("repeated_answers_at", "at"),
)

# no foreign key: an outcome may come before its prediction is shipped, and is matched then
outcomes = Table(
    "outcomes",
    metadata,
    Column("prediction_id", String(128), primary_key=True),
    Column("outcome", Float, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("received_at", DateTime, nullable=False),
    Column("counted_at", DateTime),  # when a replica counted it for Prometheus
    *_origin(),
    Column("smoke", Boolean),
    Index("outcomes_received_at", "received_at"),
    Index(
        "outcomes_waiting",
        "received_at",
        "prediction_id",
        sqlite_where=NOT_COUNTED,
        postgresql_where=NOT_COUNTED,
    ),
)

outcome_history = Table(  # what a correction replaced
    "outcome_history",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("prediction_id", String(128), nullable=False),
    Column("outcome", Float, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("received_at", DateTime, nullable=False),
    Column("replaced_at", DateTime, nullable=False),
    *_origin(),  # of what was replaced; who replaced it stands with what holds now
    Index("outcome_history_prediction_id", "prediction_id"),
    Index("outcome_history_received_at", "received_at"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("prediction_id", String(128), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("decision_taken", String(128)),
    Column("reason", String(40)),
    Column("pseudonym", String(32), nullable=False),
    Column("at", DateTime, nullable=False),
    Column("handling_seconds", Float),
    Column("counted_at", DateTime),
    *_origin(),
    Column("smoke", Boolean),
    Index("feedback_prediction_id", "prediction_id"),
    Index("feedback_waiting", "at", "id", sqlite_where=NOT_COUNTED, postgresql_where=NOT_COUNTED),
    Index("feedback_at", "at"),
)

modes = Table(  # every switch, the last one holds
    "modes",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", DateTime, nullable=False),
    Column("mode", String(16), nullable=False),
    Column("who", String(128), nullable=False),
    Column("why", Text, nullable=False),
    Column("request", String(64)),
)
