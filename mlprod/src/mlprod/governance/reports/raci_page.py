"""Who answers for what, and which skills the work needs."""

from ...display.plain_text import cell
from ..checks.ownership import SKILL_CHECKS
from ..config import GovernanceConfig
from .text import ABSENT, people_of, person_of, stage_of, value_of, words_of


def raci(org: GovernanceConfig) -> str:
    """Who is accountable, responsible, consulted and informed, for each outcome; and which skills
    the work needs.
    """
    ownership = org.ownership
    lines = [
        "# Who answers for what",
        "",
        stage_of(org, "serving"),
        "",
        "*Accountable* is the one person who answers for an outcome. *Responsible* are "
        "those who do the work,",
        "*consulted* are asked before, *informed* are told after.",
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
        lines.append(f"| {cell(words_of(outcome.id))} | {' | '.join(cells)} |")
    lines += [
        "",
        "## People",
        "",
        "| who | address | deputy | accepted |",
        "| --- | --- | --- | --- |",
    ]
    for person in ownership.people:
        accepted = [
            f"{words_of(a.outcome)} ({a.date})" for a in ownership.accepted if a.person == person.id
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
    lines += ["", "## Who uses the answers", ""]
    lines += [
        f"- {cell(item.system)} ({item.via}), {cell(item.owner)}. Without an answer: "
        f"{value_of(item.fallback)}"
        for item in ownership.consumers
    ] or [ABSENT]
    return "\n".join([*lines, *_skills(org)])


def _skills(org: GovernanceConfig) -> list[str]:
    """Which skills are needed, who has them, and what is done where nobody has."""
    result = org.ownership.skills
    lines = [
        "",
        "## Skills",
        "",
        "Covered is what somebody has done in the last 180 days; `make readiness` looks at "
        "who ran what.",
        "",
        "| skill | who | shown by | where it is missing |",
        "| --- | --- | --- | --- |",
    ]
    for skill in result.required:
        who = ", ".join(
            f"{person_of(org, item.person)}, {item.level}" for item in result.covered.get(skill, ())
        )
        gaps = [
            f"{gap.action}: {person_of(org, gap.owner)} by {gap.due}"
            for gap in result.gaps
            if gap.skill == skill
        ]
        shown = ", ".join(SKILL_CHECKS.get(skill, ()))
        lines.append(f"| {cell(words_of(skill))} | {who or ABSENT} | {shown} | {'; '.join(gaps)} |")
    return lines
