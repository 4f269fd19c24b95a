"""The drift report: one HTML page without external files, the largest drift first."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..atomic_write import atomic_write
from ..display.html_page import BLUE, ORANGE, html_page, html_text
from .drift import Drift
from .drift_text import (
    VERDICT_TEXT,
    DriftReportHeader,
    bin_labels,
    describe_drift,
    drift_summary,
    short_text,
)

# Pixels: the longest bar, the distance from bin to bin, the width of a letter.
BAR, LINE, SIGN = 300, 26, 7
STYLE = ".drifts { border-left: 6px solid #d55e00; padding-left: 1rem }"
HELP = """<h2>What to do</h2>
<p>Drift means that recent data differs from the data that the model was trained on. It does not
mean that the predictions are wrong. Only the real outcomes can show that.</p>
<ol><li>Contact the team that sends the data. Did it change a unit, a default value or the kind of
customers? If it is a mistake, fix it at its source; do not train a model on it.</li>
<li>If the world has changed, check quality and payoff on real outcomes:
<code>make collect-evidence</code>.</li>
<li>Then train a model on newer data: <code>make train</code>. Its gates decide whether the new
model is better.</li></ol>
<p><code>docs/drift.md</code> explains every figure.
<code>docs/runbooks/data.md#featuredrift</code> and
<code>docs/runbooks/model.md#predictiondrift</code> describe each step.</p>"""


def drift_page(
    header: DriftReportHeader, drifts: Sequence[Drift], anomalies: Sequence[str] = ()
) -> str:
    """Return the page as HTML.

    `anomalies` are messages about missing values and unknown categories. Text from the data or the
    contract is escaped, so it cannot become markup.
    """
    drifted, others = (
        [item for item in drifts if (item.verdict == "drifts") is drifts_now]
        for drifts_now in (True, False)
    )
    parts = [
        f"<p><strong>{html_text(drift_summary(header, drifts))}</strong> "
        f"{html_text(header.note)}</p>",
        f"<p>This page compares {html_text(header.source)} with the training data of version "
        f"{html_text(header.version)} (bundle <code>{html_text(header.bundle[:12])}</code>). "
        f"It was written on {html_text(header.at)} UTC.</p>",
        *(f"<p>{html_text(message)}</p>" for message in anomalies),
        *_table(drifts),
        *(part for item in drifted for part in _section(item)),
        *([HELP] if drifted or anomalies else []),
        *(["<h2>Other fields</h2>"] if drifted and others else []),
        *(part for item in others for part in _section(item)),
    ]
    return html_page(f"Drift of {header.system}", parts, STYLE)


def write_page(path: Path, content: str) -> None:
    """Write the page; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, content.encode())


def _table(drifts: Sequence[Drift]) -> Iterator[str]:
    names = ("difference", "limit", "missing", "in training", "unknown", "in training")
    heads = "".join(f'<th class="n">{name}</th>' for name in names)
    yield f"<table>\n<tr><th>field</th><th></th>{heads}</tr>"
    for item in drifts:
        reference = item.reference
        unknown = reference.shares[-1] if item.is_category else None
        figures = (item.gap, item.allowed, item.missing, reference.missing, item.unknown, unknown)
        cells = "".join(
            f'<td class="n">{"" if figure is None else f"{figure:.1%}"}</td>' for figure in figures
        )
        name, verdict = html_text(short_text(item.name)), VERDICT_TEXT[item.verdict]
        yield f"<tr><td>{name}</td><td>{verdict}</td>{cells}</tr>"
    yield "</table>"


def _section(item: Drift) -> Iterator[str]:
    marked = ' class="drifts"' if item.verdict == "drifts" else ""
    name, verdict = html_text(short_text(item.name)), VERDICT_TEXT[item.verdict]
    yield f"<section{marked}>\n<h2>{name}: {verdict}</h2>"
    yield f"<p>{html_text(describe_drift(item))}</p>"
    if item.counted is not None and item.reference.edges:
        yield _bar_chart(item)
    if item.index is not None:
        yield (
            f'<p class="small">Missing values: {item.reference.missing:.1%} in the training data, '
            f"{item.missing or 0:.1%} now. "
        )
        yield f"Population stability index: {item.index:.3f} (no alert uses it).</p>"
    yield "</section>"


def _bar_chart(item: Drift) -> str:
    """Draw two bars for each bin, the training data above the recent rows, each with its share."""
    names, reference, now = bin_labels(item), item.reference.shares, item.shares
    left = 16 + SIGN * max(map(len, names))
    scale, wide, high = BAR / max(*reference, *now, 0.01), left + BAR + 50, LINE * len(names) + 30
    drawn = [
        f'<svg role="img" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">',
        f"<title>Shares of {html_text(short_text(item.name))}: training data and now</title>",
    ]
    for legend, color, right in (("training data", BLUE, left), ("now", ORANGE, left + 120)):
        drawn.append(f'<rect x="{right}" y="2" width="10" height="10" fill="{color}"/>')
        drawn.append(f'<text x="{right + 15}" y="11">{legend}</text>')
    for place, name in enumerate(names):
        y = 24 + place * LINE
        drawn.append(
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{html_text(name)}</text>'
        )
        for share, color, down in ((reference[place], BLUE, 0), (now[place], ORANGE, 10)):
            drawn.append(
                f'<rect x="{left}" y="{y + down}" width="{share * scale:.1f}" height="9" '
                f'fill="{color}"/>'
            )
            at = left + share * scale + 4
            drawn.append(f'<text x="{at:.1f}" y="{y + down + 8}" font-size="9">{share:.1%}</text>')
    return "\n".join([*drawn, "</svg>"])
