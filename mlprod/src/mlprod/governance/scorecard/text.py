"""Scorecard for a terminal."""

from collections.abc import Iterator

from ...display.counting import count_of
from ...display.plain_text import display
from ..check_catalogue import SECTIONS
from ..check_results import OK_STATES
from ..evidence_status import NO_EVIDENCE
from ..ml_test_score import MIN_SCORE_BY_TIER, SCORE_SECTIONS, TARGET_SCORE
from ..ownership import Stage
from ..readiness import Scorecard
from .steps import LEVELS, next_steps, payoff_state, waived


def terminal(card: Scorecard, stage: Stage, *, whole: bool = True) -> str:
    """The scorecard as lines of text: the state and the next steps by person.

    With `whole` it lists everything that is missing for the stage instead of the next steps.
    """
    system, tier = card.org.ownership.system, card.org.risk.tier
    age = f" for {count_of(card.days, 'day')}" if card.days is not None else ""
    lines = [f"{system.name}: {system.stage}{age}, tier {tier}, assessed: {card.assessed}", ""]
    for section in SECTIONS if stage != "poc" else ():
        requested = [
            r
            for r in card.results(stage)
            if r.entry.section == section and r.entry.demanded(stage, tier)
        ]
        excused = sum(result.status == "waived" for result in requested)
        well = sum(result.status in OK_STATES for result in requested) - excused
        also = f", {excused} waived" if excused else ""
        score = (
            f"   ML Test Score {card.sum_of(section):g} of 7" if section in SCORE_SECTIONS else ""
        )
        lines.append(f"{section:15} {well:2} of {len(requested):2} for {stage}{also}{score}")
    least = f"; production needs {MIN_SCORE_BY_TIER[tier]}"
    lines += [
        "",
        f"ML Test Score {card.score:g}, the smallest of the four{least}. MLOps maturity "
        f"{card.maturity} of 4: "
        f"{LEVELS[card.maturity]}.",
    ]
    if stage != "poc" and (stage == "production" or not whole):
        lines += _below(card)
    if message := card.break_even():
        lines.append(f"Break-even: {message}; the payoff of a decision is {payoff_state(card)}.")
    lines += [
        f"WAIVED until {w.waiver.expires}: {w.entry.id}: {w.waiver.reason}"
        for w in waived(card, stage)
    ]
    lines += [f"BLOCKS EVERY STAGE: {text}" for text in card.alarms]
    if card.reached(stage):
        return _lines([*lines, "", f"Every requirement of {stage} is met."])
    gaps = card.gaps(stage)
    lines += ["", f"Missing for {stage}:"] if whole else []
    for gap in gaps if whole else ():
        lines.append(
            f"  {gap.entry.id} ({gap.status}): {gap.entry.title}. {gap.person} is accountable."
        )
        lines += [f"      {output}" for output in gap.says if output != NO_EVIDENCE]
        lines += [f"      -> {gap.fix}"] if gap.fix else []
    lines += [f"  {reported}" for reported in card.missing(stage) if reported not in card.alarms]
    many = f"{len(gaps)} check{'s are' if len(gaps) != 1 else ' is'} missing for {stage}"
    if whole:
        return _lines(
            [
                *lines,
                "",
                f"{many}. All 28 tests of the ML Test Score: make readiness FORMAT=markdown",
            ]
        )
    lines += ["", "Next, by person:"]
    lines += [f"  {person}: {what}  ({why})" for person, what, why in next_steps(card, stage)]
    return _lines([*lines, "", f"{many}; make readiness STAGE={stage} lists what is missing."])


def _below(card: Scorecard) -> Iterator[str]:
    """Lines for the sections of the ML Test Score below the target, with the commands that help."""
    for section in SCORE_SECTIONS:
        if remedies := card.remedies(section):
            yield (
                f"  {section} has {card.sum_of(section):g}, a well-kept project "
                f"{TARGET_SCORE}. These commands add points:"
            )
            yield from (
                f"    {command}  ({'; '.join(titles)})" for command, titles in remedies.items()
            )


def _lines(lines: list[str]) -> str:
    """Join lines. Text of people can neither begin a line nor hide one."""
    return "\n".join(map(display, lines))
