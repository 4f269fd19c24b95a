"""data/sample.parquet: a few rows that may be committed, for tests where load() has no rows."""

import io
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..atomic_write import atomic_write
from ..contract.dates import DATE_EXAMPLES, date_of
from ..contract.encoding import sample_columns
from ..contract.schema import ContractSchema, Field
from ..contract.validation import ContractViolationError, check, known_label, prepare
from ..project.project import Seam
from .dataset import collect
from .sources import describe_absence, load_table
from .split import SplitError, hash_shares, split

SAMPLE = Path("data/sample.parquet")
# More rows are drawn only as long as the sample cannot be split.
MIN_SAMPLE_ROWS = 1_000
ARROW = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
}
UNKNOWN = "another category"


def write_sample(seam: Seam, file: Path) -> str:
    """Write the sample, and return a description of its rows.

    Ids, groups, PII fields and texts of real rows are replaced, and categories that the contract
    does not know. Without rows of load() all values come from the contract. Raises
    ContractViolationError if rows break the contract.
    """
    try:
        table, origin = _draw(seam), "drawn from load()"
    except Exception as error:
        reason = describe_absence(error)
        if not reason:
            raise
        table, origin = _make(seam), f"made from the contract, since load() has none: {reason}"
    report = check(ibis.memtable(table), seam.terms, seam.task())
    if not report.ok:
        raise ContractViolationError(report)
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    file.parent.mkdir(exist_ok=True)
    atomic_write(file, content.getvalue())
    return f"{len(table):,} rows, {origin}"


def read_sample(file: Path) -> ir.Table:
    """Return the rows of the sample."""
    return ibis.duckdb.connect().read_parquet(file)


def replaced_columns(terms: ContractSchema) -> list[str]:
    """Return the columns whose real values never reach the sample."""
    texts = [field.name for field in terms.fields if field.kind == "text"]
    return list(dict.fromkeys([terms.id, *filter(None, [terms.unit]), *terms.personal, *texts]))


def _draw(seam: Seam) -> pa.Table:
    """Draw whole units of real rows by a hash, so many that the sample can be split."""
    table, terms = load_table(seam.load), seam.terms
    report = check(table, terms, seam.task())
    if not report.ok:
        raise ContractViolationError(report)
    table = prepare(table, terms)
    listed = [terms.id, terms.unit, terms.time, terms.label, *terms.fields.names]
    names = [name for name in listed if name]
    rows = table.filter(known_label(table, terms)).select(*names).to_pyarrow()
    rows = rows.sort_by([(name, "ascending") for name in (terms.time, terms.id) if name])
    units = np.array([str(unit) for unit in rows[terms.unit or terms.id].to_pylist()], dtype=object)
    shares, count = hash_shares(units), MIN_SAMPLE_ROWS
    while True:
        limit = np.sort(shares)[min(count, len(rows)) - 1]
        sample = _without_personal(rows.filter(pa.array(shares <= limit)), terms)
        if count >= len(rows) or _can_be_split(seam, sample):
            return sample
        count *= 2


def _can_be_split(seam: Seam, rows: pa.Table) -> bool:
    try:
        split(collect(ibis.memtable(rows), seam.terms), seam.task(), seam.terms)
    except SplitError:
        return False
    return True


def _without_personal(rows: pa.Table, terms: ContractSchema) -> pa.Table:
    made, replaced = sample_columns(terms.fields, len(rows), seed=11), replaced_columns(terms)
    for place, name in enumerate(rows.column_names):
        if name == terms.id:
            cells: Any = [f"row-{number:06}" for number in range(len(rows))]
        elif name == terms.unit:
            codes = pc.dictionary_encode(rows[name]).combine_chunks().indices
            cells = [f"group-{code:05}" for code in codes.to_pylist()]
        elif name in replaced:
            cells = _cells(terms.fields[name], made[name])
        elif name in terms.fields.names and terms.fields[name].open:
            known = pa.array(terms.fields[name].categories, pa.string())
            unknown = pc.and_(pc.is_valid(rows[name]), pc.invert(pc.is_in(rows[name], known)))
            cells = pc.if_else(unknown, UNKNOWN, rows[name])
        else:
            continue
        rows = rows.set_column(place, name, cells if hasattr(cells, "type") else pa.array(cells))
    return rows


def _make(seam: Seam) -> pa.Table:
    """Make all values from the contract. The labels are random."""
    terms, count = seam.terms, MIN_SAMPLE_ROWS
    random = np.random.Generator(np.random.Philox(12))
    columns: dict[str, Any] = {terms.id: [f"row-{number:06}" for number in range(count)]}
    if terms.unit:
        columns[terms.unit] = [f"group-{code:05}" for code in random.integers(0, count // 4, count)]
    if terms.time:
        hours = np.arange(count) * np.timedelta64(1, "h")
        columns[terms.time] = (np.datetime64("2026-01-01") + hours).astype("datetime64[us]")
    made = sample_columns(terms.fields, count, seed=11)
    columns |= {field.name: _cells(field, made[field.name]) for field in terms.fields}
    columns[terms.label] = _random_labels(seam, random, count)
    return pa.table(columns)


def _random_labels(seam: Seam, random: np.random.Generator, count: int) -> Any:
    if classes := seam.terms.classes:
        return [classes[place] for place in random.integers(0, len(classes), count)]
    return random.integers(0, 2, count) if seam.task() == "binary" else random.normal(size=count)


def _cells(field: Field, values: NDArray[Any]) -> pa.Array:
    """Return a column of the contract as Arrow's type of its kind; missing values are null."""
    if field.kind not in ARROW:
        return pa.array(values.tolist(), pa.string())
    if field.kind in DATE_EXAMPLES:
        dates = [None if value != value else date_of(field.kind, value) for value in values]
        return pa.array(dates, ARROW[field.kind])
    return pc.cast(pa.array(values, from_pandas=True), ARROW[field.kind])
