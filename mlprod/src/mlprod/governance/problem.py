"""Why this exists and when it ends, as governance/problem.yaml says."""

from collections.abc import Iterator
from datetime import date
from typing import Literal

from pydantic import Field

from .check_context import Check, View
from .yaml_loader import Record

FILE = "governance/problem.yaml"
EXAMPLE = """problem: {statement: Fraudulent card payments settle before anyone looks at them.}
value: {kpi: fraud losses, unit: EUR a month, direction: down, owner: value_owner}"""


class Today(Record):
    """What is done now, what it costs and how well it works."""

    process: str = ""
    cost: str = ""
    performance: str = ""


class Source(Record):
    kind: str
    ref: str
    date: date


class Statement(Record):
    statement: str = ""
    affected: str = ""
    today: Today | None = None
    evidence: tuple[Source, ...] = ()


class Decision(Record):
    """Which decision changes, whose it is, how often it is taken, and when its outcome is known."""

    who: str = ""
    changes_what: str = ""
    how_often: str = ""
    unit: str = ""
    outcome: str = ""
    wait_until_outcome: str = ""
    out_of_scope: tuple[str, ...] = ()


class Alternative(Record):
    option: Literal["no_ml", "heuristic", "buy"]
    result: str = Field(min_length=1)
    why_not: str = Field(min_length=1)


class Value(Record):
    """`baseline` and `target` in `unit`. In the money of payoff(), in 30 days: what its sum should come to
    (`payoff_a_month`, after costs) and what running this costs (`cost_a_month`)."""

    kpi: str = ""
    unit: str = ""
    direction: Literal["up", "down"] = "up"
    baseline: float | None = None
    target: float | None = None
    by: date | None = None
    owner: str = ""
    review_every: str = ""
    payoff_a_month: float | None = None
    cost_a_month: float | None = None


class Kill(Record):
    when: str
    by: date


class Assumption(Record):
    text: str
    kind: str = ""
    impact: str = ""
    status: str = ""
    owner: str = ""
    due: date | None = None


class Problem(Record):
    problem: Statement = Statement()
    decision: Decision = Decision()
    alternatives: tuple[Alternative, ...] = ()
    value: Value = Value()
    kill_criteria: tuple[Kill, ...] = ()
    assumptions: tuple[Assumption, ...] = ()


def stated(view: View) -> Iterator[str]:
    said, decision = view.org.problem.problem, view.org.problem.decision
    for key, value in (
        ("problem.statement", said.statement),
        ("problem.affected", said.affected),
        ("problem.today", said.today and said.today.cost),
        ("decision.who", decision.who),
        ("decision.outcome", decision.outcome),
    ):
        if not value:
            yield f"{FILE}: {key} is not said"


def compared(view: View) -> Iterator[str]:
    if not view.org.problem.alternatives:
        yield f"{FILE}: alternatives: none was looked at; name one without ML, its result, and why it is not enough"


def targeted(view: View) -> Iterator[str]:
    value = view.org.problem.value
    for key in ("kpi", "unit", "baseline", "target", "payoff_a_month", "by"):
        if getattr(value, key) in ("", None):
            yield f"{FILE}: value.{key} is not said"
    if value.by and value.by < view.today:
        yield f"{FILE}: value.by: {value.by} has passed; review the value, then set the next date"
    if value.baseline is not None and value.target is not None:
        gained = value.target - value.baseline if value.direction == "up" else value.baseline - value.target
        if gained <= 0:
            yield f"{FILE}: value.target {value.target:g} is no gain over {value.baseline:g} when {value.direction}"
    if view.known(value.owner) is None:
        yield f"{FILE}: value.owner: {value.owner or 'nobody'} is no known person of ownership.yaml"


def killable(view: View) -> Iterator[str]:
    if not view.org.problem.kill_criteria:
        yield f"{FILE}: kill_criteria: none; say what would end this, and the day on which that is looked at"
    yield from overdue(view)


def overdue(view: View) -> Iterator[str]:
    for position, kill in enumerate(view.org.problem.kill_criteria):
        if kill.by < view.today:
            yield (
                f"{FILE}: kill_criteria[{position}]: {kill.by} has passed ({kill.when}): end it, or set a new day "
                "in a change that the sponsor approves"
            )


CHECKS: dict[str, Check] = {
    "problem-stated": stated,
    "non-ml-alternative": compared,
    "value-targeted": targeted,
    "kill-criteria": killable,
}
