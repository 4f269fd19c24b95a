"""A handwritten server around the ONNX file: row schema, encoding, session with one thread."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from pydantic import BaseModel, Field, create_model
from rules import CATEGORIES, NUMBERS, OPTIONAL


def field(name: str, kind: Any, **bounds: float) -> Any:
    if name in OPTIONAL:
        return kind | None, Field(default=None, **bounds)
    return kind, Field(**bounds)


Row: Any = create_model(
    "Row",
    **{name: field(name, float, ge=low, le=high) for name, (low, high) in NUMBERS.items()},
    **{name: field(name, Literal[tuple(parts)]) for name, parts in CATEGORIES.items()},
)
CODES: dict[str, dict[Any, float]] = {
    name: {None: np.nan} | {word: float(code) for code, word in enumerate(parts)}
    for name, parts in CATEGORIES.items()
}
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(Path(os.environ["MODEL"]).read_bytes(), options)
name_of_input = session.get_inputs()[0].name


def coded(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    cells = [
        [row[n] for n in NUMBERS] + [code[row[n]] for n, code in CODES.items()] for row in rows
    ]
    return np.array(cells, dtype=np.float32)


def scores(rows: Sequence[BaseModel]) -> list[float]:
    matrix = coded([row.__dict__ for row in rows])
    return session.run(["probabilities"], {name_of_input: matrix})[0][:, 1].tolist()


class Body(BaseModel):
    rows: list[Row] = Field(min_length=1, max_length=1_000)
