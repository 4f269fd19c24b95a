"""Score a table with the champion: one file, whole or not at all, and each answer recorded as the service's are."""

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from .bundle.runtime import Scores
from .contract.check import unfit
from .contract.terms import Columns, Terms, read_terms
from .pipeline.batch import REFUSED, Scorer
from .pipeline.registry import CHAMPION, Registry
from .pipeline.tables import Load, NoRows, file, loaded, stream
from .recording import Recorder, secret
from .records.engine import now
from .records.store import Store
from .serving.explore import LetThrough, let_through
from .settings import Settings

# An upload is sent without its length otherwise, which stores other than Amazon's refuse.
os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")

PIECE = 50_000  # rows at once; a few pieces are in memory
MOST_REFUSED = 0.01  # of the rows; when more break the contract that is no dirt but another table
MARK = b"scores_of"  # in a file's metadata: a later run may replace it
TRIAL = "trial"


@dataclass(frozen=True)
class Domain:
    """What the four files say of answers, without the model, whose libraries take a second to import."""

    terms: Terms
    load: Load
    baseline: Callable[[Columns], Scores]
    decide: Callable[[float, float], Any]
    explored: LetThrough | None = None


class NotScored(Exception):
    """Nothing was put in place; the message says why, and what helps."""


@dataclass(frozen=True)
class Scored:
    """What was done. `refused` counts rows that broke the contract, by rule; `new` the cases not recorded before."""

    rows: int
    refused: dict[str, int]
    version: int
    mode: str
    new: int
    where: str


def project_domain() -> Domain:
    """This project's. Raises ContractError and ExploreError."""
    from .domain import contract, data, decision

    explored = let_through(getattr(decision, "LET_THROUGH", None))
    return Domain(read_terms(contract), data.load, decision.baseline, decision.decide, explored)


def score(domain: Domain, settings: Settings, table: ir.Table, to: str, store: Store | None) -> Scored:
    """Score `table` into the Parquet file `to`, a path or an address such as s3://bucket/scores/june.parquet.

    Without a store it is a trial. Raises NotScored, RegistryError, BundleRefused, KeysError, StoreAway, and
    ContractViolated for absent columns; after each of them the file is as it was.
    """
    filesystem, path = _place(to, settings.model_name)
    terms, registry = domain.terms, Registry(settings)
    if (champion := registry.behind(CHAMPION)) is None:
        raise NotScored('nothing was promoted yet; make train, then make promote WHY="..."')
    refused, rows = _refused(table, terms)
    mode, salt = (_mode(store, settings), secret(settings)) if store else (TRIAL, b"")
    recorder = Recorder(terms, champion.number, champion.digest, mode, store, salt, domain.explored)
    settings.state.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="scores-", dir=settings.state) as folder:
        bundle = registry.download(champion, Path(folder))
        what = bundle, champion.digest, terms, domain.baseline, domain.decide
        scorer = Scorer(*what, allow_pickle=settings.allow_pickle, workers=_cores())
        draft = Path(folder) / "draft.parquet"
        _write(draft, _answers(scorer, recorder, stream(_wanted(table, terms), PIECE)), settings.model_name)
        if store and (holds := _mode(store, settings)) != mode:
            raise NotScored(
                f"the mode was {mode} at first and is {holds} now: these decisions are not given; run again"
            )
        _put(draft, filesystem, path)
    return Scored(rows, refused, champion.number, mode, recorder.new, path)


def chosen(domain: Domain, path: str | None, since: datetime | None, until: datetime | None) -> tuple[ir.Table, str]:
    """The rows of a file or of load(), by default of yesterday (UTC), and a name for their scores. Raises NoRows."""
    if path:
        if since or until:
            raise NoRows("--table is all of a file; --since and --until choose from load()")
        return file(Path(path)), Path(path).stem
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    if domain.terms.time is None and not (since or until):
        return loaded(domain.load), f"{today:%Y-%m-%d}"
    until = until or today
    since = since or until - timedelta(days=1)
    name = f"{since:%Y-%m-%d}" if until - since == timedelta(days=1) else f"{since:%Y%m%dT%H%M}-{until:%Y%m%dT%H%M}"
    return loaded(domain.load, since, until), name


