"""The governance files as pages, for people who do not read YAML. Nothing here depends on the day."""

from collections.abc import Iterable

from .check_catalogue import law
from .checks.ownership import SKILL_CHECKS
from .config import Organisation
from .markdown import cell
from .problem import Today, Value

ABSENT = "*not said yet*"


def raci(org: Organisation) -> str:
    """Who is accountable, responsible, consulted and informed, for each outcome; and which skills the work needs."""
    ownership = org.ownership
    lines = [
        "# Who answers for what",
        "",
        _stage(org, "serving"),
        "",
        "*Accountable* is the one person who answers for an outcome. *Responsible* are those who do the work,",
        "*consulted* are asked before, *informed* are told after.",
        "",
        "| outcome | accountable | responsible | consulted | informed |",
        "| --- | --- | --- | --- | --- |",
    ]
    for outcome in ownership.outcomes:
        roles = (outcome.responsible, outcome.consulted, outcome.informed)
        cells = [f"**{_who(org, outcome.accountable)}**", *(_names(org, ids) for ids in roles)]
        lines.append(f"| {cell(_words(outcome.id))} | {' | '.join(cells)} |")
    lines += ["", "## People", "", "| who | address | deputy | accepted |", "| --- | --- | --- | --- |"]
    for person in ownership.people:
        accepted = [f"{_words(a.outcome)} ({a.date})" for a in ownership.accepted if a.person == person.id]
        deputy = _who(org, person.deputy) if person.deputy else ABSENT
        lines.append(
            f"| {_who(org, person.id)} | {cell(person.email)} | {deputy} | {cell(', '.join(accepted)) or ABSENT} |"
        )
    if ownership.teams:
        lines += ["", "## Teams", "", "| team | members | channel | on call |", "| --- | --- | --- | --- |"]
        for team in ownership.teams:
            on_call = _who(org, team.on_call) if team.on_call else ABSENT
            lines.append(f"| {cell(team.id)} | {_names(org, team.members)} | {_said(team.channel)} | {on_call} |")
    lines += ["", "## Who uses the answers", ""]
    lines += [
        f"- {cell(each.system)} ({each.via}), {cell(each.owner)}. Without an answer: {_said(each.fallback)}"
        for each in ownership.consumers
    ] or [ABSENT]
    return "\n".join([*lines, *_skills(org)])


def problem(org: Organisation) -> str:
    """The problem on one page, for a sponsor."""
    said, decision, value = org.problem.problem, org.problem.decision, org.problem.value
    lines = [
        "# The problem on one page",
        "",
        _stage(org, "business_value"),
        "",
        f"**What is wrong.** {_said(said.statement)}",
        "",
        f"**Who has it.** {_said(said.affected)}",
        "",
        f"**What is done today.** {_today(said.today)}",
        "",
        "## The decision",
        "",
        f"- Who decides: {_said(decision.who)}",
        f"- What changes: {_said(decision.changes_what)}",
        f"- How often: {_said(decision.how_often)}",
        f"- What came of it: {_said(decision.outcome)}, known after {_said(decision.wait_until_outcome)}",
        f"- Not meant for: {_listed(decision.out_of_scope)}",
        "",
        "## What else could be done",
        "",
        *([f"- {_words(a.option)}: {cell(a.result)}. {cell(a.why_not)}" for a in org.problem.alternatives] or [ABSENT]),
        "",
        "## What it is worth",
        "",
        f"{_worth(value)} {_who(org, value.owner) if value.owner else ABSENT} answers for it.",
        "",
        "## What would end it",
        "",
        *([f"- {cell(kill.when)}, looked at on {kill.by}" for kill in org.problem.kill_criteria] or [ABSENT]),
    ]
    if org.problem.assumptions:
        lines += ["", "## What is assumed", ""]
        lines += [
            f"- {cell(each.text)} ({_said(each.status)}, {_said(each.owner)})" for each in org.problem.assumptions
        ]
    return "\n".join(lines)


def change_plan(org: Organisation) -> str:
    """What happens to whom and when, for those who use the decisions and those who represent them."""
    plan, impact = org.change_plan, org.change_plan.workforce_impact
    lines = [
        "# The change, for the people affected",
        "",
        _stage(org, "adoption"),
        "",
        "## Will I lose my job?",
        "",
        _said(impact.answer),
        "",
        f"- Tasks that go: {_listed(impact.tasks_removed)}",
        f"- Tasks that come: {_listed(impact.tasks_added)}",
        f"- Looked at by {_said(impact.reviewed_by)}; people were told on {_said(impact.told_on)}",
        "",
        "## Who was asked",
        "",
    ]
    for group in plan.stakeholders:
        when = ", ".join(f"{each.date} ({cell(each.ref)})" for each in group.consulted) or ABSENT
        lines.append(f"- {cell(group.group)}: asked {when}. Concerns: {_listed(group.concerns)}")
    lines += [] if plan.stakeholders else [ABSENT]
    lines += [
        "",
        "## How it comes",
        "",
        "| mode | for whom | at least | enter if | back if |",
        "| --- | --- | --- | --- | --- |",
    ]
    for phase in plan.rollout:
        least = f"{phase.min_days} days, {phase.min_cases} cases"
        lines.append(
            f"| {phase.mode} | {_said(phase.cohort)} | {least} "
            f"| {_said(phase.enter_if)} | {_said(phase.roll_back_if)} |"
        )
    lines += [
        "",
        "*Shadow*: it scores, nobody sees a decision. *Assist*: a person decides. *Automate*: a system acts.",
        "",
        "## What is said and taught",
        "",
        "| to whom | what | how | when | sent |",
        "| --- | --- | --- | --- | --- |",
    ]
    for each in plan.communications:
        first = " (limits first)" if each.limits_first else ""
        cells = (
            cell(each.audience),
            f"{cell(each.message)}{first}",
            _said(each.channel),
            _said(each.when),
            _said(each.sent),
        )
        lines.append(f"| {' | '.join(cells)} |")
    for training in plan.training:
        done = f"{training.completed} of {training.intended}" if training.intended else ABSENT
        lines.append(
            f"| {cell(training.audience)} | training: {cell(training.content)} | | {_said(training.due)} | {done} |"
        )
    return "\n".join(lines)


