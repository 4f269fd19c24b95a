"""Plots of an evaluation, as SVG files; the same figures give the same bytes.

The plots show shares, means and intervals of many rows. So they may go where rows may not.
"""

import io
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..bundle.runtime import Scores
from ..contract.classes import class_names, top_scores
from ..contract.schema import Task
from ..project.project import Seam
from .class_metrics import confusion
from .confusion_plot import draw_confusion
from .dataset import Dataset
from .evaluate import OVERALL, Evaluation
from .fit import payoff_by_threshold, require_finite

BINS = 10
# Thresholds by share of the rows, and as many evenly from the lowest to the highest score.
THRESHOLDS = 30
MAX_SLICES = 40
MAX_NAME_LENGTH = 48
# Color-blind people can distinguish these colors (Okabe and Ito 2008); the marker differs too.
BLUE, ORANGE, GRAY = "#0072b2", "#d55e00", "#555555"
MARKERS = {
    -1: (ORANGE, "X", "surely a lower payoff than the baseline"),
    0: (GRAY, "o", "no sure difference"),
    1: (BLUE, "D", "surely a higher payoff"),
}
STYLE: dict[Any, object] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    # A page with a dark theme does not change the plot.
    "figure.facecolor": "white",
    "grid.color": "#dddddd",
    "legend.frameon": False,
    "svg.fonttype": "none",
    # Without a salt the ids in the file are random.
    "svg.hashsalt": "pictures",
    # A name with dollar signs is not a formula.
    "text.parse_math": False,
}


def draw_plots(
    seam: Seam,
    task: Task,
    test: Dataset,
    scores: Scores,
    threshold: float,
    evaluation: Evaluation,
    baseline: Evaluation,
) -> dict[str, bytes]:
    """Draw the plots, and return file name → SVG.

    `scores` [rows] are the candidate's on the test rows; `evaluation` and `baseline` are measured
    there. There is a `money.svg` only for a classifier, because only it has a threshold, and a
    `confusion.svg` only for classes. There is a `slices.svg` only for a model with slices, because
    a baseline does not differ from itself.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        # The reader's fonts show a glyph that is missing here.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        label, compared = seam.terms.label, top_scores(scores)
        observed = test.y if compared is scores else (scores.argmax(axis=1) == test.y).astype(float)
        drawn = {"calibration.svg": _calibration(label, task, observed, compared)}
        if task != "regression":
            drawn["money.svg"] = _money(
                payoff_by_threshold(seam, test, scores), compared, threshold, baseline
            )
        if task == "multiclass":
            names = class_names(seam.terms.classes)
            drawn["confusion.svg"] = draw_confusion(names, confusion(test.y, scores))
        slices = any(name == "value" and part for name, part in evaluation.figures)
        if evaluation is not baseline and slices:
            drawn["slices.svg"] = _slices(evaluation, baseline)
        return {name: _svg(figure) for name, figure in drawn.items()}


def _calibration(label: str, task: Task, y: NDArray[np.float64], scores: Scores) -> Figure:
    """Plot mean outcome over mean score, in bins of equal count; equal scores are in one bin."""
    figure, axes = _paper(4.6)
    edges = np.unique(np.quantile(scores, np.arange(1, BINS) / BINS))
    codes = np.searchsorted(edges, scores, side="left")
    bins = [codes == code for code in np.unique(codes)]
    predicted, observed = (
        np.array([values[mask].mean() for mask in bins]) for values in (scores, y)
    )
    if task != "regression":
        spread, of = np.array([_wilson(y[mask]) for mask in bins]), "95 % interval"
        axes.set(xlabel="mean score", ylabel=f"share of rows with {_plain(label)} = 1")
        if task == "multiclass":
            axes.set(
                xlabel="mean probability of the most probable class",
                ylabel="share of rows whose most probable class occurred",
            )
    else:
        spread, of = (
            np.array([np.quantile(y[mask], [0.1, 0.9]) for mask in bins]),
            "middle 80 % of the rows",
        )
        axes.set(
            xlabel=f"mean of the predicted {_plain(label)}",
            ylabel=f"mean of the observed {_plain(label)}",
        )
    ends = [min(predicted.min(), spread.min()), max(predicted.max(), spread.max())]
    _number_axes(axes, "xy", predicted, rare=np.median(predicted) < predicted.max() / 20)
    axes.plot(ends, ends, "--", color=GRAY, label="as predicted")
    axes.vlines(predicted, spread[:, 0], spread[:, 1], color=BLUE, linewidth=1.5, label=of)
    axes.plot(
        predicted,
        observed,
        "o",
        color=BLUE,
        label=f"a bin, about {round(len(y) / len(bins)):,} rows",
    )
    _head(axes, f"Is the score right? {len(y):,} test rows, in bins of equal count")
    return figure


def _money(
    total_payoff: Callable[[float], float], scores: Scores, threshold: float, baseline: Evaluation
) -> Figure:
    """Plot the mean payoff over the threshold, from a decision on every row to one on no row."""
    figure, axes = _paper(4.2)
    shares = np.linspace(0, 1, THRESHOLDS)
    ends = scores.min(), float(np.nextafter(scores.max(), np.inf))
    tried = np.unique([*np.quantile(scores, shares), *np.linspace(*ends, THRESHOLDS), threshold])
    totals = [total_payoff(value) for value in tried.tolist()]
    paid = require_finite(totals, len(tried), "payoff()") / len(scores)
    here, today = paid[np.searchsorted(tried, threshold)], baseline.figures["value", OVERALL].value
    above = np.mean(scores >= threshold)
    axes.plot(tried, paid, color=BLUE, label="at each threshold")
    axes.axhline(
        today,
        color=ORANGE,
        linestyle="--",
        label=f"baseline, at the threshold chosen for it: {today:.4g}",
    )
    axes.axvline(threshold, color=GRAY, linestyle=":")
    chosen = f"chosen threshold {threshold:.4g}: {here:.4g}; {100 * above:.3g} % of rows reach it"
    axes.plot([threshold], [here], "D", color=GRAY, label=chosen, clip_on=False, zorder=3)
    best, nothing = paid.max(), paid[-1]
    # Acting on nearly all rows can cost so much that the rest of the plot would be flat.
    low = best - 2 * (best - min(here, today, nothing))
    axes.margins(x=0)
    _number_axes(axes, "x", scores, rare=threshold < scores.max() / 10)
    if paid.min() < low < best:
        axes.set_ylim(bottom=low)
        axes.set_xlim(left=tried[max(int(np.argmax(paid >= low)) - 1, 0)])
    axes.yaxis.set_major_formatter(_number)
    axes.set(xlabel="threshold of the score", ylabel="mean payoff per row, in money")
    _head(axes, f"What does it earn? {len(scores):,} test rows")
    return figure


def _slices(result: Evaluation, baseline: Evaluation) -> Figure:
    """Plot the value minus the baseline's in each slice, the worst at the top."""
    differences = {
        part: figure
        for (name, part), figure in result.difference(baseline).items()
        if part and name == "value"
    }
    parts = sorted(differences, key=lambda part: (differences[part].value, part))[:MAX_SLICES]
    figure, axes = _paper(1.9 + 0.32 * len(parts))
    axes.axvline(0, color=GRAY, linestyle="--")
    sure = [int(differences[part].low > 0) - int(differences[part].high < 0) for part in parts]
    for sign, (color, marker, label) in MARKERS.items():
        here = [place for place, direction in enumerate(sure) if direction == sign]
        shown = [differences[parts[place]] for place in here]
        axes.hlines(
            here, [f.low for f in shown], [f.high for f in shown], color=color, linewidth=1.5
        )
        axes.plot([f.value for f in shown], here, marker, color=color, label=label)
    axes.set_yticks(
        range(len(parts)), [f"{_plain(part)} ({differences[part].n:,} rows)" for part in parts]
    )
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(_number)
    axes.set(
        xlabel="value minus the baseline's per row, in money; 95 % intervals for all slices jointly"
    )
    which = (
        f"the {len(parts)} worst of {len(differences)} slices"
        if len(differences) > len(parts)
        else "each slice"
    )
    _head(axes, f"For whom? Value minus the baseline's in {which}")
    return figure


