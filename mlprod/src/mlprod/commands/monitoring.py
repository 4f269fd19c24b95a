"""Verbs of monitoring: drift, source checks and alerts."""

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

# The result is unknown, or a notification was not delivered.
EXIT_UNKNOWN = 2


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
    from ..monitoring.alerts import input_alerts
    from ..monitoring.drift import MIN_DRIFT_ROWS, compare_distributions
    from ..monitoring.drift_counts import SchemaMismatchError
    from ..monitoring.drift_report import drift_page, write_page
    from ..monitoring.drift_text import DriftReportHeader, terminal_lines
    from ..records.database import now
    from ..records.errors import StoreUnavailableError
    from ..training.registry import Registry, RegistryError
    from ..training.sources import NoRowsError

    settings, at = args.project.settings(), now()
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    try:
        registry, seam = Registry(settings), args.project.seam()
        champion = watching.load_champion(registry)
        with TemporaryDirectory(prefix="table-", dir=settings.state_dir) as folder:
            source, counts, note = _rows_to_compare(
                args, settings, seam, champion, at, Path(folder)
            )
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
        return EXIT_UNKNOWN
    drifts, rows = compare_distributions(champion.reference, counts), watching.row_count(counts)
    header = DriftReportHeader(
        settings.model_name,
        source,
        rows,
        champion.version,
        champion.bundle,
        f"{at:%Y-%m-%d %H:%M}",
        note,
    )
    print("\n".join(map(display, terminal_lines(header, drifts))))
    anomalies = [f"{alert.alert}: {alert.message}" for alert in input_alerts(drifts)]
    report = settings.state_dir / "drift" / "report.html"
    write_page(report, drift_page(header, drifts, anomalies))
    print("\n".join(map(display, [*anomalies, f"The report with charts is {report}"])))
    if rows >= MIN_DRIFT_ROWS and not _reads_no_records(args):
        watching.save_drift_evidence(settings, registry, header, drifts, anomalies)
    drifted = anomalies or any(item.verdict == "drifts" for item in drifts)
    return 1 if drifted else 0 if rows >= MIN_DRIFT_ROWS else EXIT_UNKNOWN


