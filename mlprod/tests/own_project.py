"""A copy of the fixture project with an extensions.py, under a package name that nothing has
imported yet.
"""

import itertools
import shutil
from pathlib import Path
from typing import Protocol

import pytest
from fixture_project import PACKAGE, PROJECT

NUMBER = itertools.count(1)
PAGE = (PROJECT / "docs" / "library.md").read_text(encoding="utf-8")


class Extend(Protocol):
    def __call__(self, text: str) -> str: ...


def example(function: str) -> str:
    """The code of docs/library.md below the heading of a function."""
    section = PAGE.partition(f"\n### {function}\n")[2]
    return section.partition("```python\n")[2].partition("```")[0]


@pytest.fixture
def extend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Extend:
    """Copies the package with this text as its extensions.py; gives the package's name."""
    monkeypatch.syspath_prepend(str(tmp_path / "src"))

    def make(text: str) -> str:
        package = f"extended_{next(NUMBER)}"
        ignored = shutil.ignore_patterns("__pycache__")
        folder = shutil.copytree(
            PROJECT / "src" / PACKAGE, tmp_path / "src" / package, ignore=ignored
        )
        Path(folder, "extensions.py").write_text(text, encoding="utf-8")
        return package

    return make
