"""Starts the verbs, once this Python and this folder are the right ones. Python 3.6 can read this file, and say no."""

import os
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)  # that the locks cover
PACKAGE = str(__package__)


def unfit_python(major: int, minor: int) -> str:
    """Why a Python of this version cannot run the project; empty when it can."""
    if OLDEST <= (major, minor) <= NEWEST:
        return ""
    return (
        f"Python {major}.{minor} ({sys.executable}) cannot run {PACKAGE}: its locks cover Python 3.11 to 3.13. "
        "Works: make setup PYTHON=python3.13"
    )


def foreign_code(folder: Path, imported: Path) -> str:
    """Why the package at `imported` must not work in `folder`, a project with code of its own; empty when it may.

    A copied or moved environment leads to the project that it was made for, and PYTHONPATH may name another one. In a
    folder without such code, as in an image or beside an installed wheel, any code may run.
    """
    own = folder / "src" / PACKAGE
    if not (own / "__main__.py").is_file() or own.samefile(imported):
        return ""
    refused = f"The code that would run is {imported}, but this project's code is {own}. Nothing was run. "
    listed = [Path(each).resolve() for each in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    if imported.parent in listed:
        return refused + "PYTHONPATH names the other project. Works: unset PYTHONPATH"
    return refused + f"{sys.prefix} was made for the other project. Works: make setup, and .venv of this folder"


if __name__ == "__main__":
    refusal = unfit_python(*sys.version_info[:2]) or foreign_code(Path.cwd(), Path(__file__).resolve().parent)
    if refusal:
        sys.exit(refusal)
    from .cli import main
    from .masking import Masked

    sys.stderr = Masked(sys.stderr)
    sys.exit(main())
