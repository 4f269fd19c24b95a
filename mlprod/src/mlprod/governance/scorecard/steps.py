"""What every form of the scorecard shows: the next steps, the level, what is waived."""

from collections.abc import Iterator
from typing import Any

from ..check_results import Result
from ..ownership import Stage
from ..readiness import Scorecard

MOST = 10  # next steps
LEVELS = (
    "no MLOps",
    "tested like software",
    "training is automated",
    "deployment is automated",
    "it keeps itself",
)


def next_steps(card: Scorecard, stage: Stage) -> list[tuple[str, str, str]]:
    """(person, what to do, why) of what can be done now for a stage, what one command shows
    together; at most ten.
    """
    steps: dict[tuple[str, str], list[Result]] = {}
    for gap in sorted(
        card.gaps(stage), key=lambda gap: gap.entry.later
    ):  # what can be measured comes first
        steps.setdefault((gap.person, gap.fix or gap.says[0]), []).append(gap)
    result = []
    for (person, what), gaps in steps.items():
        more = len(gaps[0].says) - 1
        others = f", and {more} more like it" if more and not gaps[0].fix else ""
        result.append((person, what + others, "; ".join(gap.entry.title for gap in gaps)))
    return sorted(result[:MOST], key=lambda step: step[0])


def payoff_state(card: Scorecard) -> str:
    return (
        "ASSUMED: its owner has not said make attest CHECK=payoff-accepted"
        if card.assumed
        else "accepted"
    )


def waived(card: Scorecard, stage: Stage) -> Iterator[Any]:
    return (result for result in card.results(stage) if result.waiver)
