"""The start of every verb: it checks this Python and this folder first.

Python 3.6 can parse this file, so an old Python gets a clear message.
"""

import os
import sys
from pathlib import Path

# The Python versions that the locks cover.
OLDEST, NEWEST = (3, 11), (3, 13)


def unfit_python(package: str, major: int, minor: int) -> str:
    """Return why this Python version cannot run the project; empty if it can."""
    if OLDEST <= (major, minor) <= NEWEST:
        return ""
    return (
        f"Python {major}.{minor} ({sys.executable}) cannot run {package}: its locks cover "
        f"Python 3.11 to 3.13. "
        "Works: make setup PYTHON=python3.13"
    )


def foreign_code(package: str, folder: Path, imported: Path) -> str:
    """Return why the package at `imported` must not run in `folder`; empty if it may.

    A copied or moved environment imports the project for which it was created, and PYTHONPATH may
    name another project. In a folder without project code, as in an image or beside an installed
    wheel, any code may run.
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
        refused + f"{sys.prefix} was created for the other project. Works: make setup, then the "
        f".venv of this folder"
    )


def package_here(folder: Path) -> str:
    """Return the package of the project in `folder`.

    Exits with a message if there is none, or more than one.
    """
    result = sorted(path.parent.name for path in folder.glob("src/*/__main__.py"))
    if len(result) != 1:
        listed = "found: " + ", ".join(result) if result else "found none"
        sys.exit(
            f"{folder}: a project has one folder src/<package> with a __main__.py; "
            f"{listed}. Works: cd my-project"
        )
    return result[0]


def main(package: str, argv: "list[str] | None" = None) -> int:
    """Run a verb of the project whose four files are in `package`, from any folder.

    Returns the exit code.
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
    from ..installation.pinned import FROM_WHEEL, version_mismatch
    from ..version import VERSION
    from .cli import run

    refusal = "" if parts[:1] and parts[0] in FROM_WHEEL else version_mismatch(root, VERSION)
    if refusal:
        sys.exit(refusal)

    sys.stderr = Masked(sys.stderr)
    return run(package, argv, root)
