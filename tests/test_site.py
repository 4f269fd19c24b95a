"""The documentation site builds in strict mode: all pages are placed, all links have targets."""

import os
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Bake

sys.path.insert(0, str(ROOT / "templates"))
import build_site
import draw_path


def test_site_builds_in_strict_mode_from_a_baked_project(
    bake: Bake, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert build_site.build(bake().path, tmp_path / "site") == 0, capfd.readouterr().out
    site = tmp_path / "site" / "site"
    for page in ("index", "tutorial", "project/docs/drift", "reference/verbs", "adr/index"):
        assert (site / f"{page}.html").is_file(), page


def test_the_navigation_names_every_page_once(bake: Bake, tmp_path: Path) -> None:
    build_site.assemble(bake().path, pages := tmp_path / "pages")
    config = tomllib.loads((ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8"))
    named = list(pages_of(config["project"]["nav"]))
    assert len(named) == len(set(named))
    made = {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")}
    assert set(named) <= made
    elsewhere = {
        name
        for name in made
        if name.startswith(("adr/", "project/governance/")) or name.count("/") == 1
    }
    assert made - set(named) - elsewhere == set()


def pages_of(nav: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the pages of a navigation, including those of its sections."""
    for entry in nav:
        for target in entry.values():
            yield from [target] if isinstance(target, str) else pages_of(target)


def test_dead_link_fails_the_build(
    bake: Bake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    copy = tmp_path / "project"
    shutil.copytree(bake().path, copy)
    page = copy / "docs" / "drift.md"
    page.write_text(
        page.read_text(encoding="utf-8") + "\n[nowhere](metrics.md#no-such-heading)\n",
        encoding="utf-8",
    )
    assert build_site.build(copy, tmp_path / "site") != 0


def test_picture_of_the_readme_is_the_output_of_its_command() -> None:
    assert (ROOT / "docs" / "path.svg").read_text(encoding="utf-8") == draw_path.picture()
