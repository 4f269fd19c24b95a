"""The scorecard for eyes (terminal, Markdown) and for machines (JSON, Prometheus)."""

import json
from collections.abc import Iterator
from typing import Any

from ..plain_text import display, display_json
from .check_catalogue import SECTIONS, law
from .evidence import NEVER
from .markdown import cell
from .ownership import STAGES, Stage
from .readiness import AIM, CLASSIC, LEAST, WELL, Result, Scorecard

MOST = 10  # next steps
LEVELS = ("no MLOps", "tested like software", "training is automated", "deployment is automated", "it keeps itself")


def next_steps(card: Scorecard, stage: Stage) -> list[tuple[str, str, str]]:
    """(person, what to do, why) of what can be done now for a stage, what one command shows together; at most ten."""
    steps: dict[tuple[str, str], list[Result]] = {}
    for gap in sorted(card.gaps(stage), key=lambda gap: gap.entry.later):  # what can be measured comes first
        steps.setdefault((gap.person, gap.fix or gap.says[0]), []).append(gap)
    found = []
    for (person, what), gaps in steps.items():
        more = len(gaps[0].says) - 1
        others = f", and {more} more like it" if more and not gaps[0].fix else ""
        found.append((person, what + others, "; ".join(gap.entry.title for gap in gaps)))
    return sorted(found[:MOST], key=lambda step: step[0])


def terminal(card: Scorecard, stage: Stage, *, whole: bool = True) -> str:
    """What a person reads: where it stands, and who does what next; with `whole` all that is missing for the stage."""
    system, tier = card.org.ownership.system, card.org.risk.tier
    age = f" for {card.days} days" if card.days is not None else ""
    lines = [f"{system.name}: {system.stage}{age}, tier {tier}, looked at: {card.looked_at}", ""]
    for section in SECTIONS if stage != "poc" else ():
        asked = [r for r in card.results(stage) if r.entry.section == section and r.entry.demanded(stage, tier)]
        waived = sum(result.status == "waived" for result in asked)
        well = sum(result.status in WELL for result in asked) - waived
        also = f", {waived} waived" if waived else ""
        score = f"   ML Test Score {card.sum_of(section):g} of 7" if section in CLASSIC else ""
        lines.append(f"{section:15} {well:2} of {len(asked):2} for {stage}{also}{score}")
    least = f"; production needs {LEAST[tier]}"
    lines += [
        "",
        f"ML Test Score {card.score:g}, the smallest of the four{least}. MLOps maturity {card.maturity} of 4: "
        f"{LEVELS[card.maturity]}.",
    ]
    if stage != "poc" and (stage == "production" or not whole):
        lines += _below(card)
    if said := card.break_even():
        lines.append(f"Break-even: {said}; what a decision is worth is {_payoff(card)}.")
    lines += [f"WAIVED until {w.waiver.expires}: {w.entry.id}: {w.waiver.reason}" for w in _waivers(card, stage)]
    lines += [f"STOPS EVERY STAGE: {said}" for said in card.alarms]
    if card.reached(stage):
        return _lines([*lines, "", f"Every demand of {stage} is met."])
    gaps = card.gaps(stage)
    lines += ["", f"Missing for {stage}:"] if whole else []
    for gap in gaps if whole else ():
        lines.append(f"  {gap.entry.id} ({gap.status}): {gap.entry.title}. {gap.person} answers for it.")
        lines += [f"      {said}" for said in gap.says if said != NEVER]
        lines += [f"      -> {gap.fix}"] if gap.fix else []
    lines += [f"  {said}" for said in card.missing(stage) if said not in card.alarms]
    many = f"{len(gaps)} check{'s are' if len(gaps) != 1 else ' is'} missing for {stage}"
    if whole:
        return _lines([*lines, "", f"{many}. All 28 of the ML Test Score: make readiness FORMAT=markdown"])
    lines += ["", "Next, by person:"]
    lines += [f"  {person}: {what}  ({why})" for person, what, why in next_steps(card, stage)]
    return _lines([*lines, "", f"{many}; make readiness STAGE={stage} lists what is missing."])


def markdown(card: Scorecard, stage: Stage) -> str:
    """A page for a git host or a job's summary."""
    system, tier = card.org.ownership.system, card.org.risk.tier
    age = f" for {card.days} days" if card.days is not None else ""
    state = f"**Ready for {stage}.**" if card.reached(stage) else f"**Not ready for {stage}.**"
    lines = [
        f"# Readiness of {cell(system.name)}",
        "",
        f"{state} Stage: {system.stage}{age}. Tier {tier}. On {card.today}, of {card.looked_at}.",
        f"ML Test Score {card.score:g} of 7. MLOps maturity {card.maturity} of 4: {LEVELS[card.maturity]}.",
    ]
    if said := card.break_even():
        lines.append(f"Break-even: {said}; what a decision is worth is {_payoff(card)}.")
    lines += [
        f"- **Waived until {w.waiver.expires}**: {cell(w.entry.title)}. {cell(w.waiver.reason)} ({cell(w.waiver.risk)})"
        for w in _waivers(card, stage)
    ]
    lines += [
        f"- **{'Stops every stage' if said in card.alarms else 'Missing'}**: {cell(said)}"
        for said in card.missing(stage)
    ]
    if steps := next_steps(card, stage):
        lines += ["", "## Next", "", "| who | does | then it is so that |", "| --- | --- | --- |"]
        lines += [f"| {cell(person)} | {cell(what)} | {cell(why)} |" for person, what, why in steps]
    for section in SECTIONS:
        asked = [r for r in card.results(stage) if r.entry.section == section and r.entry.demanded(stage, tier)]
        if asked:
            lines += [
                "",
                f"## {section}",
                "",
                "| | check | what was found | answers for it |",
                "| --- | --- | --- | --- |",
            ]
            lines += [f"| {r.status} | {cell(r.entry.title)} | {_found(r)} | {cell(r.person)} |" for r in asked]
    lines += ["", "## ML Test Score", "", "| | test | points | why |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {point.test.id} | {cell(point.test.title)} | {point.points:g} | {cell(point.why)} |"
        for point in card.points
    ]
    for section in CLASSIC:
        if lacks := card.lacks(section):
            lines += [
                "",
                f"**{section}** has {card.sum_of(section):g}, a well-kept project {AIM}. What adds to it:",
                "",
            ]
            lines += [f"- {cell(command)}: {cell('; '.join(titles))}" for command, titles in lacks.items()]
    duties = [(duty, [r for r in card.results(stage) if duty.article in r.entry.maps_to]) for duty in law().duties]
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
        f"{', '.join(f'{r.entry.id} ({r.status})' for r in found) or 'none here'} |"
        for duty, found in duties
    ]
    return "\n".join(lines) + "\n"


