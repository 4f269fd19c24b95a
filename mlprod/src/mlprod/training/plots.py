"""What was measured, for people who would rather look: SVG files, the same bytes for the same
figures.

Drawn are shares, means and intervals of many rows, so that the pictures may go where the rows may
not.
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
from ..contract.schema import Task
from ..project.project import Seam
from .dataset import Dataset
from .evaluate import WHOLE, Evaluation
from .fit import payoff_by_threshold, require_finite

BINS = 10
THRESHOLDS = 30  # by share of the rows, and as many evenly between the lowest and the highest score
MOST_SLICES = 40
LONGEST = 48  # characters of a name
BLUE, ORANGE, GREY = (
    "#0072b2",
    "#d55e00",
    "#555555",
)  # told apart by every eye (Okabe and Ito 2008), and by form
FORMS = {
    -1: (ORANGE, "X", "surely worth less than the baseline"),
    0: (GREY, "o", "not sure"),
    1: (BLUE, "D", "surely worth more"),
}
STYLE: dict[Any, object] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.facecolor": "white",  # dark pages show the picture as it is
    "grid.color": "#dddddd",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "pictures",  # the ids inside the file; by chance otherwise
    "text.parse_math": False,  # a name with dollar signs is a name
}


def pictures(
    seam: Seam,
    task: Task,
    test: Dataset,
    scores: Scores,
    threshold: float,
    found: Evaluation,
    baseline: Evaluation,
) -> dict[str, bytes]:
    """File name → SVG.

    `scores` [rows] are the candidate's on the test rows; `found` and `baseline` are measured there.

    `money.svg` only where a threshold decides; `slices.svg` only where slices differ from anything
    but themselves.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's own fonts show it
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        drawn = {"calibration.svg": _calibration(seam.terms.label, task, test.y, scores)}
        if task == "binary":
            drawn["money.svg"] = _money(
                payoff_by_threshold(seam, test, scores), scores, threshold, baseline
            )
        if found is not baseline and any(part for _, part in found.figures):
            drawn["slices.svg"] = _slices(found, baseline)
        return {name: _svg(figure) for name, figure in drawn.items()}


def _calibration(label: str, task: Task, y: NDArray[np.float64], scores: Scores) -> Figure:
    """Mean score against mean outcome, in bins of equal count, equal scores together."""
    figure, axes = _paper(4.6)
    edges = np.unique(np.quantile(scores, np.arange(1, BINS) / BINS))
    codes = np.searchsorted(edges, scores, side="left")
    bins = [codes == code for code in np.unique(codes)]
    received, seen = (np.array([values[mask].mean() for mask in bins]) for values in (scores, y))
    if task == "binary":
        spread, of = np.array([_wilson(y[mask]) for mask in bins]), "95 % interval"
        axes.set(xlabel="mean score", ylabel=f"share of rows with {_plain(label)} = 1")
    else:
        spread, of = (
            np.array([np.quantile(y[mask], [0.1, 0.9]) for mask in bins]),
            "middle 80 % of the rows",
        )
        axes.set(
            xlabel=f"mean of the predicted {_plain(label)}",
            ylabel=f"mean of the observed {_plain(label)}",
        )
    ends = [min(received.min(), spread.min()), max(received.max(), spread.max())]
    _number_axes(axes, "xy", received, rare=np.median(received) < received.max() / 20)
    axes.plot(ends, ends, "--", color=GREY, label="as predicted")
    axes.vlines(received, spread[:, 0], spread[:, 1], color=BLUE, linewidth=1.5, label=of)
    axes.plot(
        received, seen, "o", color=BLUE, label=f"a bin, about {round(len(y) / len(bins)):,} rows"
    )
    _head(axes, f"Is the score right? {len(y):,} test rows, in bins of equal count")
    return figure