def _skills(org: Organisation) -> list[str]:
    """Which skills are needed, who has them, and what is done where nobody has."""
    found = org.ownership.skills
    lines = [
        "",
        "## Skills",
        "",
        "Covered is what somebody has done in the last 180 days; `make readiness` looks at who ran what.",
        "",
        "| skill | who | shown by | where it is missing |",
        "| --- | --- | --- | --- |",
    ]
    for skill in found.required:
        who = ", ".join(f"{_who(org, each.person)}, {each.level}" for each in found.covered.get(skill, ()))
        gaps = [f"{gap.action}: {_who(org, gap.owner)} by {gap.due}" for gap in found.gaps if gap.skill == skill]
        shown = ", ".join(SKILL_CHECKS.get(skill, ()))
        lines.append(f"| {cell(_words(skill))} | {who or ABSENT} | {shown} | {'; '.join(gaps)} |")
    return lines


def risks(org: Organisation) -> str:
    """What may go wrong, who may stop it, and how long what is kept."""
    risk = org.risk
    answers, found, logging = risk.tier_questions, risk.classification, risk.logging
    lines = [
        "# Risks and oversight",
        "",
        _stage(org, "security_and_compliance"),
        "",
        f"Tier **{risk.tier}**. About people: {_yes(answers.about_people)}; "
        f"personal data: {_yes(answers.personal_data)}; acts without review: {_yes(answers.acts_without_review)}.",
        f"Class under the EU AI Act: {found.eu_ai_act if found else ABSENT}. Why: {_said(found and found.why)}.",
        "",
        "| what may happen | likely | bad | what is done | whose | looked at again |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for each in risk.risks:
        owner = _who(org, each.owner) if each.owner else ABSENT
        lines.append(
            f"| {cell(each.harm)} | {each.likelihood} | {each.impact} | {_said(each.mitigation)} | {owner} | "
            f"{_said(each.review_by)} |"
        )
    lines += [
        "",
        "## Who may stop it",
        "",
        f'{_names(org, risk.oversight.stop)}. The stop is `make mode MODE=shadow WHY="..."` or `POST /v1/mode`.',
        f"Able to judge its answers: {_names(org, risk.oversight.competent_people)}.",
        "",
        f"Logs are kept for {_said(logging.retention_days)} days.",
        f"Personal data in them: {_said(logging.personal_data)}.",
        "",
        "## Which law asks for what",
        "",
        law().caveat,
        "",
        *(f"- {duty.article}, from {duty.applies_from}: {duty.says}" for duty in law().duties),
    ]
    return "\n".join(lines)


def _stage(org: Organisation, outcome: str) -> str:
    """Where this stands, and whom to ask."""
    system, person = org.ownership.system, org.ownership.answers_for(outcome)
    state = {"poc": "an experiment: nothing is decided yet", "pilot": "a pilot", "production": "in production"}
    return f"{cell(system.name)} is {state[system.stage]}. Ask {_who(org, person.id) if person else ABSENT}."


def _today(today: Today | None) -> str:
    if today is None:
        return ABSENT
    return f"{_said(today.process)}. Cost: {_said(today.cost)}. Result: {_said(today.performance)}."


def _worth(value: Value) -> str:
    if not value.kpi:
        return f"{ABSENT}."
    figures = f"{_said(value.baseline)} today, {_said(value.target)} by {_said(value.by)}"
    return f"{cell(value.kpi)}, in {_said(value.unit)}: {figures}, looked at every {_said(value.review_every)}."


def _who(org: Organisation, id: str) -> str:
    person = org.ownership.person(id)
    return f"{cell(person.name)} ({cell(id)})" if person else cell(id)


def _names(org: Organisation, ids: Iterable[str]) -> str:
    return ", ".join(_who(org, id) for id in ids) or ABSENT


def _said(value: object) -> str:
    return ABSENT if value in (None, "") else cell(f"{value:.15g}" if isinstance(value, float) else value)


def _listed(values: Iterable[str]) -> str:
    return "; ".join(map(cell, values)) or ABSENT


def _words(id: str) -> str:
    return id.replace("_", " ")


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"
