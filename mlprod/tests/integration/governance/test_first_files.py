"""Governance files of the first version are read by the code of today, every key of them."""

from pathlib import Path

from mlprod.governance.config import read_organisation

FOLDER = Path(__file__).parents[2] / "first_version" / "governance"  # read by the code of 55006c7


def test_its_files_are_read() -> None:
    result = read_organisation(FOLDER)
    assert result.ownership.system.name == "fraud-scoring"
    assert len(result.ownership.accepted) == len(result.ownership.outcomes) == 7
    assert result.problem.value.target == 120_000
    assert [phase.mode for phase in result.change_plan.rollout] == ["shadow", "assist", "automate"]
    assert result.risk.logging.retention_days == 365
    assert [waiver.check for waiver in result.waivers] == ["pickle"]
    assert result.watch.model_days == 90
