"""The plan of an upgrade from the first version; tests/test_rolling.py upgrades a whole project."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

sys.path.append(str(ROOT / "templates"))

from four_files import upgrade_code
from upgrade_plan import Plan, UpgradeError, make_plan
from yaml_values import with_values

DOMAIN = "src/shop/domain"
BEFORE = {
    "src/shop/__main__.py": "old",
    "src/shop/cli.py": "old",
    f"{DOMAIN}/contract.py": 'UNIT = "card"\n',
    f"{DOMAIN}/data.py": "MADE_UP = True\n",
    "README.md": "old\n",
    "governance/ownership.yaml": "paths: [src/*/domain, src/*/contract]\n",
}
AFTER = {
    "src/shop/__main__.py": "new",
    "src/shop/contract.py": 'GROUP = "card"  # new\n',
    "src/shop/data.py": "SYNTHETIC = True  # new\n",
    "README.md": "new\n",
    "governance/ownership.yaml": "# new\npaths: []\n",
    "pyproject.toml": "[tool.ruff.lint.per-file-ignores]\n",
    "tests/test_example.py": "new",
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)


def plan_of(folder: Path, edits: dict[str, str]) -> Plan:
    before, after = written(folder / "before", BEFORE), written(folder / "after", AFTER)
    project = written(folder / "project", BEFORE | edits)
    git(project, "init", "-q")
    git(project, "add", "-A")
    return make_plan(project, before, after)


def test_unedited_project_becomes_the_new_one(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, {})
    assert plan.write == {name: text.encode() for name, text in AFTER.items()}
    assert plan.delete == {
        "src/shop/cli.py",
        f"{DOMAIN}/contract.py",
        f"{DOMAIN}/data.py",
    }
    assert plan.not_upgraded == plan.yours == []


def test_edits_stay_where_they_have_a_place_and_are_named_where_not(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        {
            f"{DOMAIN}/contract.py": 'UNIT = "shop"\n' + "#" * 110 + "\n",
            "governance/ownership.yaml": "# ours\npaths: [src/*/domain, src/*/contract]\n",
            "README.md": "ours\n",
            "src/shop/cli.py": "ours",
            "notes.md": "ours",
            f"{DOMAIN}/prices.py": "from .contract import UNIT\n",
        },
    )
    assert plan.write["src/shop/contract.py"].startswith(b'GROUP = "shop"\n')
    assert plan.write["src/shop/prices.py"] == b"from .contract import GROUP\n"
    assert plan.write["src/shop/data.py"] == AFTER["src/shop/data.py"].encode()
    owners = yaml.safe_load(plan.write["governance/ownership.yaml"])
    assert owners == {"paths": ["src/shop", "src/shop/contract.py"]}
    assert plan.write["README.md"] == b"new\n"
    assert plan.not_upgraded == ["README.md", "src/shop/cli.py"]
    assert {"src/shop/cli.py", f"{DOMAIN}/prices.py"} <= plan.delete
    assert not {"README.md", "notes.md"} & (plan.delete | ({"notes.md"} & plan.write.keys()))
    assert "tests/test_example.py" not in plan.write
    assert b'"src/shop/contract.py" = ["E501"]' in plan.write["pyproject.toml"]


@pytest.mark.parametrize(
    "names",
    [("tests/test_example.py",), (f"{DOMAIN}/prices.py", "src/shop/prices.py")],
)
def test_own_file_with_the_name_of_another_is_refused(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(UpgradeError, match=rf"{names[0]}\. Rename them"):
        plan_of(tmp_path, dict.fromkeys(names, "ours"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from ..contract.terms import Contract\n", "from mlprod import Contract\n"),
        ("from ..pipeline.tables import rows_of\n", "from mlprod import rows_of\n"),
        ("import shop.domain.data\n", "import shop.data\n"),
        ("SPACE = {}\nuse(SPACE, x.SPACE)\n", "SEARCH_SPACE = {}\nuse(SEARCH_SPACE, x.SPACE)\n"),
        (
            "from .contract import TIME\nat = TIME\n",
            "from .contract import EVENT_TIME\nat = EVENT_TIME\n",
        ),
        ("note = 'UNIT'  # UNIT\nUNIT = 1\n", "note = 'UNIT'  # UNIT\nGROUP = 1\n"),
        ("from other import A\nTIME.sleep()\n", "from other import A\nTIME.sleep()\n"),
        (
            "from . import contract\nprint(contract.UNIT)\n",
            "from . import contract\nprint(contract.GROUP)\n",
        ),
        ("UNIT = (\n", "UNIT = (\n"),
    ],
)
def test_code_gets_the_names_and_imports_of_the_library(old: str, new: str) -> None:
    assert upgrade_code(old, "shop") == new


NEW_VALUES = """# About the hosts.
staging:
  # The host.
  host: a.example.org
  callers:
    - one
    - two

  # How many.
  replicas:
    least: 1

last: 1
"""


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("staging: {host: b.example.org, callers: [one, two]}", {"host": "b.example.org"}),
        ("staging: {host: a.example.org, callers: [three]}", {"callers": ["three"]}),
        ("staging: {host: a.example.org, callers: [one, two], own: {a: [1]}}", {"own": {"a": [1]}}),
        ('staging: {host: "yes", callers: [one, two]}', {"host": "yes"}),
    ],
)
def test_values_of_a_team_stand_in_the_new_file_with_its_comments(
    edited: str, changed: dict[str, object]
) -> None:
    original = "staging: {host: a.example.org, callers: [one, two]}"
    result = with_values(NEW_VALUES, original, edited)
    expected = yaml.safe_load(NEW_VALUES)
    expected["staging"] |= changed
    assert yaml.safe_load(result) == expected
    for comment in ("# About the hosts.", "  # The host.", "  # How many."):
        assert f"{comment}\n" in result


def upgrade(project: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "templates" / "upgrade_project.py", project],
        capture_output=True,
        text=True,
    )


def test_folder_that_is_no_project_is_named_and_unchanged(tmp_path: Path) -> None:
    assert "Works: make upgrade PROJECT=" in upgrade("").stderr
    assert "has no .cruft.json" in upgrade(str(tmp_path)).stderr
    (tmp_path / ".cruft.json").write_text('{"commit": "0000000"}')
    assert "is not a git repository" in upgrade(str(tmp_path)).stderr
    git(tmp_path, "init", "-q")
    assert "1 uncommitted changes: .cruft.json" in upgrade(str(tmp_path)).stderr
    git(tmp_path, "add", "-A")
    git(tmp_path, "-c", "user.name=n", "-c", "user.email=n@example.org", "commit", "-qm", "First")
    done = upgrade(str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "names commit 0000000, which this clone" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != ".git"] == [".cruft.json"]
