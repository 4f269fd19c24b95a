"""Verbs of those who watch what answers, with Prometheus or without."""

import argparse
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..display.plain_text import display
from .verb import INPUT, SINCE, UNTIL, option, verb

if TYPE_CHECKING:
    from ..monitoring.champion import ChampionInfo
    from ..monitoring.drift_counts import Counts
    from ..project.project import Seam
    from ..settings import Settings

NOT_SAID = 2  # nobody can say, or nobody was told


@verb(
    "drift",
    option("--hours", type=float, default=24, help="hours of records; default: %(default)g"),
    SINCE,
    UNTIL,
    INPUT,
)
def drift(args: argparse.Namespace) -> int:
    """Compare recent rows with the champion's training data; exit 1 on drift."""
    from ..contract.schema import ContractError
    from ..files.errors import FileError
    from ..monitoring import champion as watching
    from ..monitoring.alerts import of_inputs
    from ..monitoring.drift import FEWEST_ROWS, compare
    from ..monitoring.drift_counts import SchemaMismatchError
    from ..monitoring.drift_report import page, write
    from ..monitoring.drift_text import DriftReportHeader, lines
    from ..records.database import now
    from ..records.errors import StoreUnavailableError
    from ..training.registry import Registry, RegistryError
    from ..training.sources import NoRowsError

    settings, at = args.project.settings(), now()
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    try:
        registry, seam = Registry(settings), args.project.seam()
        champion = watching.answering(registry)
        with TemporaryDirectory(prefix="table-", dir=settings.state_dir) as folder:
            source, counts, note = _looked_at(args, settings, seam, champion, at, Path(folder))
    except (
        SchemaMismatchError,
        ContractError,
        FileError,
        NoRowsError,
        RegistryError,
        StoreUnavailableError,
        watching.NoChampionError,
    ) as error:
        print(display(f"{type(error).__name__}: {error}", keep="\n"), file=sys.stderr)
        return NOT_SAID
    drifts, rows = compare(champion.reference, counts), watching.rows_of(counts)
    facts = DriftReportHeader(
        settings.model_name,
        source,
        rows,
        champion.version,
        champion.bundle,
        f"{at:%Y-%m-%d %H:%M}",
        note,
    )
    print("\n".join(map(display, lines(facts, drifts))))
    anomalies = [f"{signal.alert}: {signal.says}" for signal in of_inputs(drifts)]
    report = settings.state_dir / "drift" / "report.html"
    write(report, page(facts, drifts, anomalies))
    print("\n".join(map(display, [*anomalies, f"{report} shows it in pictures"])))
    if rows >= FEWEST_ROWS and not _of_file_or_data(args):
        watching.keep_drift(settings, registry, facts, drifts, anomalies)
    drifted = anomalies or any(item.verdict == "drifts" for item in drifts)
    return 1 if drifted else 0 if rows >= FEWEST_ROWS else NOT_SAID


@verb("check-source")
def check_source(args: argparse.Namespace) -> int:
    """Compare source schema, missing values and categories with the training data."""
    from ..contract.schema import ContractError
    from ..monitoring import champion as watching
    from ..monitoring.drift_counts import SchemaMismatchError
    from ..training.evidence_store import digests, finding
    from ..training.registry import Registry, RegistryError
    from ..training.source_schema import SchemaNotRecordedError, changes, columns
    from ..training.sources import loaded
    from .evidence import save_evidence

    settings = args.project.settings()
    try:
        registry, seam = Registry(settings), args.project.seam()
        champion, table = watching.answering(registry), loaded(seam.load)
        result = changes(registry.version(int(champion.version)).tags, columns(table, seam.terms))
        rows, anomalies = (0, []) if result else watching.rows_since_training(seam, champion)
    except (
        SchemaMismatchError,
        ContractError,
        SchemaNotRecordedError,
        RegistryError,
        watching.NoChampionError,
    ) as error:
        print(display(f"{type(error).__name__}: {error}", keep="\n"), file=sys.stderr)
        return NOT_SAID
    result += anomalies
    if not rows and not result:
        print(
            f"nothing to say: load() gives no row that is newer than what version "
            f"{champion.version} was made of"
        )
        return 0
    message = (
        "; ".join(result)[:500]
        or f"the columns are those of version {champion.version}, {rows:,} newer rows hold"
    )
    return save_evidence(
        settings, [finding("dependencies-watched", not result, digests(settings), message)]
    )


