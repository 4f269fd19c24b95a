"""The scorer of tables: a function over Arrow record batches, also for Spark's mapInArrow."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..bundle.limits import MODEL_MEGABYTES
from ..bundle.loader import Bundle, open_bundle
from ..bundle.runtime import OnnxRuntime, Scores
from ..contract.classes import Decide, answered_score, decide_inputs, score_columns
from ..contract.encoding import category_codes, column
from ..contract.membership import category_table
from ..contract.schema import Columns, ContractSchema, Field, Fields
from ..contract.validation import first_violation, prepare
from ..project.project import Project
from ..training.sources import cells_of

# A name that no field can have, because of the underscore.
REFUSED = "_refused"


@dataclass(frozen=True)
class Scorer:
    """Converts record batches of rows to record batches {ID, score, decision, refused}.

    With classes there is also a column with the probability of each class: score_red.
    The batches keep their number and order. A row that breaks the contract has neither score nor
    decision; `refused` has the reason, and is null for all other rows. Rows with a column REFUSED
    are checked already. The scorer may be pickled: each process verifies and opens the bundle in
    `folder`. `workers` is the number of threads; use 1 with an engine that distributes the work.
    """

    folder: Path
    digest: str
    terms: ContractSchema
    baseline: Callable[[Columns], Scores]
    decide: Decide
    allow_pickle: bool = False
    workers: int = 1
    megabytes: int = MODEL_MEGABYTES

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score record batches.

        Raises BundleError, ContractViolationError if a column is missing or has another kind, and
        ValueError if a score is not a finite number.
        """
        bundle = open_bundle(
            self.folder,
            self.terms.fields,
            self.baseline,
            digest=self.digest,
            allow_pickle=self.allow_pickle,
            megabytes=self.megabytes,
        )
        check = _Check(self.terms)

        def answer(batch: pa.RecordBatch) -> pa.RecordBatch:
            checked = batch if REFUSED in batch.schema.names else check(batch)
            return self._answered(bundle, checked, checked.column(REFUSED))

        return _ahead(answer, batches, self.workers) if self.workers > 1 else map(answer, batches)

    def _answered(self, bundle: Bundle, batch: pa.RecordBatch, refused: pa.Array) -> pa.RecordBatch:
        fit, classes = np.asarray(refused.is_null()), bundle.classes
        every = np.full((len(batch), len(classes)) if classes else len(batch), np.nan)
        if fit.any():
            every[fit] = _score(bundle, batch if fit.all() else batch.filter(pa.array(fit)))
        if not np.isfinite(every[fit]).all():
            raise ValueError(f"bundle {self.digest[:12]} scored a row with no finite number")
        threshold, decide = bundle.manifest.threshold, bundle.decide or self.decide
        given = decide_inputs(classes, every)
        decisions = [
            decide(value, threshold) if fits else None
            for value, fits in zip(given, fit.tolist(), strict=True)
        ]
        if any(
            decision is None or decision != decision
            for decision, fits in zip(decisions, fit.tolist(), strict=True)
            if fits
        ):
            raise ValueError(
                "decide() returned None or NaN for a score; it must return a decision for every "
                "score"
            )
        kind = pa.float64() if bundle.manifest.task == "regression" else pa.string()
        scores, shares = every, dict[str, pa.Array]()
        if classes:
            scores = np.array(list(map(answered_score, given, decisions)))
            decisions = [None if item is None else str(item) for item in decisions]
            shares = {
                name: pa.array(every[:, place], mask=~fit)
                for place, name in enumerate(score_columns(classes))
            }
        return pa.RecordBatch.from_arrays(
            [
                batch.column(self.terms.id),
                pa.array(scores, mask=~fit),
                pa.array(decisions, kind),
                refused,
                *shares.values(),
            ],
            names=[self.terms.id, "score", "decision", "refused", *shares],
        )


def open_scorer(folder: str | Path, package: str) -> Scorer:
    """Create the scorer of the bundle in `folder` with the four files of `package`.

    The folder's name is the bundle's digest. The verb `fetch-model` writes such a folder below
    MODEL_DIR/versions. Raises ContractError if the contract cannot be read.
    """
    project = Project(package)
    decision = project.decision
    return Scorer(
        Path(folder), Path(folder).name, project.terms, decision.baseline, decision.decide
    )


class _Check:
    """Converts the rows of a batch to the types of the fields, and adds the column REFUSED.

    It applies the rules of the data check, and compiles them to SQL once for a schema.
    """

    def __init__(self, terms: ContractSchema) -> None:
        self.terms, self.engine, self._schema, self._sql = terms, ibis.duckdb.connect(), None, ""
        self._categories = category_table(terms.fields)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.schema != self._schema:
            table = ibis.table(ibis.Schema.from_pyarrow(batch.schema), name="rows")
            categories = ibis.table(ibis.Schema.from_pyarrow(self._categories.schema), name="words")
            rows = prepare(table, self.terms)
            columns = [self.terms.id, *self.terms.fields.names]
            self._sql = self.engine.compile(
                rows.select(*columns, first_violation(rows, self.terms, categories).name(REFUSED))
            )
            self._schema = batch.schema
        with self.engine.con.cursor() as cursor:
            cursor.register("rows", pa.Table.from_batches([batch]))
            cursor.register("words", self._categories)
            result: pa.RecordBatch = (
                cursor.sql(self._sql).to_arrow_table().combine_chunks().to_batches()[0]
            )
        return result


def _score(bundle: Bundle, rows: pa.RecordBatch) -> Scores:
    if isinstance(bundle.runtime, OnnxRuntime) and bundle.runtime.inputs.derive is None:
        return bundle.runtime.run(matrix(bundle.fields, rows))
    return bundle.runtime.score(
        {f.name: column(f, cells_of(f, rows.column(f.name))) for f in bundle.fields}
    )


def matrix(fields: Fields, rows: pa.RecordBatch) -> NDArray[np.float32]:
    """Encode rows to a float32 matrix [rows, fields], like `encode`.

    Each category is looked up once for a batch.
    """
    result = np.empty((len(rows), len(fields)), dtype=np.float32)
    for position, field in enumerate(fields):
        cells = rows.column(field.name)
        result[:, position] = (
            _codes(field, cells) if field.kind == "category" else cells_of(field, cells)
        )
    return result


def _codes(field: Field, cells: pa.Array) -> NDArray[np.float64]:
    index, unknown = category_codes(field)
    encoded = cells.dictionary_encode()
    codes = np.array(
        [*(index.get(value, unknown) for value in encoded.dictionary.to_pylist()), index[None]]
    )
    result: NDArray[np.float64] = codes[np.asarray(encoded.indices.fill_null(len(codes) - 1))]
    return result


def _ahead(
    work: Callable[[pa.RecordBatch], pa.RecordBatch],
    batches: Iterable[pa.RecordBatch],
    workers: int,
) -> Iterator[pa.RecordBatch]:
    """Like map, on threads. At most one batch for each thread is ahead, which limits the memory."""
    waiting: deque[Future[pa.RecordBatch]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for batch in batches:
            waiting.append(pool.submit(work, batch))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