def target(to: str, name: str) -> str:
    """The file that is meant: `to` itself, or one of that name in the folder `to`. An address keeps its options."""
    place, mark, options = to.partition("?") if "://" in to else (to, "", "")
    file = place if place.endswith(".parquet") else f"{place.rstrip('/')}/{name}.parquet"
    return file + mark + options


def _mode(store: Store, settings: Settings) -> str:
    held = store.mode()
    return held.mode if held else settings.first_mode


def _refused(table: ir.Table, terms: Terms) -> tuple[dict[str, int], int]:
    """How many rows break the contract, by rule, and how many there are. Raises NotScored before anything is done."""
    counts = table.select(rule=unfit(table, terms)).group_by("rule").aggregate(rows=lambda marked: marked.count())
    found = {each["rule"]: int(each["rows"]) for each in counts.to_pyarrow().to_pylist()}
    rows = sum(found.values())
    refused = {rule: count for rule, count in sorted(found.items(), key=str) if rule is not None}
    if not rows:
        raise NotScored("there are no rows; does load() look at the right place and time?")
    if sum(refused.values()) > MOST_REFUSED * rows:
        said = "; ".join(f"{rule}: {count:,} rows" for rule, count in refused.items())
        raise NotScored(f"more than {MOST_REFUSED:.0%} of {rows:,} rows break the contract: {said}")
    return refused, rows


def _wanted(table: ir.Table, terms: Terms) -> ir.Table:
    """The columns that are scored and recorded, and what the contract says of each row; an id that is no number becomes
    a word."""
    names = [name for name in (*terms.fields.names, terms.unit) if name in table.columns]
    id = table[terms.id]
    key = id if id.type().is_integer() else id.cast("string").name(terms.id)
    return table.select(key, *names, unfit(table, terms).name(REFUSED))


def _answers(scorer: Scorer, recorder: Recorder, rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Answers in the order of the rows, which wait here until they were scored."""
    waiting: deque[pa.RecordBatch] = deque()

    def noted() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            waiting.append(batch)
            yield batch

    for answers in scorer(noted()):
        yield recorder.take(waiting.popleft(), answers)


def _write(draft: Path, batches: Iterator[pa.RecordBatch], model: str) -> None:
    first = next(batches)
    schema = first.schema.with_metadata({MARK: model.encode()})
    with pq.ParquetWriter(draft, schema) as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch)


def _place(to: str, model: str) -> tuple[fs.FileSystem, str]:
    """Where the file goes. Raises NotScored when that cannot be reached, or holds anything but scores of this model."""
    try:
        filesystem, path = (
            fs.FileSystem.from_uri(to) if "://" in to else (fs.LocalFileSystem(), str(Path(to).absolute()))
        )
        there = filesystem.get_file_info(path)
        known = there.type == fs.FileType.NotFound or (
            (pq.read_schema(path, filesystem=filesystem).metadata or {}).get(MARK) == model.encode()
        )
    except (OSError, ValueError) as error:
        raise NotScored(
            f"{to} cannot be written to: {error}. What works: var/scores/june.parquet, s3://bucket/june.parquet"
        ) from error
    if not known:
        raise NotScored(f"{to} is there and holds no scores of {model}: it is not replaced. Name another file")
    return filesystem, path


def _put(draft: Path, filesystem: fs.FileSystem, path: str) -> None:
    """The file is there whole or not at all: by a rename, or as one upload, which is there once its stream is closed.

    Raises NotScored.
    """
    local = isinstance(filesystem, fs.LocalFileSystem)
    beside = Path(path).with_name(f".{Path(path).name}.{os.getpid()}")
    try:
        if local:
            beside.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("rb") as source, filesystem.open_output_stream(str(beside) if local else path) as sink:
            shutil.copyfileobj(source, sink)
        if local:
            beside.replace(path)
    except OSError as error:
        raise NotScored(f"{path} cannot be written: {error}") from error
    finally:
        if local:
            beside.unlink(missing_ok=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
