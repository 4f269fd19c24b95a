"""The reference pages follow from the code, and the verb docs prints every page."""

import pytest
from fixture_project import LIBRARY, PACKAGE

from mlprod.assets import REFERENCE, pages
from mlprod.commands.cli import VERBS, run
from mlprod.settings import Settings


def test_the_committed_reference_pages_follow_from_the_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(LIBRARY)
    monkeypatch.syspath_prepend(LIBRARY)
    import generate_reference

    for name, text in generate_reference.pages().items():
        assert (REFERENCE / name).read_text(encoding="utf-8") == text, (
            f"{name} is out of date: run make reference"
        )


def test_every_verb_and_setting_has_a_place_in_the_reference() -> None:
    verbs = pages()["reference/verbs"]
    assert [verb for verb in VERBS if f"### {verb}\n" not in verbs] == []
    settings = pages()["reference/settings"]
    assert [name for name in Settings.model_fields if f"`ML_{name.upper()}`" not in settings] == []


def test_docs_lists_the_pages_and_prints_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PACKAGE, ["docs"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"drift", "runbooks/model", "governance/README", "reference/verbs"} <= set(listed)
    assert run(PACKAGE, ["docs", "drift"]) == 0
    assert capsys.readouterr().out == pages()["drift"]


def test_an_unknown_page_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PACKAGE, ["docs", "runbook"]) == 1
    printed = capsys.readouterr().err
    assert "'runbook'" in printed
    assert "runbooks/model" in printed
