from datetime import date
from pathlib import Path

import pytest

from mlprod.governance.waivers import require_waiver
from mlprod.governance.yaml_loader import GovernanceError

TODAY = date(2026, 6, 1)
WAIVERS = """waivers:
  - {check: pickle, reason: no other form, risk: code at load, approved_by: model_owner,
      expires: 2026-06-01}"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "waivers.yaml"


def test_waiver_is_valid_on_its_last_day(path: Path) -> None:
    path.write_text(WAIVERS)
    assert require_waiver(path, "pickle", TODAY).approved_by == "model_owner"


def test_expired_waiver_is_refused_with_its_date(path: Path) -> None:
    path.write_text(WAIVERS)
    with pytest.raises(GovernanceError, match="'pickle' is needed and expired on 2026-06-01"):
        require_waiver(path, "pickle", date(2026, 6, 2))


def test_waiver_of_another_check_does_not_count(path: Path) -> None:
    path.write_text(WAIVERS.replace("pickle", "parity"))
    with pytest.raises(GovernanceError, match=r"does not exist. What works:\nwaivers:"):
        require_waiver(path, "pickle", TODAY)


def test_missing_file_has_no_waiver(path: Path) -> None:
    with pytest.raises(GovernanceError, match="does not exist"):
        require_waiver(path, "pickle", TODAY)


def test_waiver_without_a_risk_is_refused(path: Path) -> None:
    path.write_text(WAIVERS.replace("risk: code at load, ", ""))
    with pytest.raises(GovernanceError, match=r"waivers\[0\].risk"):
        require_waiver(path, "pickle", TODAY)
