"""Verbs of experiments: comparison of runs, older models, and other hyperparameters."""

import argparse

from .verb import option, verb


@verb("runs")
def runs(args: argparse.Namespace) -> int:
    """Compare trainings on the same test rows, refused ones too; write a page with pictures."""
    from ..atomic_write import atomic_write
    from ..display.plain_text import display
    from ..ops.readiness_inputs import registry_if_any
    from ..training.runs import compare_runs
    from ..training.runs_page import runs_page
    from ..training.runs_text import describe_runs

    settings = args.project.settings()
    registry = registry_if_any(settings)
    result = compare_runs(registry) if registry else []
    if not result:
        print("no training has been logged yet; the next step is make train")
        return 0
    for line in describe_runs(result):
        print(display(line))
    page = settings.state_dir / "report" / "runs.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(page, runs_page(settings.model_name, result).encode())
    print(f"With pictures: {page}")
    return 0


@verb(
    "ui",
    option("--port", type=int, default=5001, help="port on this machine; default: %(default)s"),
)
def ui(args: argparse.Namespace) -> int:
    """Serve MLflow's own pages of the runs on this machine, until Ctrl-C."""
    from ..ops.mlflow_ui import run_mlflow_ui

    return run_mlflow_ui(args.project.settings(), args.project.root, args.port)


@verb("staleness")
def staleness(args: argparse.Namespace) -> int:
    """Measure what a model loses with age."""
    from ..identity import whoami
    from ..locks import locked
    from ..training.dataset import load_rows
    from ..training.evidence_store import digests, finding, write_evidence
    from ..training.registry import Registry
    from ..training.staleness import staleness as run
    from ..training.train import TRAINING_LOCK, TRAINING_LOCK_REMEDY

    seam, settings = args.project.seam(), args.project.settings()
    if seam.terms.time is None:
        print("nothing to do: contract.py sets no EVENT_TIME, so no row is older than another")
        return 0
    # Before the long work, so that an unavailable registry fails at once.
    registry = Registry(settings)
    with locked(settings.state_dir / TRAINING_LOCK, "staleness", whoami(), TRAINING_LOCK_REMEDY):
        aged = run(seam, load_rows(seam)[1])
    for item in aged[1:]:
        loss = f"{item.loss.value:.4f} ({item.loss.low:.4f} to {item.loss.high:.4f})"
        print(
            f"{item.days:5.1f} days older: worth {loss} less per row, trained on {item.rows:,} rows"
        )
    oldest = aged[-1]
    message = f"{oldest.days:.0f} days older: {oldest.loss.value:.4g} less per row"
    write_evidence(registry, [finding("staleness-known", True, digests(settings, seam), message)])
    return 0


@verb(
    "tune",
    option("--trials", type=int, default=20, help="settings to try at most; default: %(default)s"),
)
def tune(args: argparse.Namespace) -> int:
    """Try the settings in SEARCH_SPACE of model.py; exit 1 if one is surely better."""
    from ..identity import whoami
    from ..locks import locked
    from ..training.dataset import load_rows
    from ..training.evidence_store import digests, finding
    from ..training.registry import Registry
    from ..training.train import TRAINING_LOCK, TRAINING_LOCK_REMEDY
    from ..training.tune import MIN_RELATIVE_GAIN, SEARCH_SPACE_EXAMPLE
    from ..training.tune import tune as run
    from .evidence import save_evidence

    seam, settings = args.project.seam(), args.project.settings()
    if not seam.search_space:
        print(
            f"nothing to do: model.py sets no SEARCH_SPACE with settings to try; "
            f"works: {SEARCH_SPACE_EXAMPLE}"
        )
        return 0
    # Before the long work, so that an unavailable registry fails at once.
    Registry(settings)
    result = []
    with locked(settings.state_dir / TRAINING_LOCK, "tune", whoami(), TRAINING_LOCK_REMEDY):
        for entry in run(seam, load_rows(seam)[1], args.trials):
            gain = f"{entry.gain.value:.2g} ({entry.gain.low:.2g} to {entry.gain.high:.2g})"
            print(
                f"error {entry.error:.4g}, {gain} below that of the current settings: "
                f"{entry.description}",
                flush=True,
            )
            result.append(entry)
    best = min(result, key=lambda item: item.error)
    better = [item for item in result if item.better]
    if better:
        choice = min(better, key=lambda item: item.error).description
        print(f"Next: put {choice} into build_model() of model.py, then make train")
    message = (
        f"{len(better) or 'none'} of {len(result)} settings surely better by "
        f"{MIN_RELATIVE_GAIN:.0%}; the best, {best.description}: error {best.error:.4g}, the "
        f"current settings {best.error + best.gain.value:.4g}"
    )
    return save_evidence(
        settings,
        [finding("hyperparameters-tuned", not better, digests(settings, seam), message[:500])],
    )
