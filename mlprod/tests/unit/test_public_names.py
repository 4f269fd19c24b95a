"""What pages tell a project to import is public and there."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from fixture_project import PROJECT
from test_public_surface import PUBLIC

import mlprod

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", mlprod.__all__)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(mlprod, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_imports_what_is_public(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "from .." not in text
    for names in re.findall(r"from mlprod import ([\w, ]+)", text):
        assert {name.strip() for name in names.split(",")} <= set(mlprod.__all__)
    for module, names in re.findall(r"from (mlprod\.[\w.]+) import ([\w, ]+)", text):
        assert module in PUBLIC
        assert {name.strip() for name in names.split(",")} <= set(import_module(module).__all__)


def test_some_page_imports_something() -> None:
    assert any("from mlprod import rows_of" in page.read_text(encoding="utf-8") for page in PAGES)
