"""The scoring job: it scores a table with the champion and writes one file.

The file is complete or absent. Each prediction is recorded like a prediction of the service.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from ..contract.columns import MAX_INVALID_SHARE
from ..contract.schema import ContractSchema
from ..contract.validation import first_violation, prepare
from ..display.counting import count_of
from ..ops.mode_switch import mode_now
from ..records.database import now
from ..records.errors import StoreUnavailableError
from ..records.store import Store
from ..settings import Settings
from ..training.registry import CHAMPION, Registry
from ..training.sources import stream_batches
from .output import KIND, MODEL, SOURCE, ScoringError, open_target, publish
from .recorder import ANOTHER_ROW, Recorder, load_salt
from .row_check import engine_errors, refused_rows
from .scorer import REFUSED, Scorer
from .selection import ScoringFunctions, ScoringInput

# Rows of a chunk. A few chunks are in memory at a time.
CHUNK_ROWS = 50_000
TRIAL = "trial"
# the rows and their answers → the answers of the file
ConvertAnswers = Callable[[pa.RecordBatch, pa.RecordBatch], pa.RecordBatch]


@dataclass(frozen=True)
class ScoringResult:
    """The result of a run.

    `refused` counts the rows that broke the contract, by rule. `new` counts the cases that were not
    recorded before. `notes` describe the refused rows and the unknown categories that look like
    known ones.
    """

    rows: int
    refused: dict[str, int]
    version: int
    mode: str
    new: int
    notes: tuple[str, ...] = ()


def score(
    domain: ScoringFunctions,
    settings: Settings,
    rows: ScoringInput,
    to: str,
    store: Store | None,
    who: str,
) -> ScoringResult:
    """Score rows into the Parquet file `to`.

    `to` is a path or an address such as s3://bucket/scores/june.parquet. `who` is recorded as the
    caller. Without a store it is a dry run: it records nothing and writes no decisions.

    Raises ScoringError, RegistryError, BundleError, KeysError, StoreUnavailableError, and
    ContractViolationError for missing columns. Then the file and the records are as before.
    """
    terms, registry = domain.terms, Registry(settings)
    metadata = {
        MODEL: settings.model_name.encode(),
        SOURCE: rows.source.encode(),
        KIND: b"answers" if store else b"trial",
    }
    filesystem, path = open_target(to, metadata)
    if (champion := registry.get_by_alias(CHAMPION)) is None:
        raise ScoringError(
            "nothing was promoted yet; run make train (or make baseline), then "
            'make promote REASON="..."'
        )
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="scores-", dir=settings.state_dir) as folder, engine_errors():
        table = prepare(rows.table, terms)
        refused, count, notes = refused_rows(table, terms)
        bundle, draft = registry.download(champion, Path(folder)), Path(folder) / "draft.parquet"
        model = bundle, champion.digest, terms, domain.baseline, domain.decide
        limits = settings.allow_pickle, _cores(), settings.model_megabytes
        scorer = Scorer(*model, *limits)
        recorder = None
        if store:
            facts = (
                champion.number,
                champion.digest,
                mode_now(settings, store).mode,
                store,
                load_salt(settings),
            )
            recorder = Recorder(terms, *facts, Path(folder) / "ids", who, domain.explored)
        convert = (
            partial(_recorded, recorder, count)
            if recorder
            else partial(_as_trial, str(champion.number))
        )
        try:
            batches = stream_batches(_select_columns(table, terms), CHUNK_ROWS)
            _write(draft, _answers(scorer, convert, batches), metadata)
            if recorder:
                _require_same_mode(recorder, settings)
            publish(draft, filesystem, path)
        except BaseException:
            # After any error, also an interruption: nobody received these predictions, so the
            # records must not contain them.
            if recorder:
                _delete_predictions(recorder)
            raise
    if recorder and recorder.conflicting:
        refused[f"{terms.id}: {ANOTHER_ROW}"] = recorder.conflicting
        notes = (
            *notes,
            f"no score for {count_of(recorder.conflicting, 'row')}: {terms.id}: {ANOTHER_ROW}",
        )
    mode, new = (recorder.mode, recorder.new) if recorder else (TRIAL, 0)
    return ScoringResult(count, refused, champion.number, mode, new, notes)


def _recorded(
    recorder: Recorder, count: int, rows: pa.RecordBatch, answers: pa.RecordBatch
) -> pa.RecordBatch:
    """Record answers and return them as recorded.

    Raises ScoringError if too many of the `count` rows have the id of another row.
    """
    result = recorder.record(rows, answers)
    if recorder.conflicting > MAX_INVALID_SHARE * count:
        id = recorder.terms.id
        raise ScoringError(
            f"more than {MAX_INVALID_SHARE:.0%} of {count:,} rows have an {id} that "
            f"{ANOTHER_ROW}; an id names one case, forever. If you score the same entity "
            "repeatedly, put the date into the id"
        )
    return result


def _require_same_mode(recorder: Recorder, settings: Settings) -> None:
    if (current := mode_now(settings, recorder.store).mode) != recorder.mode:
        raise ScoringError(
            f"the mode changed from {recorder.mode} to {current} during the run; "
            "the output is discarded, run it again"
        )


def _delete_predictions(recorder: Recorder) -> None:
    try:
        recorder.delete_predictions()
    except StoreUnavailableError as error:
        message = (
            f"{error}: the records keep {recorder.new:,} predictions of this failed run; run it "
            "again to get them"
        )
        print(message, file=sys.stderr)


def _as_trial(version: str, _: pa.RecordBatch, answers: pa.RecordBatch) -> pa.RecordBatch:
    """Return only the scores, in the columns of recorded answers."""
    count, facts = len(answers), {"model_version": version, "arm": None, "mode": TRIAL}
    kinds = {name: pa.array([value], pa.string())[0] for name, value in facts.items()}
    names = answers.schema.names
    given = {name: answers.column(name) for name in (names[0], "refused", "score")}
    given["decision"] = pa.nulls(count, answers.schema.field("decision").type)
    given |= {name: pa.repeat(value, count) for name, value in kinds.items()}
    given["at"] = pa.repeat(pa.scalar(now(), pa.timestamp("us")), count)
    return pa.RecordBatch.from_pydict(
        given | {name: answers.column(name) for name in names if name not in given}
    )


def _select_columns(table: ir.Table, terms: ContractSchema) -> ir.Table:
    """Select the columns to score and record, and the rule that each row breaks.

    An id that is not an integer becomes text.
    """
    names = [name for name in (*terms.fields.names, terms.unit) if name in table.columns]
    id = table[terms.id]
    key = id if id.type().is_integer() else id.cast("string").name(terms.id)
    return table.select(key, *names, first_violation(table, terms).name(REFUSED))


def _answers(
    scorer: Scorer, convert: ConvertAnswers, rows: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Yield the answers in the order of the rows, which wait here until they are scored."""
    waiting: deque[pa.RecordBatch] = deque()

    def remembered() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            waiting.append(batch)
            yield batch

    for answers in scorer(remembered()):
        yield convert(waiting.popleft(), answers)


def _write(draft: Path, batches: Iterator[pa.RecordBatch], metadata: dict[bytes, bytes]) -> None:
    first = next(batches)
    with pq.ParquetWriter(draft, first.schema.with_metadata(metadata)) as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
