"""Page about the problem, for the sponsor."""

from ...display.plain_text import cell
from ..config import GovernanceConfig
from ..problem import CurrentProcess, Value
from .text import ABSENT, list_of, person_of, stage_of, value_of

OPTIONS = {
    "no_ml": "Without machine learning",
    "heuristic": "A simple rule",
    "buy": "A product",
}


def problem(org: GovernanceConfig) -> str:
    """The problem on one page, for the sponsor."""
    statement, decision, value = org.problem.problem, org.problem.decision, org.problem.value
    lines = [
        "# The problem on one page",
        "",
        stage_of(org, "business_value"),
        "",
        f"**Problem.** {value_of(statement.statement)}",
        "",
        f"**People affected.** {value_of(statement.affected)}",
        "",
        f"**Process today.** {_today(statement.today)}",
        "",
        "## The decision",
        "",
        f"- Who decides: {value_of(decision.who)}",
        f"- Choices: {value_of(decision.changes_what)}",
        f"- How often: {value_of(decision.how_often)}",
        f"- Outcome: {value_of(decision.outcome)}",
        f"- Time until the outcome is known: {value_of(decision.wait_until_outcome)}",
        f"- Out of scope: {list_of(decision.out_of_scope)}",
        "",
        "## Alternatives",
        "",
        *(
            [
                f"- {OPTIONS[entry.option]}: {cell(entry.result)}. Why it is not enough: "
                f"{cell(entry.why_not)}"
                for entry in org.problem.alternatives
            ]
            or [ABSENT]
        ),
        "",
        "## Value",
        "",
        _worth(value),
        "",
        f"Accountable for the value: {person_of(org, value.owner) if value.owner else ABSENT}.",
        "",
        "## What ends the project",
        "",
        *(
            [f"- {cell(kill.when)}, checked on {kill.by}" for kill in org.problem.kill_criteria]
            or [ABSENT]
        ),
    ]
    if org.problem.assumptions:
        lines += ["", "## Assumptions", ""]
        lines += [
            f"- {cell(item.text)}. State: {value_of(item.status)}. Owner: "
            f"{person_of(org, item.owner) if item.owner else ABSENT}."
            for item in org.problem.assumptions
        ]
    return "\n".join(lines)


def _today(today: CurrentProcess | None) -> str:
    if today is None:
        return ABSENT
    return (
        f"{value_of(today.process)}. Cost: {value_of(today.cost)}. Result: "
        f"{value_of(today.performance)}."
    )


def _worth(value: Value) -> str:
    if not value.kpi:
        return ABSENT
    figures = f"{value_of(value.baseline)} today, {value_of(value.target)} by {value_of(value.by)}"
    return (
        f"{cell(value.kpi)}, in {value_of(value.unit)}: {figures}. Reviewed every "
        f"{value_of(value.review_every)}."
    )
