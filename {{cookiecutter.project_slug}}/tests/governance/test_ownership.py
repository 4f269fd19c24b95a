from pathlib import Path

import pytest
from conftest import OWNERSHIP

from {{cookiecutter.package_name}}.governance.files import GovernanceError
from {{cookiecutter.package_name}}.governance.ownership import read_ownership


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "ownership.yaml"
    path.write_text(content)
    return path


def test_an_outcome_has_one_accountable_person(tmp_path: Path) -> None:
    ownership = read_ownership(written(tmp_path, OWNERSHIP))
    assert ownership.accountable("model_quality") == "Your Name <you@example.org>"


@pytest.mark.parametrize("outcome", ["model_quality", "unheard_of"])
def test_nobody_is_told_as_todo(tmp_path: Path, outcome: str) -> None:
    ownership = read_ownership(written(tmp_path, OWNERSHIP.replace("Your Name", "TODO")))
    assert ownership.accountable(outcome) == "TODO"


def test_an_accountable_stranger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GovernanceError, match=r"model_quality: accountable 'somebody' is not in people"):
        read_ownership(written(tmp_path, OWNERSHIP.replace("accountable: model_owner", "accountable: somebody")))


def test_two_accountable_for_one_outcome_are_refused(tmp_path: Path) -> None:
    twice = OWNERSHIP + "  - {id: model_quality, accountable: model_owner}\n"
    with pytest.raises(GovernanceError, match="said twice; one outcome has one accountable person"):
        read_ownership(written(tmp_path, twice))
