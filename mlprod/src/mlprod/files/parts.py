"""The files behind a path: one file, the parts of a folder (Spark, Dask), or a pattern."""

import re
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from .errors import FileError, NoSuchFileError

CSV = (".csv", ".tsv", ".txt")
FORMATS = {".parquet": "Parquet"} | dict.fromkeys(CSV, "CSV")
LOGS = {
    "_delta_log": "a Delta table",
    "metadata/*.metadata.json": "an Iceberg table",
    ".hoodie": "a Hudi table",
}
EXAMPLES = "A table is Parquet or CSV, a file or a folder of parts; for example data/june.parquet"


@dataclass(frozen=True)
class Parts:
    """Files of one format, in the order of their names; `root` is the path that the user named."""

    root: Path
    format: str
    paths: tuple[Path, ...]

    @property
    def described(self) -> str:
        return f"{len(self.paths):,} parts, " if len(self.paths) > 1 else ""


def parts_of(named: str | Path) -> Parts:
    """Find the files of a path. Raises FileError."""
    root = Path(named)
    if root.is_dir():
        return _folder(root)
    if root.is_file():
        return Parts(root, _format(root), (root,))
    if has_magic(str(named)):
        first = next(place for place, part in enumerate(root.parts) if has_magic(part))
        result = tuple(sorted(Path(*root.parts[:first]).glob("/".join(root.parts[first:]))))
        if not result:
            raise NoSuchFileError(f"{named}: no file matches this pattern. {EXAMPLES}")
        if folders := [path for path in result if not path.is_file()]:
            raise FileError(
                f"{named}: {folders[0]} is a folder. Works: name the folder, or a pattern of files"
            )
        return Parts(root, _one_format(root, result), result)
    if root.suffix and _format_or_none(root) is None:
        raise FileError(f"{named}: {root.suffix} is not supported. {EXAMPLES}")
    raise NoSuchFileError(f"{named}: no such file. {EXAMPLES}")


def table_name(named: str | Path) -> str:
    """Return the name of the scores of a table."""
    name = Path(named).name
    while Path(name).suffix in (*FORMATS, ".gz"):
        name = Path(name).stem
    return re.sub(r"[^\w.=-]+", "_", name).strip("_.") or "table"


def _folder(root: Path) -> Parts:
    for log, what in LOGS.items():
        if any(root.glob(log)):
            raise FileError(
                f"{root}: it is {what}, whose own log lists the valid files. Works: an "
                f"export as Parquet, or load()"
            )
    if (root / "_temporary").exists():
        raise FileError(
            f"{root}: it has a folder _temporary: a job is still writing it, or was aborted. "
            f"Works: the folder of a finished job"
        )
    every = sorted(path for path in root.rglob("*") if path.is_file())
    result = tuple(
        path for path in every if not any(part[0] in "_." for part in path.relative_to(root).parts)
    )
    if not result:
        raise FileError(f"{root}: it is a folder without a data file. {EXAMPLES}")
    format, empty = _one_format(root, result), [path for path in result if not path.stat().st_size]
    # An empty CSV file is a part without rows.
    if format == "CSV" and len(empty) < len(result):
        result = tuple(path for path in result if path not in empty)
    elif empty:
        part = empty[0].relative_to(root)
        raise FileError(
            f"{root}: it is a folder, and its part {part} is empty (0 bytes). {EXAMPLES}"
        )
    return Parts(root, format, result)


def _one_format(root: Path, result: tuple[Path, ...]) -> str:
    formats: dict[str, Path] = {}
    for path in result:
        formats.setdefault(_format(path), path)
    if len(formats) > 1:
        shown = " and ".join(f"{path.name} ({format})" for format, path in formats.items())
        raise FileError(f"{root}: it has {shown}; a table has one format. {EXAMPLES}")
    return next(iter(formats))


def _format(path: Path) -> str:
    result = _format_or_none(path)
    if result is None:
        raise FileError(
            f"{path}: {path.suffix or 'a file without an extension'} is not supported. {EXAMPLES}"
        )
    return result


def _format_or_none(path: Path) -> str | None:
    name = path.name.lower()
    for ending, format in FORMATS.items():
        if name.endswith((ending, f"{ending}.gz") if format == "CSV" else ending):
            return format
    return None