def _money(
    worth: Callable[[float], float], scores: Scores, threshold: float, baseline: Evaluation
) -> Figure:
    """Mean payoff over the threshold, from acting on every row to acting on none."""
    figure, axes = _paper(4.2)
    shares = np.linspace(0, 1, THRESHOLDS)
    ends = scores.min(), float(np.nextafter(scores.max(), np.inf))
    tried = np.unique([*np.quantile(scores, shares), *np.linspace(*ends, THRESHOLDS), threshold])
    paid = require_finite([worth(value) for value in tried.tolist()], len(tried), "payoff()") / len(
        scores
    )
    here, today = paid[np.searchsorted(tried, threshold)], baseline.figures["value", WHOLE].value
    above = np.mean(scores >= threshold)
    axes.plot(tried, paid, color=BLUE, label="decided at each threshold")
    axes.axhline(
        today,
        color=ORANGE,
        linestyle="--",
        label=f"baseline, at the threshold chosen for it: {today:.4g}",
    )
    axes.axvline(threshold, color=GREY, linestyle=":")
    chosen = (
        f"chosen threshold {threshold:.4g}: {here:.4g}; {100 * above:.3g} % of the rows reach it"
    )
    axes.plot([threshold], [here], "D", color=GREY, label=chosen, clip_on=False, zorder=3)
    best, nothing = paid.max(), paid[-1]
    low = best - 2 * (
        best - min(here, today, nothing)
    )  # acting on nearly all can cost so much that nothing else shows
    axes.margins(x=0)
    _number_axes(axes, "x", scores, rare=threshold < scores.max() / 10)
    if paid.min() < low < best:
        axes.set_ylim(bottom=low)
        axes.set_xlim(left=tried[max(int(np.argmax(paid >= low)) - 1, 0)])
    axes.yaxis.set_major_formatter(_number)
    axes.set(xlabel="threshold of the score", ylabel="mean payoff, money for each row")
    _head(axes, f"What is it worth? {len(scores):,} test rows")
    return figure


def _slices(result: Evaluation, baseline: Evaluation) -> Figure:
    """Value less the baseline's in each slice, worst at the top."""
    differences = {
        part: figure
        for (name, part), figure in result.difference(baseline).items()
        if part and name == "value"
    }
    parts = sorted(differences, key=lambda part: (differences[part].value, part))[:MOST_SLICES]
    figure, axes = _paper(1.9 + 0.32 * len(parts))
    axes.axvline(0, color=GREY, linestyle="--")
    sure = [int(differences[part].low > 0) - int(differences[part].high < 0) for part in parts]
    for sign, (colour, form, message) in FORMS.items():
        here = [place for place, found_sign in enumerate(sure) if found_sign == sign]
        shown = [differences[parts[place]] for place in here]
        axes.hlines(
            here, [f.low for f in shown], [f.high for f in shown], color=colour, linewidth=1.5
        )
        axes.plot([f.value for f in shown], here, form, color=colour, label=message)
    axes.set_yticks(
        range(len(parts)), [f"{_plain(part)} ({differences[part].n:,} rows)" for part in parts]
    )
    axes.set_ylim(len(parts) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(_number)
    axes.set(
        xlabel="value less the baseline's, money for each row; 95 % intervals for all slices "
        "together"
    )
    which = (
        f"the {len(parts)} worst of {len(differences)} slices"
        if len(differences) > len(parts)
        else "each slice"
    )
    _head(axes, f"For whom? Value less the baseline's in {which}")
    return figure


def _paper(height: float) -> tuple[Figure, Axes]:
    figure = Figure((7.2, height))
    return figure, figure.add_subplot()


def _head(axes: Axes, title: str) -> None:
    """Title and legend above the axes, where they cover nothing."""
    legend = axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    axes.set_title(title, pad=14.5 * len(legend.get_texts()) + 14, fontweight="bold")


def _number_axes(axes: Axes, which: str, values: NDArray[np.float64], rare: bool) -> None:
    """Plain numbers; where the event is rare, even steps are factors of ten, or small values lie on
    one another.
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
    """95 % interval of a share (Wilson 1927): honest for few rows and for none that are 1."""
    n, share, z = len(y), y.mean(), 1.96
    middle, half = share + z * z / 2 / n, z * np.sqrt(share * (1 - share) / n + z * z / 4 / n / n)
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def _plain(name: str) -> str:
    """A name as it can stand in XML and on an axis."""
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in name)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _svg(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(
        content, format="svg", bbox_inches="tight", metadata={"Creator": None, "Date": None}
    )
    return content.getvalue()
