"""Which records are of cases, and which of requests that only tried the service."""

from sqlalchemy import ColumnElement, Table, func, select, true

from . import SMOKE_ID_PREFIX
from .tables import predictions


def of_cases(table: Table) -> ColumnElement[bool]:
    """Holds for rows of cases. A row is of a trial when its id begins so, and whoever sent the prediction had the role
    to try; without a prediction, whoever sent the row. Where that was not recorded yet the id alone says it."""
    of_prediction = table is predictions
    id, marks = table.c["id" if of_prediction else "prediction_id"], [table.c.smoke, true()]
    if not of_prediction:
        first = predictions.alias()
        marks.insert(0, select(first.c.smoke).where(first.c.id == id).scalar_subquery())
    by_id = func.substr(id, 1, len(SMOKE_ID_PREFIX)) == SMOKE_ID_PREFIX  # LIKE would take Smoke- for it in SQLite
    return ~(by_id & func.coalesce(*marks))
