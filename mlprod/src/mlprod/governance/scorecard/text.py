"""The scorecard in a terminal."""

from collections.abc import Iterator

from ...display.plain_text import display
from ..check_catalogue import SECTIONS
from ..check_results import OK_STATES
from ..evidence_status import NEVER
from ..ml_test_score import MIN_SCORE_BY_TIER, SCORE_SECTIONS, TARGET_SCORE
from ..ownership import Stage
from ..readiness import Scorecard
from .steps import LEVELS, next_steps, payoff_state, waived


def terminal(card: Scorecard, stage: Stage, *, whole: bool = True) -> str:
    """What a person reads: where it stands, and who does what next; with `whole` all that is
    missing for the stage.
    """
    system, tier = card.org.ownership.system, card.org.risk.tier
    age = f" for {card.days} days" if card.days is not None else ""
    lines = [f"{system.name}: {system.stage}{age}, tier {tier}, looked at: {card.looked_at}", ""]
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
        lines.append(f"Break-even: {message}; what a decision is worth is {payoff_state(card)}.")
    lines += [
        f"WAIVED until {w.waiver.expires}: {w.entry.id}: {w.waiver.reason}"
        for w in waived(card, stage)
    ]
    lines += [f"STOPS EVERY STAGE: {text}" for text in card.alarms]
    if card.reached(stage):
        return _lines([*lines, "", f"Every demand of {stage} is met."])
    gaps = card.gaps(stage)
    lines += ["", f"Missing for {stage}:"] if whole else []
    for gap in gaps if whole else ():
        lines.append(
            f"  {gap.entry.id} ({gap.status}): {gap.entry.title}. {gap.person} answers for it."
        )
        lines += [f"      {output}" for output in gap.says if output != NEVER]
        lines += [f"      -> {gap.fix}"] if gap.fix else []
    lines += [f"  {reported}" for reported in card.missing(stage) if reported not in card.alarms]
    many = f"{len(gaps)} check{'s are' if len(gaps) != 1 else ' is'} missing for {stage}"
    if whole:
        return _lines(
            [*lines, "", f"{many}. All 28 of the ML Test Score: make readiness FORMAT=markdown"]
        )
    lines += ["", "Next, by person:"]
    lines += [f"  {person}: {what}  ({why})" for person, what, why in next_steps(card, stage)]
    return _lines([*lines, "", f"{many}; make readiness STAGE={stage} lists what is missing."])


def _below(card: Scorecard) -> Iterator[str]:
    """The sections of the ML Test Score that are below what a well-kept project has, and what mends
    each.
    """
    for section in SCORE_SECTIONS:
        if remedies := card.remedies(section):
            yield (
                f"  {section} has {card.sum_of(section):g}, a well-kept project "
                f"{TARGET_SCORE}. What adds to it:"
            )
            yield from (
                f"    {command}  ({'; '.join(titles)})" for command, titles in remedies.items()
            )


def _lines(lines: list[str]) -> str:
    """One line each: what people wrote can neither begin a line nor hide one."""
    return "\n".join(map(display, lines))
