"""The comparison of runs as one HTML page with pictures, for readers who do not program."""

from collections.abc import Callable, Iterator, Sequence

from ..bundle.manifest import Estimate
from ..display.html_page import BLUE, ORANGE, html_page, html_text
from .runs import TrainingRun, describe_inputs, varied_settings
from .runs_text import describe_settings, interval

GRAY = "#555555"
# Pixels: the width of the figure, the place of the names, the distance from run to run.
WIDTH, LEFT, LINE = 760, 190, 26
STYLE = """body { max-width: 72rem } main > p { max-width: 46rem }
table { border-collapse: collapse } td, th { padding: .3rem .8rem .3rem 0; vertical-align: top }
tbody tr { border-top: 1px solid #ddd } caption { text-align: left; color: #555 }
.wide { overflow-x: auto }"""
LEGEND = (
    '<p class="small">A point is the value, the line its 95 % interval. Blue: surely higher than '
    "the newest run. Orange: surely lower. Gray: no sure difference, or the newest run. The table "
    "below has the same in words.</p>"
)
HOW_TO_READ = """<h2>How to read this</h2>
<p>Each training is a <em>run</em>, also when the gates refused its model. The <em>value</em> is the
money that one case brings on average, by <code>payoff()</code>, on cases that the model did not
learn from. The interval holds the true value with 95 % confidence.</p>
<p>Two runs may differ by chance. So <em>against newest</em> compares each run with the newest one
case by case: <em>surely higher</em> and <em>surely lower</em> mean that the interval of the
difference does not contain zero.</p>
<p>Choosing the best of many runs by their test cases makes the winner look better than it is. Use
<code>make tune</code> to choose settings: it uses no test case.</p>"""


def runs_page(model: str, runs: Sequence[TrainingRun]) -> str:
    """Return the page as HTML; `runs` has at least one run, the newest first."""
    same = [run for run in runs if not run.incomparable]
    others = [run for run in runs if run.incomparable]
    parts = [
        f"<p><strong>{html_text(_summary(runs[0], same))}</strong></p>",
        "<h2>Value of each run</h2>",
        _intervals(same, "Value per case of each run", lambda run: run.value, None),
        LEGEND,
        *_differences(same),
        "<h2>All comparable runs</h2>",
        *_table(same, runs[0]),
        *_not_comparable(others, runs[0]),
        HOW_TO_READ,
    ]
    return html_page(f"Runs of {model}", parts, STYLE)


def _summary(newest: TrainingRun, same: Sequence[TrainingRun]) -> str:
    higher = sum(run.outcome == "surely higher" for run in same)
    lower = sum(run.outcome == "surely lower" for run in same)
    if len(same) == 1:
        return f"{newest.name} is the newest run. No other run has the same test rows."
    return (
        f"{newest.name} is the newest run. Of {len(same) - 1} others on the same test rows, "
        f"{higher} are surely higher and {lower} surely lower in value."
    )


def _differences(same: Sequence[TrainingRun]) -> Iterator[str]:
    compared = [run for run in same if run.difference]
    if compared:
        yield "<h2>Difference from the newest run</h2>"
        yield _intervals(
            compared, "Value of each run minus the newest run's", lambda run: run.difference, 0.0
        )


def _intervals(
    runs: Sequence[TrainingRun],
    title: str,
    figure: Callable[[TrainingRun], Estimate | None],
    line: float | None,
) -> str:
    """Draw a point with its interval for each run, and a vertical line at `line`."""
    drawn = [(run, item) for run in runs if (item := figure(run))]
    ends = [end for _, item in drawn for end in (item.low, item.high)]
    ends += [line] if line is not None else []
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    scale = (WIDTH - LEFT - 20) / ((high - low) or 1.0)
    tall = LINE * len(drawn) + 30
    described = "; ".join(f"{run.name} {interval(item)}" for run, item in drawn)
    parts = [
        f'<svg role="img" width="{WIDTH}" height="{tall}" viewBox="0 0 {WIDTH} {tall}">',
        f"<title>{html_text(title)}</title><desc>{html_text(described)}</desc>",
    ]
    for value in sorted({low, high, *([] if line is None else [line])}):
        x = LEFT + (value - low) * scale
        parts.append(f'<path d="M{x:.1f} 4V{tall - 20}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{tall - 6}" text-anchor="middle">{value:.4g}</text>')
    for place, (run, item) in enumerate(drawn):
        y = 16 + place * LINE
        color = {"surely higher": BLUE, "surely lower": ORANGE}.get(run.outcome, GRAY)
        x, left, right = (LEFT + (v - low) * scale for v in (item.value, item.low, item.high))
        parts += [
            f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{html_text(run.name)}</text>',
            f'<path d="M{left:.1f} {y}H{right:.1f}" stroke="{color}" stroke-width="2"/>',
            f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="{color}"/>',
        ]
    return "\n".join([*parts, "</svg>"])


def _table(same: Sequence[TrainingRun], newest: TrainingRun) -> Iterator[str]:
    heads = ("run", "time, UTC", "code", "version", "gates", "value", "against newest")
    names = varied_settings(same)
    yield '<div class="wide"><table>'
    yield "<caption>Newest first. Settings are those that differ between these runs.</caption>"
    listed = (*heads, "estimator", "inputs", "settings")
    cells = "".join(f'<th scope="col">{head}</th>' for head in listed)
    yield f"<thead><tr>{cells}</tr></thead>\n<tbody>"
    for run in same:
        against = "newest" if run is newest else f"{run.outcome} {interval(run.difference)}"
        texts = (
            f"{run.at:%Y-%m-%d %H:%M}",
            run.commit,
            str(run.version or "not registered"),
            run.result,
            interval(run.value),
            against,
            run.tags.get("estimator") or run.tags.get("kind", ""),
            describe_inputs(run, newest),
            describe_settings(run, names),
        )
        columns = "".join(f"<td>{html_text(text)}</td>" for text in texts)
        yield f'<tr><th scope="row">{html_text(run.name)}</th>{columns}</tr>'
    yield "</tbody></table></div>"


def _not_comparable(others: Sequence[TrainingRun], newest: TrainingRun) -> Iterator[str]:
    if not others:
        return
    yield f"<h2>Not comparable with {html_text(newest.name)}</h2>"
    yield "<p>Their values come from other rows or another payoff, so they say nothing here.</p>"
    yield "<ul>"
    for run in others:
        text = f"{run.name}, {run.at:%Y-%m-%d %H:%M}, {run.result}: {run.incomparable}"
        yield f"<li>{html_text(text)}</li>"
    yield "</ul>"
