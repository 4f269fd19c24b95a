"""Plot of the confusion matrix: which class occurred, and which one was the most probable."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

# Above this number of classes the cells have no text, and only the colors show the shares.
MAX_CLASSES_WITH_TEXT = 20
MAX_NAME_LENGTH = 24
# Share of the row from which a cell is dark, so that its text is white.
DARK_SHARE = 0.55


def draw_confusion(classes: Sequence[str], counts: NDArray[np.int64]) -> Figure:
    """Draw the matrix of `counts` [class that occurred, most probable class].

    The color of a cell is its share of the rows of its class, so that a rare class is as visible as
    a frequent one. The text is the number of rows.
    """
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    side = 2.4 + 0.42 * len(classes)
    figure = Figure((side + 1.2, side))
    axes = figure.add_subplot()
    axes.grid(visible=False)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the rows of the class", shrink=0.8)
    names = [_short(name) for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    rows = [f"{name} ({count:,})" for name, count in zip(names, totals[:, 0], strict=True)]
    axes.set_yticks(range(len(names)), rows)
    axes.set(xlabel="most probable class", ylabel="class that occurred (test rows)")
    if len(classes) <= MAX_CLASSES_WITH_TEXT:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > DARK_SHARE else "black"
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=color)
    axes.set_title(f"Which classes are confused? {counts.sum():,} test rows", fontweight="bold")
    return figure


def _short(name: str) -> str:
    """Return a name without characters that XML does not allow, cut to the length of an axis."""
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
    return shown if len(shown) <= MAX_NAME_LENGTH else shown[: MAX_NAME_LENGTH - 1] + "…"
