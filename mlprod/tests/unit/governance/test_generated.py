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
    OLD_END,
    codeowners,
    expected,
    outdated,
    to_yaml,
    write,
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
    """A project whose generated files are up to date."""
    folder = filled.folder.parent
    assert set(write(expected(filled.org, {}, folder), folder)) == NAMES
    return folder


def again(filled: Filled, root: Path) -> dict[str, str]:
    return expected(filled.org, {"more.yaml": "a: 1"}, root)


def test_what_was_written_agrees_and_is_not_written_again(filled: Filled, root: Path) -> None:
    files = again(filled, root)
    assert outdated(files, root) == ("more.yaml",)
    assert write(files, root) == ("more.yaml",)
    assert outdated(files, root) == write(files, root) == ()


def test_a_change_in_governance_makes_pages_differ(filled: Filled, root: Path) -> None:
    filled.change("ownership.yaml", "name: Bea Invented", "name: Eve Invented")
    assert outdated(expected(filled.org, {}, root), root) == (
        "governance/RACI.md",
        "governance/risk.md",
    )


@pytest.mark.parametrize("name", ["CODEOWNERS", "catalog-info.yaml", "governance/RACI.md"])
@pytest.mark.parametrize(
    "mine", ["* ops@example.org", "two\n\n  lines", "a\fb\u2028c\x1cd", "# yours"]
)
def test_what_people_wrote_between_the_marks_survives(
    filled: Filled, root: Path, name: str, mine: str
) -> None:
    path = root / name
    begin = next(line for line in path.read_text().splitlines() if BEGIN in line)
    path.write_text(path.read_text().replace(begin, f"{begin}\n{mine}"), encoding="utf-8")
    assert outdated(again(filled, root), root) == ("more.yaml",)
    filled.change("ownership.yaml", "stage: poc", "stage: pilot")
    write(again(filled, root), root)
    assert f"{begin}\n{mine}\n" in path.read_text()


@pytest.mark.parametrize("name", ["CODEOWNERS", "governance/RACI.md"])
def test_what_people_wrote_survives_between_the_marks_of_the_first_version(
    filled: Filled, root: Path, name: str
) -> None:
    path = root / name
    begin = next(line for line in path.read_text().splitlines() if BEGIN in line)
    path.write_text(
        path.read_text().replace(begin, f"{begin}\nmine").replace(END, OLD_END), encoding="utf-8"
    )
    assert name in write(again(filled, root), root)
    assert f"{begin}\nmine\n" in path.read_text()
    assert END in path.read_text()


@pytest.mark.parametrize("mark", [BEGIN, END])
@pytest.mark.parametrize("times", [0, 2])
@pytest.mark.parametrize("name", ["CODEOWNERS", "catalog-info.yaml", "governance/RACI.md"])
def test_marks_that_are_broken_are_an_error_and_nothing_is_written(
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
        write(again(filled, root), root)
    assert str(path) in str(refused.value)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_an_interrupted_write_leaves_the_old_file(filled: Filled, root: Path) -> None:
    filled.change("ownership.yaml", "name: Bea Invented", "name: Eve Invented")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    files = expected(filled.org, {}, root)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (50, hard)
    )  # bytes that a file of this process may have
    try:
        with pytest.raises(OSError, match="File too large"):
            write(files, root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_a_new_file_is_readable_for_whom_the_umask_lets_it_be(filled: Filled, root: Path) -> None:
    before = os.umask(0o027)
    try:
        write(again(filled, root), root)
    finally:
        os.umask(before)
    assert (root / "more.yaml").stat().st_mode & 0o777 == 0o640


def test_the_mode_of_a_file_is_kept(filled: Filled, root: Path) -> None:
    (root / "CODEOWNERS").chmod(0o640)
    filled.change("ownership.yaml", "email: dee@example.org", "email: dee@example.net")
    write(expected(filled.org, {}, root), root)
    assert (root / "CODEOWNERS").stat().st_mode & 0o777 == 0o640
    assert (root / "governance" / "RACI.md").stat().st_mode & 0o777 == 0o644


# CODEOWNERS


def owners(lines: str, path: str) -> list[str]:
    """Who must approve a change of a path: the last line that fits counts."""
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
def test_a_change_is_approved_by_who_answers_for_it(filled: Filled, path: str, owner: str) -> None:
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
def test_nobody_known_gives_no_line(
    filled: Filled, nobody: str, path: str, instead: list[str]
) -> None:
    filled.change("ownership.yaml", f"name: {nobody}", "name: TODO")
    assert owners(codeowners(filled.org), path) == instead
    assert "TODO" not in codeowners(filled.org)


def test_every_author_may_approve_and_a_team_is_its_members(filled: Filled) -> None:
    filled.change(
        "ownership.yaml",
        "model_owner, responsible: [author]",
        "model_owner, responsible: [fraud-team, author]",
    )
    assert owners(codeowners(filled.org), "src/parcels/model.py") == [
        "bea@example.org",
        "gil@example.org",
    ]


def test_a_deeper_folder_wins_whatever_the_order_of_the_outcomes(filled: Filled) -> None:
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
def test_no_word_adds_an_owner(filled: Filled, before: str, after: str) -> None:
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
def test_yaml_reads_what_was_written(value: Any) -> None:
    result = yaml.safe_load(to_yaml(value))
    assert result == value
    assert repr(result) == repr(value), "1 is not 1.0, and true is not 1"


def test_plain_keys_stay_plain() -> None:
    assert to_yaml({"apiVersion": "v1", "ml-governance/tier": "A", "on": 1}) == (
        'apiVersion: "v1"\nml-governance/tier: "A"\n"on": 1'
    )
    assert math.isnan(yaml.safe_load(to_yaml(math.nan)))


def test_the_catalogue_entry_says_who_owns_it(filled: Filled) -> None:
    result = yaml.safe_load(expected(filled.org, {}, filled.folder)["catalog-info.yaml"])
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
    result = yaml.safe_load(expected(filled.org, {}, filled.folder)["catalog-info.yaml"])
    assert (result["spec"]["owner"], result["spec"]["lifecycle"]) == ("user:dee", "production")
    assert re.fullmatch("[a-z0-9-]+", result["metadata"]["name"])
