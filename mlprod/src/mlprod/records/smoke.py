"""Which records are of cases, and which of requests that only tried the service: by id, and as a
condition of SQL.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table

# Ids that begin so, of callers with the role "smoke", only try the service; they are no cases.
SMOKE_ID_PREFIX = "smoke-"


def is_smoke(id: str) -> bool:
    """Whether an id is one of those that try the service.

    It counts only if the sender has the role for it.
    """
    return id.startswith(SMOKE_ID_PREFIX)


def of_cases(table: "Table") -> "ColumnElement[bool]":
    """Holds for rows of cases.

    A row is of a trial when its id begins so, and whoever sent the prediction had the role to try;
    without a prediction, whoever sent the row. Where that was not recorded yet the id alone says
    it.
    """
    from sqlalchemy import (  # 0.6 s of imports, which the first answers need not wait for
        func,
        select,
        true,
    )

    from .tables import predictions

    of_prediction = table is predictions
    id, marks = table.c["id" if of_prediction else "prediction_id"], [table.c.smoke, true()]
    if not of_prediction:
        first = predictions.alias()
        marks.insert(0, select(first.c.smoke).where(first.c.id == id).scalar_subquery())
    by_id = (
        func.substr(id, 1, len(SMOKE_ID_PREFIX)) == SMOKE_ID_PREFIX
    )  # LIKE would take Smoke- for it in SQLite
    return ~(by_id & func.coalesce(*marks))
