"""Governance files of the first version are read by the code of today, every key of them."""

from pathlib import Path

from mlprod.governance.config import read_organisation

FOLDER = Path(__file__).parents[2] / "first_version" / "governance"  # read by the code of 55006c7


def test_its_files_are_read() -> None:
    found = read_organisation(FOLDER)
    assert found.ownership.system.name == "fraud-scoring"
    assert len(found.ownership.accepted) == len(found.ownership.outcomes) == 7
    assert found.problem.value.target == 120_000
    assert [phase.mode for phase in found.change_plan.rollout] == ["shadow", "assist", "automate"]
    assert found.risk.logging.retention_days == 365
    assert [waiver.check for waiver in found.waivers] == ["pickle"]
    assert found.watch.model_days == 90
