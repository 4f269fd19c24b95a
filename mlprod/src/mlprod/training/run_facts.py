"""Facts of a training run that the registry stores, so that runs can be compared."""

import ast
import hashlib
from collections.abc import Iterable, Mapping
from inspect import signature
from typing import Any

from ..bundle.writer import canonical
from ..governance.gates import GateVerdict
from ..project.project import Seam
from .bundle_builder import git_revision
from .dataset import Dataset
from .evaluate import OVERALL, Evaluation

# MLflow refuses a longer tag, and older servers a longer parameter.
MAX_TAG_LENGTH, MAX_SETTING_LENGTH = 5_000, 250
# The file of a run with the value of each bootstrap replicate.
REPLICATES = "value_replicates.json"
# Functions of decision.py that a run may change and still be measured in the same money.
NOT_MEASURING = ("baseline", "decide")


def run_tags(
    seam: Seam, kind: str, test: Dataset, verdicts: Iterable[GateVerdict]
) -> dict[str, str]:
    """Return the tags of a run: what was trained, what judged it, and on which test rows."""
    failed = [verdict.gate.id for verdict in verdicts if verdict.passed is False]
    return {
        "commit": git_revision(seam.root),
        "estimator": estimator_name(seam.estimator) if kind == "model" else "",
        "inputs": _shortened(seam.inputs.fields.names if kind == "model" else ()),
        "test_rows": digest_of_rows(test),
        "payoff": digest_of_payoff(seam.sources.get("decision", "")),
        "refused_by": _shortened(failed),
    }


def run_metrics(evaluation: Evaluation) -> dict[str, float]:
    """Return the interval of the value, and the number of test rows."""
    value = evaluation.figures["value", OVERALL]
    return {"value_low": value.low, "value_high": value.high, "test_size": float(value.n)}


def run_replicates(evaluation: Evaluation) -> dict[str, bytes]:
    """Return the file with the replicates of the value.

    Runs on the same test rows draw the same replicates, so their differences are paired.
    """
    drawn = evaluation.replicates["value", OVERALL].tolist()
    return {REPLICATES: canonical([round(value, 9) if value == value else None for value in drawn])}


def changed_settings(estimator: Any) -> dict[str, str]:
    """Return "Class.setting" → value, for settings that differ from the default of their class.

    The estimators inside a pipeline are included. It is empty for an estimator without
    get_params().
    """
    if not hasattr(estimator, "get_params"):
        return {}
    inside = estimator.get_params(deep=True)
    parts = {"": estimator} | {
        name: part for name, part in inside.items() if hasattr(part, "get_params")
    }
    result: dict[str, str] = {}
    for path, part in parts.items():
        defaults = signature(type(part)).parameters
        for name, value in part.get_params(deep=False).items():
            known = repr(defaults[name].default) if name in defaults else ""
            if _is_plain(value) and repr(value) != known:
                key = f"{type(part).__name__}.{name}"
                result[key if key not in result else f"{path}.{name}"] = repr(value)
    return {name: text for name, text in result.items() if len(text) <= MAX_SETTING_LENGTH}


def estimator_name(estimator: Any) -> str:
    """Return the class of an estimator; of a pipeline that of its last step."""
    while steps := getattr(estimator, "steps", None):
        estimator = steps[-1][1]
    return type(estimator).__name__


def digest_of_rows(rows: Dataset) -> str:
    """Return a digest of the ids and labels, which does not depend on features or order."""
    ids = rows.units if rows.ids is None else rows.ids
    pairs = sorted(zip(map(str, ids), rows.y.tolist(), strict=True))
    return hashlib.sha256(repr(pairs).encode()).hexdigest()[:16]


def digest_of_payoff(source: str) -> str:
    """Return a digest of decision.py without baseline(), decide(), docstrings and comments.

    So constants and helpers of payoff() count too. It is empty without the source.
    """
    if not source:
        return ""
    body = [
        node
        for node in ast.parse(source).body
        if not (isinstance(node, ast.FunctionDef) and node.name in NOT_MEASURING)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    for node in body:
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or node.body
    return hashlib.sha256("".join(map(ast.unparse, body)).encode()).hexdigest()[:16]


def settings_of_run(seam: Seam, kind: str) -> Mapping[str, str]:
    """Return the settings of the estimator; a baseline has none."""
    return changed_settings(seam.estimator) if kind == "model" else {}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _shortened(names: Iterable[str]) -> str:
    """Return the names as text that a tag can hold."""
    text = ", ".join(names)
    return text if len(text) <= MAX_TAG_LENGTH else f"{text[: MAX_TAG_LENGTH - 2]} …"
