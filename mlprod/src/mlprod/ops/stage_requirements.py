"""What an environment requires of the version that is promoted to it."""

import shutil
import subprocess
from pathlib import Path

from ..governance.ownership import Stage
from ..governance.readiness import assess
from ..project.project import Seam
from ..settings import Settings
from ..training.challenger import reason_not_compared
from ..training.predecessors import was_champion
from ..training.registry import CHAMPION, Registry, Version
from .readiness_inputs import readiness_inputs

REQUIRED_STAGE: dict[str, Stage] = {"local": "poc", "staging": "pilot", "production": "production"}


class NotReadyError(Exception):
    """A stage or mode is not reached; the message lists what is missing. Nothing was changed."""


def require_stage(
    seam: Seam | None,
    settings: Settings,
    registry: Registry,
    environment: str,
    version: Version | None,
) -> None:
    """Raise NotReadyError if `version` does not reach the stage that an environment requires.

    The environment local requires nothing. A model that never served must have been compared with
    today's champion, even if it is chosen by its number.
    """
    if environment == "local":
        return
    require_own_files(settings, environment)
    stage = REQUIRED_STAGE[environment]
    if version and seam and version.tags.get("domain", seam.digest) != seam.digest:
        raise NotReadyError(
            f"version {version.number} was trained with other project files than today's four; "
            "nothing was promoted. Works: train again, or promote from the commit that trained it"
        )
    untried = (
        version if version and version.kind != "baseline" and not was_champion(version) else None
    )
    if untried and (errors := reason_not_compared(registry.get_by_alias(CHAMPION), untried)):
        raise NotReadyError(f"{errors}. Nothing was promoted")
    card = assess(*readiness_inputs(seam, settings, registry, version))
    if not card.reached(stage):
        from ..governance.scorecard import terminal

        raise NotReadyError(
            f"{environment} requires the stage {stage}; nothing was promoted.\n"
            f"{terminal(card, stage)}"
        )


def require_own_files(settings: Settings, environment: str) -> None:
    """Raise NotReadyError unless governance/ is the project's own, and committed for production."""
    if settings.governance_dir.resolve() != Path("governance").resolve():
        raise NotReadyError(
            f"{environment} reads governance/ of the project, not "
            f"ML_GOVERNANCE_DIR={settings.governance_dir}. Works: unset ML_GOVERNANCE_DIR"
        )
    if environment == "production" and (git := shutil.which("git")):
        command = [git, "status", "--porcelain", "governance"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if changes := done.stdout.strip():
            raise NotReadyError(
                f"governance/ has changes that are not committed, so nobody approved them:\n"
                f"{changes}"
            )
