from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Registered
from filled import Filled, at_home, filled
from issuer import issuer
from seams import binary, regression

from mlprod.governance.evidence import Evidence
from mlprod.installation.installed import read_library
from mlprod.settings import Settings
from mlprod.training import evidence_store as home
from mlprod.training.registry import Registry

__all__ = ["at_home", "filled"]
MINE = "contract-holds"


def stored_record(registry: Registry, settings: Settings, **more: Any) -> Evidence:
    record = home.finding(MINE, True, home.digests(settings, binary), 7)
    record = record.model_copy(update=more)
    home.write_evidence(registry, [record])
    return record


def newest(registry: Registry) -> list[Evidence]:
    return [
        record for record in home.read_evidence(registry) if record.actor.startswith("of-this-test")
    ]


def test_written_record_is_read(at_home: Settings, registry: Registry) -> None:
    record = stored_record(registry, at_home, actor="of-this-test-1")
    assert record in newest(registry)
    assert (record.writer, record.run, record.value) == ("local", "", 7.0)
    assert record.digests.keys() == {"contract", "domain"}


def test_tag_of_another_check_or_without_a_record_is_left_out(
    at_home: Settings, registry: Registry
) -> None:
    record = home.finding(MINE, True, home.digests(at_home, binary)).model_copy(
        update={"actor": "of-this-test-2"}
    )
    text = record.model_dump_json()
    forged = {
        "evidence.gates-passed": text,
        "evidence.tests-green": "{",
        f"evil.{MINE}": text,
        "evidence.": "x",
    }
    registry.save_tag_sets("evidence", forged)
    assert all(result.actor != "of-this-test-2" for result in home.read_evidence(registry))


@pytest.mark.parametrize(
    ("variables", "run"),
    [
        ({"CI": "true", "GITHUB_RUN_ID": "17"}, "17"),
        ({"CI": "true", "CI_JOB_ID": "18"}, "18"),
        ({"CI": "true"}, ""),
        ({"GITHUB_RUN_ID": "17"}, "17"),
    ],
)
def test_variables_without_a_token_give_no_evidence_of_the_ci(
    at_home: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    run: str,
) -> None:
    home._warn.cache_clear()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    record = home.finding(MINE, True, {})
    assert (record.writer, record.run, record.proof) == ("local", run, "")
    assert "counts as a laptop's and not for production: no token proves" in capsys.readouterr().err


