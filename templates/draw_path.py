"""Draw docs/path.svg, the path from data to decision.

`make picture` runs it; a test compares the committed picture.
"""

import sys
from html import escape
from pathlib import Path

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "path.svg"
ROWS = (
    (
        "Learn",
        (
            ("data.py", "your rows"),
            ("contract", "checks every row"),
            ("baseline and model", "compared in money"),
            ("gates", "stop a weak model"),
            ("registry", "keeps the challenger"),
        ),
    ),
    (
        "Decide",
        (
            ("promotion", "a person, a reason"),
            ("readiness", "stops an early one"),
            ("champion", "loaded by every replica"),
            ("API and tables", "score each case"),
            ("decision mode", "shadow, assist, automate"),
        ),
    ),
    (
        "Watch",
        (
            ("event log", "survives a crash"),
            ("records", "outcomes, feedback"),
            ("drift, quality, payoff", "by version"),
            ("alerts", "one accountable person"),
            ("retraining", "a new challenger"),
        ),
    ),
)
WIDE, HIGH, GAP, LEFT, STEP, TOP = 158, 52, 26, 84, 104, 20
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
  .note { font-size: 11px; fill: #59636e }
  .row { font-weight: 600; text-anchor: start }
  rect { fill: #f6f8fa; stroke: #59636e }
  path { fill: none; stroke: #59636e; stroke-width: 1.5; marker-end: url(#head) }
  marker path { fill: #59636e; stroke: none; marker-end: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .note { fill: #9198a1 }
    rect { fill: #151b23; stroke: #9198a1 }
    path { stroke: #9198a1 } marker path { fill: #9198a1 }
  }
"""


def picture() -> str:
    """Return the SVG: three rows of boxes, with arrows between boxes and between rows."""
    width = LEFT + len(ROWS[0][1]) * (WIDE + GAP)
    height = TOP + len(ROWS) * STEP - (STEP - HIGH) + TOP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="The path from data to decision">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>',
    ]
    for row, (name, boxes) in enumerate(ROWS):
        top = TOP + row * STEP
        lines.append(f'<text class="row" x="8" y="{top + HIGH / 2 + 4:g}">{escape(name)}</text>')
        for place, (title, note) in enumerate(boxes):
            left = LEFT + place * (WIDE + GAP)
            middle = left + WIDE / 2
            lines += [
                f'<rect x="{left}" y="{top}" width="{WIDE}" height="{HIGH}" rx="6"/>',
                f'<text x="{middle:g}" y="{top + 22}">{escape(title)}</text>',
                f'<text class="note" x="{middle:g}" y="{top + 40}">{escape(note)}</text>',
            ]
            if place:
                lines.append(f'<path d="M{left - GAP} {top + HIGH / 2:g} H{left - 2}"/>')
        if row + 1 < len(ROWS):
            right, first = LEFT + (len(boxes) - 0.5) * (WIDE + GAP) - GAP / 2, LEFT + WIDE / 2
            turn = top + HIGH + (STEP - HIGH) / 2
            lines.append(
                f'<path d="M{right:g} {top + HIGH} V{turn:g} H{first:g} V{top + STEP - 2}"/>'
            )
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    sys.stdout.write(f"{PICTURE}\n")
