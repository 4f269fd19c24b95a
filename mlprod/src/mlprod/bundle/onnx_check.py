"""Check that an ONNX model is self-contained: standard operators, and all data inside the file.

ONNX Runtime resolves external data against the working folder and has no switch to turn that off.
The serving image has no onnx package, so this code walks the bytes of the protobuf message
(onnx.proto of ONNX 1.23; encoding: https://protobuf.dev/programming-guides/encoding/). It is
stricter than any parser: every occurrence of a field counts.
"""

import re

from .errors import UnsafeModelError

# Domains whose operators compute and do nothing else.
STANDARD = (b"", b"ai.onnx", b"ai.onnx.ml")
# Message → field number → message in that field.
MESSAGES: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 8: "OperatorSetId", 14: "Entry", 20: "TrainingInfo", 25: "Function"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 9: "OperatorSetId", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
    "OperatorSetId": {},
    "Entry": {},
}
# Message → field number of its domain.
DOMAIN = {"OperatorSetId": 1, "Node": 7, "Function": 10}
# Field numbers of Tensor.
EXTERNAL_DATA, DATA_LOCATION = 13, 14
# The field number of Entry's key, and the key by which a model would configure ONNX Runtime.
KEY, SETTINGS = 1, b"ort_config"
# Kinds of fields.
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
SHORT_STRINGS = b"|".join(re.escape(bytes([size])) + b"." * size for size in range(32))
# Fields 7, 8 and 9 of Attribute: numbers and strings, of which a forest has millions.
BULK = re.compile(
    rb"(?s)(?:(?:\x3d....)++|(?:\x40[\x00-\x7f])++|(?:\x40[\x80-\xff]{1,9}+[\x00-\x7f])++"
    rb"|(?:\x4a(?:" + SHORT_STRINGS + rb"))++)++"
)


def require_self_contained(model: bytes) -> None:
    """Raises UnsafeModelError if the model reads other files or needs nonstandard operators.

    Raises ValueError if the bytes cannot be read as ONNX.
    """
    waiting = [("Model", 0, len(model))]
    while waiting:
        message, position, end = waiting.pop()
        inner = MESSAGES[message]
        while position < end:
            if message == "Attribute" and (bulk := BULK.match(model, position, end)):
                position = bulk.end()
                continue
            field, kind, start, position = _field(model, position, end)
            if kind == BYTES:
                if field in inner:
                    waiting.append((inner[field], start, position))
                else:
                    _require_harmless(message, field, model[start:position])
            elif message == "Tensor" and field == DATA_LOCATION and any(model[start:position]):
                raise UnsafeModelError(EXTERNAL)


def _require_harmless(message: str, field: int, value: bytes) -> None:
    if message == "Tensor" and field == EXTERNAL_DATA:
        raise UnsafeModelError(EXTERNAL)
    if field == DOMAIN.get(message) and value not in STANDARD:
        raise UnsafeModelError(
            f"it needs operators of the domain {value.decode(errors='replace')[:80]!r}; "
            f"works: operators of ai.onnx and ai.onnx.ml, since others may read files or run code"
        )
    if message == "Entry" and field == KEY and value == SETTINGS:
        raise UnsafeModelError(
            "its metadata holds settings of ONNX Runtime (ort_config); works: export it without "
            "them"
        )


EXTERNAL = (
    "its data are in other files (external data); works: export it with all its data in model.onnx"
)


def _field(model: bytes, position: int, end: int) -> tuple[int, int, int, int]:
    """Return number, kind, start of the value and end of the value of the field at `position`."""
    tag, position = _varint(model, position, end, 5)
    field, kind, start = tag >> 3, tag & 7, position
    if kind == VARINT:
        position = _varint(model, position, end, 10)[1]
    elif kind == BYTES:
        size, start = _varint(model, position, end, 5)
        position = start + size
    elif kind in (FIXED32, FIXED64):
        position += 4 if kind == FIXED32 else 8
    else:
        # Groups, which ONNX does not use.
        raise ValueError(f"it is not readable as ONNX: a field of kind {kind}")
    if not field or tag >> 32 or position > end:
        raise ValueError("it is not readable as ONNX: a field is damaged or cut off")
    return field, kind, start, position


def _varint(model: bytes, position: int, end: int, longest: int) -> tuple[int, int]:
    """Return a number of at most `longest` bytes, and the position after it."""
    value = 0
    for shift in range(longest):
        if position >= end:
            break
        byte = model[position]
        position += 1
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            return value, position
    raise ValueError("it is not readable as ONNX: a number is damaged or cut off")
