from datetime import date
from pathlib import Path

import pytest
from conftest import Registered
from filled import Filled, at_home, filled
from fixture_project import PACKAGE

from mlprod.governance.readiness import assess
from mlprod.governance.yaml_loader import GovernanceError
from mlprod.ops.generated_files import generated_files
from mlprod.ops.project_files import automatic_jobs
from mlprod.ops.readiness_inputs import assessed_version, describe_version, readiness_inputs
from mlprod.project.project import Project
from mlprod.settings import Settings
from mlprod.training import evidence_store as home
from mlprod.training.promotion import promote, rollback
from mlprod.training.registry import CHALLENGER, Registry

__all__ = ["at_home", "filled"]
SEAM = Project(PACKAGE).seam_if_readable()
MINE = "contract-holds"


def test_scorecard_reads_the_project_and_its_registry(
    at_home: Settings, registry: Registry, filled: Filled
) -> None:
    seam = Project(PACKAGE).seam()
    record = home.finding(MINE, True, home.digests(at_home, seam), 7)
    home.write_evidence(registry, [record])
    rules = Path("monitoring") / "rules.yaml"
    rules.parent.mkdir()
    rules.write_text(
        "groups:\n  - rules:\n    - {alert: Unusual, expr: x}\n    - {alert: Late, expr: x}\n  "
        "  - {record: a, expr: x}\n"
        "---\ngroups:\n---\ngroups: [{rules: [{alert: Own, labels: {outcome: serving}}, "
        "{alert: Bare, labels: }]}]\n"
    )
    card = assess(*readiness_inputs(SEAM, at_home, registry, None))
    matches = {result.entry.id: result for result in card.pilot}
    assert matches[MINE].status == "passed"
    assert [message.rpartition(" ")[2] for message in matches["everything-covered"].says] == [
        "Unusual",
        "Bare",
    ]
    assert (
        matches["generated-files-agree"].says[0]
        == "CODEOWNERS: differs from what `make generate` writes"
    )
    assert card.today == date.today()


def test_each_environment_with_manifests_gets_its_own_rules(
    at_home: Settings, filled: Filled
) -> None:
    names = {
        f"deploy/overlays/{environment}/prometheus-rule.yaml"
        for environment in ("staging", "production")
    }
    assert names.isdisjoint(generated_files(filled.org, None))
    for name in names:
        Path(name).parent.mkdir(parents=True)
    assert names < generated_files(filled.org, None).keys()


def test_cluster_with_another_system_name_is_refused(at_home: Settings, filled: Filled) -> None:
    values = Path("deploy/values/values.yaml")
    values.parent.mkdir(parents=True)
    values.write_text("project: fraud-scoring\n")
    generated_files(filled.org, None)
    values.write_text("project: fraud-scores\n")
    with pytest.raises(
        GovernanceError, match=r"values\.yaml: project: fraud-scores.* write the same one in both"
    ):
        generated_files(filled.org, None)


def test_manual_jobs_do_not_count_as_workflows(at_home: Settings) -> None:
    folder = Path(".github/workflows")
    folder.mkdir(parents=True)
    (folder / "ci.yml").write_text("on:\n  push:\njobs: {a: {steps: [{run: make test}]}}\n")
    (folder / "by-hand.yml").write_text(
        "on:\n  workflow_dispatch:\njobs: {a: {steps: [{run: make rollback-drill}]}}\n"
    )
    web = (
        "{rules: [{if: '$CI_PIPELINE_SOURCE == \"web\" && $TASK'}], script: [make "
        "kill-switch-drill]}"
    )
    always = "{rules: [{if: '$CI_PIPELINE_SOURCE == \"push\"'}], script: [make load-test]}"
    Path(".gitlab-ci.yml").write_text(f"drills: {web}\nendurance: {always}\n")
    message = automatic_jobs()
    assert "make test" in message
    assert "make load-test" in message
    assert "drill" not in message


def test_version_text_names_the_assessed_the_serving_and_the_next_version(
    registry: Registry, register: Registered
) -> None:
    assert describe_version(None, None) == "no model yet"
    first, second = register("a" * 64), register("b" * 64)
    promote(registry, "ann", "first", first.number)
    assert describe_version(registry, first).endswith("a model (which serves, no challenger waits)")
    registry.set_alias(CHALLENGER, second)
    assert describe_version(registry, first).endswith(
        f"(which serves, version {second.number} is next)"
    )
    upcoming = assessed_version(registry, None)
    assert upcoming is not None
    assert describe_version(registry, upcoming).endswith(
        f"(version {first.number} serves, this one is next)"
    )


def test_after_a_rollback_the_serving_version_is_assessed(
    registry: Registry, register: Registered
) -> None:
    first, second = register("a" * 64), register("b" * 64)
    registry.set_alias(CHALLENGER, second)
    promote(registry, "ann", "first", first.number)
    promote(registry, "ann", "second", second.number)
    rollback(registry, "on-call", "it declines everybody")
    result = assessed_version(registry, None)
    assert result is not None
    assert result.number == first.number
    withdrawn = assessed_version(registry, second.number)
    assert "rolled back by on-call" in describe_version(registry, withdrawn)
