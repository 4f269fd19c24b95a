"""Monitoring wired to the project: the champion beside the records of what it answered, and who is
told.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import func, select

from ..bundle.manifest import MANIFEST, PROVENANCE, Estimate, Manifest, folder_digest, read_manifest
from ..bundle.reference_profile import Reference
from ..ops.readiness_report import registry_if_any
from ..project.project import Seam
from ..records.smoke import of_cases
from ..records.store import Store
from ..records.tables import predictions
from ..settings import Settings
from ..training.evidence_store import digests, finding, write
from ..training.registry import CHAMPION, Registry, RegistryError
from ..training.sources import loaded
from . import alerts
from .drift import Drift, compare
from .drift_counts import SCORE, Counts, count, total
from .drift_text import DriftReportHeader, summary
from .scored_rows import stored


class NoChampionError(Exception):
    """There is no champion; the message says what helps."""


@dataclass(frozen=True)
class ChampionInfo:
    """The champion: what it learnt from and how good it was.

    `made` is UTC, None when its provenance does not tell.
    """

    version: str
    bundle: str
    manifest: Manifest
    reference: Reference
    made: datetime | None

    @property
    def squared_error(self) -> Estimate | None:
        """Mean squared error on the test rows."""
        if rmse := self.manifest.metrics.get("rmse"):
            return Estimate(value=rmse.value**2, low=rmse.low**2, high=rmse.high**2, n=rmse.n)
        return self.manifest.metrics.get("brier")


def answering(registry: Registry) -> ChampionInfo:
    """The champion, as the registry has it.

    Raises RegistryError, and NoChampionError when there is none.
    """
    champion = registry.get_by_alias(CHAMPION)
    if champion is None:
        raise NoChampionError(
            'nothing was promoted yet; make train, then make promote REASON="..."'
        )
    with TemporaryDirectory() as folder:
        bundle = registry.download(champion, Path(folder))
        if (result := folder_digest(bundle)) != champion.digest:
            raise RegistryError(
                f"version {champion.number} is {champion.digest[:12]} but came as {result[:12]}"
            )
        manifest = read_manifest((bundle / MANIFEST).read_bytes())
        reference = Reference.model_validate_json((bundle / "reference.json").read_bytes())
        made = _made(bundle / PROVENANCE)
    return ChampionInfo(str(champion.number), champion.digest, manifest, reference, made)


def champion_if_any(settings: Settings) -> ChampionInfo | None:
    """The same; None while nothing was ever promoted. Raises RegistryError."""
    registry = registry_if_any(settings)
    return answering(registry) if registry and registry.get_by_alias(CHAMPION) else None


def feature_counts(
    seam: Seam, store: Store, champion: ChampionInfo, since: datetime, until: datetime
) -> Counts:
    """Of the rows that the champion scored (UTC).

    PII fields are not recorded. Raises StoreUnavailableError.
    """
    fields, absent = champion.manifest.fields, seam.terms.personal
    tables = stored(store, fields, champion.bundle, since, until)
    return total(count(table, fields, champion.reference, absent, SCORE) for table in tables)


def rows_since_training(seam: Seam, champion: ChampionInfo) -> tuple[int, list[str]]:
    """How many rows load() has that are newer than what the champion was made of, and what fails to
    come in them, or comes in words that it does not know. Without a time no row is newer. Raises
    SchemaMismatchError.
    """
    if seam.terms.time is None or champion.manifest.data.until is None:
        return 0, []
    table = loaded(seam.load, since=datetime.fromisoformat(champion.manifest.data.until))
    counts = count(table, champion.manifest.fields, champion.reference)
    anomalies = alerts.of_inputs(compare(champion.reference, counts))
    return rows_of(counts), [item.says for item in anomalies]


def first_prediction_at(store: Store, champion: ChampionInfo, since: datetime) -> datetime | None:
    """When the champion scored a case for the first time since then."""
    requested = select(func.min(predictions.c.at)).where(
        predictions.c.at >= since, predictions.c.bundle == champion.bundle, of_cases(predictions)
    )
    with store.reading() as connection:
        return connection.execute(requested).scalar_one()  # type: ignore[no-any-return]


def rows_of(counts: Counts) -> int:
    return max((item.present + item.missing for item in counts.values()), default=0)


def keep_drift(
    settings: Settings,
    registry: Registry,
    facts: DriftReportHeader,
    drifts: Sequence[Drift],
    odd: Sequence[str],
) -> None:
    """Write down that drift was looked at on real rows, and whether values and words come as
    learnt. Raises RegistryError.
    """
    subject = digests(settings)
    seen = "; ".join(odd)[:500] or f"values and words are there as learnt, by {facts.rows:,} rows"
    records = [
        finding("drift-watched", True, subject, summary(facts, drifts)[:500]),
        finding("inputs-watched", not odd, subject, seen),
    ]
    write(registry, records)


def _made(path: Path) -> datetime | None:
    try:
        message = datetime.fromisoformat(json.loads(path.read_text(encoding="utf-8"))["created_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return message.astimezone(UTC).replace(tzinfo=None)
