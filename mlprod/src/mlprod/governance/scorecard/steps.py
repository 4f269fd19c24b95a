"""Parts of every format of the scorecard: next steps, maturity level, waivers."""

from collections.abc import Iterator
from typing import Any

from ..check_results import CheckResult
from ..ownership import Stage
from ..readiness import Scorecard

MAX_STEPS = 10
LEVELS = (
    "no MLOps",
    "tested like software",
    "training is automated",
    "deployment is automated",
    "operations are automated",
)


def next_steps(card: Scorecard, stage: Stage) -> list[tuple[str, str, str]]:
    """(person, what to do, titles of the checks) for the gaps of a stage, at most ten.

    Gaps that one command closes are one step.
    """
    steps: dict[tuple[str, str], list[CheckResult]] = {}
    # Checks that no command measures yet come last.
    for gap in sorted(card.gaps(stage), key=lambda gap: gap.entry.later):
        steps.setdefault((gap.person, gap.fix or gap.says[0]), []).append(gap)
    result = []
    for (person, what), gaps in steps.items():
        more = len(gaps[0].says) - 1
        others = f", and {more} more like it" if more and not gaps[0].fix else ""
        result.append((person, what + others, "; ".join(gap.entry.title for gap in gaps)))
    return sorted(result[:MAX_STEPS], key=lambda step: step[0])


def payoff_state(card: Scorecard) -> str:
    """Whether the owner of the value accepted the payoffs."""
    return (
        "ASSUMED until its owner runs make attest CHECK=payoff-accepted"
        if card.assumed
        else "accepted"
    )


def waived(card: Scorecard, stage: Stage) -> Iterator[Any]:
    """The results with a waiver."""
    return (result for result in card.results(stage) if result.waiver)