def test_proven_run_writes_as_the_person_who_started_it(
    at_home: Settings, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    with issuer() as host:
        filled.change("ownership.yaml", "https://git.example.org", host.url)
        monkeypatch.setenv("CI", "true")
        monkeypatch.setenv("ML_ID_TOKEN", host.token())
        record = home.finding(MINE, True, {})
        assert (record.writer, record.actor, record.run) == ("ci", "ada@example.org", "4711")
        assert record.proof == f"{host.url} org/parcels@main"
        monkeypatch.setenv("ML_ID_TOKEN", host.token(actor="dependabot[bot]"))
        assert home.finding(MINE, True, {}).actor == "dependabot[bot]"


@pytest.mark.parametrize(
    ("value", "stored_as"),
    [(float("nan"), "nan"), (float("inf"), "inf"), (3, 3.0), ("x", "x"), (None, None)],
)
def test_figure_that_is_not_finite_is_stored_as_text(
    at_home: Settings, value: Any, stored_as: Any
) -> None:
    assert home.finding("beats-baseline", False, {}, value).value == stored_as


def test_unknown_check_is_refused(at_home: Settings) -> None:
    with pytest.raises(KeyError, match="the catalog has no check 'unheard-of'"):
        home.finding("unheard-of", True, {})


def changed(before: dict[Any, str], after: dict[Any, str]) -> set[str]:
    return {subject for subject in before | after if before.get(subject) != after.get(subject)}


def edit(name: str, text: str) -> Callable[[Filled, Path], None]:
    def run(filled: Filled, room: Path) -> None:
        path = (room if name.startswith("mlprod/") else filled.folder.parent) / name.removeprefix(
            "mlprod/"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(text)

    return run


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        (edit("README.md", "words"), set()),
        (edit("governance/gates.yaml", "# a comment\n"), set()),
        (edit("governance/ownership.yaml", "\n\n# a comment\n"), set()),
        (edit("governance/problem.yaml", "assumptions: []\n"), set()),
        (edit("docs/page.md", "words"), set()),
        (edit("src/parcels/model.py", "# the seam has its own digest\n"), set()),
        (edit("src/notes.md", "words"), set()),
        (edit("governance/gates.yaml", "people: {override_stop: 0.9}\n"), {"gates"}),
        (
            edit("governance/ownership.yaml", "consumers: [{system: a, owner: b, via: api}]\n"),
            {"ownership"},
        ),
        (edit("monitoring/rules/late.yaml", "groups: []\n"), {"rules"}),
        (edit("requirements/pipeline.txt", "numpy==9\n"), {"code", "project", "image"}),
        (edit("requirements/mlprod.txt", "# another pin\n"), set()),
        (edit("pyproject.toml", "# a tool's setting\n"), {"code"}),
        (edit("requirements/serve.txt", "numpy==9\n"), {"image"}),
        (edit("Dockerfile", "USER 0\n"), {"image"}),
        (edit("mlprod/serving/app.py", "x = 1\n"), {"code", "mlprod.serving"}),
        (edit("mlprod/settings.py", "x = 1\n"), {"code"}),
        (edit("src/parcels/features.py", "x = 1\n"), {"code", "project"}),
    ],
)
def test_evidence_is_stale_if_its_subject_changed(
    at_home: Settings,
    filled: Filled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Any,
    stale: set[str],
) -> None:
    room = tmp_path / "mlprod"
    (room / "serving").mkdir(parents=True)
    (room / "serving" / "app.py").write_text("x = 0\n")
    (room / "version.py").write_text('VERSION = ""\n')
    monkeypatch.setattr(home, "read_library", lambda project: read_library(project, room))
    path = filled.folder / "gates.yaml"
    path.write_text(path.read_text().replace("people: {override_stop: 0.3}\n", ""))
    path = filled.folder / "ownership.yaml"
    path.write_text(path.read_text().partition("consumers:")[0])
    before = home.digests(at_home, binary)
    change(filled, room)
    assert changed(before, home.digests(at_home, binary)) == stale


def test_edited_model_or_contract_changes_the_digests(at_home: Settings) -> None:
    before = home.digests(at_home, binary)
    assert changed(before, home.digests(at_home, replace(binary, digest="edited"))) == {"domain"}
    assert changed(before, home.digests(at_home, regression)) >= {"contract"}


def test_digest_of_the_bundle_depends_on_the_version(
    at_home: Settings, register: Registered
) -> None:
    one, other = register("a" * 64), register("b" * 64)
    result = [home.digests(at_home, binary, version) for version in (None, one, other)]
    assert [item.get("bundle") for item in result] == [None, "a" * 64, "b" * 64]


@pytest.mark.parametrize("name", ["gates", "ownership"])
def test_unreadable_file_has_no_digest(at_home: Settings, filled: Filled, name: str) -> None:
    (filled.folder / f"{name}.yaml").write_text("{")
    assert name not in home.digests(at_home, binary)


def test_new_stage_does_not_change_the_digest_of_the_owners(
    at_home: Settings, filled: Filled
) -> None:
    before = home.digests(at_home)["ownership"]
    filled.change(
        "ownership.yaml", "stage: poc, since: 2026-05-02", "stage: pilot, since: 2026-06-01"
    )
    assert home.digests(at_home)["ownership"] == before
    filled.change("ownership.yaml", "email: dee@example.org", "email: eve@example.org")
    assert home.digests(at_home)["ownership"] != before
