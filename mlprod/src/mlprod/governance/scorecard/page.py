"""Scorecard as Markdown, for a git host or the summary of a job."""

from ...display.counting import count_of
from ...display.plain_text import cell
from ..check_catalogue import SECTIONS, regulation
from ..check_results import CheckResult
from ..ml_test_score import SCORE_SECTIONS, TARGET_SCORE
from ..ownership import Stage
from ..readiness import Scorecard
from .steps import LEVELS, next_steps, payoff_state, waived


def markdown(card: Scorecard, stage: Stage) -> str:
    """The scorecard as a Markdown page."""
    system, tier = card.org.ownership.system, card.org.risk.tier
    age = f" for {count_of(card.days, 'day')}" if card.days is not None else ""
    state = f"**Ready for {stage}.**" if card.reached(stage) else f"**Not ready for {stage}.**"
    lines = [
        f"# Readiness of {cell(system.name)}",
        "",
        f"{state} Stage: {system.stage}{age}. Tier {tier}.",
        f"Assessed on {card.today}: {card.assessed}.",
        f"ML Test Score {card.score:g} of 7. MLOps maturity {card.maturity} of 4: "
        f"{LEVELS[card.maturity]}.",
    ]
    if message := card.break_even():
        lines.append(f"Break-even: {message}; the payoff of a decision is {payoff_state(card)}.")
    lines += [
        f"- **Waived until {w.waiver.expires}**: {cell(w.entry.title)}. "
        f"{cell(w.waiver.reason)} ({cell(w.waiver.risk)})"
        for w in waived(card, stage)
    ]
    lines += [
        f"- **{'Blocks every stage' if text in card.alarms else 'Missing'}**: {cell(text)}"
        for text in card.missing(stage)
    ]
    if steps := next_steps(card, stage):
        lines += ["", "## Next steps", "", "| person | step | result |", "| --- | --- | --- |"]
        lines += [f"| {cell(person)} | {cell(what)} | {cell(why)} |" for person, what, why in steps]
    for section in SECTIONS:
        requested = [
            r
            for r in card.results(stage)
            if r.entry.section == section and r.entry.demanded(stage, tier)
        ]
        if requested:
            lines += [
                "",
                f"## {section}",
                "",
                "| status | check | finding | accountable person |",
                "| --- | --- | --- | --- |",
            ]
            lines += [
                f"| {r.status} | {cell(r.entry.title)} | {_findings(r)} | {cell(r.person)} |"
                for r in requested
            ]
    lines += [
        "",
        "## ML Test Score",
        "",
        "| id | test | points | reason |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {point.test.id} | {cell(point.test.title)} | {point.points:g} | {cell(point.why)} |"
        for point in card.points
    ]
    for section in SCORE_SECTIONS:
        if remedies := card.remedies(section):
            lines += [
                "",
                f"**{section}** has {card.sum_of(section):g}, a well-kept project "
                f"{TARGET_SCORE}. These commands add points:",
                "",
            ]
            lines += [
                f"- {cell(command)}: {cell('; '.join(titles))}"
                for command, titles in remedies.items()
            ]
    duties = [
        (duty, [r for r in card.results(stage) if duty.article in r.entry.maps_to])
        for duty in regulation().duties
    ]
    lines += [
        "",
        "## Law",
        "",
        regulation().caveat,
        "",
        "| article | requires that | from | checks |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {duty.article} | {duty.says} | {duty.applies_from} | "
        f"{', '.join(f'{r.entry.id} ({r.status})' for r in result) or 'none'} |"
        for duty, result in duties
    ]
    return "\n".join(lines) + "\n"


def _findings(result: CheckResult) -> str:
    """At most three findings as a cell, one on each line."""
    more = [f"and {len(result.says) - 3} more"] if len(result.says) > 3 else []
    return "<br>".join(map(cell, (*result.says[:3], *more)))
