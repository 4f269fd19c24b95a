"""Drift as a page that needs nothing from elsewhere: the worst field first, what was learnt beside
what is now.
"""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from ..atomic_write import atomic_write
from .drift import Drift
from .drift_text import SAID, DriftReportHeader, bins, sentence, short, summary

BLUE, ORANGE = (
    "#0072b2",
    "#d55e00",
)  # told apart by every eye (Okabe and Ito 2008), and by their place
BAR, LINE, SIGN = 300, 26, 7  # pixels: of the longest bar, from bin to bin, of a letter
STYLE = """body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.5rem } .small { color: #555; font-size: .9rem } .n { text-align: right }
td, th { padding: .1rem .8rem .1rem 0; text-align: left; font-weight: normal } th { color: #555 }
.drifts { border-left: 6px solid #d55e00; padding-left: 1rem }
svg { display: block; max-width: 100%; font: 12px system-ui, sans-serif }"""
HELP = """<h2>What to do</h2>
<p>A drift says that the rows are others than those that the model learnt from. It does not say that answers are wrong:
outcomes say that.</p>
<ol><li>Ask who sends the rows: was something changed, a unit, a default, a kind of customer? A mistake is mended at its
source, and no model has to learn it.</li>
<li>If the world has changed, look at quality and value on real outcomes: <code>make collect-evidence</code>.</li>
<li>Then let a model learn from newer rows: <code>make train</code>. Its gates say whether it is better.</li></ol>
<p><code>docs/drift.md</code> explains every figure; <code>docs/runbooks/data.md#featuredrift</code> and
<code>docs/runbooks/model.md#predictiondrift</code> go through it step by step.</p>"""


def page(facts: DriftReportHeader, drifts: Sequence[Drift], odd: Sequence[str] = ()) -> str:
    """The page; `odd` is what else is wrong with the rows.

    Whatever stands in data or contract is only a word on it.
    """
    worse, rest = (
        [item for item in drifts if (item.verdict == "drifts") is drifted]
        for drifted in (True, False)
    )
    title = _text(f"Drift of {facts.system}")
    parts = [
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta '
        f'charset="utf-8">\n<title>{title}</title>',
        f"<style>\n{STYLE}\n</style>\n</head>\n<body>\n<h1>{title}</h1>",
        f"<p><strong>{_text(summary(facts, drifts))}</strong> {_text(facts.note)}</p>",
        f"<p>Compared are {_text(facts.source)} with the rows that version "
        f"{_text(facts.version)} learnt from (bundle "
        f"<code>{_text(facts.bundle[:12])}</code>). Written on {_text(facts.at)} UTC.</p>",
        *(f"<p>{_text(message)}</p>" for message in odd),
        *_table(drifts),
        *(part for entry in worse for part in _section(entry)),
        *([HELP] if worse or odd else []),
        *(["<h2>The others</h2>"] if worse and rest else []),
        *(part for element in rest for part in _section(element)),
        "</body>\n</html>\n",
    ]
    return "\n".join(parts)


def write(path: Path, content: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, content.encode())


def _table(drifts: Sequence[Drift]) -> Iterator[str]:
    names = ("difference", "allowed", "missing", "then", "unknown", "then")
    heads = "".join(f'<th class="n">{name}</th>' for name in names)
    yield f"<table>\n<tr><th>field</th><th></th>{heads}</tr>"
    for item in drifts:
        reference = item.reference
        unknown = reference.shares[-1] if item.words else None
        figures = (item.gap, item.allowed, item.missing, reference.missing, item.unknown, unknown)
        cells = "".join(
            f'<td class="n">{"" if figure is None else f"{figure:.1%}"}</td>' for figure in figures
        )
        yield f"<tr><td>{_text(short(item.name))}</td><td>{SAID[item.verdict]}</td>{cells}</tr>"
    yield "</table>"


def _section(item: Drift) -> Iterator[str]:
    marked = ' class="drifts"' if item.verdict == "drifts" else ""
    yield f"<section{marked}>\n<h2>{_text(short(item.name))}: {SAID[item.verdict]}</h2>"
    yield f"<p>{_text(sentence(item))}</p>"
    if item.counted is not None and item.reference.edges:
        yield _picture(item)
    if item.index is not None:
        yield (
            f'<p class="small">Missing: {item.reference.missing:.1%} then, '
            f"{item.missing or 0:.1%} now. "
        )
        yield f"Population stability index: {item.index:.3f}, for those who use it.</p>"
    yield "</section>"


def _picture(item: Drift) -> str:
    """Two bars for each bin, what was learnt above what is now, each with its share."""
    names, reference, now = bins(item), item.reference.shares, item.shares
    left = 16 + SIGN * max(map(len, names))
    scale, wide, high = BAR / max(*reference, *now, 0.01), left + BAR + 50, LINE * len(names) + 30
    drawn = [
        f'<svg role="img" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">',
        f"<title>Shares of {_text(short(item.name))}: what the model learnt from, and now</title>",
    ]
    for message, colour, right in (("learnt from", BLUE, left), ("now", ORANGE, left + 100)):
        drawn.append(f'<rect x="{right}" y="2" width="10" height="10" fill="{colour}"/>')
        drawn.append(f'<text x="{right + 15}" y="11">{message}</text>')
    for place, name in enumerate(names):
        y = 24 + place * LINE
        drawn.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{_text(name)}</text>')
        for share, colour, down in ((reference[place], BLUE, 0), (now[place], ORANGE, 10)):
            drawn.append(
                f'<rect x="{left}" y="{y + down}" width="{share * scale:.1f}" height="9" '
                f'fill="{colour}"/>'
            )
            at = left + share * scale + 4
            drawn.append(f'<text x="{at:.1f}" y="{y + down + 8}" font-size="9">{share:.1%}</text>')
    return "\n".join([*drawn, "</svg>"])


def _text(message: str) -> str:
    return escape("".join(sign if sign.isprintable() else "\ufffd" for sign in message))
