"""Old names work for two minor versions and print the new one."""

import argparse
import tomllib

import pytest
from fixture_project import LIBRARY, PACKAGE

from mlprod.commands import deprecated
from mlprod.commands.cli import VERBS, run
from mlprod.commands.deprecated import Renamed, with_new_names


def test_an_old_verb_runs_as_the_new_one_and_prints_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks: list[bool] = []

    def generate(args: argparse.Namespace) -> int:
        "Stands in."
        checks.append(args.check)
        return 0

    monkeypatch.setitem(VERBS, "generate", generate)
    assert run(PACKAGE, ["governance", "--check"]) == 0
    assert checks == [True]
    message = "the verb governance is now generate; the old name works until mlprod 0.3\n"
    assert capsys.readouterr().err == message


def test_a_name_of_today_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert with_new_names(["promote", "governance"]) == ["promote", "governance"]
    assert with_new_names([]) == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("old", deprecated.VERBS)
def test_an_old_name_leads_to_a_verb_and_goes_after_two_minor_versions(old: str) -> None:
    project = tomllib.loads((LIBRARY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    renamed = deprecated.VERBS[old]
    assert isinstance(renamed, Renamed)
    assert renamed.name in VERBS
    assert old not in VERBS
    version = tuple(map(int, project["version"].split(".")[:2]))
    assert version < renamed.gone_in, f"remove {old} from mlprod/commands/deprecated.py: its time is over"
