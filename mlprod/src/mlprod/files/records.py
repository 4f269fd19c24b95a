"""The split of a CSV file (RFC 4180) into blocks of complete records with their line numbers."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import FileError

QUOTE, LINE_FEED, RETURN = 34, 10, 13
# A quote that is never closed fails at this size, before the memory is full.
MAX_RECORD_BYTES = 2**24
Bytes = NDArray[np.uint8]


class Block(NamedTuple):
    """Complete records, the first byte of each, and its line in the file.

    Empty lines are not records.
    """

    data: bytes
    starts: NDArray[np.int64]
    lines: NDArray[np.int64]

    def without(self, records: int) -> "Block":
        """Return the block without its first records."""
        first = int(self.starts[records]) if records < len(self.starts) else len(self.data)
        return Block(self.data[first:], self.starts[records:] - first, self.lines[records:])


def blocks(chunks: Iterable[bytes], delimiter: str) -> Iterator[Block]:
    """Yield blocks of records. A record ends with its line, unless the line ends within quotes.

    Raises FileError for a quote that opens or closes within a cell, for a quote that never closes,
    and for bytes that are not UTF-8.
    """
    rest, line = b"", 1
    for chunk in chunks:
        data = rest + chunk
        block, line, end = _split(data, delimiter, line, final=False)
        rest = data[end:]
        if len(block.lines):
            yield block
        if len(rest) > MAX_RECORD_BYTES:
            raise _unclosed(rest, delimiter, line)
    if rest:
        block, line, end = _split(rest, delimiter, line, final=True)
        if len(block.lines):
            yield block
        if end < len(rest):
            raise _unclosed(rest[end:], delimiter, line)


def _split(data: bytes, delimiter: str, line: int, *, final: bool) -> tuple[Block, int, int]:
    """Return the complete records of the data, and the line and the byte where the rest begins."""
    every = np.frombuffer(data, dtype=np.uint8)
    inside, breaks = _inside_quotes(every), _line_breaks(every, final)
    ends = breaks[~inside[breaks]] if len(inside) else breaks
    if final and not (len(inside) and inside[-1]) and (not len(ends) or ends[-1] < len(data) - 1):
        # The last line needs no line break.
        ends = np.append(ends, len(data))
    if not len(ends):
        return Block(b"", np.zeros(0, np.int64), np.zeros(0, np.int64)), line, 0
    end = min(int(ends[-1]) + 1, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1])
    lines = line + np.searchsorted(breaks, starts)
    _require_utf8(data[:end], starts, lines)
    if len(inside):
        _require_valid_quotes(every[:end], inside[:end], ord(delimiter), starts, lines)
    empty = (ends == starts) | (
        (ends == starts + 1) & (every[np.minimum(starts, len(data) - 1)] == RETURN)
    )
    following = line + int(np.searchsorted(breaks, end))
    return Block(data[:end], starts[~empty], lines[~empty]), following, end


def _unclosed(rest: bytes, delimiter: str, line: int) -> FileError:
    every = np.frombuffer(rest, dtype=np.uint8)
    inside = _inside_quotes(every)
    if len(inside):
        starts, lines = np.zeros(1, np.intp), np.full(1, line)
        _require_valid_quotes(every, inside, ord(delimiter), starts, lines)
        return FileError(
            f"line {line}: it opens a quote that is not closed in the next {len(rest):,} bytes. "
            "Works: close the quote, or write each quote within a cell twice"
        )
    return FileError(
        f"line {line}: it has no end within {len(rest):,} bytes. Works: a CSV file with one line "
        "for each row"
    )


def _inside_quotes(every: Bytes) -> NDArray[np.bool_]:
    """Return whether a quote is open after each byte; empty if there is no quote at all."""
    quotes = every == QUOTE
    if not quotes.any():
        return np.zeros(0, dtype=np.bool_)
    return np.logical_xor.accumulate(quotes)


def _line_breaks(every: Bytes, final: bool) -> NDArray[np.intp]:
    """Return the position of the last byte of each line break: \\n, \\r\\n, or a single \\r.

    A \\r at the end of a chunk may be the first half of \\r\\n, so it counts only if `final`.
    """
    breaks = every == LINE_FEED
    returns = every == RETURN
    if returns.any():
        returns[:-1] &= ~breaks[1:]
        returns[-1] &= final
        breaks |= returns
    return np.flatnonzero(breaks)


def _require_valid_quotes(
    every: Bytes,
    inside: NDArray[np.bool_],
    delimiter: int,
    starts: NDArray[np.intp],
    lines: NDArray[np.intp],
) -> None:
    """Raises FileError for a misplaced quote.

    A quote opens after a delimiter or a line break, closes before one, and is doubled within
    quotes.
    """
    places = np.flatnonzero(every == QUOTE)
    edges = np.zeros(256, dtype=np.bool_)
    edges[[delimiter, LINE_FEED, RETURN, QUOTE]] = True
    before = edges[every[places - 1]] | (places == 0)
    behind = edges[every[np.minimum(places + 1, len(every) - 1)]] | (places == len(every) - 1)
    errors = places[np.where(inside[places], ~before, ~behind)]
    if len(errors):
        line = lines[np.searchsorted(starts, errors[0], side="right") - 1]
        raise FileError(
            f"line {line}: there is a quote within a cell. Works: the whole cell in quotes, "
            f"and each quote in it twice"
        )


def _require_utf8(data: bytes, starts: NDArray[np.intp], lines: NDArray[np.intp]) -> None:
    if b"\0" in data:
        line = lines[np.searchsorted(starts, data.index(b"\0"), side="right") - 1]
        raise FileError(
            f"line {line}: it has a byte 0, which is not text. Works: save the file as CSV UTF-8"
        )
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = lines[np.searchsorted(starts, error.start, side="right") - 1]
        byte = data[error.start : error.start + 1]
        guess = byte.decode("cp1252", "replace")
        raise FileError(
            f"line {line}: byte 0x{byte.hex().upper()} is not UTF-8; in Windows-1252 it "
            f"would be {guess!r}. Works: "
            "save it as CSV UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8"
        ) from None
