"""The scorecard as Markdown, for a git host or a job's summary."""

from ...display.plain_text import cell
from ..check_catalogue import SECTIONS, law
from ..check_results import Result
from ..ml_test_score import SCORE_SECTIONS, TARGET_SCORE
from ..ownership import Stage
from ..readiness import Scorecard
from .steps import LEVELS, next_steps, payoff_state, waived


def markdown(card: Scorecard, stage: Stage) -> str:
    """A page for a git host or a job's summary."""
    system, tier = card.org.ownership.system, card.org.risk.tier
    age = f" for {card.days} days" if card.days is not None else ""
    state = f"**Ready for {stage}.**" if card.reached(stage) else f"**Not ready for {stage}.**"
    lines = [
        f"# Readiness of {cell(system.name)}",
        "",
        f"{state} Stage: {system.stage}{age}. Tier {tier}. On {card.today}, of {card.looked_at}.",
        f"ML Test Score {card.score:g} of 7. MLOps maturity {card.maturity} of 4: "
        f"{LEVELS[card.maturity]}.",
    ]
    if message := card.break_even():
        lines.append(f"Break-even: {message}; what a decision is worth is {payoff_state(card)}.")
    lines += [
        f"- **Waived until {w.waiver.expires}**: {cell(w.entry.title)}. "
        f"{cell(w.waiver.reason)} ({cell(w.waiver.risk)})"
        for w in waived(card, stage)
    ]
    lines += [
        f"- **{'Stops every stage' if text in card.alarms else 'Missing'}**: {cell(text)}"
        for text in card.missing(stage)
    ]
    if steps := next_steps(card, stage):
        lines += ["", "## Next", "", "| who | does | then it is so that |", "| --- | --- | --- |"]
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
                "| | check | what was found | answers for it |",
                "| --- | --- | --- | --- |",
            ]
            lines += [
                f"| {r.status} | {cell(r.entry.title)} | {_found(r)} | {cell(r.person)} |"
                for r in requested
            ]
    lines += ["", "## ML Test Score", "", "| | test | points | why |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {point.test.id} | {cell(point.test.title)} | {point.points:g} | {cell(point.why)} |"
        for point in card.points
    ]
    for section in SCORE_SECTIONS:
        if remedies := card.remedies(section):
            lines += [
                "",
                f"**{section}** has {card.sum_of(section):g}, a well-kept project "
                f"{TARGET_SCORE}. What adds to it:",
                "",
            ]
            lines += [
                f"- {cell(command)}: {cell('; '.join(titles))}"
                for command, titles in remedies.items()
            ]
    duties = [
        (duty, [r for r in card.results(stage) if duty.article in r.entry.maps_to])
        for duty in law().duties
    ]
    lines += [
        "",
        "## Law",
        "",
        law().caveat,
        "",
        "| article | asks that | from | checks |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {duty.article} | {duty.says} | {duty.applies_from} | "
        f"{', '.join(f'{r.entry.id} ({r.status})' for r in result) or 'none here'} |"
        for duty, result in duties
    ]
    return "\n".join(lines) + "\n"


def _found(result: Result) -> str:
    """At most three findings in a cell, each on a line of its own."""
    more = [f"and {len(result.says) - 3} more"] if len(result.says) > 3 else []
    return "<br>".join(map(cell, (*result.says[:3], *more)))
