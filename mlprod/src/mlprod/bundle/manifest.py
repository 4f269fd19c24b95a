"""The manifest of a bundle: its metadata. The digest of the bundle's files is its name.

Unknown keys are ignored, since a later version may add keys within the same format. A key that
every reader must understand needs a new format.
"""

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..contract.classes import Classes
from ..contract.schema import Field as ContractField
from ..contract.schema import Fields, Kind, Task
from .files import PROVENANCE as PROVENANCE
from .files import bundle_digest as bundle_digest
from .files import folder_digest as folder_digest
from .files import sha256 as sha256

MANIFEST = "manifest.json"
# The newest format that this code reads. A bundle of format 2 carries the project's code, and may
# have classes.
FORMAT = 2
# A manifest that names no format, as those of the first version.
FIRST_FORMAT = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Estimate(_Frozen):
    """A measured value with its 95 % confidence interval over `n` rows."""

    value: float
    low: float
    high: float
    n: int


class Input(_Frozen):
    """A field that the model needs, with its categories in encoding order."""

    name: str
    kind: Kind
    categories: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None
    optional: bool = False


class SliceMetrics(_Frozen):
    """The metrics of the rows with one value of a slice field."""

    field: str
    value: str
    metrics: dict[str, Estimate]


class Data(_Frozen):
    """The window of labeled rows from which the bundle was trained.

    `learned_until` is the time of the newest row from which the bundle's model learned. It is None
    for a baseline, without EVENT_TIME, and in bundles of earlier versions. `split` names a split
    that the project gave; it is empty, and absent from the file, for the library's own.
    """

    since: str | None
    until: str | None
    rows: int
    units: int
    learned_until: str | None = None
    split: str = Field(default="", exclude_if=lambda text: not text)


class Refit(_Frozen):
    """The model of the bundle was fitted again on all rows; its metrics are those of another one.

    The metrics are those of the evaluated model, which learned from `evaluated_rows` rows until
    `evaluated_until`. The model of the bundle learned from all `rows` rows. `difference` is the
    mean absolute difference between the scores of both on the test rows, in standard deviations of
    the evaluated model's scores.
    """

    evaluated_until: str
    evaluated_rows: int
    rows: int
    difference: float


class BacktestWindow(_Frozen):
    """A window of a back-test, and the errors of a model that learned from earlier rows only.

    The window has `rows` rows from `since` to `until`, both inclusive; the model learned from
    `learned` rows. Values are payoffs per row. `mae` and `rmse` are in units of the label.
    """

    since: str
    until: str
    learned: int
    rows: int
    value: float
    baseline_value: float
    mae: float
    baseline_mae: float
    rmse: float
    baseline_rmse: float

    @property
    def beats_baseline(self) -> bool:
        """Whether the model is worth more than the baseline in this window."""
        return self.value > self.baseline_value


class Parity(_Frozen):
    """The largest difference between the fitted estimator and the exported model over `rows` rows.

    See the function `parity`.
    """

    rows: int
    max_difference: float


class FormatError(ValueError):
    """The bundle has a newer format; the message shows what works."""


class Manifest(_Frozen):
    """The content of manifest.json. `files` holds the SHA-256 of each other file by name.

    `package` is the name of the package whose code the bundle carries. `classes` are in the order
    of the scores; they are empty unless the task is "multiclass".
    """

    format: int = Field(default=FIRST_FORMAT, ge=1)
    package: str = ""
    kind: Literal["model", "baseline"]
    task: Task
    classes: Classes = ()
    runtime: Literal["onnx", "python"]
    inputs: tuple[Input, ...]
    threshold: float
    digests: dict[Literal["contract", "data", "domain"], str]
    data: Data
    metrics: dict[str, Estimate]
    slices: tuple[SliceMetrics, ...]
    baseline: dict[str, Estimate]
    refit: Refit | None = None
    backtest: tuple[BacktestWindow, ...] = ()
    parity: Parity | None
    accountable: str
    files: dict[str, str]

    @property
    def fields(self) -> Fields:
        """The inputs as fields, for encoding.

        They have the bundle's own categories, not those of the current contract.
        """
        return Fields(
            tuple(
                ContractField(item.name, item.kind, categories=item.categories, bounds=item.bounds)
                for item in self.inputs
            )
        )


def read_manifest(content: bytes) -> Manifest:
    """Read the manifest of a bundle.

    Raises FormatError if the format is newer, and ValidationError if the content is not a manifest.
    """
    try:
        result = json.loads(content).get("format", FIRST_FORMAT)
    except (ValueError, AttributeError):
        # The validation below names what is wrong.
        result = FIRST_FORMAT
    if isinstance(result, int) and result > FORMAT:
        raise FormatError(
            f"the bundle has format {result}, and this version of mlprod reads formats up to "
            f"{FORMAT}. Works: make update to the version that made the bundle or a newer one, or "
            f"make rollback to an earlier bundle"
        )
    return Manifest.model_validate_json(content)


def inputs_of(fields: Fields) -> tuple[Input, ...]:
    """Return the inputs of a manifest for these fields."""
    return tuple(
        Input(
            name=f.name, kind=f.kind, categories=f.categories, bounds=f.bounds, optional=f.optional
        )
        for f in fields
    )
