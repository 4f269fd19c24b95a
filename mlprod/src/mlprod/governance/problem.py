"""Why this exists and when it ends, as governance/problem.yaml says."""

from datetime import date
from typing import Literal

from pydantic import Field

from .yaml_loader import StrictModel

FILE = "governance/problem.yaml"
EXAMPLE = """problem: {statement: Fraudulent card payments settle before anyone looks at them.}
value: {kpi: fraud losses, unit: EUR a month, direction: down, owner: value_owner}"""


class CurrentProcess(StrictModel):
    """What is done now, what it costs and how well it works."""

    process: str = ""
    cost: str = ""
    performance: str = ""


class Source(StrictModel):
    kind: str
    ref: str
    date: date


class Statement(StrictModel):
    statement: str = ""
    affected: str = ""
    today: CurrentProcess | None = None
    evidence: tuple[Source, ...] = ()


class Decision(StrictModel):
    """Which decision changes, whose it is, how often it is taken, and when its outcome is known."""

    who: str = ""
    changes_what: str = ""
    how_often: str = ""
    unit: str = ""
    outcome: str = ""
    wait_until_outcome: str = ""
    out_of_scope: tuple[str, ...] = ()


class Alternative(StrictModel):
    option: Literal["no_ml", "heuristic", "buy"]
    result: str = Field(min_length=1)
    why_not: str = Field(min_length=1)


class Value(StrictModel):
    """`baseline` and `target` in `unit`.

    In the money of payoff(), in 30 days: what its sum should come to (`payoff_a_month`, after
    costs) and what running this costs (`cost_a_month`).
    """

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


class KillCriterion(StrictModel):
    when: str
    by: date


class Assumption(StrictModel):
    text: str
    kind: str = ""
    impact: str = ""
    status: str = ""
    owner: str = ""
    due: date | None = None


class Problem(StrictModel):
    problem: Statement = Statement()
    decision: Decision = Decision()
    alternatives: tuple[Alternative, ...] = ()
    value: Value = Value()
    kill_criteria: tuple[KillCriterion, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
