"""docs/first-day.md is true: its commands run in a fresh bake, in order, and print what the page
shows.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.slow
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = "docs/first-day.md"


class Step(NamedTuple):
    """A command of the page, with the lines that the page shows after it."""

    command: str
    shown: list[str]
    background: bool


def steps(page: str) -> Iterator[Step | str]:
    """The page's commands, and its changes as patches, in their order."""
    for language, more, text in BLOCK.findall(page):
        if language == "diff":
            yield text
        elif language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, *shown = part.replace("\\\n", "").splitlines()
                yield Step(command, shown, "second terminal" in more)


def first_missing(shown: list[str], printed: str) -> str | None:
    """The first shown line that was not printed after the lines before it; `…` stands for any text
    of a line.
    """
    lines = iter(printed.splitlines())
    for line in shown:
        if line == "...":
            continue
        pattern = re.compile(".*".join(map(re.escape, line.rstrip().split("…"))))
        if not any(pattern.fullmatch(candidate.rstrip()) for candidate in lines):
            return line
    return None
