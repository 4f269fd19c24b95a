"""Page about the accountable people, and the skills that the work needs."""

from ...display.plain_text import cell
from ..check_catalogue import catalogue
from ..checks.ownership import SKILL_CHECKS, SKILL_DAYS
from ..config import GovernanceConfig
from .text import ABSENT, people_of, person_of, spaced, stage_of, value_of

ACTIONS = {"train": "training", "hire": "a new colleague", "platform": "a platform"}
CHANNELS = {"api": "API", "batch": "batch", "event": "events"}
SKILL_NAMES = {"ml": "ML", "api": "API", "sql_and_pipelines": "SQL and pipelines"}


def raci(org: GovernanceConfig) -> str:
    """Who is accountable, responsible, consulted and informed, with teams and skills."""
    ownership = org.ownership
    lines = [
        "# Who is accountable for what",
        "",
        stage_of(org, "serving"),
        "",
        "One *accountable* person must account for each outcome. *Responsible* people do the work.",
        "*Consulted* people are asked before a change. *Informed* people hear of it afterwards.",
        "",
        "| outcome | accountable | responsible | consulted | informed |",
        "| --- | --- | --- | --- | --- |",
    ]
    for outcome in ownership.outcomes:
        roles = (outcome.responsible, outcome.consulted, outcome.informed)
        cells = [
            f"**{person_of(org, outcome.accountable)}**",
            *(people_of(org, ids) for ids in roles),
        ]
        lines.append(f"| {cell(spaced(outcome.id))} | {' | '.join(cells)} |")
    lines += [
        "",
        "## People",
        "",
        "| person | email address | deputy | has accepted |",
        "| --- | --- | --- | --- |",
    ]
    for person in ownership.people:
        accepted = [
            f"{spaced(a.outcome)} ({a.date})" for a in ownership.accepted if a.person == person.id
        ]
        deputy = person_of(org, person.deputy) if person.deputy else ABSENT
        lines.append(
            f"| {person_of(org, person.id)} | {cell(person.email)} | {deputy} | "
            f"{cell(', '.join(accepted)) or ABSENT} |"
        )
    if ownership.teams:
        lines += [
            "",
            "## Teams",
            "",
            "| team | members | channel | on call |",
            "| --- | --- | --- | --- |",
        ]
        for team in ownership.teams:
            on_call = person_of(org, team.on_call) if team.on_call else ABSENT
            lines.append(
                f"| {cell(team.id)} | {people_of(org, team.members)} | "
                f"{value_of(team.channel)} | {on_call} |"
            )
    lines += ["", "## Systems that use the decisions", ""]
    lines += [
        f"- {cell(item.system)} (by {CHANNELS[item.via]}), owned by {cell(item.owner)}. Without a "
        f"decision: {value_of(item.fallback)}"
        for item in ownership.consumers
    ] or [ABSENT]
    return "\n".join([*lines, *_skills(org)])


def _skills(org: GovernanceConfig) -> list[str]:
    """The required skills, the people who have them, and the actions for missing ones."""
    result = org.ownership.skills
    lines = [
        "",
        "## Skills",
        "",
        f"A skill counts if one of its people ran its check in the last {SKILL_DAYS} days.",
        "`make readiness` verifies this.",
        "",
        "| skill | people | shown by | action if it is missing |",
        "| --- | --- | --- | --- |",
    ]
    for skill in result.required:
        who = ", ".join(
            f"{person_of(org, item.person)}, {item.level}" for item in result.covered.get(skill, ())
        )
        gaps = [
            f"{ACTIONS[gap.action]}: {person_of(org, gap.owner)} by {gap.due}"
            for gap in result.gaps
            if gap.skill == skill
        ]
        name = SKILL_NAMES.get(skill, spaced(skill))
        lines.append(f"| {cell(name)} | {who or ABSENT} | {_shown_by(skill)} | {'; '.join(gaps)} |")
    return lines


def _shown_by(skill: str) -> str:
    """The checks that show a skill, with their commands."""
    checks = [catalogue().entry(id) for id in SKILL_CHECKS.get(skill, ())]
    return "; ".join(f"{cell(check.title)} (`{check.by}`)" for check in checks if check)