def as_json(card: Scorecard, stage: Stage) -> str:
    """One document for a fleet's dashboard."""
    tier = card.org.risk.tier
    document: dict[str, Any] = {
        "system": card.org.ownership.system.name,
        "stage": card.org.ownership.system.stage,
        "days_at_stage": card.days,
        "tier": tier,
        "looked_at": card.looked_at,
        "asked_for": stage,
        "reached": {each: card.reached(each) for each in STAGES},
        "ml_test_score": {"score": card.score, **{section: card.sum_of(section) for section in CLASSIC}},
        "ml_tests": [{"id": p.test.id, "title": p.test.title, "points": p.points, "why": p.why} for p in card.points],
        "ml_test_score_lacks": {section: lacks for section in CLASSIC if (lacks := card.lacks(section))},
        "maturity": card.maturity,
        "payoff": "assumed" if card.assumed else "accepted",
        "break_even": card.break_even() or None,
        "stops_every_stage": list(card.alarms),
        "missing": list(card.missing(stage)),
        "next_steps": [{"who": who, "does": what, "why": why} for who, what, why in next_steps(card, stage)],
        "checks": [_row(result, stage, tier) for result in card.results(stage)],
    }
    return display_json(document) + "\n"


def prometheus(card: Scorecard) -> str:
    """Text for a node exporter's textfile collector, or for a push; many projects may share either."""
    system = f"system={json.dumps(card.org.ownership.system.name, ensure_ascii=False)}"
    lines = [
        "# HELP ml_readiness_checks Checks that a stage demands, by their status.",
        "# TYPE ml_readiness_checks gauge",
    ]
    for stage in STAGES[1:]:
        found = [r.status for r in card.results(stage) if r.entry.demanded(stage, card.org.risk.tier)]
        for status in (*sorted(WELL), "failed", "stale", "unmeasured"):
            label = status.replace(" ", "_")
            lines.append(f'ml_readiness_checks{{{system},stage="{stage}",status="{label}"}} {found.count(status)}')
    lines += ["# HELP ml_test_score Points of 7 (Breck et al. 2017).", "# TYPE ml_test_score gauge"]
    lines += [f'ml_test_score{{{system},section="{section.lower()}"}} {card.sum_of(section):g}' for section in CLASSIC]
    if card.days is not None:
        lines += ["# HELP ml_readiness_stage_days Days at this stage.", "# TYPE ml_readiness_stage_days gauge"]
        lines.append(f'ml_readiness_stage_days{{{system},stage="{card.org.ownership.system.stage}"}} {card.days}')
    return "\n".join(lines) + "\n"


def _row(result: Result, stage: Stage, tier: str) -> dict[str, Any]:
    entry, record = result.entry, result.record
    return {
        "id": entry.id,
        "section": entry.section,
        "title": entry.title,
        "demanded": entry.demanded(stage, tier),
        "status": result.status,
        "evidence": "declared" if entry.declared or entry.by_hand else "observed",
        "value": record.value if record else None,
        "threshold": (record.threshold if record else None) or entry.needs or None,
        "source": entry.by or "governance/",
        "run": record.run if record else None,
        "at": record.at.isoformat() if record else None,
        "valid_days": entry.valid_days,
        "says": list(result.says),
        "accountable": result.person,
        "fix": result.fix,
        "waived_until": result.waiver.expires.isoformat() if result.waiver else None,
        "maps_to": list(entry.maps_to),
    }


def _below(card: Scorecard) -> Iterator[str]:
    """The sections of the ML Test Score that are below what a well-kept project has, and what mends each."""
    for section in CLASSIC:
        if lacks := card.lacks(section):
            yield f"  {section} has {card.sum_of(section):g}, a well-kept project {AIM}. What adds to it:"
            yield from (f"    {command}  ({'; '.join(titles)})" for command, titles in lacks.items())


def _payoff(card: Scorecard) -> str:
    return "ASSUMED: its owner has not said make attest CHECK=payoff-accepted" if card.assumed else "accepted"


def _found(result: Result) -> str:
    """At most three findings in a cell, each on a line of its own."""
    more = [f"and {len(result.says) - 3} more"] if len(result.says) > 3 else []
    return "<br>".join(map(cell, (*result.says[:3], *more)))


def _waivers(card: Scorecard, stage: Stage) -> Iterator[Any]:
    return (result for result in card.results(stage) if result.waiver)


def _lines(lines: list[str]) -> str:
    """One line each: what people wrote can neither begin a line nor hide one."""
    return "\n".join(map(display, lines))
