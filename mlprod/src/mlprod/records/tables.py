"""The tables of the records.

Times are UTC without a time zone. A change here needs a migration; a test compares the two.
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
# The table with the last migration. Its own name lets MLflow share the database.
VERSIONS = "records_version"
NOT_COUNTED = text("counted_at IS NULL")
RowJson = JSON().with_variant(JSONB(), "postgresql")


def _answer() -> list[Column[Any]]:
    """Return the columns of a prediction besides its id and number."""
    return [
        Column("at", DateTime, nullable=False),
        Column("model_version", String(64), nullable=False),
        Column("bundle", String(64), nullable=False),
        Column("arm", String(16), nullable=False),
        Column("mode", String(16), nullable=False),
        Column("unit_hash", String(32)),
        Column("score", Float, nullable=False),
        # in shadow the decision that was withheld
        Column("decision", Text, nullable=False),
        # the fields of the contract without its PII fields
        Column("row", RowJson, nullable=False),
    ]


def _scores() -> Column[Any]:
    """Return the column with the probability of each class; null without classes."""
    return Column("scores", RowJson)


def _outcome_class() -> Column[Any]:
    """Return the column with the class of an outcome; null without classes.

    `outcome` then has the position of the class in CLASSES at that time.
    """
    return Column("outcome_class", String(64))


def _origin() -> list[Column[Any]]:
    """Return the columns of the sender.

    `caller` is the name of a key, or the person who ran a batch; `request` is the id of the
    request. Rows that are older than these columns have neither.
    """
    return [Column("caller", String(128)), Column("request", String(64))]


# the first prediction under an id
predictions = Table(
    "predictions",
    metadata,
    Column("id", String(128), primary_key=True),
    *_answer(),
    # the number of this prediction; each further one under the same id has its own
    Column("answer_id", String(32)),
    *_origin(),
    # a smoke test; smoke.py decides if it is null
    Column("smoke", Boolean),
    _scores(),
    Index("predictions_at", "at"),
)

# every further prediction under a known id
repeated_answers = Table(
    "repeated_answers",
    metadata,
    Column("answer_id", String(32), primary_key=True),
    Column("prediction_id", String(128), nullable=False),
    *_answer(),
    *_origin(),
    Column("smoke", Boolean, nullable=False),
    # whether it is for another row than the first prediction
    Column("conflicting", Boolean, nullable=False),
    _scores(),
    Index("repeated_answers_prediction_id", "prediction_id"),
    Index("repeated_answers_at", "at"),
)

# No foreign key: an outcome may arrive before its prediction, and is joined later.
outcomes = Table(
    "outcomes",
    metadata,
    Column("prediction_id", String(128), primary_key=True),
    Column("outcome", Float, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("received_at", DateTime, nullable=False),
    # when a replica counted it for Prometheus
    Column("counted_at", DateTime),
    *_origin(),
    Column("smoke", Boolean),
    _outcome_class(),
    Index("outcomes_received_at", "received_at"),
    Index(
        "outcomes_waiting",
        "received_at",
        "prediction_id",
        sqlite_where=NOT_COUNTED,
        postgresql_where=NOT_COUNTED,
    ),
)

# the outcomes that corrections replaced
outcome_history = Table(
    "outcome_history",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("prediction_id", String(128), nullable=False),
    Column("outcome", Float, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("received_at", DateTime, nullable=False),
    Column("replaced_at", DateTime, nullable=False),
    # the sender of the replaced outcome; `outcomes` has the sender of the correction
    *_origin(),
    _outcome_class(),
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

# every switch of the mode; the last one applies
modes = Table(
    "modes",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", DateTime, nullable=False),
    Column("mode", String(16), nullable=False),
    Column("who", String(128), nullable=False),
    Column("why", Text, nullable=False),
    Column("request", String(64)),
)
