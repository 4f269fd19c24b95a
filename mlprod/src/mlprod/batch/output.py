"""Where a file of scores goes: a path or an address, there whole or not at all, and never over
something else.
"""

import os
import shutil
from pathlib import Path
from tempfile import NamedTemporaryFile

import pyarrow.parquet as pq
from pyarrow import fs

from ..atomic_write import atomic_write

# An upload is sent without its length otherwise, which stores other than Amazon's refuse.
os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")

MODEL, SOURCE, KIND = (
    b"scores_of",
    b"rows_of",
    b"kind",
)  # in a file's metadata: what a later run may replace


class ScoringError(Exception):
    """Nothing was put in place; the message says why, and what helps."""


def resolve_target(to: str, name: str) -> str:
    """The file that is meant: `to` itself, or one of that name in the folder `to`.

    An address keeps its options.
    """
    place, mark, options = to.partition("?") if "://" in to else (to, "", "")
    file = place if place.endswith(".parquet") else f"{place.rstrip('/')}/{name}.parquet"
    return file + mark + options


def open_target(to: str, about: dict[bytes, bytes]) -> tuple[fs.FileSystem, str]:
    """Where the file goes.

    Raises ScoringError when that cannot be written to, or holds what must not be replaced.
    """
    try:
        if "://" in to:
            filesystem, path = fs.FileSystem.from_uri(to)
        else:
            filesystem, path = fs.LocalFileSystem(), str(Path(to).absolute())
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            NamedTemporaryFile(dir=Path(path).parent).close()
        there = filesystem.get_file_info(path).type != fs.FileType.NotFound
        holds = (pq.read_schema(path, filesystem=filesystem).metadata or {}) if there else about
    except (OSError, ValueError) as error:
        works = "var/scores/june.parquet, s3://bucket/june.parquet"
        raise ScoringError(f"{to} cannot be written to: {error}. What works: {works}") from error
    if holds.get(MODEL) != about[MODEL]:
        raise ScoringError(
            f"{to} is there and holds no scores of {about[MODEL].decode()}: it is not replaced"
        )
    if holds.get(SOURCE) != about[SOURCE] or (about[KIND], holds.get(KIND)) == (
        b"trial",
        b"answers",
    ):
        stored = (
            f"the {holds.get(KIND, b'scores').decode()} to "
            f"{holds.get(SOURCE, b'other rows').decode()}"
        )
        raise ScoringError(
            f"{to} is there and holds {stored}: it is not replaced. Name another: OUTPUT=..."
        )
    return filesystem, path


def publish(draft: Path, filesystem: fs.FileSystem, path: str) -> None:
    """The file is there whole or not at all: by a rename, or as one upload, which is there once its
    stream is closed.

    Raises ScoringError.
    """
    try:
        if not isinstance(filesystem, fs.LocalFileSystem):
            with draft.open("rb") as source, filesystem.open_output_stream(path) as sink:
                shutil.copyfileobj(source, sink)
            return
        with draft.open("rb") as source:
            atomic_write(Path(path), source)  # readable for whom the umask lets it be
    except OSError as error:
        raise ScoringError(f"{path} cannot be written: {error}") from error
