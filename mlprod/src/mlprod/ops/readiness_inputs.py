"""What the readiness scorecard is assessed from: governance, files, evidence and the version."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from ..governance.check_results import ProjectState
from ..governance.checks.context import CheckContext
from ..governance.config import read_governance
from ..governance.evidence import Evidence, utc_now
from ..governance.generated import outdated_files
from ..installation.installed import read_library
from ..project.project import Seam
from ..settings import Settings
from ..training import evidence_store as home
from ..training.registry import CHALLENGER, CHAMPION, Registry, Version
from .generated_files import generated_files
from .project_files import alerts_with_outcome, automatic_jobs, top_level_folders


class ReadinessInputs(NamedTuple):
    """What `assess` needs, in its order: governance and files, evidence, the project, the time."""

    view: CheckContext
    evidence: Sequence[Evidence]
    facts: ProjectState
    now: datetime


def readiness_inputs(
    seam: Seam | None,
    settings: Settings,
    registry: Registry | None,
    version: Version | None,
    more: Iterable[Evidence] = (),
) -> ReadinessInputs:
    """Gather what the scorecard of today needs, with `version` as the version to serve.

    `more` is evidence that is not written yet. Raises GovernanceError if a file cannot be read.
    """
    org = read_governance(settings.governance_dir)
    context = CheckContext(
        org=org,
        today=date.today(),
        folders=tuple(top_level_folders()),
        alerts=tuple(alerts_with_outcome(Path("monitoring"))),
        outdated=outdated_files(generated_files(org, seam), Path()),
        personal=tuple(seam.terms.personal) if seam else (),
    )
    kind: Literal["model", "baseline"] = (
        "baseline" if version and version.kind == "baseline" else "model"
    )
    library = read_library(Path())
    subject = home.digests(settings, seam, version, library)
    facts = ProjectState(
        subject, automatic_jobs(), kind, describe_version(registry, version), library
    )
    stored = home.read_evidence(registry) if registry else []
    return ReadinessInputs(context, [*stored, *more], facts, utc_now())


def registry_if_any(settings: Settings) -> Registry | None:
    """Return the registry; None if nothing was registered, since creating one takes seconds."""
    return Registry(settings) if settings.tracking_uri or settings.database.exists() else None


def describe_version(registry: Registry | None, version: Version | None) -> str:
    """Return which version is assessed, which one serves and which one would be promoted next."""
    if registry is None or version is None:
        return "no model yet"
    what = "the baseline" if version.kind == "baseline" else "a model"
    champion, upcoming = registry.get_by_alias(CHAMPION), assessed_version(registry, None)
    if champion is None:
        serving = "nothing serves"
    elif champion.number == version.number:
        serving = "which serves"
    else:
        serving = f"version {champion.number} serves"
    if upcoming is None or (champion and upcoming.number == champion.number):
        following = "no challenger waits"
    elif upcoming.number == version.number:
        following = "this one is next"
    else:
        following = f"version {upcoming.number} is next"
    back = f"; {version.rolled_back}" if version.rolled_back else ""
    return f"version {version.number}, {what} ({serving}, {following}{back})"


def assessed_version(registry: Registry | None, number: int | None) -> Version | None:
    """Return the version to assess: `number`, or the waiting challenger, or the champion."""
    if registry is None:
        return None
    if number:
        return registry.version(number)
    challenger = registry.get_by_alias(CHALLENGER)
    return (
        challenger if challenger and not challenger.rolled_back else registry.get_by_alias(CHAMPION)
    )
