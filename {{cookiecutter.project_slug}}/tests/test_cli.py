from pathlib import Path

import pytest
from conftest import Registered, release

from {{cookiecutter.package_name}}.cli import VERBS, main
from {{cookiecutter.package_name}}.domain import data
from {{cookiecutter.package_name}}.pipeline.registry import Registry
from {{cookiecutter.package_name}}.settings import Settings


@pytest.fixture
def here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The environment names the tests' own registry."""
    monkeypatch.setenv("ML_STATE", str(settings.state))
    monkeypatch.setenv("ML_MODEL_NAME", settings.model_name)
    return settings


@pytest.mark.parametrize("argv", [[], ["help"]])
def test_help_names_every_verb_and_what_it_does(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(argv) == 0
    said = " ".join(capsys.readouterr().out.split())
    for name, verb in VERBS.items():
        assert f"{name} {' '.join((verb.__doc__ or '').split())}" in said


def test_an_unknown_verb_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["deploy"])
    said = capsys.readouterr().err
    assert "'deploy'" in said
    assert "rollback" in said


def test_a_broken_contract_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = data.load().limit(0)
    monkeypatch.setattr(data, "load", lambda since=None, until=None: nothing)
    assert main(["contract"]) == 1
    said = capsys.readouterr().err
    assert "ContractViolated: 0 rows" in said
    assert "does load() look at the right place" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("verb", ["promote", "rollback"])
def test_who_moves_the_champion_says_why(here: Settings, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb]) == 1
    assert "ReasonMissing: say why" in capsys.readouterr().err


def test_there_is_nobody_to_promote_at_first(here: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "--why", "it is time"]) == 1
    assert "NowhereToGo: there is no challenger to promote" in capsys.readouterr().err


def test_versions_says_what_to_do_when_there_are_none(here: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["versions"]) == 0
    assert "nothing is registered yet: make train" in capsys.readouterr().out


def test_promotion_and_rollback_are_told_and_listed(
    here: Settings, register: Registered, capsys: pytest.CaptureFixture[str]
) -> None:
    for digest in ("a" * 64, "b" * 64):
        number = register(digest).number
        assert main(["promote", "--version", str(number), "--why", "better", "--who", "you"]) == 0
    assert main(["rollback", "--why", "complaints", "--who", "grace"]) == 0
    assert main(["versions"]) == 0
    said = capsys.readouterr().out
    assert "champion: version none -> 1 (model)" in said
    assert "champion: version 2 -> 1 (model)" in said
    assert "version   1  model     aaaaaaaaaaaa  champion" in said
    assert "rollback 2 -> 1  grace: complaints" in said


def test_sync_brings_the_champion_once(
    here: Settings, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ML_MODEL_DIR", str(here.models))
    release(Registry(here), model)
    assert [main(["sync"]), main(["sync"])] == [0, 0]
    assert capsys.readouterr().out.split("\n")[:2] == [model.name, "nothing new"]


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(since: object = None, until: object = None) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(data, "load", load)
    with pytest.raises(ZeroDivisionError):
        main(["contract"])
