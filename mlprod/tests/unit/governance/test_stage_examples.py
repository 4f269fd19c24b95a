import re
from datetime import date
from pathlib import Path

import pytest
import yaml
from conftest import GATES
from filled import FILES, Filled, filled

from mlprod.governance.checks import DECLARED
from mlprod.governance.checks.context import CheckContext
from mlprod.governance.checks.own_words import examples_left
from mlprod.governance.checks.ownership import OUTCOMES
from mlprod.governance.config import read_governance
from mlprod.governance.stage_examples import EXAMPLE_DIR, STEPS, add_examples, set_stage
from mlprod.governance.yaml_loader import GovernanceError

__all__ = ["filled"]
FIRST_DAY = """system: {name: fraud-scoring, stage: poc}
people:
  - {id: platform_owner, name: TODO, email: TODO}
outcomes:
  - {id: model_quality, accountable: model_owner, consulted: [value_owner, data_owner]}
  - {id: serving, accountable: platform_owner}
"""
DAY = date(2026, 6, 1)
STAGES = ("pilot", "production")
# Lines above the examples: the mark and the steps.
HEAD = 1 + len(STEPS.splitlines())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("stage", STAGES)
def test_examples_are_appended_as_comments(filled: Filled, stage: str) -> None:
    before, org = contents(filled.folder), filled.org
    changed = add_examples(filled.folder, stage, DAY)
    assert changed == sorted(path.name for path in (EXAMPLE_DIR / stage).iterdir())
    after = contents(filled.folder)
    for name, content in before.items():
        assert after[name].startswith(content.rstrip())
        assert (after[name] != content) is (name in changed)
    assert filled.org == org, "comments have no effect"


def test_second_call_changes_nothing(filled: Filled) -> None:
    for stage in STAGES:
        add_examples(filled.folder, stage, DAY)
    before = contents(filled.folder)
    assert [add_examples(filled.folder, stage, DAY) for stage in STAGES] == [[], []]
    assert contents(filled.folder) == before


def test_missing_file_is_created_with_the_examples(filled: Filled) -> None:
    (filled.folder / "risk.yaml").unlink()
    assert "risk.yaml" in add_examples(filled.folder, "pilot", DAY)
    assert (filled.folder / "risk.yaml").read_text().startswith("# For the pilot stage.")


def test_windows_line_ends_are_kept(filled: Filled) -> None:
    path = filled.folder / "problem.yaml"
    path.write_bytes(FILES["problem.yaml"].replace("\n", "\r\n").encode())
    before = path.read_bytes()
    add_examples(filled.folder, "pilot", DAY)
    assert path.read_bytes().startswith(before.rstrip())


def keys(path: Path) -> dict[str, str]:
    """The text of each key at the top of a file."""
    parts = re.split(r"^(?=\w+:)", path.read_text(), flags=re.MULTILINE)
    return {part.partition(":")[0]: part for part in parts if re.match(r"\w+:", part)}


def uncommented(folder: Path, name: str) -> Path:
    """A new file with the examples of a file, without their comment signs."""
    lines = (folder / name).read_text().splitlines()
    path = folder / f"uncommented-{name}"
    path.write_text("".join(line.removeprefix("# ") + "\n" for line in lines[HEAD:]))
    return path


def test_uncommented_examples_are_valid_and_count_as_examples(
    tmp_path: Path,
) -> None:
    held: dict[str, dict[str, str]] = {"problem.yaml": {}, "risk.yaml": {}, "change_plan.yaml": {}}
    for name, text in (("ownership.yaml", FIRST_DAY), ("gates.yaml", GATES)):
        (tmp_path / name).write_text(text)
        held[name] = keys(tmp_path / name)
    for stage in STAGES:
        examples = tmp_path / stage
        examples.mkdir()
        for name in add_examples(examples, stage, DAY):
            held[name] |= keys(uncommented(examples, name))
        for name, parts in held.items():
            (tmp_path / name).write_text("".join(parts.values()))
        org = read_governance(tmp_path)
        assert org.problem.alternatives
        assert org.change_plan.stakeholders
        assert org.risk.classification
        assert len(org.ownership.accepted) == len(OUTCOMES)
        view = CheckContext(org, DAY)
        left = list(examples_left(view))
        for key in (
            "problem.statement",
            "workforce_impact.answer",
            "people[0].name",
            "classification.why",
        ):
            assert any(f": {key} is still the example's" in message for message in left), key
        missing = [
            output
            for check in ("people-told", "users-consulted", "value-targeted")
            for output in DECLARED[check](view)
        ]
        assert not [
            reported for reported in missing if "passed" in reported or "in the future" in reported
        ], "days are relative to today"
    assert org.change_plan.communications[0].sent
    assert org.problem.assumptions
    for name, parts in held.items():
        (tmp_path / name).write_text("".join(parts.values()).replace("e.g. ", ""))
    assert list(examples_left(CheckContext(read_governance(tmp_path), DAY))) == []


@pytest.mark.parametrize("stage", STAGES)
def test_every_line_of_an_example_is_a_comment(tmp_path: Path, stage: str) -> None:
    for name in add_examples(tmp_path, stage, DAY):
        text = (tmp_path / name).read_text()
        assert all(line.startswith("# ") for line in text.splitlines())
        assert "DAY" not in text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "system: {name: x, stage: poc, since: 2026-01-05}",
            "system: {name: x, stage: pilot, since: 2026-06-01}",
        ),
        (
            "system: {since: 2026-01-05, stage: poc, name: x}",
            "system: {since: 2026-06-01, stage: pilot, name: x}",
        ),
        ("system: {name: x, stage: poc}", "system: {name: x, stage: pilot, since: 2026-06-01}"),
        (
            "system: {name: x, stage: poc}  # ours",
            "system: {name: x, stage: pilot, since: 2026-06-01}  # ours",
        ),
        (
            'system: {name: "the stage: poc", stage: "poc", since: 2026-01-05}',
            'system: {name: "the stage: poc", stage: pilot, since: 2026-06-01}',
        ),
        (
            "system:\n  name: x\n  stage: poc",
            "system:\n  name: x\n  stage: pilot\n  since: 2026-06-01",
        ),
        (
            "system:\n  stage: poc\n  since:\n  name: x",
            "system:\n  stage: pilot\n  since: 2026-06-01\n  name: x",
        ),
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_new_stage_changes_nothing_else(tmp_path: Path, before: str, after: str, ends: str) -> None:
    path, head, tail = (
        tmp_path / "ownership.yaml",
        "# é ours\n\n",
        "\n\npeople:   # stage: poc\n  - {id: a} \n\n",
    )
    path.write_bytes((head + before + tail).replace("\n", ends).encode())
    set_stage(path, "pilot", DAY)
    assert path.read_bytes().decode() == (head + after + tail).replace("\n", ends)
    system = yaml.safe_load(path.read_text())["system"]
    assert (system["stage"], system["since"]) == ("pilot", DAY)


@pytest.mark.parametrize("text", ["", "people: []", "system: x", "system: {name: x}"])
def test_file_without_a_stage_is_refused_and_unchanged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ownership.yaml"
    path.write_text(text)
    with pytest.raises(
        GovernanceError, match=r"ownership.yaml: system.stage is missing. What works:\nsystem:\n"
    ):
        set_stage(path, "pilot", DAY)
    assert path.read_text() == text
