"""Content with a few bytes changed, for fuzzing."""

import random


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Return the content with a few bytes, byte runs or numbers changed."""
    result = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(result) + 1)
        end = min(len(result), place + chance.choice((1, 1, 2, 8, 64)))
        random_bytes = chance.randbytes(chance.choice((1, 1, 4, 32)))
        result[place:end] = chance.choice(
            (b"", random_bytes, bytes(result[place:end]) * 2, chance.choice(EDGE_CASES))
        )
    return bytes(result)


EDGE_CASES = (
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0",
    b"9" * 400,
    b'"\\ud800"',
    b"\xff\xfe",
    b"\\u0000",
    b"{" * 64,
    b"[" * 300,
    b'""',
    b"true",
    b'"0001-01-01T00:00:00+14:00"',
    b'"9999-12-31T23:59:59-14:00"',
    b'"1"',
    b"\r\n\r\n",
    b",",
    b"}",
)
