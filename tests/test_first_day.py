"""docs/first-day.md is correct: its commands run in a new project and print what it shows."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import Bake
from test_baked_life import Project, environment, free_port

__all__ = ["environment"]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = "docs/first-day.md"


class Step(NamedTuple):
    """A command of the page, with the lines that the page shows after it."""

    command: str
    shown: list[str]
    background: bool


def steps(page: str) -> Iterator[Step | str]:
    """Yield the commands of the page, and its edits as patches, in their order."""
    for language, more, text in BLOCK.findall(page):
        if language == "diff":
            yield text
        elif language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *shown = part.replace("\\\n", "").splitlines()
                yield Step(command, shown, "second terminal" in more)


def first_missing(shown: list[str], printed: str) -> str | None:
    """Return the first shown line that is not printed in this order, or None.

    `…` matches any text of a line.
    """
    lines = iter(printed.splitlines())
    for line in shown:
        if line == "...":
            continue
        pattern = re.compile(".*".join(map(re.escape, line.rstrip().split("…"))))
        if not any(pattern.fullmatch(candidate.rstrip()) for candidate in lines):
            return line
    return None


def in_this_project(text: str, project: Project) -> str:
    """Return the text of the page with the package and the port of this project."""
    named = text.replace("PACKAGE", project.package)
    return named.replace("127.0.0.1:8000", f"127.0.0.1:{project.port}")


@pytest.mark.slow
def test_commands_of_the_first_day_print_what_the_page_shows(bake: Bake, environment: Path) -> None:
    project = Project(bake(), environment)
    project.port, project.operations = free_port(), free_port()
    shell = project.environment | {
        "ML_PORT": str(project.port),
        "ML_ADMIN_PORT": str(project.operations),
        "PYTHON": sys.executable,
    }
    service: subprocess.Popen[bytes] | None = None
    page = in_this_project((project.path / PAGE).read_text(encoding="utf-8"), project)
    try:
        for step in steps(page):
            if isinstance(step, str):
                applied = subprocess.run(
                    ["git", "apply", "-"],
                    cwd=project.path,
                    input=step,
                    capture_output=True,
                    text=True,
                )
                assert applied.returncode == 0, f"{step}\n{applied.stderr}"
            elif step.background:
                stop(service)
                service = subprocess.Popen(
                    step.command.split(), cwd=project.path, env=shell, start_new_session=True
                )
            else:
                run(step, project.path, shell)
    finally:
        stop(service)


def run(step: Step, folder: Path, shell: dict[str, str]) -> None:
    """Run a command of the page; the test fails unless it prints what the page shows."""
    done = subprocess.run(
        ["bash", "-c", step.command],
        cwd=folder,
        env=shell,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    printed = done.stdout
    assert done.returncode == 0, f"$ {step.command}\n{printed[-4000:]}"
    line = first_missing(step.shown, printed)
    assert line is None, f"$ {step.command}\nthe page shows: {line}\n{printed[-4000:]}"


def stop(service: subprocess.Popen[bytes] | None) -> None:
    """End the service of the second terminal, as Ctrl-C does."""
    if service is not None:
        os.killpg(service.pid, signal.SIGINT)
        service.wait(30)


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        (["a", "c"], "a\nb\nc", None),
        (["…2 rows…"], "12 rows read", None),
        (["c", "a"], "a\nb\nc", "a"),
        (["a"], "a b", "a"),
    ],
)
def test_missing_line_is_detected(shown: list[str], printed: str, missing: str | None) -> None:
    assert first_missing(shown, printed) == missing
