"""Test that the code of today reads every key of the governance files of the first version."""

from pathlib import Path

from mlprod.governance.config import read_governance

# The code of commit 55006c7 read these files.
FOLDER = Path(__file__).parents[2] / "first_version" / "governance"


def test_files_of_the_first_version_are_read() -> None:
    result = read_governance(FOLDER)
    assert result.ownership.system.name == "fraud-scoring"
    assert len(result.ownership.accepted) == len(result.ownership.outcomes) == 7
    assert result.problem.value.target == 120_000
    assert [phase.mode for phase in result.change_plan.rollout] == ["shadow", "assist", "automate"]
    assert result.risk.logging.retention_days == 365
    assert [waiver.check for waiver in result.waivers] == ["pickle"]
    assert result.watch.model_days == 90
