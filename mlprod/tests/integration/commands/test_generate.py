"""The verb generate: files are compared, rewritten or excluded; a project's own rules stay."""

import shutil
from pathlib import Path

import pytest
import yaml
from fixture_project import PROJECT, main

from mlprod import assets
from mlprod.assets import AssetError, asset_files

OWN = "monitoring/prometheus/project.rules.yml"
RULE = "monitoring/prometheus/service.rules.yml"
ALERT = """groups:
  - name: project
    rules:
      - alert: Mine
        expr: sum by (system) (ml_predictions_total) > 1
        labels: {severity: ticket, outcome: serving}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh bake."""
    shutil.copytree(
        PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns(".git", "var", "data")
    )
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the library's assets that a test may change."""
    folder = tmp_path / "newer"
    shutil.copytree(assets.PROJECT, folder)
    monkeypatch.setattr(assets, "PROJECT", folder)
    return folder


def compare(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of `generate --check`, whose exit code is 1 when there are some."""
    capsys.readouterr()
    code = main(["generate", "--check"])
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("note: ")]
    assert code == bool(lines)
    return lines


def test_fresh_bake_is_up_to_date(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(capsys) == []
    assert main(["generate"]) == 0
    assert capsys.readouterr().out == "every generated file is up to date\n"


@pytest.mark.parametrize(
    "name", [RULE, "docs/runbooks/service.md", "deploy/base/kustomization.yaml"]
)
def test_edited_file_is_reported_and_then_overwritten(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (project / name).read_text()
    (project / name).write_text(before + "# mine\n")
    what = f"{name} differs from mlprod: it was edited, or is from another version. "
    assert compare(capsys) == [f"{what}Run make generate, which writes it, then commit"]
    assert main(["generate"]) == 0
    assert capsys.readouterr().out == f"{name}: replaced by the version of mlprod\n"
    assert (project / name).read_text() == before
    assert compare(capsys) == []


@pytest.mark.parametrize("name", [RULE, "monitoring/grafana/dashboards/service.json", "CODEOWNERS"])
def test_missing_file_is_reported_and_then_written(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / name).unlink()
    assert f"{name} is missing. Run make generate, which writes it, then commit" in compare(capsys)
    assert main(["generate"]) == 0
    assert compare(capsys) == []


def test_files_of_another_version_are_replaced_and_new_ones_added(
    project: Path, newer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (newer / "docs" / "runbooks" / "service.md").write_text("# A newer page\n")
    (newer / "monitoring" / "prometheus" / "fairness.rules.yml").write_text("groups: []\n")
    named = [line.split(" ")[0] for line in compare(capsys)]
    assert named == ["docs/runbooks/service.md", "monitoring/prometheus/fairness.rules.yml"]
    assert main(["generate"]) == 0
    assert (project / "docs" / "runbooks" / "service.md").read_text() == "# A newer page\n"
    assert compare(capsys) == []


def test_project_of_an_older_bake_gets_the_current_files(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(project / "docs" / "runbooks")
    (project / "docs" / "runbooks").mkdir()
    (project / "docs" / "runbooks" / "RecordStoreDown.md").write_text("# RecordStoreDown\n")
    old = (project / RULE).read_text().replace("records.md#recordstoredown", "RecordStoreDown.md")
    (project / RULE).write_text(old)
    assert len(compare(capsys)) == 6
    assert main(["generate"]) == 0
    assert compare(capsys) == []
    assert "records.md#recordstoredown" in (project / RULE).read_text()


def test_own_rules_of_a_project_stay_and_reach_the_cluster(project: Path, newer: Path) -> None:
    (project / OWN).write_text(ALERT)
    (newer / RULE).write_text("groups: []\n")
    assert main(["generate"]) == 0
    assert (project / OWN).read_text() == ALERT
    resource = yaml.safe_load(
        (project / "deploy/overlays/production/prometheus-rule.yaml").read_text()
    )
    (rule,) = next(group for group in resource["spec"]["groups"] if group["name"] == "project")[
        "rules"
    ]
    restricted = 'ml_predictions_total{system="fraud-scoring", environment="production"}'
    assert rule["expr"] == f"sum by (system) ({restricted}) > 1"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "groups:",
        "groups: [{name: a}]",
        "groups: [{name: a, rules: [{alert: b}]}]",
        "groups: [",
        "a",
    ],
)
def test_unreadable_rules_of_a_project_are_named(
    content: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / OWN).write_text(content)
    assert main(["generate"]) == 1
    assert f"GovernanceError: {OWN}: " in capsys.readouterr().err


def test_broken_rule_file_of_the_library_is_rewritten(project: Path) -> None:
    (project / RULE).write_text("groups: [")
    assert main(["generate"]) == 0
    assert yaml.safe_load((project / RULE).read_text())["groups"]


def test_project_may_exclude_a_folder_of_generated_files(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(project / "deploy")
    settings = project / "pyproject.toml"
    settings.write_text(
        settings.read_text().replace("\nwithout = []\n", '\nwithout = ["deploy/"]\n')
    )
    assert compare(capsys) == []
    assert main(["generate"]) == 0
    assert not (project / "deploy").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('["deplyo"]', "'deplyo' names no generated file"),
        ('["docs", "src"]', "'src' names no generated file"),
        ('"docs"', "'docs' is not a list of paths"),
        ("[1]", r"\[1\] is not a list of paths"),
        ('["/"]', r"\['/'\] is not a list of paths"),
    ],
)
def test_exclusion_that_matches_no_file_is_an_error(
    tmp_path: Path, given: str, message: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.mlprod]\nwithout = {given}\n")
    with pytest.raises(
        AssetError, match=rf"^pyproject.toml: \[tool.mlprod\] without: {message}; works: "
    ):
        asset_files(tmp_path)


def test_generated_files_are_never_half_written(
    project: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (project / RULE).read_text()
    (newer / RULE).write_text("groups: []\n" + "# long\n" * 1000)

    def fails(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(OSError, match="No space left"):
            main(["generate"])
    assert (project / RULE).read_text() == before
    assert list(project.glob("monitoring/prometheus/.*")) == []
