"""Build the documentation site.

It has the pages of the template, of a baked example project, and the library's reference. `make
site` runs this script. A link or an anchor without a target fails the build.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

TEMPLATE = Path(__file__).resolve().parent.parent
REFERENCE = TEMPLATE / "mlprod" / "src" / "mlprod" / "assets" / "reference"
LINK = re.compile(r"(!?)\[([^\]\n]*)\]\(([^)\s]+)\)")
# The prefix in links of the template's pages to files of a project or of the library.
ASSETS = "mlprod/src/mlprod/assets/"
HEADING = re.compile(r"^# (.+)$", re.MULTILINE)


def assemble(project: Path, pages: Path) -> None:
    """Write every page of the site below `pages`; `project` is a baked project."""
    for path in [*(TEMPLATE / "docs").rglob("*.md"), *(TEMPLATE / "docs").glob("*.svg")]:
        _copy(path, pages / path.relative_to(TEMPLATE / "docs"))
    for path in [
        *project.glob("*.md"),
        *(project / "docs").rglob("*.md"),
        *(project / "governance").glob("*.md"),
    ]:
        _copy(path, pages / "project" / path.relative_to(project))
    for path in REFERENCE.glob("*.md"):
        _copy(path, pages / "reference" / path.name)
    (pages / "adr" / "index.md").write_text("\n".join(_decisions()) + "\n", encoding="utf-8")
    for page in pages.rglob("*.md"):
        page.write_text(_without_dead_links(page, pages), encoding="utf-8")


def _decisions() -> Iterator[str]:
    yield from ("# Decisions", "", "Each record has one decision and its reason.", "")
    for path in sorted((TEMPLATE / "docs" / "adr").glob("[0-9]*.md")):
        result = HEADING.search(path.read_text(encoding="utf-8"))
        yield f"- [{result[1] if result else path.stem}]({path.name})"


def _without_dead_links(page: Path, pages: Path) -> str:
    """Return the page, with plain text instead of links to files that the site does not have."""

    def shown(link: re.Match[str]) -> str:
        _, assets, rest = link[3].partition(ASSETS)
        if assets:
            up = "../" * len(page.parent.relative_to(pages).parts)
            return shown_at(link, f"{up}{rest}")
        return shown_at(link, link[3])

    def shown_at(link: re.Match[str], address: str) -> str:
        target = address.partition("#")[0]
        outside = "://" in target or target.startswith("mailto:") or not target
        if outside or (
            (page.parent / target).resolve().is_relative_to(pages)
            and (page.parent / target).is_file()
        ):
            return f"{link[1]}[{link[2]}]({address})"
        return link[2]

    return LINK.sub(shown, page.read_text(encoding="utf-8"))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def build(project: Path, folder: Path) -> int:
    """Assemble and build the site in `folder`; returns the exit code of zensical."""
    shutil.rmtree(folder, ignore_errors=True)
    assemble(project, folder / "pages")
    shutil.copyfile(TEMPLATE / "docs" / "zensical.toml", folder / "zensical.toml")
    return subprocess.run(["zensical", "build", "--strict"], cwd=folder).returncode


def main() -> int:
    """Bake the example with default answers, then build into var/site."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with TemporaryDirectory() as baked:
        parts = ["cookiecutter", "--no-input", "--default-config", "-o", baked, str(TEMPLATE)]
        subprocess.run(parts, check=True)
        return build(next(Path(baked).iterdir()), TEMPLATE / "var" / "site")


if __name__ == "__main__":
    sys.exit(main())
