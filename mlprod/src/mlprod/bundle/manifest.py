"""What a bundle says of itself, and how it is named: by the digest of its files.

A key that this code does not know is left out of account: a later version may add one within the
same format. What must be understood is another format.
"""

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..contract.schema import Field as ContractField
from ..contract.schema import Fields, Kind, Task
from .files import PROVENANCE as PROVENANCE
from .files import bundle_digest as bundle_digest
from .files import folder_digest as folder_digest
from .files import sha256 as sha256

MANIFEST = "manifest.json"
FORMAT = (
    1  # the newest that this code reads; that of the first version, whose manifests do not name it
)


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


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
    """Largest difference between the fitted estimator and the exported model over `rows` rows; see
    `parity`.
    """

    rows: int
    max_difference: float


class FormatError(ValueError):
    """The bundle is of a newer format; the message shows what works."""


class Manifest(_Frozen):
    format: int = Field(default=FORMAT, ge=1)
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
        """The inputs as fields, for encoding: the bundle's own categories, whatever the contract
        says by now.
        """
        return Fields(
            tuple(
                ContractField(item.name, item.kind, categories=item.categories, bounds=item.bounds)
                for item in self.inputs
            )
        )


def read_manifest(content: bytes) -> Manifest:
    """The manifest of a bundle.

    Raises FormatError for a newer format, ValidationError for what is no manifest.
    """
    try:
        result = json.loads(content).get("format", FORMAT)
    except (ValueError, AttributeError):
        result = FORMAT  # the model below names what is wrong with it
    if isinstance(result, int) and result > FORMAT:
        raise FormatError(
            f"the bundle has format {result}, and this version of mlprod reads formats up "
            f"to {FORMAT}. Works: make "
            "update to the version that made the bundle, or a newer one; or make rollback "
            "to a bundle of before"
        )
    return Manifest.model_validate_json(content)


def inputs_of(fields: Fields) -> tuple[Input, ...]:
    return tuple(
        Input(
            name=f.name, kind=f.kind, categories=f.categories, bounds=f.bounds, optional=f.optional
        )
        for f in fields
    )
