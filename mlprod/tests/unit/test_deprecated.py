"""Old names work for two minor versions, and using one prints the new name."""

import argparse
import tomllib

import pytest
from fixture_project import LIBRARY, PACKAGE

from mlprod import deprecated
from mlprod.commands.cli import VERBS, run
from mlprod.commands.verb import Verb
from mlprod.deprecated import Renamed, rename_settings, with_new_names
from mlprod.project.project import Project
from mlprod.settings import Settings

RENAMED = [*deprecated.VERBS.items(), *deprecated.OPTIONS.items(), *deprecated.SETTINGS.items()]


def test_an_old_verb_runs_as_the_new_one_and_prints_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks: list[bool] = []

    def generate(args: argparse.Namespace) -> int:
        "Replaces the verb."
        checks.append(args.check)
        return 0

    verb = VERBS["generate"]
    monkeypatch.setitem(VERBS, "generate", Verb(verb.name, generate, verb.options))
    assert run(PACKAGE, ["governance", "--check"]) == 0
    assert checks == [True]
    message = "the verb governance is now generate; the old name works until mlprod 0.3\n"
    assert capsys.readouterr().err == message


def test_an_old_option_is_the_new_one_for_its_verb_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert with_new_names(["promote", "--why=x=y", "--url", "me"]) == [
        "promote",
        "--reason=x=y",
        "--url",
        "me",
    ]
    assert with_new_names(["promote", "--why", "it is"]) == ["promote", "--reason", "it is"]
    message = "the option --why is now --reason; the old name works until mlprod 0.3\n"
    assert capsys.readouterr().err == message * 2
    assert with_new_names(["test", "--why", "drift"]) == ["test", "--why", "drift"]
    assert capsys.readouterr().err == ""


def test_an_old_setting_is_read_under_the_new_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # So that monkeypatch removes the variable after the test.
    monkeypatch.setenv("ML_ADMIN_PORT", "0")
    monkeypatch.delenv("ML_ADMIN_PORT")
    monkeypatch.setenv("ML_OPS_PORT", "8011")
    assert Project(PACKAGE).settings().admin_port == 8011
    message = "the setting ML_OPS_PORT is now ML_ADMIN_PORT; the old name works until mlprod 0.3\n"
    assert capsys.readouterr().err == message
    assert Project(PACKAGE).settings().admin_port == 8011
    assert capsys.readouterr().err == "", "printed once"


def test_a_setting_with_both_names_has_the_value_of_the_new_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    environ = {
        "ML_STATE": "old",
        "ML_STATE_DIR": "new",
        "ML_SPOOL": "log",
        "ML_EVENT_LOG_DIR": "",
        "HOME": "/home/me",
    }
    rename_settings(environ)
    assert environ == {"ML_STATE_DIR": "new", "ML_EVENT_LOG_DIR": "log", "HOME": "/home/me"}
    printed = capsys.readouterr().err.splitlines()
    assert printed == [
        "the setting ML_SPOOL is now ML_EVENT_LOG_DIR; the old name works until mlprod 0.3",
        "the setting ML_STATE is ignored, since ML_STATE_DIR is set as well",
    ]


def test_a_current_name_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert with_new_names(["promote", "governance"]) == ["promote", "governance"]
    assert with_new_names([]) == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("old", "renamed"), RENAMED)
def test_an_old_name_is_removed_after_two_minor_versions(old: str, renamed: Renamed) -> None:
    project = tomllib.loads((LIBRARY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = tuple(map(int, project["version"].split(".")[:2]))
    assert version < renamed.removed_in, f"remove {old} from mlprod/deprecated.py: it is too old"


def test_an_old_name_maps_to_a_current_one() -> None:
    for old, renamed in deprecated.VERBS.items():
        assert renamed.name in VERBS
        assert old not in VERBS
    for (verb, old_option), renamed in deprecated.OPTIONS.items():
        flags = {option.flag for option in VERBS[verb].options}
        assert renamed.name in flags
        assert old_option not in flags
    known = {f"ML_{name.upper()}" for name in Settings.model_fields}
    for old, renamed in deprecated.SETTINGS.items():
        assert renamed.name in known
        assert old not in known
