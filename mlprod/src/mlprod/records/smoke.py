"""The difference between records of cases and of smoke tests: by id, and as an SQL condition."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table

# With this prefix, a record of a caller with the role "smoke" is a test of the service, not a case.
SMOKE_ID_PREFIX = "smoke-"


def is_smoke(id: str) -> bool:
    """Return whether an id is one of a smoke test. It counts only if the sender has the role."""
    return id.startswith(SMOKE_ID_PREFIX)


def of_cases(table: "Table") -> "ColumnElement[bool]":
    """Build a condition that is true for rows of cases.

    A row belongs to a smoke test if its id has the prefix and the sender of the prediction had the
    role. Without a prediction the sender of the row counts. If neither is recorded, the id alone
    decides.
    """
    # This import takes 0.6 s: the first responses need not wait for it.
    from sqlalchemy import func, select, true

    from .tables import predictions

    of_prediction = table is predictions
    id, marks = table.c["id" if of_prediction else "prediction_id"], [table.c.smoke, true()]
    if not of_prediction:
        first = predictions.alias()
        marks.insert(0, select(first.c.smoke).where(first.c.id == id).scalar_subquery())
    # LIKE would also match `Smoke-` in SQLite.
    by_id = func.substr(id, 1, len(SMOKE_ID_PREFIX)) == SMOKE_ID_PREFIX
    return ~(by_id & func.coalesce(*marks))
