"""Score a table with the champion: one file, whole or not at all, and each answer recorded as the
service's are.
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

from ..contract.columns import MAX_REFUSED
from ..contract.schema import ContractSchema
from ..contract.validation import first_violation, prepared
from ..ops.mode_switch import mode_now
from ..records.database import now
from ..records.errors import StoreUnavailableError
from ..records.store import Store
from ..settings import Settings
from ..training.registry import CHAMPION, Registry
from ..training.sources import stream
from .output import KIND, MODEL, SOURCE, ScoringError, open_target, publish
from .recorder import ANOTHER_ROW, Recorder, secret
from .row_check import engine_errors, refused_rows
from .scorer import REFUSED, Scorer
from .selection import ScoringFunctions, ScoringInput

CHUNK_ROWS = 50_000  # rows at once; a few pieces are in memory
TRIAL = "trial"
Take = Callable[[pa.RecordBatch, pa.RecordBatch], pa.RecordBatch]


@dataclass(frozen=True)
class ScoringResult:
    """What was done.

    `refused` counts rows that broke the contract, by rule; `new` the cases not recorded before;
    `notes` say which rows these are, and which unknown words look like known ones.
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
    """Score rows into the Parquet file `to`, a path or an address such as
    s3://bucket/scores/june.parquet.

    `who` is recorded as the caller. Without a store it is a trial: nothing is recorded, and no
    decision given. Raises ScoringError, RegistryError, BundleError, KeysError,
    StoreUnavailableError, and ContractViolationError for absent columns; then the file is as it
    was, and so are the records.
    """
    terms, registry = domain.terms, Registry(settings)
    subject = {
        MODEL: settings.model_name.encode(),
        SOURCE: rows.source.encode(),
        KIND: b"answers" if store else b"trial",
    }
    filesystem, path = open_target(to, subject)
    if (champion := registry.get_by_alias(CHAMPION)) is None:
        raise ScoringError(
            "nothing was promoted yet; make train (or make baseline), then make promote "
            'REASON="..."'
        )
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="scores-", dir=settings.state_dir) as folder, engine_errors():
        table = prepared(rows.table, terms)
        refused, count, notes = refused_rows(table, terms)
        bundle, draft = registry.download(champion, Path(folder)), Path(folder) / "draft.parquet"
        what = bundle, champion.digest, terms, domain.baseline, domain.decide
        allowed = settings.allow_pickle, _cores(), settings.model_megabytes
        scorer = Scorer(*what, *allowed)
        recorder = None
        if store:
            facts = (
                champion.number,
                champion.digest,
                mode_now(settings, store).mode,
                store,
                secret(settings),
            )
            recorder = Recorder(terms, *facts, Path(folder) / "ids", who, domain.explored)
        claim = (
            partial(_recorded, recorder, count)
            if recorder
            else partial(_as_trial, str(champion.number))
        )
        try:
            _write(
                draft, _answers(scorer, claim, stream(_wanted(table, terms), CHUNK_ROWS)), subject
            )
            if recorder:
                _demand_mode(recorder, settings)
            publish(draft, filesystem, path)
        except (
            BaseException
        ):  # whatever it is: what nobody was given must not stand in the records as given
            if recorder:
                _withdraw(recorder)
            raise
    if recorder and recorder.conflicting:
        refused[f"{terms.id}: {ANOTHER_ROW}"] = recorder.conflicting
        notes = (*notes, f"{recorder.conflicting:,} rows have no score: {terms.id}: {ANOTHER_ROW}")
    mode, new = (recorder.mode, recorder.new) if recorder else (TRIAL, 0)
    return ScoringResult(count, refused, champion.number, mode, new, notes)


def _recorded(
    recorder: Recorder, count: int, rows: pa.RecordBatch, answers: pa.RecordBatch
) -> pa.RecordBatch:
    """Answers as they are recorded.

    Raises ScoringError when too many of the `count` rows come under ids of other rows.
    """
    result = recorder.take(rows, answers)
    if recorder.conflicting > MAX_REFUSED * count:
        id = recorder.terms.id
        raise ScoringError(
            f"more than {MAX_REFUSED:.0%} of {count:,} rows come under an {id} that "
            f"{ANOTHER_ROW}; an id names one "
            "case, for ever. Where the same things are scored again and again, put the "
            "date into the id"
        )
    return result


def _demand_mode(recorder: Recorder, settings: Settings) -> None:
    if (holds := mode_now(settings, recorder.store).mode) != recorder.mode:
        began = recorder.mode
        raise ScoringError(
            f"the mode was {began} at first and is {holds} now: these decisions are not "
            f"given; run again"
        )


def _withdraw(recorder: Recorder) -> None:
    try:
        recorder.delete_predictions()
    except StoreUnavailableError as error:
        message = (
            f"{error}: {recorder.new:,} answers stay in the records that nobody was given; run "
            f"it again to give them"
        )
        print(message, file=sys.stderr)


def _as_trial(version: str, _: pa.RecordBatch, answers: pa.RecordBatch) -> pa.RecordBatch:
    """Scores alone, in the columns of answers."""
    count, message = len(answers), {"model_version": version, "arm": None, "mode": TRIAL}
    kinds = {name: pa.array([value], pa.string())[0] for name, value in message.items()}
    given = {name: answers.column(name) for name in (answers.schema.names[0], "refused", "score")}
    given["decision"] = pa.nulls(count, answers.schema.field("decision").type)
    given |= {name: pa.repeat(value, count) for name, value in kinds.items()}
    return pa.RecordBatch.from_pydict(
        given | {"at": pa.repeat(pa.scalar(now(), pa.timestamp("us")), count)}
    )


def _wanted(table: ir.Table, terms: ContractSchema) -> ir.Table:
    """The columns that are scored and recorded, and what the contract says of each row; an id that
    is no number becomes a word.
    """
    names = [name for name in (*terms.fields.names, terms.unit) if name in table.columns]
    id = table[terms.id]
    key = id if id.type().is_integer() else id.cast("string").name(terms.id)
    return table.select(key, *names, first_violation(table, terms).name(REFUSED))


def _answers(
    scorer: Scorer, claim: Take, rows: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Answers in the order of the rows, which wait here until they were scored."""
    waiting: deque[pa.RecordBatch] = deque()

    def noted() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            waiting.append(batch)
            yield batch

    for answers in scorer(noted()):
        yield claim(waiting.popleft(), answers)


def _write(draft: Path, batches: Iterator[pa.RecordBatch], subject: dict[bytes, bytes]) -> None:
    first = next(batches)
    with pq.ParquetWriter(draft, first.schema.with_metadata(subject)) as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
