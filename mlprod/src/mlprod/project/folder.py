"""The folder of a project, found from the folder of its code. Python 3.6 can read this file."""

from pathlib import Path


def code_of(package: str) -> Path:
    """Return the folder of the package's code, without importing it."""
    from importlib.util import find_spec

    source = find_spec(package)
    return (
        Path(source.origin).resolve().parent
        if source and source.origin
        else Path.cwd() / "src" / package
    )


def root_of(code: Path) -> Path:
    """Return the project's folder: the one with pyproject.toml above `src/<package>`.

    `code` is the folder `src/<package>`. Code in an image of the service, or among installed
    packages, has no such folder above it. Then the project's folder is the working folder.
    """
    folder = code.parent.parent
    return (
        folder
        if code.parent.name == "src" and (folder / "pyproject.toml").is_file()
        else Path.cwd()
    )
