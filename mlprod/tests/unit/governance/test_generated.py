import math
import os
import re
import resource
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from filled import Filled, filled
from hypothesis import given
from hypothesis import strategies as st

from mlprod.governance.generated import (
    BEGIN,
    END,
    OLD_MARKS,
    codeowners,
    outdated_files,
    render_files,
    to_yaml,
    write_files,
)
from mlprod.governance.yaml_loader import GovernanceError

__all__ = ["filled"]
NAMES = {
    "CODEOWNERS",
    "catalog-info.yaml",
    "governance/RACI.md",
    "governance/problem.md",
    "governance/change_plan.md",
    "governance/risk.md",
    "monitoring/alertmanager/alertmanager.yml",
    "monitoring/prometheus/governance.rules.yml",
}


@pytest.fixture
def root(filled: Filled) -> Path:
    """A project with generated files that are up to date."""
    folder = filled.folder.parent
    assert set(write_files(render_files(filled.org, {}, folder), folder)) == NAMES
    return folder


def again(filled: Filled, root: Path) -> dict[str, str]:
    return render_files(filled.org, {"more.yaml": "a: 1"}, root)


def test_written_file_is_not_written_again(filled: Filled, root: Path) -> None:
    files = again(filled, root)
    assert outdated_files(files, root) == ("more.yaml",)
    assert write_files(files, root) == ("more.yaml",)
    assert outdated_files(files, root) == write_files(files, root) == ()


def test_change_in_governance_makes_pages_outdated(filled: Filled, root: Path) -> None:
    filled.change("ownership.yaml", "name: Bea Invented", "name: Eve Invented")
    assert outdated_files(render_files(filled.org, {}, root), root) == (
        "governance/RACI.md",
        "governance/risk.md",
    )


@pytest.mark.parametrize("name", ["CODEOWNERS", "catalog-info.yaml", "governance/RACI.md"])
@pytest.mark.parametrize(
    "mine", ["* ops@example.org", "two\n\n  lines", "a\fb\u2028c\x1cd", "# yours"]
)
def test_lines_between_the_marks_stay(filled: Filled, root: Path, name: str, mine: str) -> None:
    path = root / name
    begin = next(line for line in path.read_text().splitlines() if BEGIN in line)
    path.write_text(path.read_text().replace(begin, f"{begin}\n{mine}"), encoding="utf-8")
    assert outdated_files(again(filled, root), root) == ("more.yaml",)
    filled.change("ownership.yaml", "stage: poc", "stage: pilot")
    write_files(again(filled, root), root)
    assert f"{begin}\n{mine}\n" in path.read_text()


@pytest.mark.parametrize("old", OLD_MARKS)
@pytest.mark.parametrize("name", ["CODEOWNERS", "governance/RACI.md"])
def test_lines_between_marks_of_an_earlier_version_stay(
    filled: Filled, root: Path, name: str, old: str
) -> None:
    path = root / name
    begin = next(line for line in path.read_text().splitlines() if BEGIN in line)
    path.write_text(
        path.read_text().replace(begin, f"{begin}\nmine").replace(OLD_MARKS[old], old),
        encoding="utf-8",
    )
    assert name in write_files(again(filled, root), root)
    assert f"{begin}\nmine\n" in path.read_text()
    assert END in path.read_text()
    assert old not in path.read_text()


@pytest.mark.parametrize("mark", [BEGIN, END])
@pytest.mark.parametrize("times", [0, 2])
@pytest.mark.parametrize("name", ["CODEOWNERS", "catalog-info.yaml", "governance/RACI.md"])
def test_broken_marks_are_refused_and_nothing_is_written(
    filled: Filled, root: Path, name: str, mark: str, times: int
) -> None:
    path = root / name
    line = next(line for line in path.read_text().splitlines(keepends=True) if mark in line)
    path.write_text(path.read_text().replace(line, line * times) + "mine")
    filled.change("ownership.yaml", "name: Bea Invented", "name: Eve Invented")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(
        GovernanceError, match="the two marks at its end are needed, each once"
    ) as refused:
        write_files(again(filled, root), root)
    assert str(path) in str(refused.value)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_interrupted_write_leaves_the_old_file(filled: Filled, root: Path) -> None:
    filled.change("ownership.yaml", "name: Bea Invented", "name: Eve Invented")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    files = render_files(filled.org, {}, root)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Bytes that a file of this process may have.
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_files(files, root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_new_file_has_the_permissions_of_the_umask(filled: Filled, root: Path) -> None:
    before = os.umask(0o027)
    try:
        write_files(again(filled, root), root)
    finally:
        os.umask(before)
    assert (root / "more.yaml").stat().st_mode & 0o777 == 0o640


def test_permissions_of_a_file_stay(filled: Filled, root: Path) -> None:
    (root / "CODEOWNERS").chmod(0o640)
    filled.change("ownership.yaml", "email: dee@example.org", "email: dee@example.net")
    write_files(render_files(filled.org, {}, root), root)
    assert (root / "CODEOWNERS").stat().st_mode & 0o777 == 0o640
    assert (root / "governance" / "RACI.md").stat().st_mode & 0o777 == 0o644


# CODEOWNERS


def owners(lines: str, path: str) -> list[str]:
    """The approvers of a path: the last matching line counts."""
    result: list[str] = []
    for line in lines.splitlines():
        pattern, *people = line.split()
        glob = f"{pattern}*" if pattern.endswith("/") else pattern
        if pattern == "*" or fnmatch(f"/{path}", glob):
            result = people
    return result


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("README.md", "dee"),
        ("src/parcels/serving/app.py", "dee"),
        ("src/parcels/contract/check.py", "cy"),
        ("src/parcels/model.py", "gil"),
        ("src/parcels/decision.py", "ada"),
        ("governance/gates.yaml", "ada"),
        ("governance/ownership.yaml", "dee"),
    ],
)
def test_change_is_approved_by_the_accountable_person(
    filled: Filled, path: str, owner: str
) -> None:
    assert owners(codeowners(filled.org), path) == [f"{owner}@example.org"]


