import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlprod.governance.gates import Figure, Gate, GateVerdict, judge_gates, read_gates
from mlprod.governance.yaml_loader import GovernanceError

METRICS = frozenset({"value", "roc_auc"})
BEATS = (
    '- {id: beats, metric: value, compare: baseline, op: ">", threshold: 0, on: lower, why: '
    "worth it}"
)
SLICED = '- {id: fair, metric: roc_auc, slice: "*", op: ">", threshold: 0.5, why: for everyone}'


@dataclass(frozen=True)
class Measure:
    value: float
    low: float
    high: float
    n: int = 1_000


def gate(**changes: Any) -> Gate:
    facts = {"id": "g", "metric": "value", "op": ">", "threshold": 0, "why": "for the reader"}
    return Gate.model_validate(facts | changes)


def verdict(
    judged: Gate,
    *figures: Measure,
    parts: tuple[str, ...] = ("",),
    absent: Mapping[str, str] | None = None,
) -> GateVerdict:
    measured: dict[tuple[str, str, str], Figure] = {
        (judged.compare, judged.metric, part): figure
        for part, figure in zip(parts, figures, strict=False)
    }
    return judge_gates((judged,), measured, absent or {})[0]


def written(tmp_path: Path, *gates: str) -> Path:
    path = tmp_path / "gates.yaml"
    path.write_text("gates:\n" + "".join(f"  {line}\n" for line in gates))
    return path


@pytest.mark.parametrize(
    ("op", "value", "passed"),
    [
        (">", 0, False),
        (">", 0.1, True),
        (">=", 0, True),
        ("<", 0, False),
        ("<", -0.1, True),
        ("<=", 0, True),
    ],
)
def test_figure_is_compared_with_the_threshold(op: str, value: float, passed: bool) -> None:
    assert verdict(gate(op=op), Measure(value, value, value)).passed is passed


@pytest.mark.parametrize(("on", "passed"), [("lower", False), ("value", True), ("upper", True)])
def test_gate_can_use_a_bound_of_the_interval(on: str, passed: bool) -> None:
    assert verdict(gate(on=on), Measure(0.1, -0.1, 0.3)).passed is passed


def test_refusal_has_the_distance_and_the_condition() -> None:
    says = verdict(gate(metric="roc_auc", threshold=0.8), Measure(0.75, 0.7, 0.8)).says
    assert "roc_auc = 0.75, must be > 0.8: short by 0.05" in says
    assert "Needed: for the reader" in says


def test_uncertain_refusal_has_the_number_of_rows_that_would_decide() -> None:
    says = verdict(gate(on="lower", compare="baseline"), Measure(0.1, -0.1, 0.3)).says
    assert "value minus the baseline's, lower bound = -0.1" in says
    assert "would pass: about 4,200 test rows instead of 1,000" in says


def test_pass_has_the_distance() -> None:
    assert "0.2 to spare" in verdict(gate(), Measure(0.2, 0.1, 0.3)).says


def test_worst_slice_is_named() -> None:
    figures = (Measure(1, 1, 1), Measure(-2, -2, -2), Measure(-1, -1, -1))
    result = verdict(gate(slice="*"), *figures, parts=("city=oslo", "city=bergen", "city=malmo"))
    assert result.passed is False
    assert "in city=bergen" in result.says


def test_star_slice_leaves_out_all_rows_together() -> None:
    result = verdict(
        gate(slice="*"), Measure(-1, -1, -1), Measure(1, 1, 1), parts=("", "city=oslo")
    )
    assert result.passed


def test_gate_can_name_one_slice() -> None:
    figures = (Measure(1, 1, 1), Measure(-1, -1, -1))
    assert verdict(gate(slice="city=oslo"), *figures, parts=("", "city=oslo")).passed is False


def test_metric_that_was_not_measured_fails() -> None:
    assert verdict(gate()).passed is False
    assert "was not measured" in verdict(gate()).says


def test_nan_fails() -> None:
    assert verdict(gate(), Measure(math.nan, math.nan, math.nan)).passed is False


@pytest.mark.parametrize("absent", [{"value": "no such thing"}, {"champion": "there is none yet"}])
def test_gate_that_does_not_apply_has_the_reason(absent: dict[str, str]) -> None:
    result = verdict(gate(compare="champion"), absent=absent)
    assert result.passed is None
    assert result.says == f"does not apply: {next(iter(absent.values()))}"


def test_gates_keep_their_order(tmp_path: Path) -> None:
    gates = read_gates(written(tmp_path, BEATS, BEATS.replace("beats", "again")), METRICS, METRICS)
    assert [(gate.id, gate.on) for gate in gates] == [("beats", "lower"), ("again", "lower")]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            (BEATS, BEATS.replace("beats", "odd").replace("value", "speed")),
            "gate odd: metric: 'speed' does not exist; these do: ",
        ),
        ((BEATS, BEATS), "gate beats: the id is used twice"),
        ((BEATS, SLICED), "gate fair: slice: roc_auc has no slices; these have: value"),
        ((BEATS.replace("baseline", "absolute"),), "no gate compares the value with the baseline"),
        ((BEATS.replace('">"', "above"),), "gates[0].op"),
        ((BEATS.replace("threshold: 0", "threshold: much"),), "gates[0].threshold"),
        ((BEATS.replace("why", "because"),), "gates[0].because"),
    ],
)
def test_invalid_gate_is_refused_with_its_key(
    tmp_path: Path, lines: tuple[str, ...], says: str
) -> None:
    path = written(tmp_path, *lines)
    with pytest.raises(GovernanceError) as refused:
        read_gates(path, METRICS, frozenset({"value"}))
    assert str(path) in str(refused.value)
    assert says in str(refused.value)
