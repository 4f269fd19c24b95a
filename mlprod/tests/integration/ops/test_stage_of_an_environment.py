import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import Registered
from filled import Filled, at_home, filled
from fixture_project import PACKAGE

from mlprod.ops import stage_requirements
from mlprod.ops.readiness_inputs import readiness_inputs
from mlprod.ops.stage_requirements import NotReadyError, require_stage
from mlprod.project.project import Project
from mlprod.settings import Settings
from mlprod.training.promotion import promote
from mlprod.training.registry import CHAMPION, Registry, Version

__all__ = ["at_home", "filled"]
SEAM = Project(PACKAGE).seam_if_readable()


def test_local_requires_no_stage(at_home: Settings, registry: Registry) -> None:
    require_stage(
        SEAM,
        at_home.model_copy(update={"governance_dir": Path("nowhere")}),
        registry,
        "local",
        None,
    )


@pytest.mark.parametrize(
    ("environment", "stage"), [("staging", "pilot"), ("production", "production")]
)
def test_environment_without_its_stage_is_refused_with_the_missing_checks(
    at_home: Settings, registry: Registry, environment: Any, stage: str
) -> None:
    with pytest.raises(NotReadyError) as refused:
        require_stage(SEAM, at_home, registry, environment, None)
    message = str(refused.value)
    assert message.startswith(f"{environment} requires the stage {stage}; nothing was promoted.\n")
    assert "gates-passed (unmeasured)" in message
    assert f"missing for {stage}" in message


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_environment_is_allowed_once_its_stage_is_reached(
    at_home: Settings,
    registry: Registry,
    register: Registered,
    environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    filled: Filled,
) -> None:
    requested: list[Any] = []

    def noted(*given: Any) -> Any:
        requested.append(given)
        return readiness_inputs(*given)

    monkeypatch.setattr(stage_requirements, "readiness_inputs", noted)
    monkeypatch.setattr(stage_requirements, "assess", lambda *_: filled.card())
    version = register("a" * 64)
    require_stage(SEAM, at_home, registry, environment, version)
    assert requested == [(SEAM, at_home, registry, version)]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_model_of_other_project_files_is_refused(
    at_home: Settings,
    registry: Registry,
    environment: str,
    monkeypatch: pytest.MonkeyPatch,
    filled: Filled,
) -> None:
    monkeypatch.setattr(stage_requirements, "assess", lambda *_: filled.card())
    run = registry.log_run({}, {}, {}, None)
    version = registry.register(run, "b" * 64, {"kind": "model", "domain": "of last week"})
    with pytest.raises(NotReadyError, match="trained with other project files than today's four"):
        require_stage(SEAM, at_home, registry, environment, version)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_version_number_does_not_bypass_the_comparison_with_the_champion(
    at_home: Settings,
    registry: Registry,
    register: Registered,
    environment: str,
    monkeypatch: pytest.MonkeyPatch,
    filled: Filled,
) -> None:
    monkeypatch.setattr(stage_requirements, "assess", lambda *_: filled.card())
    first, second = register("a" * 64), register("b" * 64, compared_with="1")
    late = register(
        "c" * 64, compared_with="1"
    )  # trained in parallel with the second one, which was promoted first
    run = registry.log_run({}, {}, {}, None)
    baseline = registry.register(run, "d" * 64, {"kind": "baseline", "compared_with": "1"})

    def ready(version: Version) -> None:
        require_stage(SEAM, at_home, registry, environment, version)

    promote(registry, "you", "the first", first.number, ready=ready)
    promote(registry, "you", "it beats the first", second.number, ready=ready)
    with pytest.raises(
        NotReadyError, match="version 3 was compared with champion 1, but the champion is 2"
    ):
        promote(registry, "you", "it looks good", late.number, ready=ready)
    promote(registry, "you", "back by number", first.number, ready=ready)
    promote(registry, "you", "what one falls back on", baseline.number, ready=ready)
    champion = registry.get_by_alias(CHAMPION)
    assert champion
    assert champion.number == baseline.number


def test_uncommitted_governance_is_refused_for_production(
    at_home: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch, filled: Filled
) -> None:
    monkeypatch.setattr(stage_requirements, "assess", lambda *_: filled.card())
    for parts in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b.org", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *parts], check=True)  # noqa: S607 - the git on PATH
    require_stage(SEAM, at_home, registry, "production", None)
    filled.change("risk.yaml", "acts_without_review: false", "acts_without_review: true")
    require_stage(SEAM, at_home, registry, "staging", None)
    with pytest.raises(NotReadyError, match="changes that are not committed"):
        require_stage(SEAM, at_home, registry, "production", None)
