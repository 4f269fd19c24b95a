"""Problem and value of the system, and its kill criteria: governance/problem.yaml."""

import datetime as dt
from typing import Literal

from pydantic import Field

from .yaml_loader import StrictModel

FILE = "governance/problem.yaml"
EXAMPLE = """problem:
  statement: Fraudulent card payments settle before anyone looks at them.
value:
  kpi: fraud losses
  unit: EUR a month
  direction: down
  owner: value_owner"""


class CurrentProcess(StrictModel):
    """The process of today."""

    process: str = Field(default="", description="What people or systems do today.")
    cost: str = Field(default="", description="What the problem costs today.")
    performance: str = Field(default="", description="How well today's process works.")


class EvidenceSource(StrictModel):
    """A source that shows the problem."""

    kind: str = Field(description="Kind of source, such as report or interview.")
    ref: str = Field(description="Title or address of the source.")
    date: dt.date = Field(description="Date of the source.")


class ProblemStatement(StrictModel):
    """The problem, the people who have it, and the process of today."""

    statement: str = Field(default="", description="The problem in one sentence.")
    affected: str = Field(default="", description="People who have the problem.")
    today: CurrentProcess | None = Field(default=None, description="The process of today.")
    evidence: tuple[EvidenceSource, ...] = Field(
        default=(), description="Sources that show the problem."
    )


class BusinessDecision(StrictModel):
    """The decision that the system changes."""

    who: str = Field(default="", description="Who takes the decision.")
    changes_what: str = Field(default="", description="The choices, such as approve or decline.")
    how_often: str = Field(default="", description="How often the decision is taken.")
    unit: str = Field(default="", description="What one decision is about, such as a payment.")
    outcome: str = Field(default="", description="The later fact that shows who was right.")
    wait_until_outcome: str = Field(
        default="", description="Time from the decision to its outcome."
    )
    out_of_scope: tuple[str, ...] = Field(
        default=(), description="Decisions that the system must not be used for."
    )


class Alternative(StrictModel):
    """Another solution that was considered."""

    option: Literal["no_ml", "heuristic", "buy"] = Field(
        description="Kind of solution: no machine learning, a simple rule, or a product."
    )
    result: str = Field(min_length=1, description="What it would achieve.")
    why_not: str = Field(min_length=1, description="Why it is not enough.")


class Value(StrictModel):
    """The figure that the system should improve, and its money value."""

    kpi: str = Field(default="", description="Name of the figure, such as fraud losses.")
    unit: str = Field(default="", description="Unit of `baseline` and `target`.")
    direction: Literal["up", "down"] = Field(
        default="up", description="Whether the figure should go up or down."
    )
    baseline: float | None = Field(default=None, description="The figure today.")
    target: float | None = Field(default=None, description="The figure to reach.")
    by: dt.date | None = Field(default=None, description="Day on which the target is reached.")
    owner: str = Field(default="", description="Id of the person who is accountable for the value.")
    review_every: str = Field(
        default="", description="Time between two reviews of the value, such as month."
    )
    payoff_a_month: float | None = Field(
        default=None,
        description="Target for the sum of payoff() in 30 days, after costs, in its money.",
    )
    cost_a_month: float | None = Field(
        default=None, description="Running costs of 30 days, in the same money."
    )


class KillCriterion(StrictModel):
    """A condition that ends the project."""

    when: str = Field(description="The condition.")
    by: dt.date = Field(description="Day on which the condition is checked.")


class Assumption(StrictModel):
    """An assumption that the value depends on."""

    text: str = Field(description="The assumption.")
    kind: str = Field(default="", description="What it is about, such as value.")
    impact: str = Field(default="", description="What changes if it is wrong.")
    status: str = Field(default="", description="Its state, such as open or accepted.")
    owner: str = Field(default="", description="Id of the person who clarifies it.")
    due: dt.date | None = Field(default=None, description="Day on which it is clarified.")


class Problem(StrictModel):
    """The whole file."""

    problem: ProblemStatement = Field(
        default=ProblemStatement(), description="The problem and the process of today."
    )
    decision: BusinessDecision = Field(
        default=BusinessDecision(), description="The decision that the system changes."
    )
    alternatives: tuple[Alternative, ...] = Field(
        default=(), description="Other solutions, at least one without machine learning."
    )
    value: Value = Field(default=Value(), description="The figure that the system should improve.")
    kill_criteria: tuple[KillCriterion, ...] = Field(
        default=(), description="Conditions that end the project."
    )
    assumptions: tuple[Assumption, ...] = Field(
        default=(), description="Assumptions that the value depends on."
    )
