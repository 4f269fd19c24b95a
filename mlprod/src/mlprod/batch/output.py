"""The target of a file of scores: a path or an address.

The file is complete or absent, and it never replaces a file of another kind.
"""

import os
import shutil
from pathlib import Path
from tempfile import NamedTemporaryFile

import pyarrow.parquet as pq
from pyarrow import fs

from ..atomic_write import atomic_write

# Without this setting an upload has no length, which stores other than Amazon's refuse.
os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")

# Keys of a file's metadata, by which a later run decides whether it may replace the file.
MODEL, SOURCE, KIND = b"scores_of", b"rows_of", b"kind"


class ScoringError(Exception):
    """The run wrote no file; the message has the reason and the remedy."""


def resolve_target(to: str, name: str) -> str:
    """Return the target file: `to` itself, or the file `name` in the folder `to`.

    An address keeps its options.
    """
    place, mark, options = to.partition("?") if "://" in to else (to, "", "")
    file = place if place.endswith(".parquet") else f"{place.rstrip('/')}/{name}.parquet"
    return file + mark + options


def open_target(to: str, metadata: dict[bytes, bytes]) -> tuple[fs.FileSystem, str]:
    """Return the file system and the path of the target.

    Raises ScoringError if the target cannot be written, or if its file must not be replaced.
    """
    try:
        if "://" in to:
            filesystem, path = fs.FileSystem.from_uri(to)
        else:
            filesystem, path = fs.LocalFileSystem(), str(Path(to).absolute())
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            NamedTemporaryFile(dir=Path(path).parent).close()
        exists = filesystem.get_file_info(path).type != fs.FileType.NotFound
        old = (pq.read_schema(path, filesystem=filesystem).metadata or {}) if exists else metadata
    except (OSError, ValueError) as error:
        works = "var/scores/june.parquet, s3://bucket/june.parquet"
        raise ScoringError(f"{to} cannot be written to: {error}. What works: {works}") from error
    if old.get(MODEL) != metadata[MODEL]:
        raise ScoringError(
            f"{to} exists and has no scores of {metadata[MODEL].decode()}; it is not replaced. "
            "Choose another path: OUTPUT=..."
        )
    is_trial_over_answers = (metadata[KIND], old.get(KIND)) == (b"trial", b"answers")
    if old.get(SOURCE) != metadata[SOURCE] or is_trial_over_answers:
        kind, rows = old.get(KIND, b"scores").decode(), old.get(SOURCE, b"other rows").decode()
        raise ScoringError(
            f"{to} already contains the {kind} for {rows}; it is not replaced. "
            "Choose another path: OUTPUT=..."
        )
    return filesystem, path


def publish(draft: Path, filesystem: fs.FileSystem, path: str) -> None:
    """Move the draft to its target, by a rename or as one upload.

    An upload exists once its stream is closed, so the file is complete or absent. Raises
    ScoringError if it cannot be written.
    """
    try:
        if not isinstance(filesystem, fs.LocalFileSystem):
            with draft.open("rb") as source, filesystem.open_output_stream(path) as sink:
                shutil.copyfileobj(source, sink)
            return
        with draft.open("rb") as source:
            # The umask decides who may read it.
            atomic_write(Path(path), source)
    except OSError as error:
        raise ScoringError(f"{path} cannot be written: {error}") from error
