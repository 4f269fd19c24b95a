"""Training runs as the registry stores them, and their comparison on the same test rows."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ..bundle.manifest import Estimate
from .registry import Registry
from .run_facts import REPLICATES

# Runs that a comparison shows; the registry holds all of them.
MAX_RUNS = 50


@dataclass(frozen=True)
class TrainingRun:
    """A training, also one that the gates refused.

    `value` is the payoff per test row, None if an older library logged the run. `difference` is by
    how much it exceeds that of the newest run on the same test rows. `incomparable` is the reason
    why the two cannot be compared.
    """

    id: str
    name: str
    at: datetime
    tags: dict[str, str]
    settings: dict[str, str]
    value: Estimate | None
    version: int | None
    difference: Estimate | None = None
    incomparable: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that the estimator received."""
        return tuple(name for name in self.tags.get("inputs", "").split(", ") if name)

    @property
    def result(self) -> str:
        """What the gates decided."""
        if refused := self.tags.get("refused_by"):
            return f"refused by {refused}"
        return {"passed": "passed", "refused": "refused"}.get(
            self.tags.get("verdict", ""), "not judged"
        )

    @property
    def commit(self) -> str:
        """The commit of the code, shortened, with a mark if files were not committed."""
        text = self.tags.get("commit", "")
        short = text.removesuffix("-dirty")[:8]
        return f"{short}+edits" if text.endswith("-dirty") else short

    @property
    def outcome(self) -> str:
        """The difference from the newest run in words; empty if there is none."""
        if self.difference is None:
            return ""
        if self.difference.low > 0:
            return "surely higher"
        return "surely lower" if self.difference.high < 0 else "no sure difference"


def compare_runs(registry: Registry, newest: int = MAX_RUNS) -> list[TrainingRun]:
    """Return the newest runs, newest first, each compared with the newest one.

    Raises RegistryError if the registry does not respond.
    """
    # Two runs with the same bundle are one version.
    versions = {item.digest: item.number for item in registry.versions() if item.digest}
    runs = [_run(item, versions) for item in registry.training_runs(newest)]
    if not runs:
        return []
    reference = _replicates(registry, runs[0])
    return [runs[0], *(_compared(registry, run, runs[0], reference) for run in runs[1:])]


def varied_settings(runs: Iterable[TrainingRun]) -> list[str]:
    """Return the names of the settings that are not the same in all of these runs."""
    listed = [run.settings for run in runs]
    names = dict.fromkeys(name for settings in listed for name in settings)
    return [name for name in names if len({settings.get(name) for settings in listed}) > 1]


def describe_inputs(run: TrainingRun, newest: TrainingRun) -> str:
    """Return the number of inputs, and which ones differ from those of the newest run."""
    more = [f"+{name}" for name in run.inputs if name not in newest.inputs]
    fewer = [f"-{name}" for name in newest.inputs if name not in run.inputs]
    changed = " ".join([*more, *fewer]) if run.inputs and newest.inputs else ""
    return f"{len(run.inputs)} {changed}".strip() if run.inputs else "none"


def _run(item: Any, versions: dict[str, int]) -> TrainingRun:
    metrics, tags = item.data.metrics, dict(item.data.tags)
    value = None
    if {"value", "value_low", "value_high", "test_size"} <= set(metrics):
        value = Estimate(
            value=metrics["value"],
            low=metrics["value_low"],
            high=metrics["value_high"],
            n=int(metrics["test_size"]),
        )
    return TrainingRun(
        item.info.run_id,
        item.info.run_name or item.info.run_id[:8],
        datetime.fromtimestamp(item.info.start_time / 1_000, UTC),
        tags,
        dict(item.data.params),
        value,
        versions.get(tags.get("bundle", "")),
    )


def _compared(
    registry: Registry, run: TrainingRun, newest: TrainingRun, reference: Sequence[float]
) -> TrainingRun:
    reason = _incomparable(run, newest)
    drawn = [] if reason else _replicates(registry, run)
    difference = None
    if run.value and newest.value and len(drawn) == len(reference) > 0:
        low, high = np.nanquantile(np.array(drawn) - np.array(reference), [0.025, 0.975])
        difference = Estimate(
            value=run.value.value - newest.value.value,
            low=float(low),
            high=float(high),
            n=run.value.n,
        )
    return TrainingRun(**(vars(run) | {"difference": difference, "incomparable": reason}))


def _incomparable(run: TrainingRun, newest: TrainingRun) -> str:
    """Return why the values of two runs cannot be compared; empty if they can."""
    if run.value is None or newest.value is None:
        return "an older library logged it without its test rows"
    if run.tags.get("task") != newest.tags.get("task"):
        return f"another task: {run.tags.get('task')}"
    if run.tags.get("test_rows") != newest.tags.get("test_rows"):
        return (
            f"other test rows: {run.value.n:,} instead of {newest.value.n:,}"
            if (run.value.n != newest.value.n)
            else "other test rows, or other labels of them"
        )
    if run.tags.get("payoff") != newest.tags.get("payoff"):
        return "another payoff() in decision.py"
    return ""


def _replicates(registry: Registry, run: TrainingRun) -> list[float]:
    content = registry.run_file(run.id, REPLICATES)
    return [np.nan if value is None else float(value) for value in json.loads(content or "[]")]