@verb("check-source")
def check_source(args: argparse.Namespace) -> int:
    """Compare source schema, missing values and categories with the training data."""
    from ..contract.schema import ContractError
    from ..monitoring import champion as watching
    from ..monitoring.drift_counts import SchemaMismatchError
    from ..training.evidence_store import digests, finding
    from ..training.registry import Registry, RegistryError
    from ..training.source_schema import SchemaNotRecordedError, schema_changes, source_columns
    from ..training.sources import load_table
    from .evidence import save_evidence

    settings = args.project.settings()
    try:
        registry, seam = Registry(settings), args.project.seam()
        champion, table = watching.load_champion(registry), load_table(seam.load)
        result = schema_changes(
            registry.version(int(champion.version)).tags, source_columns(table, seam.terms)
        )
        rows, anomalies = (0, []) if result else watching.rows_since_training(seam, champion)
    except (
        SchemaMismatchError,
        ContractError,
        SchemaNotRecordedError,
        RegistryError,
        watching.NoChampionError,
    ) as error:
        print(display(f"{type(error).__name__}: {error}", keep="\n"), file=sys.stderr)
        return EXIT_UNKNOWN
    result += anomalies
    if not rows and not result:
        print(
            f"nothing to check: load() returns no row that is newer than the training data of "
            f"version {champion.version}"
        )
        return 0
    message = (
        "; ".join(result)[:500]
        or f"the columns are those of version {champion.version}; {rows:,} newer rows are complete"
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
    from ..governance.config import read_governance
    from ..monitoring import notifier
    from ..monitoring.champion import champion_if_any
    from ..monitoring.live_checks import active_alerts
    from ..records.database import now
    from ..training.registry import RegistryError
    from .service import records

    settings, at = args.project.settings(), now()
    org, state = read_governance(settings.governance_dir), settings.state_dir / "watch.json"
    try:
        result = active_alerts(
            org, args.project.seam(), records(settings), champion_if_any(settings), at
        )
    except RegistryError as error:
        print(display(f"RegistryError: {error}", keep="\n"), file=sys.stderr)
        return EXIT_UNKNOWN
    owners = {
        outcome.id: org.ownership.accountable(outcome.id) for outcome in org.ownership.outcomes
    }
    digest = notifier.build_digest(state, result, owners, at)
    for facts in digest.active.values():
        message = (
            f"{facts['alert']}: {facts['says']} ({facts['outcome']}: {facts['owner']}; since "
            f"{facts['since']})"
        )
        print(display(message))
    for id in digest.ended:
        print(f"ended: {id}")
    if not (digest.active or digest.ended):
        print("no alert is active")
    url, delivered = args.url or org.ownership.alerting.webhook, True
    if url and (digest.active or digest.ended):
        try:
            notifier.post_message(
                url,
                digest.message(org.ownership.system.name, at),
                os.environ.get("ML_WEBHOOK_TOKEN", ""),
            )
        except notifier.DeliveryError as error:
            print(display(f"DeliveryError: {error}"), file=sys.stderr)
            delivered = False
    notifier.save_digest(state, digest, delivered=delivered)
    return EXIT_UNKNOWN if not delivered else 1 if digest.active else 0


def _reads_no_records(args: argparse.Namespace) -> bool:
    """Return whether the rows come from a file or from load(), not from the records."""
    return bool(args.input or args.since or args.until)


def _rows_to_compare(
    args: argparse.Namespace,
    settings: "Settings",
    seam: "Seam",
    champion: "ChampionInfo",
    at: datetime,
    folder: Path,
) -> "tuple[str, Counts, str]":
    """Return a description of the rows to compare, their counts, and a caveat.

    `folder` is for temporary files.
    """
    from ..contract.unknown_words import describe_look_alikes
    from ..files.columns import columns_of_scored
    from ..files.read import read_table
    from ..monitoring import champion as watching
    from ..monitoring.drift_counts import count_features, readable_rows
    from ..monitoring.thresholds import WHOLE_DAY_SHARE
    from ..training.sources import NoRowsError, load_table
    from .service import records

    if _reads_no_records(args):
        if args.input and (args.since or args.until):
            raise NoRowsError(
                "--input reads a whole file; --since and --until select rows of load(). "
                "Works: one of the two"
            )
        fields, personal = champion.manifest.fields, seam.terms.personal
        file = read_table(args.input, columns_of_scored(fields), folder) if args.input else None
        table, left_out = readable_rows(
            file.table if file else load_table(seam.load, args.since, args.until),
            fields,
            personal=personal,
        )
        alike = describe_look_alikes(table, [field for field in fields if field.open], personal)
        notes = [file.described if file else "", left_out, *alike]
        span = f"{args.since or 'the first'} to {args.until or 'the newest'}"
        source = f"the rows of {args.input}" if args.input else f"the rows of load(), {span},"
        return (
            source,
            count_features(table, fields, champion.reference),
            ". ".join(note for note in notes if note),
        )
    store, since = records(settings), at - timedelta(hours=args.hours)
    counts = watching.feature_counts(seam, store, champion, since, at)
    first = watching.first_prediction_at(store, champion, since)
    spanned = (at - first) / timedelta(hours=1) if first else 0.0
    note = (
        f"These rows span {spanned:.1f} hours, which is less than a day. Hours of a day differ "
        f"from each other even without drift."
    )
    partial = first is not None and spanned < WHOLE_DAY_SHARE * min(args.hours, 24)
    source = (
        f"the rows that version {champion.version} scored in {args.hours:g} hours up to "
        f"{at:%Y-%m-%d %H:%M} UTC"
    )
    return source, counts, note if partial or (first and args.hours < 24) else ""