@pytest.mark.parametrize(
    ("nobody", "path", "instead"),
    [
        ("Gil Invented", "src/parcels/model.py", ["dee@example.org"]),
        ("Cy Invented", "src/parcels/contract/check.py", ["dee@example.org"]),
        ("Ada Invented", "governance/gates.yaml", ["dee@example.org"]),
        ("Ada Invented", "src/parcels/decision.py", ["gil@example.org"]),
        ("Dee Invented", "README.md", []),
    ],
)
def test_outcome_without_a_named_person_has_no_line(
    filled: Filled, nobody: str, path: str, instead: list[str]
) -> None:
    filled.change("ownership.yaml", f"name: {nobody}", "name: TODO")
    assert owners(codeowners(filled.org), path) == instead
    assert "TODO" not in codeowners(filled.org)


def test_every_author_may_approve(filled: Filled) -> None:
    filled.change(
        "ownership.yaml",
        "model_owner, responsible: [author]",
        "model_owner, responsible: [fraud-team, author]",
    )
    assert owners(codeowners(filled.org), "src/parcels/model.py") == [
        "bea@example.org",
        "gil@example.org",
    ]


def test_deeper_folder_wins_in_any_order(filled: Filled) -> None:
    filled.change(
        "ownership.yaml",
        "paths: [src/*/model.py, src/*/decision.py]",
        "paths: [src/*/model.py, src/*/decision.py], alerts: []",
    )
    filled.change("ownership.yaml", "paths: [src]", "paths: [src/*/terms, src]")
    result = codeowners(filled.org)
    assert owners(result, "src/parcels/contract/terms/a.py") == ["dee@example.org"]
    assert owners(result, "src/parcels/contract/a.py") == ["cy@example.org"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("email: dee@example.org", 'email: "dee@example.org\\n* eve@example.org"'),
        ("email: dee@example.org", "email: dee@example.org eve@example.org"),
        ("email: dee@example.org", "email: dee"),
        ("paths: [src]", 'paths: ["src\\n* eve@example.org"]'),
        ("paths: [src]", "paths: [src eve@example.org]"),
        ("paths: [src]", "paths: ['']"),
    ],
)
def test_no_value_can_add_an_owner(filled: Filled, before: str, after: str) -> None:
    filled.change("ownership.yaml", before, after)
    with pytest.raises(GovernanceError, match=r"(email|paths\[0\]): String should match pattern"):
        _ = filled.org


# YAML

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "",
        "yes",
        "on",
        "null",
        "~",
        "1",
        "1e5",
        "2026-01-01",
        "a: b",
        "- a",
        "#",
        "\x7f",
        "\x85",
        "\u2028",
        "\ufeff",
        "\uffff",
        "<<",
        "=",
    ]
)
FIGURES = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | FIGURES | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_yaml_round_trip(value: Any) -> None:
    result = yaml.safe_load(to_yaml(value))
    assert result == value
    assert repr(result) == repr(value), "1 is not 1.0, and true is not 1"


def test_plain_keys_stay_plain() -> None:
    assert to_yaml({"apiVersion": "v1", "ml-governance/tier": "A", "on": 1}) == (
        'apiVersion: "v1"\nml-governance/tier: "A"\n"on": 1'
    )
    assert math.isnan(yaml.safe_load(to_yaml(math.nan)))


def test_catalog_entry_names_the_owner(filled: Filled) -> None:
    result = yaml.safe_load(render_files(filled.org, {}, filled.folder)["catalog-info.yaml"])
    assert result["spec"] == {
        "type": "service",
        "lifecycle": "experimental",
        "owner": "group:fraud-team",
        "system": "payments",
    }
    filled.change(
        "ownership.yaml",
        'teams:\n  - {id: fraud-team, members: [model_owner, author], channel: "#fraud", '
        "on_call: author}\n",
        "",
    )
    filled.change("ownership.yaml", "stage: poc", "stage: production")
    result = yaml.safe_load(render_files(filled.org, {}, filled.folder)["catalog-info.yaml"])
    assert (result["spec"]["owner"], result["spec"]["lifecycle"]) == ("user:dee", "production")
    assert re.fullmatch("[a-z0-9-]+", result["metadata"]["name"])
