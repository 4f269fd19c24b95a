"""Starts a verb, once this Python and this folder are the right ones.

Python 3.6 can read this file, and say no.
"""

import os
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)  # that the locks cover


def unfit_python(package: str, major: int, minor: int) -> str:
    """Why a Python of this version cannot run the project; empty when it can."""
    if OLDEST <= (major, minor) <= NEWEST:
        return ""
    return (
        f"Python {major}.{minor} ({sys.executable}) cannot run {package}: its locks cover "
        f"Python 3.11 to 3.13. "
        "Works: make setup PYTHON=python3.13"
    )


def foreign_code(package: str, folder: Path, imported: Path) -> str:
    """Why the package at `imported` must not work in `folder`, a project with code of its own;
    empty when it may.

    A copied or moved environment leads to the project that it was made for, and PYTHONPATH may name
    another one. In a folder without such code, as in an image or beside an installed wheel, any
    code may run.
    """
    own = folder / "src" / package
    if not (own / "__main__.py").is_file() or own.samefile(imported):
        return ""
    refused = (
        f"The code that would run is {imported}, but this project's code is {own}. Nothing was "
        f"run. "
    )
    listed = [Path(item).resolve() for item in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    if imported.parent in listed:
        return refused + "PYTHONPATH names the other project. Works: unset PYTHONPATH"
    return (
        refused + f"{sys.prefix} was made for the other project. Works: make setup, and .venv of "
        f"this folder"
    )


def package_here(folder: Path) -> str:
    """The package of the project in `folder`.

    Ends the process with a message when there is none, or more than one.
    """
    result = sorted(path.parent.name for path in folder.glob("src/*/__main__.py"))
    if len(result) != 1:
        listed = "they are " + ", ".join(result) if result else "there is none"
        sys.exit(
            f"{folder}: a project has one folder src/<package> with a __main__.py; "
            f"{listed}. Works: cd my-project"
        )
    return result[0]


def main(package: str, argv: "list[str] | None" = None) -> int:
    """Run a verb of the project whose four files are in `package`, from any folder; gives the exit
    code.
    """
    from ..project.folder import code_of, root_of

    code = code_of(package)
    root, parts = root_of(code), sys.argv[1:] if argv is None else argv
    refusal = unfit_python(package, *sys.version_info[:2]) or foreign_code(
        package, Path.cwd(), code
    )
    if refusal:
        sys.exit(refusal)
    from ..display.masking import Masked
    from ..installation.pinned import FROM_WHEEL, other_version
    from ..version import VERSION
    from .cli import run

    refusal = "" if parts[:1] and parts[0] in FROM_WHEEL else other_version(root, VERSION)
    if refusal:
        sys.exit(refusal)

    sys.stderr = Masked(sys.stderr)
    return run(package, argv, root)
