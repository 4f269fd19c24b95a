"""The template itself, before any bake."""

import ast
import fnmatch
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import COMBINATIONS, ROOT, UNBAKED, Bake, load_hook, run, template_files

NAME = "{{cookiecutter.package_name}}"
QUESTIONS: dict[str, Any] = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
PUBLIC = [name for name in QUESTIONS if not name.startswith("_")]
BAKED = [name for name in template_files() if name.startswith(UNBAKED.name)]
INSIDE = [name.removeprefix(UNBAKED.name + "/") for name in BAKED]
PYTHON = [name for name in INSIDE if name.endswith(".py")]


def verbatim(name: str) -> bool:
    parts = Path(name).parts
    # A matching folder is copied with its content.
    starts = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    return any(
        fnmatch.fnmatch(start, glob)
        for start in starts
        for glob in QUESTIONS["_copy_without_render"]
    )


def substituted(text: str, package: str) -> str:
    return text.replace(NAME, package)


def test_the_package_name_is_the_only_jinja_in_python() -> None:
    assert PYTHON
    for name in PYTHON:
        rest = substituted((UNBAKED / name).read_text(encoding="utf-8"), "")
        assert not re.search(r"\{%|\{#|cookiecutter\.", rest), name
        assert verbatim(name) or "{{" not in rest, f"{name}: cookiecutter would evaluate the braces"


def test_every_python_file_is_valid_with_a_package_name() -> None:
    for name in PYTHON:
        text = (UNBAKED / name).read_text(encoding="utf-8")
        ast.parse(substituted(text, "fraud_scoring"), name, feature_version=(3, 11))


@pytest.mark.parametrize("package", ["c", "p" * 40])
def test_ruff_passes_for_short_and_long_package_names(
    package: str, tmp_path: Path, bake: Bake
) -> None:
    tree = tmp_path / "substituted"
    for name in PYTHON:
        target = tree / substituted(name, package)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(
            substituted((UNBAKED / name).read_text(encoding="utf-8"), package), encoding="utf-8"
        )
    shutil.copy(bake(package_name=package).path / "pyproject.toml", tree)
    for arguments in (["check"], ["format", "--check"]):
        done = run("ruff", *arguments, "--no-cache", ".", cwd=tree)
        assert done.returncode == 0, done.stdout + done.stderr


def test_verbatim_files_contain_no_jinja() -> None:
    for name in filter(verbatim, INSIDE):
        assert b"cookiecutter." not in (UNBAKED / name).read_bytes(), name


@pytest.mark.parametrize("glob", QUESTIONS["_copy_without_render"])
def test_each_verbatim_pattern_matches_a_file_and_no_conditional_name(glob: str) -> None:
    matched = [name for name in INSIDE if fnmatch.fnmatch(name, glob)]
    assert matched
    assert not [name for name in matched if "{%" in name]


@pytest.mark.parametrize("question", PUBLIC)
def test_each_prompt_has_an_example(question: str) -> None:
    prompt = QUESTIONS["__prompts__"][question]
    choices = QUESTIONS[question] if isinstance(QUESTIONS[question], list) else []
    assert "e.g. " in (prompt["__prompt__"] if choices else prompt)
    assert all(choice in prompt for choice in choices)


def test_each_answer_and_variable_is_used() -> None:
    readers = [name for name in template_files() if not name.startswith(("tests/", "docs/"))]
    text = "".join(
        name + (ROOT / name).read_text(encoding="utf-8", errors="replace") for name in readers
    )
    # Variables of Cookiecutter, and the check of the answers.
    own = {"__prompts__", "_extensions", "_copy_without_render", "__accepted"}
    # The post_gen hook reads this answer.
    switches = {"ci_provider"}
    assert switches == {question for question, _ in load_hook("post_gen_project")["UNCHOSEN"]}
    assert not [
        name for name in QUESTIONS.keys() - own - switches if f"cookiecutter.{name}" not in text
    ]


def test_the_combinations_cover_every_choice() -> None:
    for question in PUBLIC:
        if isinstance(QUESTIONS[question], list):
            answered = {c.get(question, QUESTIONS[question][0]) for c in COMBINATIONS.values()}
            assert answered == set(QUESTIONS[question]), question
