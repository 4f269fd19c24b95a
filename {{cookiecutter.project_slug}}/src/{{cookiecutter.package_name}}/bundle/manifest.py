"""What a bundle says of itself, and how it is named: by the digest of its files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..contract.terms import Field, Fields, Kind, Task

MANIFEST = "manifest.json"
PROVENANCE = "provenance.json"  # who, when, where: beside the bundle, outside its digest


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Estimate(_Frozen):
    """A measured figure with its 95 % interval over `n` rows."""

    value: float
    low: float
    high: float
    n: int


class Input(_Frozen):
    """A field that the model needs, with the categories that it knows in encoding order."""

    name: str
    kind: Kind
    categories: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None
    optional: bool = False


class SliceMetrics(_Frozen):
    field: str
    value: str
    metrics: dict[str, Estimate]


class Data(_Frozen):
    """The window of labelled rows that the bundle was made from."""

    since: str | None
    until: str | None
    rows: int
    units: int


class Parity(_Frozen):
    """Largest difference between the fitted estimator and the exported model over `rows` rows; see `parity`."""

    rows: int
    max_difference: float


class Manifest(_Frozen):
    kind: Literal["model", "baseline"]
    task: Task
    runtime: Literal["onnx", "python"]
    inputs: tuple[Input, ...]
    threshold: float
    digests: dict[Literal["contract", "data", "domain"], str]
    data: Data
    metrics: dict[str, Estimate]
    slices: tuple[SliceMetrics, ...]
    baseline: dict[str, Estimate]
    parity: Parity | None
    accountable: str
    files: dict[str, str]

    @property
    def fields(self) -> Fields:
        """The inputs as fields, for encoding: the bundle's own categories, whatever the contract says by now."""
        return Fields(
            tuple(Field(item.name, item.kind, categories=item.categories, bounds=item.bounds) for item in self.inputs)
        )


def inputs_of(fields: Fields) -> tuple[Input, ...]:
    return tuple(
        Input(name=f.name, kind=f.kind, categories=f.categories, bounds=f.bounds, optional=f.optional) for f in fields
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def folder_digest(folder: Path) -> str:
    """The digest of the bundle that lies in a folder, its provenance left out."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != PROVENANCE]
    return bundle_digest({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


def bundle_digest(files: Mapping[str, bytes]) -> str:
    """sha256 over the sorted (name, sha256) of a bundle's files, the manifest among them."""
    lines = sorted(f"{name} {sha256(content)}\n" for name, content in files.items())
    return sha256("".join(lines).encode())
