"""Scores of whole tables: one function over Arrow record batches, which Spark's mapInArrow takes
unchanged.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..bundle.limits import MODEL_MEGABYTES
from ..bundle.loader import Bundle, open_bundle
from ..bundle.runtime import OnnxRuntime, Scores
from ..contract.encoding import codes_of, column
from ..contract.membership import words_of
from ..contract.schema import Columns, ContractSchema, Field, Fields
from ..contract.validation import first_violation, prepared
from ..project.project import Project
from ..training.sources import cells_of

REFUSED = "_refused"  # begins as no field can


@dataclass(frozen=True)
class Scorer:
    """Turns record batches of rows into record batches {ID, score, decision, refused}, as many and
    in their order.

    A row that breaks the contract has neither score nor decision; `refused` says why, and is null
    for all others. Rows that bring a column REFUSED were checked where they come from. It may be
    pickled: each process that it runs in verifies and opens the bundle in `folder` for itself.
    `workers` are threads; an engine that spreads the work itself wants one.
    """

    folder: Path
    digest: str
    terms: ContractSchema
    baseline: Callable[[Columns], Scores]
    decide: Callable[[float, float], Any]
    allow_pickle: bool = False
    workers: int = 1
    megabytes: int = MODEL_MEGABYTES

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Raises BundleError, ContractViolationError for a column that is absent or of another
        kind, and ValueError for a score that is no finite number.
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
        fit = np.asarray(refused.is_null())
        scores = np.full(len(batch), np.nan)
        if fit.any():
            scores[fit] = _score(bundle, batch if fit.all() else batch.filter(pa.array(fit)))
        if not np.isfinite(scores[fit]).all():
            raise ValueError(f"bundle {self.digest[:12]} scored a row with no finite number")
        threshold = bundle.manifest.threshold
        decisions = [
            self.decide(score, threshold) if score == score else None for score in scores.tolist()
        ]
        if any(
            message is None or message != message
            for message, fits in zip(decisions, fit.tolist(), strict=True)
            if fits
        ):
            raise ValueError(
                "decide() gave None or NaN for a score; it gives a decision for every score"
            )
        kind = pa.float64() if bundle.manifest.task == "regression" else pa.string()
        return pa.RecordBatch.from_arrays(
            [
                batch.column(self.terms.id),
                pa.array(scores, mask=~fit),
                pa.array(decisions, kind),
                refused,
            ],
            names=[self.terms.id, "score", "decision", "refused"],
        )


def open_scorer(folder: str | Path, package: str) -> Scorer:
    """The scorer of the bundle in `folder`, which its digest names, with the four files of
    `package`.

    The verb `fetch-model` leaves such a folder below MODEL_DIR/versions. Raises ContractError for a
    contract that cannot be read.
    """
    project = Project(package)
    decision = project.decision
    return Scorer(
        Path(folder), Path(folder).name, project.terms, decision.baseline, decision.decide
    )


class _Check:
    """Rows of a batch as the fields hold them, and REFUSED, by the rules of the data check.

    They become SQL once.
    """

    def __init__(self, terms: ContractSchema) -> None:
        self.terms, self.engine, self._schema, self._sql = terms, ibis.duckdb.connect(), None, ""
        self._words = words_of(terms.fields)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.schema != self._schema:
            table = ibis.table(ibis.Schema.from_pyarrow(batch.schema), name="rows")
            parts = ibis.table(ibis.Schema.from_pyarrow(self._words.schema), name="words")
            rows = prepared(table, self.terms)
            columns = [self.terms.id, *self.terms.fields.names]
            self._sql = self.engine.compile(
                rows.select(*columns, first_violation(rows, self.terms, parts).name(REFUSED))
            )
            self._schema = batch.schema
        with self.engine.con.cursor() as cursor:
            cursor.register("rows", pa.Table.from_batches([batch]))
            cursor.register("words", self._words)
            result: pa.RecordBatch = (
                cursor.sql(self._sql).to_arrow_table().combine_chunks().to_batches()[0]
            )
        return result


def _score(bundle: Bundle, rows: pa.RecordBatch) -> Scores:
    if isinstance(bundle.runtime, OnnxRuntime):
        return bundle.runtime.run(matrix(bundle.fields, rows))
    return bundle.runtime.score(
        {f.name: column(f, cells_of(f, rows.column(f.name))) for f in bundle.fields}
    )


def matrix(fields: Fields, rows: pa.RecordBatch) -> NDArray[np.float32]:
    """The float32 matrix [rows, fields] that `encode` makes of the same rows; a word is looked up
    once for a batch.
    """
    result = np.empty((len(rows), len(fields)), dtype=np.float32)
    for position, field in enumerate(fields):
        cells = rows.column(field.name)
        result[:, position] = (
            _codes(field, cells) if field.kind == "category" else cells_of(field, cells)
        )
    return result


def _codes(field: Field, cells: pa.Array) -> NDArray[np.float64]:
    index, unknown = codes_of(field)
    worded = cells.dictionary_encode()
    codes = np.array(
        [*(index.get(word, unknown) for word in worded.dictionary.to_pylist()), index[None]]
    )
    result: NDArray[np.float64] = codes[np.asarray(worded.indices.fill_null(len(codes) - 1))]
    return result


def _ahead(
    work: Callable[[pa.RecordBatch], pa.RecordBatch],
    batches: Iterable[pa.RecordBatch],
    workers: int,
) -> Iterator[pa.RecordBatch]:
    """The same as map, on threads and no further ahead than they are: memory stays flat."""
    waiting: deque[Future[pa.RecordBatch]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for batch in batches:
            waiting.append(pool.submit(work, batch))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
