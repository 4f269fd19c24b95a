"""Outcomes that the service was told, as labels of rows whose own label is not known yet."""

from dataclasses import dataclass, replace

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from sqlalchemy import select

from ..contract.schema import ContractSchema
from ..contract.validation import known_label
from ..records.smoke import of_cases
from ..records.store import Store
from ..records.tables import outcomes


@dataclass(frozen=True)
class LabelFillResult:
    """How many outcomes there are, how many became a label, and how many belong to no row of
    load().
    """

    outcomes: int
    used: int = 0
    elsewhere: int = 0


def outcome_labels(store: Store) -> pa.Table:
    """The outcomes of real cases, as {prediction_id, outcome}. Raises StoreUnavailableError."""
    query = select(outcomes.c.prediction_id, outcomes.c.outcome).where(of_cases(outcomes))
    with store.reading() as connection:
        rows = connection.execute(query).all()
    ids, values = zip(*rows, strict=True) if rows else ((), ())
    return pa.table(
        {"prediction_id": pa.array(ids, pa.string()), "outcome": pa.array(values, pa.float64())}
    )


def fill(
    table: ir.Table, terms: ContractSchema, known: pa.Table
) -> tuple[ir.Table, LabelFillResult]:
    """The same rows; a label that is null becomes the outcome of the prediction that has the row's
    ID for its id.

    A label that the data has stays as it is. The outcomes go to where the table lives, and one join
    does the rest.
    """
    if not known.num_rows or not {terms.id, terms.label} <= set(table.columns):
        return table, LabelFillResult(
            known.num_rows
        )  # a column that is absent is for the contract check to say
    own = table[terms.label]
    number = (own.cast("int8") if own.type().is_boolean() else own).cast("float64")
    joined = table.mutate(_told_key=table[terms.id].cast("string"), _told_own=number).left_join(
        ibis.memtable(known.rename_columns(["_told_id", "_told"])), [("_told_key", "_told_id")]
    )
    has_own, has_told = (
        known_label(joined, replace(terms, label="_told_own")),
        joined["_told"].notnull(),
    )
    counted = (
        joined.aggregate(used=(has_told & ~has_own).sum(), found=has_told.sum())
        .to_pyarrow()
        .to_pylist()[0]
    )
    label = ibis.ifelse(has_own, joined["_told_own"], joined["_told"])
    rows = joined.mutate(**{terms.label: label}).select(*table.columns)
    return rows, LabelFillResult(
        known.num_rows, counted["used"] or 0, known.num_rows - (counted["found"] or 0)
    )
