import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from conftest import Registered
from filled import Filled, filled
from fixture_project import PACKAGE
from issuer import issuer
from seams import binary, regression

from mlprod.governance.ci_identity import RUN_VARIABLES
from mlprod.governance.evidence import Evidence
from mlprod.governance.yaml_loader import GovernanceError
from mlprod.installed import read_library
from mlprod.ops import readiness_report
from mlprod.ops.readiness_report import NotReady, _workflows, demand, demand_mode, generated, mode_gaps, observed
from mlprod.project import Project
from mlprod.records.usage_stats import Usage
from mlprod.settings import Settings
from mlprod.training import evidence_store as home
from mlprod.training.promotion import promote, rollback
from mlprod.training.registry import CHALLENGER, CHAMPION, Registry, Version

__all__ = ["filled"]
SEAM = Project(PACKAGE).seam_if_readable()
USED = Usage(days=28, cases=900, judged=100, overridden=30, outcomes=200, joined=100)
MINE = "contract-holds"


@pytest.fixture
def at_home(filled: Filled, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a project in a folder of its own, with the filled organisation, out of the CI."""
    monkeypatch.chdir(filled.folder.parent)
    for name in ("CI", *RUN_VARIABLES, "ML_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ML_GOVERNANCE", str(filled.folder))
    return settings.model_copy(update={"governance": filled.folder})


# What a mode asks for


@pytest.mark.parametrize(
    ("now", "used", "says"),
    [
        ("shadow", {}, ""),
        ("assist", {}, ""),
        ("shadow", {"days": 13}, "13 days with cases in shadow; governance/change_plan.yaml asks for 14"),
        ("assist", {"days": 27}, "27 days with cases in assist; governance/change_plan.yaml asks for 28"),
        ("shadow", {"cases": 499}, "499 cases in shadow; governance/change_plan.yaml asks for 500"),
        ("assist", {"cases": 899}, "899 cases in assist; governance/change_plan.yaml asks for 900"),
        ("assist", {"judged": 29, "overridden": 0}, "29 cases with feedback in 28 days; 30 are needed"),
        ("assist", {"judged": 0, "overridden": 0}, "0 cases with feedback"),
        ("assist", {"overridden": 31}, "31% were overridden; 30% at most (governance/gates.yaml: people)"),
        ("shadow", {"judged": 0, "overridden": 0}, ""),
        ("shadow", {"overridden": 100}, ""),
    ],
)
def test_the_next_mode_asks_for_what_the_plan_says(filled: Filled, now: str, used: dict[str, int], says: str) -> None:
    wanted = {"shadow": "assist", "assist": "automate"}[now]
    found = list(mode_gaps(filled.org, wanted, now, replace(USED, **used)))
    assert len(found) == bool(says)
    assert not says or found[0].startswith(says)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("completed: 9", "completed: 8", "80% of those intended are trained; 90% are needed"),
        ("intended: 10, ", "", "nobody is trained; 90% are needed"),
    ],
)
def test_no_mode_is_entered_with_people_who_are_not_trained(filled: Filled, before: str, after: str, says: str) -> None:
    filled.change("change_plan.yaml", before, after)
    (found,) = mode_gaps(filled.org, "assist", "shadow", USED)
    assert found.startswith(says)


def test_no_mode_is_skipped(filled: Filled) -> None:
    assert list(mode_gaps(filled.org, "automate", "shadow", USED)) == ["one step at a time: assist comes after shadow"]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_mode_is_refused_with_the_list(at_home: Settings, environment: str) -> None:
    settings = at_home.model_copy(update={"environment": environment})
    demand_mode(settings, "automate", "assist", USED)
    with pytest.raises(NotReady) as refused:
        demand_mode(settings, "automate", "shadow", Usage(0, 0, 0, 0, 0, 0))
    assert str(refused.value).startswith("automate is not entered from shadow:\n  one step at a time")
    assert "0 days with cases" in str(refused.value)
    assert "0 cases in shadow" in str(refused.value)


@pytest.mark.parametrize(
    ("wanted", "now"), [("shadow", "automate"), ("shadow", "assist"), ("assist", "automate"), ("assist", "assist")]
)
def test_a_step_down_is_free_even_when_no_file_can_be_read(at_home: Settings, wanted: str, now: str) -> None:
    settings = at_home.model_copy(update={"environment": "production", "governance": Path("nowhere")})
    demand_mode(settings, wanted, now, Usage(0, 0, 0, 0, 0, 0))
    with pytest.raises(NotReady, match="reads governance/ of the project, not ML_GOVERNANCE=nowhere"):
        demand_mode(settings, "automate", "assist", USED)


def test_on_a_laptop_every_mode_is_free_but_not_on_a_database_that_others_share(at_home: Settings) -> None:
    demand_mode(at_home, "automate", "shadow", Usage(0, 0, 0, 0, 0, 0))
    shared = at_home.model_copy(update={"database_url": "postgresql://host/records"})
    with pytest.raises(NotReady, match="one step at a time"):
        demand_mode(shared, "automate", "shadow", Usage(0, 0, 0, 0, 0, 0))


# What an environment asks for


def test_local_asks_for_nothing(at_home: Settings, registry: Registry) -> None:
    demand(SEAM, at_home.model_copy(update={"governance": Path("nowhere")}), registry, "local", None)


@pytest.mark.parametrize(("environment", "stage"), [("staging", "pilot"), ("production", "production")])
def test_an_environment_refuses_with_the_list_of_what_is_missing(
    at_home: Settings, registry: Registry, environment: Any, stage: str
) -> None:
    with pytest.raises(NotReady) as refused:
        demand(SEAM, at_home, registry, environment, None)
    said = str(refused.value)
    assert said.startswith(f"{environment} asks for {stage}; nothing was promoted.\n")
    assert "gates-passed (unmeasured)" in said
    assert f"missing for {stage}" in said


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_an_environment_opens_once_its_stage_is_reached(
    at_home: Settings,
    registry: Registry,
    register: Registered,
    environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    filled: Filled,
) -> None:
    asked: list[Any] = []

    def met(*given: Any) -> Any:
        asked.append(given)
        return filled.card()

    monkeypatch.setattr(readiness_report, "scorecard", met)
    version = register("a" * 64)
    demand(SEAM, at_home, registry, environment, version)
    assert asked == [(SEAM, at_home, registry, version)]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_model_of_other_files_is_not_covered_by_what_today_shows(
    at_home: Settings, registry: Registry, environment: str, monkeypatch: pytest.MonkeyPatch, filled: Filled
) -> None:
    monkeypatch.setattr(readiness_report, "scorecard", lambda *_: filled.card())
    run = registry.log_run({}, {}, {}, None)
    version = registry.register(run, "b" * 64, {"kind": "model", "domain": "of last week"})
    with pytest.raises(NotReady, match="made from other files than today's four"):
        demand(SEAM, at_home, registry, environment, version)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_number_is_no_way_around_the_comparison_with_todays_champion(
    at_home: Settings,
    registry: Registry,
    register: Registered,
    environment: str,
    monkeypatch: pytest.MonkeyPatch,
    filled: Filled,
) -> None:
    monkeypatch.setattr(readiness_report, "scorecard", lambda *_: filled.card())
    first, second = register("a" * 64), register("b" * 64, compared_with="1")
    late = register("c" * 64, compared_with="1")  # made beside the second one, which was faster
    run = registry.log_run({}, {}, {}, None)
    baseline = registry.register(run, "d" * 64, {"kind": "baseline", "compared_with": "1"})

    def ready(version: Version) -> None:
        demand(SEAM, at_home, registry, environment, version)

    promote(registry, "you", "the first", first.number, ready=ready)
    promote(registry, "you", "it beats the first", second.number, ready=ready)
    with pytest.raises(NotReady, match="version 3 was compared with champion 1, not 2: train"):
        promote(registry, "you", "it looks good", late.number, ready=ready)
    promote(registry, "you", "back by number", first.number, ready=ready)
    promote(registry, "you", "what one falls back on", baseline.number, ready=ready)
    champion = registry.behind(CHAMPION)
    assert champion
    assert champion.number == baseline.number


def test_what_nobody_committed_opens_no_production(
    at_home: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch, filled: Filled
) -> None:
    monkeypatch.setattr(readiness_report, "scorecard", lambda *_: filled.card())
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b.org", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *words], check=True)  # noqa: S607
    demand(SEAM, at_home, registry, "production", None)
    filled.change("risk.yaml", "acts_without_review: false", "acts_without_review: true")
    demand(SEAM, at_home, registry, "staging", None)
    with pytest.raises(NotReady, match="changes that are not committed"):
        demand(SEAM, at_home, registry, "production", None)


# What the records show


def shown(records: list[Evidence]) -> dict[str, tuple[bool, Any]]:
    return {record.check: (record.passed, record.value) for record in records}


def test_what_the_records_show_becomes_evidence(filled: Filled) -> None:
    found = shown(observed(filled.org, USED, USED, {"gates": "g"}))
    assert found == {
        "shadow-long-enough": (True, "28 days, 900 cases; 14 and 500 are asked for"),
        "override-in-band": (True, "30.0% of 100"),
        "outcomes-join": (True, 0.5),
    }


@pytest.mark.parametrize(
    ("shadow", "assist", "failed"),
    [
        ({"days": 13}, {}, "shadow-long-enough"),
        ({"cases": 499}, {}, "shadow-long-enough"),
        ({}, {"overridden": 31}, "override-in-band"),
        ({"joined": 99}, {}, "outcomes-join"),
    ],
)
def test_what_the_records_do_not_show_fails(
    filled: Filled, shadow: dict[str, int], assist: dict[str, int], failed: str
) -> None:
    found = shown(observed(filled.org, replace(USED, **shadow), replace(USED, **assist), {}))
    assert {check for check, (passed, _) in found.items() if not passed} == {failed}


def test_of_too_few_cases_nothing_is_said(filled: Filled) -> None:
    few = replace(USED, judged=29, overridden=29, outcomes=0, joined=0)
    assert shown(observed(filled.org, few, few, {})).keys() == {"shadow-long-enough"}


# Evidence in the registry, and of what it is


def kept(registry: Registry, settings: Settings, **more: Any) -> Evidence:
    record = home.finding(MINE, True, home.digests(settings, binary), 7)
    record = record.model_copy(update=more)
    home.write(registry, [record])
    return record


def newest(registry: Registry) -> list[Evidence]:
    return [record for record in home.read(registry) if record.actor.startswith("of-this-test")]


def test_what_was_written_is_read(at_home: Settings, registry: Registry) -> None:
    record = kept(registry, at_home, actor="of-this-test-1")
    assert record in newest(registry)
    assert (record.writer, record.run, record.value) == ("local", "", 7.0)
    assert record.digests.keys() == {"contract", "domain"}


def test_a_tag_of_another_check_or_of_no_record_is_left_out(at_home: Settings, registry: Registry) -> None:
    record = home.finding(MINE, True, home.digests(at_home, binary)).model_copy(update={"actor": "of-this-test-2"})
    text = record.model_dump_json()
    forged = {"evidence.gates-passed": text, "evidence.tests-green": "{", f"evil.{MINE}": text, "evidence.": "x"}
    registry.log_tags("evidence", forged)
    assert all(found.actor != "of-this-test-2" for found in home.read(registry))


@pytest.mark.parametrize(
    ("variables", "run"),
    [
        ({"CI": "true", "GITHUB_RUN_ID": "17"}, "17"),
        ({"CI": "true", "CI_JOB_ID": "18"}, "18"),
        ({"CI": "true"}, ""),
        ({"GITHUB_RUN_ID": "17"}, "17"),
    ],
)
def test_variables_alone_make_no_evidence_of_the_ci(
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
    assert "counts as a laptop's, not for production: no token proves" in capsys.readouterr().err


def test_a_proven_run_writes_as_the_person_whose_account_started_it(
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
    ("value", "kept_as"), [(float("nan"), "nan"), (float("inf"), "inf"), (3, 3.0), ("x", "x"), (None, None)]
)
def test_a_figure_that_is_no_number_is_kept_as_a_word(at_home: Settings, value: Any, kept_as: Any) -> None:
    assert home.finding("beats-baseline", False, {}, value).value == kept_as


def test_a_check_that_nobody_knows_is_not_found(at_home: Settings) -> None:
    with pytest.raises(KeyError, match="the catalogue has no check 'unheard-of'"):
        home.finding("unheard-of", True, {})


def changed(before: dict[Any, str], after: dict[Any, str]) -> set[str]:
    return {subject for subject in before | after if before.get(subject) != after.get(subject)}


def edit(name: str, text: str) -> Callable[[Filled, Path], None]:
    def run(filled: Filled, room: Path) -> None:
        path = (room if name.startswith("mlprod/") else filled.folder.parent) / name.removeprefix("mlprod/")
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
        (edit("governance/ownership.yaml", "consumers: [{system: a, owner: b, via: api}]\n"), {"ownership"}),
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
def test_evidence_is_stale_once_what_it_is_about_has_changed(
    at_home: Settings, filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, stale: set[str]
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


def test_an_edited_model_or_contract_changes_what_evidence_is_of(at_home: Settings) -> None:
    before = home.digests(at_home, binary)
    assert changed(before, home.digests(at_home, replace(binary, digest="edited"))) == {"domain"}
    assert changed(before, home.digests(at_home, regression)) >= {"contract"}


def test_another_version_is_another_bundle(at_home: Settings, register: Registered) -> None:
    one, other = register("a" * 64), register("b" * 64)
    found = [home.digests(at_home, binary, version) for version in (None, one, other)]
    assert [each.get("bundle") for each in found] == [None, "a" * 64, "b" * 64]


@pytest.mark.parametrize("name", ["gates", "ownership"])
def test_of_a_file_that_cannot_be_read_nothing_can_be_shown(at_home: Settings, filled: Filled, name: str) -> None:
    (filled.folder / f"{name}.yaml").write_text("{")
    assert name not in home.digests(at_home, binary)


def test_the_scorecard_reads_the_project_and_its_registry(
    at_home: Settings, registry: Registry, filled: Filled
) -> None:
    seam = Project(PACKAGE).seam()
    record = home.finding(MINE, True, home.digests(at_home, seam), 7)
    home.write(registry, [record])
    rules = Path("monitoring") / "rules.yaml"
    rules.parent.mkdir()
    rules.write_text(
        "groups:\n  - rules:\n    - {alert: Odd, expr: x}\n    - {alert: Late, expr: x}\n    - {record: a, expr: x}\n"
        "---\ngroups:\n---\ngroups: [{rules: [{alert: Own, labels: {outcome: serving}}, {alert: Bare, labels: }]}]\n"
    )
    card = readiness_report.scorecard(SEAM, at_home, registry, None)
    found = {result.entry.id: result for result in card.pilot}
    assert found[MINE].status == "passed"
    assert [said.rpartition(" ")[2] for said in found["everything-covered"].says] == ["Odd", "Bare"]
    assert found["generated-files-agree"].says[0] == "CODEOWNERS: differs from what `make generate` writes"
    assert card.today == date.today()


def test_entering_a_stage_stales_nothing_that_was_shown_of_the_owners(at_home: Settings, filled: Filled) -> None:
    before = home.digests(at_home)["ownership"]
    filled.change("ownership.yaml", "stage: poc, since: 2026-05-02", "stage: pilot, since: 2026-06-01")
    assert home.digests(at_home)["ownership"] == before
    filled.change("ownership.yaml", "email: dee@example.org", "email: eve@example.org")
    assert home.digests(at_home)["ownership"] != before


def test_each_environment_that_has_manifests_gets_its_own_rules(at_home: Settings, filled: Filled) -> None:
    names = {f"deploy/overlays/{environment}/prometheus-rule.yaml" for environment in ("staging", "production")}
    assert names.isdisjoint(generated(filled.org, None))
    for name in names:
        Path(name).parent.mkdir(parents=True)
    assert names < generated(filled.org, None).keys()


def test_a_cluster_that_names_the_system_otherwise_is_refused(at_home: Settings, filled: Filled) -> None:
    values = Path("deploy/values/values.yaml")
    values.parent.mkdir(parents=True)
    values.write_text("project: fraud-scoring\n")
    generated(filled.org, None)
    values.write_text("project: fraud-scores\n")
    with pytest.raises(GovernanceError, match=r"values\.yaml: project: fraud-scores.* write the same one in both"):
        generated(filled.org, None)


def test_what_only_a_person_starts_is_repeated_by_no_workflow(at_home: Settings) -> None:
    folder = Path(".github/workflows")
    folder.mkdir(parents=True)
    (folder / "ci.yml").write_text("on:\n  push:\njobs: {a: {steps: [{run: make test}]}}\n")
    (folder / "by-hand.yml").write_text("on:\n  workflow_dispatch:\njobs: {a: {steps: [{run: make rollback-drill}]}}\n")
    web = "{rules: [{if: '$CI_PIPELINE_SOURCE == \"web\" && $TASK'}], script: [make stop-drill]}"
    always = "{rules: [{if: '$CI_PIPELINE_SOURCE == \"push\"'}], script: [make soak]}"
    Path(".gitlab-ci.yml").write_text(f"drills: {web}\nendurance: {always}\n")
    said = _workflows()
    assert "make test" in said
    assert "make soak" in said
    assert "drill" not in said


def test_a_scorecard_says_which_version_it_is_of_which_serves_and_which_is_next(
    registry: Registry, register: Registered
) -> None:
    assert readiness_report.described(None, None) == "no model yet"
    first, second = register("a" * 64), register("b" * 64)
    promote(registry, "ann", "first", first.number)
    assert readiness_report.described(registry, first).endswith("a model (which serves, no challenger waits)")
    registry.point(CHALLENGER, second)
    assert readiness_report.described(registry, first).endswith(f"(which serves, version {second.number} is next)")
    upcoming = readiness_report.looked_at(registry, None)
    assert upcoming is not None
    assert readiness_report.described(registry, upcoming).endswith(f"(version {first.number} serves, this one is next)")


def test_after_a_rollback_the_version_that_serves_is_looked_at(registry: Registry, register: Registered) -> None:
    first, second = register("a" * 64), register("b" * 64)
    registry.point(CHALLENGER, second)
    promote(registry, "ann", "first", first.number)
    promote(registry, "ann", "second", second.number)
    rollback(registry, "on-call", "it declines everybody")
    found = readiness_report.looked_at(registry, None)
    assert found is not None
    assert found.number == first.number
    withdrawn = readiness_report.looked_at(registry, second.number)
    assert "rolled back by on-call" in readiness_report.described(registry, withdrawn)
