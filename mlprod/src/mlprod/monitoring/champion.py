"""The champion of a project: its training data profile, and what the records hold about it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import func, select

from ..bundle.manifest import MANIFEST, PROVENANCE, Estimate, Manifest, folder_digest, read_manifest
from ..bundle.reference_profile import Reference
from ..ops.readiness_inputs import registry_if_any
from ..project.project import Seam
from ..records.smoke import of_cases
from ..records.store import Store
from ..records.tables import predictions
from ..settings import Settings
from ..training.evidence_store import digests, finding, write_evidence
from ..training.registry import CHAMPION, Registry, RegistryError
from ..training.sources import load_table
from . import alerts
from .drift import Drift, compare_distributions
from .drift_counts import SCORE, Counts, count_features, sum_counts
from .drift_text import DriftReportHeader, drift_summary
from .scored_rows import read_scored_rows


class NoChampionError(Exception):
    """There is no champion; the message names the commands that create one."""


@dataclass(frozen=True)
class ChampionInfo:
    """The champion: the profile of its training data, and its metrics on the test rows.

    `trained_at` is UTC; None if its provenance records no time.
    """

    version: str
    bundle: str
    manifest: Manifest
    reference: Reference
    trained_at: datetime | None

    @property
    def squared_error(self) -> Estimate | None:
        """Mean squared error on the test rows."""
        if rmse := self.manifest.metrics.get("rmse"):
            return Estimate(value=rmse.value**2, low=rmse.low**2, high=rmse.high**2, n=rmse.n)
        return self.manifest.metrics.get("brier")


def load_champion(registry: Registry) -> ChampionInfo:
    """Load the champion from the registry.

    Raises RegistryError, and NoChampionError if there is no champion.
    """
    champion = registry.get_by_alias(CHAMPION)
    if champion is None:
        raise NoChampionError(
            "the registry has no champion: no version was promoted yet. "
            'Works: make train, then make promote REASON="..."'
        )
    with TemporaryDirectory() as folder:
        bundle = registry.download(champion, Path(folder))
        if (result := folder_digest(bundle)) != champion.digest:
            raise RegistryError(
                f"version {champion.number}: the bundle has digest {result[:12]}, but the registry "
                f"records {champion.digest[:12]}. Train and promote again"
            )
        manifest = read_manifest((bundle / MANIFEST).read_bytes())
        reference = Reference.model_validate_json((bundle / "reference.json").read_bytes())
        trained_at = _trained_at(bundle / PROVENANCE)
    return ChampionInfo(str(champion.number), champion.digest, manifest, reference, trained_at)


def champion_if_any(settings: Settings) -> ChampionInfo | None:
    """Load the champion; None if no version was ever promoted. Raises RegistryError."""
    registry = registry_if_any(settings)
    return load_champion(registry) if registry and registry.get_by_alias(CHAMPION) else None


def feature_counts(
    seam: Seam, store: Store, champion: ChampionInfo, since: datetime, until: datetime
) -> Counts:
    """Count the rows that the champion scored from `since` until before `until` (UTC).

    PII fields are not recorded, so they are left out. Raises StoreUnavailableError.
    """
    fields, absent = champion.manifest.fields, seam.terms.personal
    tables = read_scored_rows(store, fields, champion.bundle, since, until)
    return sum_counts(
        count_features(table, fields, champion.reference, absent, SCORE) for table in tables
    )


def rows_since_training(seam: Seam, champion: ChampionInfo) -> tuple[int, list[str]]:
    """Count the rows of load() that are newer than the champion's training data, and check them.

    Returns their number, and a message for each field with missing values or unknown categories.
    Without an event time no row is newer. Raises SchemaMismatchError.
    """
    if seam.terms.time is None or champion.manifest.data.until is None:
        return 0, []
    table = load_table(seam.load, since=datetime.fromisoformat(champion.manifest.data.until))
    counts = count_features(table, champion.manifest.fields, champion.reference)
    anomalies = alerts.input_alerts(compare_distributions(champion.reference, counts))
    return row_count(counts), [item.message for item in anomalies]


def first_prediction_at(store: Store, champion: ChampionInfo, since: datetime) -> datetime | None:
    """Return when the champion first scored a case since `since` (UTC); None if it scored none."""
    requested = select(func.min(predictions.c.at)).where(
        predictions.c.at >= since, predictions.c.bundle == champion.bundle, of_cases(predictions)
    )
    with store.reading() as connection:
        return connection.execute(requested).scalar_one()  # type: ignore[no-any-return]


def row_count(counts: Counts) -> int:
    """Return how many rows were counted."""
    return max((item.present + item.missing for item in counts.values()), default=0)


def save_drift_evidence(
    settings: Settings,
    registry: Registry,
    header: DriftReportHeader,
    drifts: Sequence[Drift],
    anomalies: Sequence[str],
) -> None:
    """Record as evidence that drift was checked on real rows, and whether the inputs are complete.

    `anomalies` are messages about missing values and unknown categories. Raises RegistryError.
    """
    subject = digests(settings)
    seen = "; ".join(anomalies)[:500] or (
        f"values and categories are as in the training data, by {header.rows:,} rows"
    )
    records = [
        finding("drift-watched", True, subject, drift_summary(header, drifts)[:500]),
        finding("inputs-watched", not anomalies, subject, seen),
    ]
    write_evidence(registry, records)


def _trained_at(path: Path) -> datetime | None:
    try:
        message = datetime.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["created_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return message.astimezone(UTC).replace(tzinfo=None)
