"""The change, for the people affected."""

from ...display.plain_text import cell
from ..config import GovernanceConfig
from .text import ABSENT, list_of, stage_of, value_of


def change_plan(org: GovernanceConfig) -> str:
    """What happens to whom and when, for those who use the decisions and those who represent them."""
    plan, impact = org.change_plan, org.change_plan.workforce_impact
    lines = [
        "# The change, for the people affected",
        "",
        stage_of(org, "adoption"),
        "",
        "## Will I lose my job?",
        "",
        value_of(impact.answer),
        "",
        f"- Tasks that go: {list_of(impact.tasks_removed)}",
        f"- Tasks that come: {list_of(impact.tasks_added)}",
        f"- Looked at by {value_of(impact.reviewed_by)}; people were told on {value_of(impact.told_on)}",
        "",
        "## Who was asked",
        "",
    ]
    for group in plan.stakeholders:
        when = ", ".join(f"{item.date} ({cell(item.ref)})" for item in group.consulted) or ABSENT
        lines.append(f"- {cell(group.group)}: asked {when}. Concerns: {list_of(group.concerns)}")
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
            f"| {phase.mode} | {value_of(phase.cohort)} | {least} "
            f"| {value_of(phase.enter_if)} | {value_of(phase.roll_back_if)} |"
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
    for entry in plan.communications:
        first = " (limits first)" if entry.limits_first else ""
        cells = (
            cell(entry.audience),
            f"{cell(entry.message)}{first}",
            value_of(entry.channel),
            value_of(entry.when),
            value_of(entry.sent),
        )
        lines.append(f"| {' | '.join(cells)} |")
    for training in plan.training:
        done = f"{training.completed} of {training.intended}" if training.intended else ABSENT
        lines.append(
            f"| {cell(training.audience)} | training: {cell(training.content)} | | {value_of(training.due)} | {done} |"
        )
    return "\n".join(lines)
