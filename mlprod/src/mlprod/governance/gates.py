"""Validation gates: what a model must show before it may be registered, as governance/gates.yaml
says.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from .yaml_loader import GovernanceError, StrictModel, read

EXAMPLE = """gates:
  - {id: beats-baseline, metric: value, compare: baseline, op: ">", threshold: 0, on: lower, why: worth more}"""
ABOVE = (">", ">=")


class Figure(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def n(self) -> int: ...


class Gate(StrictModel):
    """One gate.

    With `compare` the difference to the baseline or champion counts; `slice` "*" means each slice.
    """

    id: str
    metric: str
    slice: str = ""
    compare: Literal["baseline", "champion", "absolute"] = "absolute"
    op: Literal[">", ">=", "<", "<="]
    threshold: float
    on: Literal["value", "lower", "upper"] = "value"
    why: str


class UsageLimits(StrictModel):
    """What is asked of people's use of it.

    Practitioners' heuristics, for the owner of the value to set.
    """

    override_stop: float = (
        0.30  # share of decisions overridden above which the next mode is not entered
    )
    override_look: float = 0.15
    bypass: float = 0.10  # share of cases decided without it
    active_users: float = 0.80  # of those intended, at week 8
    tasks_through: float = 0.70  # share of cases that go through it, at week 4


class AgeLimits(StrictModel):
    """From when on age alerts, in days: of the model that answers, and of the newest row it learnt
    from on the day it was trained. None is not watched.
    """

    model_days: int | None = Field(default=90, ge=1)
    data_days: int | None = Field(default=None, ge=1)


class Gates(StrictModel):
    gates: tuple[Gate, ...]
    people: UsageLimits = UsageLimits()
    watch: AgeLimits = Field(
        default=AgeLimits(), exclude=True
    )  # no part of the digest: it judges no model


@dataclass(frozen=True)
class Verdict:
    """What a gate found.

    `passed` is None when it does not apply; `says` tells why, by how much, and what helps.
    """

    gate: Gate
    passed: bool | None
    says: str


Measured = Mapping[tuple[str, str, str], Figure]
"""(compare, metric, slice or "") → figure; for compare other than absolute, the difference to it."""


class GateError(Exception):
    """The model is refused; `verdicts` hold every gate's answer."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        super().__init__("\n".join(f"{v.gate.id}: {v.says}" for v in verdicts if v.passed is False))
        self.verdicts = verdicts


def read_gates(path: Path, metrics: frozenset[str], sliced: frozenset[str]) -> tuple[Gate, ...]:
    """The gates of the file.

    Raises GovernanceError for an unknown metric or an id that is used twice.
    """
    gates = read_gates_file(path).gates
    for gate in gates:
        if gate.metric not in metrics:
            raise GovernanceError(
                f"{path}: gate {gate.id}: no metric {gate.metric!r}; there are "
                f"{', '.join(sorted(metrics))}"
            )
        if gate.slice and gate.metric not in sliced:
            raise GovernanceError(
                f"{path}: gate {gate.id}: {gate.metric} has no slices; "
                f"{', '.join(sorted(sliced))} have"
            )
        if sum(other.id == gate.id for other in gates) > 1:
            raise GovernanceError(f"{path}: gate {gate.id}: the id is used twice")
    if not any(gate.compare == "baseline" and gate.metric == "value" for gate in gates):
        raise GovernanceError(
            f"{path}: no gate compares the value with the baseline's. What works:\n{EXAMPLE}"
        )
    return gates


def read_gates_file(path: Path) -> Gates:
    """The file as it stands. Raises GovernanceError."""
    return read(path, Gates, EXAMPLE)


def judge(gates: tuple[Gate, ...], measured: Measured, absent: Mapping[str, str]) -> list[Verdict]:
    """A verdict for each gate.

    `absent` maps a metric or a side of comparison that does not apply to the reason why. A gate
    whose figure is neither measured nor absent fails: unknown never passes.
    """
    return [_judge(gate, measured, absent) for gate in gates]


def _judge(gate: Gate, measured: Measured, absent: Mapping[str, str]) -> Verdict:
    for key in (gate.metric, gate.compare):
        if key in absent:
            return Verdict(gate, None, f"does not apply: {absent[key]}")
    wanted = (gate.compare, gate.metric)
    result = {
        key[2]: figure
        for key, figure in measured.items()
        if key[:2] == wanted and (key[2] == gate.slice or (gate.slice == "*" and key[2]))
    }
    if not result:
        if gate.slice == "*":
            return Verdict(gate, None, "does not apply: there are no slices of enough rows")
        return Verdict(gate, False, f"was not measured ({gate.compare} {gate.metric} {gate.slice})")
    failed = {name: figure for name, figure in result.items() if not _holds(gate, figure)}
    name, figure = min((failed or result).items(), key=lambda item: _margin(gate, item[1]))
    says = _say(gate, name, figure)
    return Verdict(gate, not failed, says if not failed else f"{says}. {_remedy(gate, figure)}")


def _shown(gate: Gate, figure: Figure) -> float:
    return {"value": figure.value, "lower": figure.low, "upper": figure.high}[gate.on]


def _margin(gate: Gate, figure: Figure) -> float:
    """How far on the right side of the threshold; negative is short."""
    margin = _shown(gate, figure) - gate.threshold
    return -math.inf if math.isnan(margin) else margin if gate.op in ABOVE else -margin


def _holds(gate: Gate, figure: Figure) -> bool:
    margin = _margin(gate, figure)
    return margin >= 0 if gate.op.endswith("=") else margin > 0


def _say(gate: Gate, name: str, figure: Figure) -> str:
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
            f"The figure itself, {figure.value:.4g}, would pass: some {rows:,} test rows, not "
            f"{figure.n:,}, settle it"
        )
    return f"Needed: {gate.why}"
