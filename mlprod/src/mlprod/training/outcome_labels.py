"""Outcomes from the records, as labels of rows whose own label is not known yet."""

from dataclasses import dataclass, replace

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from sqlalchemy import select

from ..contract.classes import Classes, classes_by_name
from ..contract.schema import ContractSchema
from ..contract.validation import known_label
from ..records.smoke import of_cases
from ..records.store import Store
from ..records.tables import outcomes


@dataclass(frozen=True)
class LabelFillResult:
    """Counts of outcomes: all, those that became a label, and those that match no row of load()."""

    outcomes: int
    used: int = 0
    unmatched: int = 0


def read_outcome_labels(store: Store, classes: Classes = ()) -> pa.Table:
    """Read the outcomes of real cases, as {prediction_id, outcome}.

    An outcome is a number, or with `classes` one of them: a word, or an integer as a number.
    Outcomes that are none of them are left out. Raises StoreUnavailableError if the records cannot
    be read.
    """
    query = select(outcomes.c.prediction_id, outcomes.c.outcome).where(of_cases(outcomes))
    kind, by_name = pa.float64(), classes_by_name(classes)
    if classes:
        column = outcomes.c.outcome_class
        query = select(outcomes.c.prediction_id, column).where(
            of_cases(outcomes), column.in_(by_name)
        )
        kind = pa.string() if isinstance(classes[0], str) else kind
    with store.reading() as connection:
        rows = connection.execute(query).all()
    ids, values = zip(*rows, strict=True) if rows else ((), ())
    labels = [by_name[value] for value in values] if classes else values
    return pa.table(
        {"prediction_id": pa.array(ids, pa.string()), "outcome": pa.array(labels, kind)}
    )


def fill_labels(
    table: ir.Table, terms: ContractSchema, known: pa.Table
) -> tuple[ir.Table, LabelFillResult]:
    """Fill each null label with the outcome of the prediction whose id is the row's ID.

    A label that the data has stays as it is. The outcomes go to the table's engine, which joins
    them. Returns the rows with the same columns, and the counts.
    """
    # The contract check reports a missing column.
    if not known.num_rows or not {terms.id, terms.label} <= set(table.columns):
        return table, LabelFillResult(known.num_rows)
    own = table[terms.label]
    number = own
    if not (own.type().is_string() and pa.types.is_string(known.schema.field("outcome").type)):
        number = (own.cast("int8") if own.type().is_boolean() else own).cast("float64")
    outcome_table = ibis.memtable(known.rename_columns(["_outcome_id", "_outcome"]))
    joined = table.mutate(_row_key=table[terms.id].cast("string"), _own_label=number).left_join(
        outcome_table, [("_row_key", "_outcome_id")]
    )
    has_own = known_label(joined, replace(terms, label="_own_label"))
    has_outcome = joined["_outcome"].notnull()
    counts = (
        joined.aggregate(used=(has_outcome & ~has_own).sum(), matched=has_outcome.sum())
        .to_pyarrow()
        .to_pylist()[0]
    )
    label = ibis.ifelse(has_own, joined["_own_label"], joined["_outcome"])
    rows = joined.mutate(**{terms.label: label}).select(*table.columns)
    return rows, LabelFillResult(
        known.num_rows, counts["used"] or 0, known.num_rows - (counts["matched"] or 0)
    )
