"""The reference profile: the distributions of fields and scores at the training.

Drift and explanations compare with it.
"""

from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..contract.dates import DATE_EXAMPLES
from ..contract.schema import Columns, Field, Fields

BINS = 10


class Distribution(BaseModel):
    """The distribution of one field. `cumulative` sums the `shares`; both exclude missing values.

    Numbers: the shares of the bins that end at each of `edges`, and of the values above the last
    edge. Categories: `edges` are the categories, and the last share is that of unknown ones.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    edges: tuple[float, ...] | tuple[str, ...]
    cumulative: tuple[float, ...]
    shares: tuple[float, ...]
    missing: float
    rows: int
    # Whether the edges are numbers of dates or datetimes.
    kind: Literal["date", "datetime"] | None = None

    @property
    def typical(self) -> float | str | None:
        """The most frequent category, or the edge next to the median."""
        if not self.edges:
            return None
        if isinstance(self.edges[0], str):
            return self.edges[int(np.argmax(self.shares[: len(self.edges)]))]
        return self.edges[min(int(np.searchsorted(self.cumulative, 0.5)), len(self.edges) - 1)]


class Reference(BaseModel):
    """The distributions of each field by name, of the score, and of the most probable class.

    `classes` is None unless the model has classes.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    fields: dict[str, Distribution]
    score: Distribution
    classes: Distribution | None = None


def build_reference(
    fields: Fields,
    columns: Columns,
    scores: NDArray[np.float64],
    classes: tuple[str, ...] = (),
    top: Sequence[int] = (),
) -> Reference:
    """Return the distributions of the columns [rows] and of the answered scores [rows].

    Of a text field only the missing share is known. With the names of `classes`, `top` has the
    position of the most probable class [rows].
    """
    named = np.array(classes, dtype=object)[np.asarray(top, dtype=np.intp)] if classes else None
    return Reference(
        fields={field.name: _distribution(field, columns[field.name]) for field in fields},
        score=_distribution(Field("score", "number"), scores),
        classes=None
        if named is None
        else _distribution(Field("class", "category", categories=classes), named),
    )


def _distribution(field: Field, values: NDArray[Any]) -> Distribution:
    edges: tuple[float, ...] | tuple[str, ...] = ()
    if field.kind in ("category", "text"):
        present = [value for value in values if value is not None]
        if field.kind == "category":
            edges = field.categories
        index = {word: code for code, word in enumerate(edges)}
        codes = np.array([index.get(value, len(edges)) for value in present], dtype=int)
    else:
        present = values[~np.isnan(values)]
        # Edges of dates are dates of the rows, since readers see them.
        method: Any = "inverted_cdf" if field.kind in DATE_EXAMPLES else "linear"
        inner = (
            np.quantile(present, np.arange(1, BINS) / BINS, method=method)
            if len(present)
            else np.zeros(0)
        )
        edges = tuple(float(edge) for edge in np.unique(inner))
        # A value on an edge belongs to the bin that ends there.
        codes = np.searchsorted(edges, present, side="left")
    shares = np.bincount(codes, minlength=len(edges) + 1) / max(len(present), 1)
    return Distribution(
        name=field.name,
        edges=edges,
        shares=tuple(round(float(share), 9) for share in shares),
        cumulative=tuple(round(float(total), 9) for total in np.cumsum(shares)),
        missing=round(1 - len(present) / max(len(values), 1), 9),
        rows=len(values),
        kind=cast(Any, field.kind) if field.kind in DATE_EXAMPLES else None,
    )
