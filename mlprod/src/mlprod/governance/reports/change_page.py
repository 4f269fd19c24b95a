"""Page about the change, for the people affected."""

from ...display.plain_text import cell
from ..config import GovernanceConfig
from .text import ABSENT, list_of, stage_of, value_of


def change_plan(org: GovernanceConfig) -> str:
    """Page about the change, for the users of the decisions and their representatives."""
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
        f"- Tasks that end: {list_of(impact.tasks_removed)}",
        f"- New tasks: {list_of(impact.tasks_added)}",
        f"- Reviewed by: {value_of(impact.reviewed_by)}",
        f"- Day on which the people were informed: {value_of(impact.informed_on)}",
        "",
        "## Who was consulted",
        "",
    ]
    for group in plan.stakeholders:
        when = ", ".join(f"{item.date} ({cell(item.ref)})" for item in group.consulted) or ABSENT
        lines.append(
            f"- {cell(group.group)}: consulted on {when}. Concerns: {list_of(group.concerns)}"
        )
    lines += [] if plan.stakeholders else [ABSENT]
    lines += [
        "",
        "## Steps of the rollout",
        "",
        "| mode | for whom | at least | starts if | goes back if |",
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
        "In *shadow* mode the system scores cases, and nobody sees a decision.",
        "In *assist* mode a person decides. In *automate* mode a system acts.",
        "",
        "## Messages and training",
        "",
        "| for whom | content | channel | planned for | done |",
        "| --- | --- | --- | --- | --- |",
    ]
    for entry in plan.communications:
        first = " (begins with the limits)" if entry.limits_first else ""
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
            f"| {cell(training.audience)} | training: {cell(training.content)} | "
            f"| {value_of(training.due)} | {done} |"
        )
    return "\n".join(lines)
