"""Score a table with the champion: one file, whole or not at all, and each answer recorded as the service's are."""

import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from ..bundle.runtime import Scores
from ..contract.columns import MAX_REFUSED
from ..contract.membership import is_duckdb
from ..contract.schema import Columns, Terms
from ..contract.unknown_words import look_alikes
from ..contract.validation import prepared, unfit, violations
from ..files.columns import of_scoring
from ..files.read import read
from ..ops.mode_switch import mode_now
from ..project import Project
from ..records.database import now
from ..records.errors import StoreAway
from ..records.store import Store
from ..serving.exploration import LetThrough, let_through
from ..settings import Settings
from ..training.registry import CHAMPION, Registry
from ..training.sources import Load, NoRows, loaded, stream
from .output import KIND, MODEL, SOURCE, NotScored, placed, put
from .recorder import ANOTHER_ROW, Recorder, secret
from .scorer import REFUSED, Scorer

PIECE = 50_000  # rows at once; a few pieces are in memory
MAX_SHOWN = 10  # rules in a message
TRIAL = "trial"
Take = Callable[[pa.RecordBatch, pa.RecordBatch], pa.RecordBatch]


@dataclass(frozen=True)
class Domain:
    """What the four files say of answers, without the model, whose libraries take a second to import."""

    terms: Terms
    load: Load
    baseline: Callable[[Columns], Scores]
    decide: Callable[[float, float], Any]
    explored: LetThrough | None = None


@dataclass(frozen=True)
class Chosen:
    """Rows to be scored, a name for their scores, where they come from, and how a file of them is written, in words."""

    table: ir.Table
    name: str
    source: str
    described: str = ""


@dataclass(frozen=True)
class Scored:
    """What was done. `refused` counts rows that broke the contract, by rule; `new` the cases not recorded before;
    `notes` say which rows these are, and which unknown words look like known ones."""

    rows: int
    refused: dict[str, int]
    version: int
    mode: str
    new: int
    notes: tuple[str, ...] = ()


def domain_of(project: Project) -> Domain:
    """The project's. Raises ContractError and ExploreError."""
    decision = project.decision
    explored = let_through(getattr(decision, "LET_THROUGH", None))
    return Domain(project.terms, project.data.load, decision.baseline, decision.decide, explored)


def chosen(domain: Domain, path: str | None, since: datetime | None, until: datetime | None, folder: Path) -> Chosen:
    """The rows of a file or of load(), by default of yesterday (UTC). `folder` holds what is made of a file while its
    rows are read. Raises NoRows, FileError and ContractError."""
    if path:
        if since or until:
            raise NoRows("--table is all of a file; --since and --until choose from load()")
        found = read(path, of_scoring(domain.terms), folder)
        return Chosen(found.table, found.name, found.source, found.described)
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    if domain.terms.time is None:
        if since or until:
            raise NoRows("the contract names no TIME, so --since and --until choose nothing: leave them out")
        return Chosen(loaded(domain.load), f"{today:%Y-%m-%d}", "load()")
    until = until or today
    since = since or until - timedelta(days=1)
    if since >= until:
        raise NoRows(f"--since {since} is not before --until {until}")
    name = f"{since:%Y-%m-%d}" if until - since == timedelta(days=1) else f"{since:%Y%m%dT%H%M}-{until:%Y%m%dT%H%M}"
    return Chosen(loaded(domain.load, since, until), name, f"load(), {since} to {until}")


def score(domain: Domain, settings: Settings, rows: Chosen, to: str, store: Store | None, who: str) -> Scored:
    """Score rows into the Parquet file `to`, a path or an address such as s3://bucket/scores/june.parquet.

    `who` is recorded as the caller. Without a store it is a trial: nothing is recorded, and no decision given. Raises
    NotScored, RegistryError, BundleRefused, KeysError, StoreAway, and ContractViolated for absent columns; then the
    file is as it was, and so are the records.
    """
    terms, registry = domain.terms, Registry(settings)
    about = {MODEL: settings.model_name.encode(), SOURCE: rows.source.encode(), KIND: b"answers" if store else b"trial"}
    filesystem, path = placed(to, about)
    if (champion := registry.behind(CHAMPION)) is None:
        raise NotScored('nothing was promoted yet; make train (or make baseline), then make promote WHY="..."')
    settings.state.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="scores-", dir=settings.state) as folder, _engine_words():
        table = prepared(rows.table, terms)
        refused, count, notes = _refused(table, terms)
        bundle, draft = registry.download(champion, Path(folder)), Path(folder) / "draft.parquet"
        what = bundle, champion.digest, terms, domain.baseline, domain.decide
        allowed = settings.allow_pickle, _cores(), settings.model_megabytes
        scorer = Scorer(*what, *allowed)
        recorder = None
        if store:
            facts = champion.number, champion.digest, mode_now(settings, store).mode, store, secret(settings)
            recorder = Recorder(terms, *facts, Path(folder) / "ids", who, domain.explored)
        take = partial(_recorded, recorder, count) if recorder else partial(_as_trial, str(champion.number))
        try:
            _write(draft, _answers(scorer, take, stream(_wanted(table, terms), PIECE)), about)
            if recorder:
                _demand_mode(recorder, settings)
            put(draft, filesystem, path)
        except BaseException:  # whatever it is: what nobody was given must not stand in the records as given
            if recorder:
                _withdraw(recorder)
            raise
    if recorder and recorder.conflicting:
        refused[f"{terms.id}: {ANOTHER_ROW}"] = recorder.conflicting
        notes = (*notes, f"{recorder.conflicting:,} rows have no score: {terms.id}: {ANOTHER_ROW}")
    mode, new = (recorder.mode, recorder.new) if recorder else (TRIAL, 0)
    return Scored(count, refused, champion.number, mode, new, notes)


