"""The dialect of a CSV file: compression, encoding and delimiter, from its first bytes."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from .errors import FileError

# bytes of one read
CHUNK = 2**22
# bytes that contain the first line
HEAD = 2**16
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
NOT_TEXT = {
    b"PK\x03\x04": "an Excel workbook or a zip",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "Parquet: name it .parquet",
    b"\x1f\x8b": "compressed twice",
    b"BZh": "compressed with bzip2",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
}
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


@dataclass(frozen=True)
class Dialect:
    """The dialect of a file.

    `names` are the columns of the first line. `above` counts this line and any line before it.
    """

    encoding: str
    marked: bool
    delimiter: str
    names: tuple[str, ...]
    above: int
    gzipped: bool

    @property
    def described(self) -> str:
        encoding = self.encoding.upper().removesuffix("-LE").removesuffix("-BE")
        packed = "gzip, " if self.gzipped else ""
        mark = " with a byte order mark" if self.marked and encoding == "UTF-8" else ""
        return (
            f"{packed}{encoding}{mark}, {DELIMITERS.get(self.delimiter, repr(self.delimiter))} "
            f"between cells"
        )


def detect_dialect(path: Path, wanted: Collection[str]) -> Dialect:
    """Detect the dialect of a file.

    The delimiter is the one by which the first line names most of the wanted columns. Raises
    FileError if the file is not a CSV with such a line.
    """
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    with _opened(path, gzipped) as file:
        head = _read(file, HEAD)
    if not head.strip():
        raise FileError("it is empty; a CSV needs a first line with the names of its columns")
    for mark, what in NOT_TEXT.items():
        if head.startswith(mark):
            raise FileError(f"it is {what}. Works: save it as CSV UTF-8, or as Parquet")
    encoding, marked = _encoding(head)
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    delimiters, above = list(DELIMITERS), 1
    # `sep=;` is a line for spreadsheets that names the delimiter.
    if announced := re.match(r'"?sep=([^\w"])"?[\r\n]+', text, re.IGNORECASE):
        delimiters, above, text = [announced[1]], 2, text[announced.end() :]
    rows = {delimiter: _first_row(text, delimiter) for delimiter in delimiters}
    best = max(
        rows, key=lambda delimiter: (len(set(rows[delimiter]) & set(wanted)), len(rows[delimiter]))
    )
    if not set(rows[best]) & set(wanted):
        raise FileError(
            "its first line names none of the columns. Works: a first line with the "
            "contract's names, such as " + ", ".join(list(wanted)[:3])
        )
    return Dialect(encoding, marked, best, tuple(rows[best]), above, gzipped)


def utf8(path: Path, how: Dialect) -> Iterator[bytes]:
    """Yield the text as UTF-8 in chunks, without its byte order mark."""
    decoder = codecs.getincrementaldecoder(how.encoding)() if how.encoding != "utf-8" else None
    with _opened(path, how.gzipped) as file:
        file.read(len(_mark(how)))
        try:
            while chunk := _read(file, CHUNK):
                yield decoder.decode(chunk).encode() if decoder else chunk
            if decoder:
                decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise FileError(
                f"it is not valid {how.encoding.upper()} to its end: {error.reason}. "
                "Works: save it as CSV UTF-8"
            ) from error


def _opened(path: Path, gzipped: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if gzipped else path.open("rb")


def _read(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileError(
            f"its compressed data is incomplete or damaged: {error}. Works: copy the file again"
        ) from error


def _encoding(head: bytes) -> tuple[str, bool]:
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise FileError("it is UTF-32. Works: save it as CSV UTF-8")
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding, True
    zeros = head[:200].count(b"\0")
    if zeros > len(head[:200]) / 3:
        return ("utf-16-be" if head[0] == 0 else "utf-16-le"), False
    return "utf-8", False


def _mark(how: Dialect) -> bytes:
    return (
        next(mark for mark, encoding in MARKS.items() if encoding == how.encoding)
        if how.marked
        else b""
    )


def _first_row(text: str, delimiter: str) -> list[str]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return [name.strip() for name in next((row for row in rows if row), [])]
