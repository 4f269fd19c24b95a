"""The problem on one page."""

from ...display.plain_text import cell
from ..config import GovernanceConfig
from ..problem import CurrentProcess, Value
from .text import ABSENT, list_of, person_of, stage_of, value_of, words_of


def problem(org: GovernanceConfig) -> str:
    """The problem on one page, for a sponsor."""
    message, decision, value = org.problem.problem, org.problem.decision, org.problem.value
    others = org.problem.alternatives
    lines = [
        "# The problem on one page",
        "",
        stage_of(org, "business_value"),
        "",
        f"**What is wrong.** {value_of(message.statement)}",
        "",
        f"**Who has it.** {value_of(message.affected)}",
        "",
        f"**What is done today.** {_today(message.today)}",
        "",
        "## The decision",
        "",
        f"- Who decides: {value_of(decision.who)}",
        f"- What changes: {value_of(decision.changes_what)}",
        f"- How often: {value_of(decision.how_often)}",
        f"- What came of it: {value_of(decision.outcome)}, known after "
        f"{value_of(decision.wait_until_outcome)}",
        f"- Not meant for: {list_of(decision.out_of_scope)}",
        "",
        "## What else could be done",
        "",
        *(
            [
                f"- {words_of(entry.option)}: {cell(entry.result)}. {cell(entry.why_not)}"
                for entry in others
            ]
            or [ABSENT]
        ),
        "",
        "## What it is worth",
        "",
        f"{_worth(value)} {person_of(org, value.owner) if value.owner else ABSENT} answers for it.",
        "",
        "## What would end it",
        "",
        *(
            [f"- {cell(kill.when)}, looked at on {kill.by}" for kill in org.problem.kill_criteria]
            or [ABSENT]
        ),
    ]
    if org.problem.assumptions:
        lines += ["", "## What is assumed", ""]
        lines += [
            f"- {cell(item.text)} ({value_of(item.status)}, {value_of(item.owner)})"
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
        return f"{ABSENT}."
    figures = f"{value_of(value.baseline)} today, {value_of(value.target)} by {value_of(value.by)}"
    return (
        f"{cell(value.kpi)}, in {value_of(value.unit)}: {figures}, looked at every "
        f"{value_of(value.review_every)}."
    )
