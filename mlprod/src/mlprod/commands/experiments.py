"""Verbs of those who try other models than theirs: older ones, and other settings."""

import argparse

from .verb import option, verb


@verb("staleness")
def staleness(args: argparse.Namespace) -> int:
    """Measure what a model loses with age."""
    from ..identity import whoami
    from ..locks import locked
    from ..training.dataset import load_rows
    from ..training.evidence_store import digests, finding, write
    from ..training.registry import Registry
    from ..training.staleness import staleness as run
    from ..training.train import LOCK, LOCK_WORKS

    seam, settings = args.project.seam(), args.project.settings()
    if seam.terms.time is None:
        print("nothing to do: the contract names no EVENT_TIME, so no row is older than another")
        return 0
    registry = Registry(settings)  # before the long work: a registry that is away is known at once
    with locked(settings.state_dir / LOCK, "staleness", whoami(), LOCK_WORKS):
        aged = run(seam, load_rows(seam)[1])
    for item in aged[1:]:
        loss = f"{item.loss.value:.4f} ({item.loss.low:.4f} to {item.loss.high:.4f})"
        print(
            f"{item.days:5.1f} days older: worth {loss} less a row, learnt from {item.rows:,} rows"
        )
    oldest = aged[-1]
    message = f"{oldest.days:.0f} days older: {oldest.loss.value:.4g} less a row"
    write(registry, [finding("staleness-known", True, digests(settings, seam), message)])
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
    from ..training.train import LOCK, LOCK_WORKS
    from ..training.tune import EXAMPLE, WORTH
    from ..training.tune import tune as run
    from .evidence import save_evidence

    seam, settings = args.project.seam(), args.project.settings()
    if not seam.space:
        print(
            f"nothing to do: model.py names no SEARCH_SPACE of settings to try; for "
            f"example {EXAMPLE}"
        )
        return 0
    Registry(settings)  # before the long work: a registry that is away is known at once
    result = []
    with locked(settings.state_dir / LOCK, "tune", whoami(), LOCK_WORKS):
        for entry in run(seam, load_rows(seam)[1], args.trials):
            below = f"{entry.gain.value:.2g} ({entry.gain.low:.2g} to {entry.gain.high:.2g})"
            print(
                f"error {entry.error:.4g}, {below} below that of the model as it is: {entry.said}",
                flush=True,
            )
            result.append(entry)
    least = min(result, key=lambda element: element.error)
    better = [item for item in result if item.better]
    if better:
        print(
            f"put {min(better, key=lambda each: each.error).said} into build_model() of "
            f"model.py, make train"
        )
    message = (
        f"{len(better) or 'none'} of {len(result)} settings surely better by {WORTH:.0%}; the "
        f"best, {least.said}: "
    )
    message += f"error {least.error:.4g}, as it is {least.error + least.gain.value:.4g}"
    return save_evidence(
        settings,
        [finding("hyperparameters-tuned", not better, digests(settings, seam), message[:500])],
    )
