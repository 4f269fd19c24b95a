"""Files of a project that must match the library's version.

These are rules, dashboards, runbooks, pages and `deploy/base`. Each file below `project/` has the
path that it has in a project. The hook copies the files into a new project. Later `make generate`
writes them from the installed wheel.
"""

import tomllib
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent / "project"
REFERENCE = Path(__file__).parent / "reference"
RULES = PROJECT / "monitoring" / "prometheus"
SETTINGS = Path("pyproject.toml")
WITHOUT = "[tool.mlprod] without"


class AssetError(Exception):
    """The setting that leaves out generated files cannot be used.

    The message names the value and what works.
    """


def asset_files(root: Path) -> dict[str, str]:
    """Return the text of each file by its path in the project at `root`.

    Files that the project's pyproject.toml leaves out are not included. Raises AssetError if that
    setting names a file or folder that is not generated.
    """
    files = {
        path.relative_to(PROJECT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(PROJECT.rglob("*"))
        if path.is_file()
    }
    for folder in _without(root / SETTINGS):
        covered = [name for name in files if name == folder or name.startswith(f"{folder}/")]
        if not covered:
            raise AssetError(
                f"{SETTINGS}: {WITHOUT}: {folder!r} names no generated file; works: "
                f"without = ['deploy']"
            )
        for name in covered:
            del files[name]
    return files


def pages() -> dict[str, str]:
    """Return the text of each documentation page by its topic.

    Topics are, for example, `drift`, `runbooks/model` and `reference/verbs`.
    """
    result = {}
    for folder, prefix in (
        (PROJECT / "docs", ""),
        (PROJECT / "governance", "governance/"),
        (REFERENCE, "reference/"),
    ):
        for path in sorted(folder.rglob("*.md")):
            topic = f"{prefix}{path.relative_to(folder).with_suffix('').as_posix()}"
            result[topic] = path.read_text(encoding="utf-8")
    return result


def _without(settings: Path) -> list[str]:
    """Return the folders and files that the project leaves out."""
    content = tomllib.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
    given: Any = content.get("tool", {}).get("mlprod", {}).get("without", [])
    if not isinstance(given, list) or not all(
        isinstance(name, str) and name.strip("/") for name in given
    ):
        raise AssetError(
            f"{SETTINGS}: {WITHOUT}: {given!r} is not a list of paths; works: without = ['deploy']"
        )
    return [name.strip("/") for name in given]
