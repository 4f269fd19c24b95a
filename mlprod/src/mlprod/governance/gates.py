"""Validation gates, which a model must pass before it may be registered: governance/gates.yaml."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from .yaml_loader import GovernanceError, StrictModel, read_yaml

EXAMPLE = """gates:
  - id: beats-baseline
    metric: value
    compare: baseline
    op: ">"
    threshold: 0
    on: lower
    why: it is worth more than today's process"""
ABOVE = (">", ">=")


class Figure(Protocol):
    """A figure with its 95 % interval, from `n` rows."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def n(self) -> int: ...


class Gate(StrictModel):
    """A condition for a metric."""

    id: str = Field(description="Short name of the gate.")
    metric: str = Field(description="Name of a metric; docs/training.md lists them.")
    slice: str = Field(
        default="",
        description="A slice as field=value, or `*` for each slice of the contract's SLICES. "
        "Without it, all rows count.",
    )
    compare: Literal["baseline", "champion", "absolute"] = Field(
        default="absolute",
        description="What counts: the difference to the baseline or to the champion on the same "
        "rows, or the metric itself.",
    )
    op: Literal[">", ">=", "<", "<="] = Field(description="The comparison.")
    threshold: float = Field(description="The number to compare with.")
    on: Literal["value", "lower", "upper"] = Field(
        default="value",
        description="What must meet the condition: the figure itself, or the lower or upper bound "
        "of its 95 % interval. For slices, the interval covers all slices together.",
    )
    why: str = Field(description="The reason. The message about a refused model shows it.")


class UsageLimits(StrictModel):
    """Limits and targets for the use of the decisions.

    The defaults are heuristics of practitioners. The owner of the value sets them.
    """

    override_stop: float = Field(
        default=0.30,
        description="Highest share of overridden decisions. Above it the next mode may not start, "
        "and an alert fires.",
    )
    override_look: float = Field(
        default=0.15,
        description="Share of overridden decisions from which somebody should look at them.",
    )
    bypass: float = Field(
        default=0.10,
        description="Highest share of cases that people decide without the system. Above it an "
        "alert fires.",
    )
    active_users: float = Field(
        default=0.80, description="Share of the intended users who use the system at week 8."
    )
    tasks_through: float = Field(
        default=0.70, description="Share of cases that go through the system at week 4."
    )


class AgeLimits(StrictModel):
    """Ages in days above which an alert fires."""

    model_days: int | None = Field(
        default=90,
        ge=1,
        description="Highest age of the serving model, in days; null switches the alert off.",
    )
    data_days: int | None = Field(
        default=None,
        ge=1,
        description="Highest age of the newest training row on the day of training, in days; null "
        "switches the alert off.",
    )


class Gates(StrictModel):
    """The whole file."""

    gates: tuple[Gate, ...] = Field(
        description="Conditions that a model must meet before it may be registered."
    )
    people: UsageLimits = Field(
        default=UsageLimits(),
        description="Limits and targets for the use of the decisions: shares between 0 and 1.",
    )
    # The digest leaves this key out, because it judges no model.
    watch: AgeLimits = Field(
        default=AgeLimits(),
        exclude=True,
        description="Ages above which an alert fires.",
    )


@dataclass(frozen=True)
class GateVerdict:
    """The result of a gate.

    `passed` is None if the gate does not apply. `says` has the reason, the distance to the
    threshold and what helps.
    """

    gate: Gate
    passed: bool | None
    says: str


Measured = Mapping[tuple[str, str, str], Figure]
"""(compare, metric, slice or "") → figure, or the difference to the baseline's or champion's."""


class GateError(Exception):
    """The gates refuse the model; `verdicts` has the result of every gate."""

    def __init__(self, verdicts: list[GateVerdict]) -> None:
        super().__init__("\n".join(f"{v.gate.id}: {v.says}" for v in verdicts if v.passed is False))
        self.verdicts = verdicts


def read_gates(path: Path, metrics: frozenset[str], sliced: frozenset[str]) -> tuple[Gate, ...]:
    """Read the gates of the file.

    Raises GovernanceError if a metric is unknown, an id is used twice, or no gate compares the
    value with the baseline's.
    """
    gates = read_gates_file(path).gates
    for gate in gates:
        if gate.metric not in metrics:
            raise GovernanceError(
                f"{path}: gate {gate.id}: metric: {gate.metric!r} does not exist; these do: "
                f"{', '.join(sorted(metrics))}"
            )
        if gate.slice and gate.metric not in sliced:
            raise GovernanceError(
                f"{path}: gate {gate.id}: slice: {gate.metric} has no slices; these have: "
                f"{', '.join(sorted(sliced))}"
            )
        if sum(other.id == gate.id for other in gates) > 1:
            raise GovernanceError(
                f"{path}: gate {gate.id}: the id is used twice; give each gate its own"
            )
    if not any(gate.compare == "baseline" and gate.metric == "value" for gate in gates):
        raise GovernanceError(
            f"{path}: no gate compares the value with the baseline's. What works:\n{EXAMPLE}"
        )
    return gates


def read_gates_file(path: Path) -> Gates:
    """Read the whole file. Raises GovernanceError."""
    return read_yaml(path, Gates, EXAMPLE)


def judge_gates(
    gates: tuple[Gate, ...], measured: Measured, absent: Mapping[str, str]
) -> list[GateVerdict]:
    """Judge a model by each gate.

    `absent` maps a metric or a side of comparison that does not apply to the reason. A gate fails
    if its figure is neither measured nor absent.
    """
    return [_judge(gate, measured, absent) for gate in gates]


def _judge(gate: Gate, measured: Measured, absent: Mapping[str, str]) -> GateVerdict:
    for key in (gate.metric, gate.compare):
        if key in absent:
            return GateVerdict(gate, None, f"does not apply: {absent[key]}")
    wanted = (gate.compare, gate.metric)
    result = {
        key[2]: figure
        for key, figure in measured.items()
        if key[:2] == wanted and (key[2] == gate.slice or (gate.slice == "*" and key[2]))
    }
    if not result:
        if gate.slice == "*":
            return GateVerdict(gate, None, "does not apply: no slice has enough rows")
        return GateVerdict(
            gate, False, f"was not measured ({gate.compare} {gate.metric} {gate.slice})"
        )
    failed = {name: figure for name, figure in result.items() if not _holds(gate, figure)}
    name, figure = min((failed or result).items(), key=lambda item: _margin(gate, item[1]))
    says = _describe(gate, name, figure)
    return GateVerdict(gate, not failed, says if not failed else f"{says}. {_remedy(gate, figure)}")


def _shown(gate: Gate, figure: Figure) -> float:
    return {"value": figure.value, "lower": figure.low, "upper": figure.high}[gate.on]


def _margin(gate: Gate, figure: Figure) -> float:
    """Distance to the threshold; negative if the figure does not reach it."""
    margin = _shown(gate, figure) - gate.threshold
    return -math.inf if math.isnan(margin) else margin if gate.op in ABOVE else -margin


def _holds(gate: Gate, figure: Figure) -> bool:
    margin = _margin(gate, figure)
    return margin >= 0 if gate.op.endswith("=") else margin > 0


def _describe(gate: Gate, name: str, figure: Figure) -> str:
    what = (
        gate.metric if gate.compare == "absolute" else f"{gate.metric} minus the {gate.compare}'s"
    )
    where = f" in {name}" if name else ""
    bound = "" if gate.on == "value" else f", {gate.on} bound"
    margin = _margin(gate, figure)
    distance = (
        f"short by {abs(margin):.4g}" if not _holds(gate, figure) else f"{margin:.4g} to spare"
    )
    return (
        f"{what}{where}{bound} = {_shown(gate, figure):.4g}, must be {gate.op} "
        f"{gate.threshold:g}: {distance}"
    )


def _remedy(gate: Gate, figure: Figure) -> str:
    passes_alone = (figure.value - gate.threshold) * (1 if gate.op in ABOVE else -1)
    width = abs(figure.value - _shown(gate, figure))
    if gate.on != "value" and passes_alone > 0:
        rows = math.ceil(figure.n * (width / passes_alone) ** 2 * 1.05)
        return (
            f"The figure itself, {figure.value:.4g}, would pass: about {rows:,} test rows instead "
            f"of {figure.n:,} would decide it"
        )
    return f"Needed: {gate.why}"