def _recorded(recorder: Recorder, count: int, rows: pa.RecordBatch, answers: pa.RecordBatch) -> pa.RecordBatch:
    """Answers as they are recorded. Raises NotScored when too many of the `count` rows come under ids of other rows."""
    found = recorder.take(rows, answers)
    if recorder.conflicting > MAX_REFUSED * count:
        id = recorder.terms.id
        raise NotScored(
            f"more than {MAX_REFUSED:.0%} of {count:,} rows come under an {id} that {ANOTHER_ROW}; an id names one "
            "case, for ever. Where the same things are scored again and again, put the date into the id"
        )
    return found


def _demand_mode(recorder: Recorder, settings: Settings) -> None:
    if (holds := mode_now(settings, recorder.store).mode) != recorder.mode:
        began = recorder.mode
        raise NotScored(f"the mode was {began} at first and is {holds} now: these decisions are not given; run again")


def _withdraw(recorder: Recorder) -> None:
    try:
        recorder.withdraw()
    except StoreAway as error:
        said = f"{error}: {recorder.new:,} answers stay in the records that nobody was given; run it again to give them"
        print(said, file=sys.stderr)


def _as_trial(version: str, _: pa.RecordBatch, answers: pa.RecordBatch) -> pa.RecordBatch:
    """Scores alone, in the columns of answers."""
    count, said = len(answers), {"model_version": version, "arm": None, "mode": TRIAL}
    kinds = {name: pa.array([value], pa.string())[0] for name, value in said.items()}
    given = {name: answers.column(name) for name in (answers.schema.names[0], "refused", "score")}
    given["decision"] = pa.nulls(count, answers.schema.field("decision").type)
    given |= {name: pa.repeat(value, count) for name, value in kinds.items()}
    return pa.RecordBatch.from_pydict(given | {"at": pa.repeat(pa.scalar(now(), pa.timestamp("us")), count)})


@contextmanager
def _engine_words() -> Iterator[None]:
    """DuckDB says what it could not read with the row in which it stood; where that is said on is a log."""
    try:
        yield
    except duckdb.Error as error:
        line = re.search(r"[Ll]ine:? (\d+)", str(error))
        where = f" about line {line[1]}: has it a cell for each column?" if line else f": {str(error)[:60]}"
        raise NotScored(f"the rows cannot be read{where}") from None


def _refused(table: ir.Table, terms: Terms) -> tuple[dict[str, int], int, tuple[str, ...]]:
    """How many rows break the contract, by rule, how many there are, and notes about them. Raises NotScored before
    anything is done."""
    counts = table.select(rule=unfit(table, terms)).group_by("rule").aggregate(rows=lambda marked: marked.count())
    found = {each["rule"]: int(each["rows"]) for each in counts.to_pyarrow().to_pylist()}
    rows, id = sum(found.values()), table[terms.id]
    refused = {rule: count for rule, count in sorted(found.items(), key=str) if rule is not None}
    if not rows:
        raise NotScored("there are no rows; does load() look at the right place and time?")
    broken = violations(table, terms, refused, MAX_SHOWN)
    more = [f"… and {len(refused) - len(broken):,} more rules broken"] if len(refused) > len(broken) else []
    if sum(refused.values()) > MAX_REFUSED * rows:
        said = "; ".join([*(each.describe() for each in broken), *more])
        raise NotScored(f"more than {MAX_REFUSED:.0%} of {rows:,} rows break the contract: {said}")
    ids = table.aggregate(known=id.count(), different=id.nunique()).to_pyarrow().to_pylist()[0]
    if repeated := ids["known"] - ids["different"]:
        raise NotScored(f"{terms.id} stands {repeated:,} times again under another row; an id names one case")
    open_fields = [field for field in terms.fields if field.open] if is_duckdb(table) else []  # a query for each
    alike = look_alikes(table, open_fields, terms.personal)
    lines = [f"{each.count:,} rows have no score: {each.field}: {each.rule}{each.shown}" for each in broken]
    return refused, rows, (*lines, *more, *alike)


def _wanted(table: ir.Table, terms: Terms) -> ir.Table:
    """The columns that are scored and recorded, and what the contract says of each row; an id that is no number becomes
    a word."""
    names = [name for name in (*terms.fields.names, terms.unit) if name in table.columns]
    id = table[terms.id]
    key = id if id.type().is_integer() else id.cast("string").name(terms.id)
    return table.select(key, *names, unfit(table, terms).name(REFUSED))


def _answers(scorer: Scorer, take: Take, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Answers in the order of the rows, which wait here until they were scored."""
    waiting: deque[pa.RecordBatch] = deque()

    def noted() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            waiting.append(batch)
            yield batch

    for answers in scorer(noted()):
        yield take(waiting.popleft(), answers)


def _write(draft: Path, batches: Iterator[pa.RecordBatch], about: dict[bytes, bytes]) -> None:
    first = next(batches)
    with pq.ParquetWriter(draft, first.schema.with_metadata(about)) as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
