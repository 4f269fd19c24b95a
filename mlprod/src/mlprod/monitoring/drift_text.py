"""Drift in sentences, for people who have never heard of a distribution."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .drift import FEWEST_ROWS, Drift, Verdict
from .drift_counts import SCORE

LONGEST = 60  # characters of a word
MOST = 5  # fields named in a sentence
SAID: dict[Verdict, str] = {
    "drifts": "drifts",
    "steady": "as learnt",
    "too few rows": "too few rows to say",
    "not recorded": "not recorded",
    "not compared": "not compared",
}


@dataclass(frozen=True)
class DriftReportHeader:
    """What was compared: `rows` of `source`, beside what a version learnt from.

    `note`: what to bear in mind.
    """

    system: str
    source: str
    rows: int
    version: str
    bundle: str
    at: str
    note: str = ""


def summary(facts: DriftReportHeader, drifts: Sequence[Drift]) -> str:
    """One sentence."""
    worse = [
        "the score" if item.name == SCORE else short(item.name)
        for item in drifts
        if item.verdict == "drifts"
    ]
    if worse:
        message = (
            f"{_listed(worse)} {'has' if len(worse) == 1 else 'have'} drifted, by "
            f"{facts.rows:,} rows."
        )
        return message[0].upper() + message[1:] if worse[0] == "the score" else message
    if facts.rows < FEWEST_ROWS:
        return f"{facts.rows:,} rows are too few to say that nothing has drifted."
    return f"Nothing has drifted, by {facts.rows:,} rows."


def sentence(each: Drift) -> str:
    """What happened to a field."""
    if each.counted is None:
        return "Its values are not kept with the predictions, so they cannot be compared here."
    if each.gap is None or each.allowed is None:
        return (
            f"{each.missing or 0:.1%} of the rows have no value; {each.reference.missing:.1%} "
            f"had none."
        )
    edges, reference, now = each.reference.edges, each.reference.shares, each.shares
    if each.words:
        place = max(range(len(now)), key=lambda k: abs(now[k] - reference[k]))
        word = (
            f"“{short(edges[place])}”"
            if place < len(edges)
            else "Words that the model does not know"
        )
        message = (
            f"{word}: {reference[place]:.1%} of the rows that the model learnt from, "
            f"{now[place]:.1%} now."
        )
    else:
        place = next(k for k, edge in enumerate(edges) if edge == each.at)
        what = "scores" if each.name == SCORE else "values"
        message = (
            f"{sum(reference[: place + 1]):.1%} of the {what} that the model learnt from were "
            f"{short(each.at)} or less; "
        )
        message += f"{sum(now[: place + 1]):.1%} are now."
    more = "more" if each.verdict == "drifts" else "not more"
    return (
        f"{message} The largest difference is {each.gap:.1%}, {more} than the "
        f"{each.allowed:.1%} that are allowed."
    )


def lines(facts: DriftReportHeader, drifts: Sequence[Drift]) -> Iterator[str]:
    """For a terminal, the worst first."""
    yield (
        f"{facts.source}, beside what version {facts.version} learnt from (bundle "
        f"{facts.bundle[:12]})"
    )
    yield from [facts.note] if facts.note else []
    wide = max((len(short(entry.name)) for entry in drifts), default=5)
    yield f"{'field':{wide}}  {'':19}  difference  allowed    PSI  missing  (then)  unknown  (then)"
    for item in drifts:
        figures = (
            f"{_share(item.gap, 10)}  {_share(item.allowed, 7)}  {_plain(item.index)}  "
            f"{_share(item.missing, 7)}  "
        )
        figures += f"{_share(item.reference.missing, 6)}  {_share(item.unknown, 7)}  "
        figures += _share(item.reference.shares[-1] if item.words else None, 6)
        yield f"{short(item.name):{wide}}  {SAID[item.verdict]:19}  {figures}".rstrip()
    yield summary(facts, drifts)


def bins(each: Drift) -> list[str]:
    """What each bin is called."""
    edges = each.reference.edges
    if each.words:
        return [*(short(edge) for edge in edges), "(unknown words)"]
    return (
        [*(f"up to {short(edge)}" for edge in edges), f"above {short(edges[-1])}"] if edges else []
    )


def short(said: object) -> str:
    """A word or a number as it can stand in a line, whatever it holds."""
    word = _number(said) if isinstance(said, float) else str(said)
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in word)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _number(message: float) -> str:
    """Four digits that count, without an exponent where that is short."""
    if 1e-8 < abs(message) < 1e-4:
        return f"{message:.{3 - math.floor(math.log10(abs(message)))}f}"
    return (
        f"{message:,.4g}"
        if abs(message) < 1_000
        else f"{message:,.0f}"
        if abs(message) < 1e12
        else f"{message:.4g}"
    )


def _listed(names: Sequence[str]) -> str:
    shown = [*names[:MOST], *([f"{len(names) - MOST} more"] if len(names) > MOST else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _share(figure: float | None, wide: int) -> str:
    return f"{'' if figure is None else f'{figure:.1%}':>{wide}}"


def _plain(figure: float | None) -> str:
    return f"{'' if figure is None else f'{figure:.3f}':>5}"
