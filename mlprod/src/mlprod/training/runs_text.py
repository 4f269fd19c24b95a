"""The comparison of runs as lines for a terminal."""

from collections.abc import Iterator, Sequence

from ..bundle.manifest import Estimate
from .runs import TrainingRun, describe_inputs, varied_settings

HEAD = ("run", "UTC", "code", "version", "gates", "value", "against newest", "inputs", "settings")
NOTE = (
    "The value is the payoff per test row, with its 95 % interval. Each run is compared with the "
    "newest one."
)


def describe_runs(runs: Sequence[TrainingRun]) -> Iterator[str]:
    """Yield the table, newest first, then the runs that cannot be compared with the newest one."""
    same = [run for run in runs if not run.incomparable]
    others = [run for run in runs if run.incomparable]
    yield NOTE
    yield from _table(same, runs[0], varied_settings(same))
    if others:
        yield ""
        yield f"Not comparable with {runs[0].name}:"
        for run in others:
            yield f"{run.name}  {_at(run)}  {run.result}  {interval(run.value)}  {run.incomparable}"


def interval(figure: Estimate | None) -> str:
    """Return a figure with its interval; empty without one."""
    return f"{figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})" if figure else ""


def describe_settings(run: TrainingRun, names: Sequence[str]) -> str:
    """Return these settings of a run, without the names of their classes."""
    return " ".join(
        f"{name.rpartition('.')[2]}={run.settings.get(name, 'default')}" for name in names
    )


def _table(runs: Sequence[TrainingRun], newest: TrainingRun, names: Sequence[str]) -> Iterator[str]:
    lines = [HEAD, *(_cells(run, newest, names) for run in runs)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, strict=True)
        yield "  ".join(f"{cell:{width}}" for cell, width in cells if width).rstrip()


def _cells(run: TrainingRun, newest: TrainingRun, names: Sequence[str]) -> tuple[str, ...]:
    return (
        run.name,
        _at(run),
        run.commit,
        f"{run.version}" if run.version else "-",
        run.result,
        interval(run.value),
        "newest" if run is newest else run.outcome,
        describe_inputs(run, newest),
        describe_settings(run, names),
    )


def _at(run: TrainingRun) -> str:
    return f"{run.at:%Y-%m-%d %H:%M}"