@verb(
    "check-alerts",
    option(
        "--url",
        default="",
        help="webhook; default: alerting.webhook of ownership.yaml; ML_WEBHOOK_TOKEN is sent as "
        "bearer token",
    ),
)
def check_alerts(args: argparse.Namespace) -> int:
    """Check the alert rules on the records, without Prometheus, and notify a webhook."""
    from ..governance.config import read_organisation
    from ..monitoring import notifier
    from ..monitoring.champion import champion_if_any
    from ..monitoring.live_checks import active_alerts
    from ..records.database import now
    from ..training.registry import RegistryError
    from .service import records

    settings, at = args.project.settings(), now()
    org, state = read_organisation(settings.governance_dir), settings.state_dir / "watch.json"
    try:
        result = active_alerts(
            org, args.project.seam(), records(settings), champion_if_any(settings), at
        )
    except RegistryError as error:
        print(display(f"RegistryError: {error}", keep="\n"), file=sys.stderr)
        return NOT_SAID
    owners = {
        outcome.id: org.ownership.accountable(outcome.id) for outcome in org.ownership.outcomes
    }
    news = notifier.news(state, result, owners, at)
    for facts in news.wrong.values():
        message = (
            f"{facts['alert']}: {facts['says']} ({facts['outcome']}: {facts['owner']}; since "
            f"{facts['since']})"
        )
        print(display(message))
    for id in news.ended:
        print(f"ended: {id}")
    if not (news.wrong or news.ended):
        print("nothing is wrong")
    url, taken = args.url or org.ownership.alerting.webhook, True
    if url and (news.wrong or news.ended):
        try:
            notifier.post(
                url,
                news.message(org.ownership.system.name, at),
                os.environ.get("ML_WEBHOOK_TOKEN", ""),
            )
        except notifier.DeliveryError as error:
            print(display(f"DeliveryError: {error}"), file=sys.stderr)
            taken = False
    notifier.remember(state, news, taken=taken)
    return NOT_SAID if not taken else 1 if news.wrong else 0


def _of_file_or_data(args: argparse.Namespace) -> bool:
    return bool(args.input or args.since or args.until)


def _looked_at(
    args: argparse.Namespace,
    settings: "Settings",
    seam: "Seam",
    champion: "ChampionInfo",
    at: datetime,
    folder: Path,
) -> "tuple[str, Counts, str]":
    """The rows in words, their counts, and what to bear in mind about them.

    `folder` holds what is made of a file.
    """
    from ..contract.unknown_words import look_alikes
    from ..files.columns import of_scored
    from ..files.read import read
    from ..monitoring import champion as watching
    from ..monitoring.drift_counts import count, readable
    from ..monitoring.thresholds import WHOLE_DAY_SHARE
    from ..training.sources import NoRowsError, loaded
    from .service import records

    if _of_file_or_data(args):
        if args.input and (args.since or args.until):
            raise NoRowsError("--input is all of a file; --since and --until choose from load()")
        fields, personal = champion.manifest.fields, seam.terms.personal
        file = read(args.input, of_scored(fields), folder) if args.input else None
        table, left_out = readable(
            file.table if file else loaded(seam.load, args.since, args.until),
            fields,
            personal=personal,
        )
        alike = look_alikes(table, [field for field in fields if field.open], personal)
        notes = [file.described if file else "", left_out, *alike]
        span = f"{args.since or 'the first'} to {args.until or 'the newest'}"
        source = f"the rows of {args.input}" if args.input else f"the rows of load(), {span},"
        return (
            source,
            count(table, fields, champion.reference),
            ". ".join(note for note in notes if note),
        )
    store, since = records(settings), at - timedelta(hours=args.hours)
    counts = watching.feature_counts(seam, store, champion, since, at)
    first = watching.first_prediction_at(store, champion, since)
    spanned = (at - first) / timedelta(hours=1) if first else 0.0
    note = (
        f"They span {spanned:.1f} hours: a part of a day is no day, and its hours differ by "
        f"themselves."
    )
    partial = first is not None and spanned < WHOLE_DAY_SHARE * min(args.hours, 24)
    source = (
        f"the rows that version {champion.version} scored in {args.hours:g} hours up to "
        f"{at:%Y-%m-%d %H:%M} UTC"
    )
    return source, counts, note if partial or (first and args.hours < 24) else ""
