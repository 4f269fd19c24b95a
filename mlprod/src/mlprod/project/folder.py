"""Where a project stands, by where its code is. Python 3.6 can read this file."""

from pathlib import Path


def code_of(package: str) -> Path:
    """The folder of the package's code, without importing it."""
    from importlib.util import find_spec

    source = find_spec(package)
    return (
        Path(source.origin).resolve().parent
        if source and source.origin
        else Path.cwd() / "src" / package
    )


def root_of(code: Path) -> Path:
    """The project's folder, whose pyproject.toml stands above `src/<package>`, the folder `code`.

    Code in an image of the service, or among installed packages, has no such folder above it: then
    it is the working folder.
    """
    folder = code.parent.parent
    return (
        folder
        if code.parent.name == "src" and (folder / "pyproject.toml").is_file()
        else Path.cwd()
    )
