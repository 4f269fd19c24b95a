"""Drift in sentences, for people who have never heard of a distribution."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..contract.dates import date_of, text_of
from .drift import MIN_DRIFT_ROWS, Drift, DriftVerdict
from .drift_counts import CLASS, SCORE

MAX_TEXT_LENGTH = 60  # characters
MAX_FIELDS_NAMED = 5  # in a sentence
# The names of score and class in a sentence.
SUBJECTS = {SCORE: "the score", CLASS: "the share of the classes"}
VERDICT_TEXT: dict[DriftVerdict, str] = {
    "drifts": "drifts",
    "steady": "no drift",
    "too few rows": "too few rows",
    "not recorded": "not recorded",
    "not compared": "not compared",
}


@dataclass(frozen=True)
class DriftReportHeader:
    """What was compared: `rows` rows of `source` with the training data of a version.

    `note` holds a caveat about the rows.
    """

    system: str
    source: str
    rows: int
    version: str
    bundle: str
    at: str
    note: str = ""


def drift_summary(header: DriftReportHeader, drifts: Sequence[Drift]) -> str:
    """Return the result in one sentence."""
    drifted = [
        SUBJECTS.get(item.name) or short_text(item.name)
        for item in drifts
        if item.verdict == "drifts"
    ]
    if drifted:
        message = (
            f"{_listed(drifted)} {'has' if len(drifted) == 1 else 'have'} drifted "
            f"({header.rows:,} rows compared)."
        )
        return message[0].upper() + message[1:] if drifted[0] in SUBJECTS.values() else message
    if header.rows < MIN_DRIFT_ROWS:
        return f"{header.rows:,} rows are too few to rule out drift."
    return f"No field has drifted ({header.rows:,} rows compared)."


def describe_drift(item: Drift) -> str:
    """Return what changed in a field, in one or two sentences."""
    if item.counted is None:
        return "The records do not hold its values, so they cannot be compared here."
    if item.gap is None or item.allowed is None:
        return (
            f"{item.missing or 0:.1%} of the rows have no value; in the training data it was "
            f"{item.reference.missing:.1%}."
        )
    edges, reference, now = item.reference.edges, item.reference.shares, item.shares
    if item.is_category:
        place = max(range(len(now)), key=lambda k: abs(now[k] - reference[k]))
        category = (
            f"“{short_text(edges[place])}”"
            if place < len(edges)
            else "Categories that the model does not know"
        )
        message = f"{category}: {reference[place]:.1%} of the training data, {now[place]:.1%} now."
    else:
        place = next(k for k, edge in enumerate(edges) if edge == item.at)
        what = "scores" if item.name == SCORE else "values"
        message = (
            f"{sum(reference[: place + 1]):.1%} of the {what} in the training data were "
            f"{_edge(item, item.at)} or {'before' if item.reference.kind else 'less'}; now it is "
            f"{sum(now[: place + 1]):.1%}."
        )
    relation = "above" if item.verdict == "drifts" else "not above"
    return (
        f"{message} The largest difference is {item.gap:.1%}, {relation} the limit of "
        f"{item.allowed:.1%}."
    )


def terminal_lines(header: DriftReportHeader, drifts: Sequence[Drift]) -> Iterator[str]:
    """Yield the lines of the terminal report, the largest drift first."""
    yield (
        f"Compares {header.source} with the training data of version {header.version} (bundle "
        f"{header.bundle[:12]})"
    )
    yield from [header.note] if header.note else []
    width = max((len(short_text(item.name)) for item in drifts), default=5)
    yield (
        f"{'field':{width}}  {'':12}  difference    limit    PSI  missing  (training)  unknown  "
        f"(training)"
    )
    for item in drifts:
        figures = (
            f"{_share(item.gap, 10)}  {_share(item.allowed, 7)}  {_plain(item.index)}  "
            f"{_share(item.missing, 7)}  "
        )
        figures += f"{_share(item.reference.missing, 10)}  {_share(item.unknown, 7)}  "
        figures += _share(item.reference.shares[-1] if item.is_category else None, 10)
        verdict = VERDICT_TEXT[item.verdict]
        yield f"{short_text(item.name):{width}}  {verdict:12}  {figures}".rstrip()
    yield drift_summary(header, drifts)


def bin_labels(item: Drift) -> list[str]:
    """Return the label of each bin."""
    edges = item.reference.edges
    if item.is_category:
        return [*(short_text(edge) for edge in edges), "(unknown categories)"]
    return (
        [
            *(f"up to {_edge(item, edge)}" for edge in edges),
            f"{'after' if item.reference.kind else 'above'} {_edge(item, edges[-1])}",
        ]
        if edges
        else []
    )


def short_text(value: object) -> str:
    """Return a text or a number that fits on one line, without control characters."""
    text = _number(value) if isinstance(value, float) else str(value)
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
    return shown if len(shown) <= MAX_TEXT_LENGTH else shown[: MAX_TEXT_LENGTH - 1] + "…"


def _edge(item: Drift, edge: float | str | None) -> str:
    """Return an edge as a date where the field is one."""
    kind = item.reference.kind
    return short_text(text_of(date_of(kind, edge)) if kind and isinstance(edge, float) else edge)


def _number(value: float) -> str:
    """Return four significant digits, without an exponent where the number stays short."""
    if 1e-8 < abs(value) < 1e-4:
        return f"{value:.{3 - math.floor(math.log10(abs(value)))}f}"
    return (
        f"{value:,.4g}"
        if abs(value) < 1_000
        else f"{value:,.0f}"
        if abs(value) < 1e12
        else f"{value:.4g}"
    )


def _listed(names: Sequence[str]) -> str:
    shown = [
        *names[:MAX_FIELDS_NAMED],
        *([f"{len(names) - MAX_FIELDS_NAMED} more"] if len(names) > MAX_FIELDS_NAMED else []),
    ]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _share(figure: float | None, wide: int) -> str:
    return f"{'' if figure is None else f'{figure:.1%}':>{wide}}"


def _plain(figure: float | None) -> str:
    return f"{'' if figure is None else f'{figure:.3f}':>5}"