def _paper(height: float) -> tuple[Figure, Axes]:
    figure = Figure((7.2, height))
    return figure, figure.add_subplot()


def _head(axes: Axes, title: str) -> None:
    """Put title and legend above the axes, where they cover nothing."""
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    axes.set_title(title, pad=14.5 * len(legend.get_texts()) + 14, fontweight="bold")


def _number_axes(axes: Axes, which: str, values: NDArray[np.float64], rare: bool) -> None:
    """Format the axes with plain numbers, and with a logarithmic scale for a rare event.

    On a linear scale the small values of a rare event would overlap.
    """
    for name in which:
        if rare and 0 <= values.min() < values.max():
            getattr(axes, f"set_{name}scale")(
                "symlog", linthresh=values.max() / 1_000, linscale=0.5
            )
        getattr(axes, f"{name}axis").set_major_formatter(_number)


def _number(value: float, _: object = None) -> str:
    return f"{value:,.6g}"


def _wilson(y: NDArray[np.float64]) -> tuple[float, float]:
    """Compute the 95 % interval of a share (Wilson 1927), which also holds for few rows."""
    n, share, z = len(y), y.mean(), 1.96
    middle, half = share + z * z / 2 / n, z * np.sqrt(share * (1 - share) / n + z * z / 4 / n / n)
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def _plain(name: str) -> str:
    """Return a name without characters that XML does not allow, cut to the length of an axis."""
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
    return shown if len(shown) <= MAX_NAME_LENGTH else shown[: MAX_NAME_LENGTH - 1] + "…"


def _svg(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(
        content, format="svg", bbox_inches="tight", metadata={"Creator": None, "Date": None}
    )
    return content.getvalue()
