"""Verbs of those who try other models than theirs: older ones, and other settings."""

import argparse


def staleness(args: argparse.Namespace) -> int:
    """what a model loses with age: learn from ever older windows, measure on the newest rows"""
    from ..identity import whoami
    from ..locks import locked
    from ..training.dataset import load_rows
    from ..training.evidence_store import digests, finding, write
    from ..training.registry import Registry
    from ..training.staleness import staleness as run
    from ..training.train import LOCK, LOCK_WORKS

    seam, settings = args.project.seam(), args.project.settings()
    if seam.terms.time is None:
        print("nothing to do: the contract names no TIME, so no row is older than another")
        return 0
    registry = Registry(settings)  # before the long work: a registry that is away is known at once
    with locked(settings.state_dir / LOCK, "staleness", whoami(), LOCK_WORKS):
        aged = run(seam, load_rows(seam)[1])
    for each in aged[1:]:
        loss = f"{each.loss.value:.4f} ({each.loss.low:.4f} to {each.loss.high:.4f})"
        print(f"{each.days:5.1f} days older: worth {loss} less a row, learnt from {each.rows:,} rows")
    oldest = aged[-1]
    said = f"{oldest.days:.0f} days older: {oldest.loss.value:.4g} less a row"
    write(registry, [finding("staleness-known", True, digests(settings, seam), said)])
    return 0


def tune(args: argparse.Namespace) -> int:
    """try the settings that model.py names in SPACE; exits 1 when one is surely better than the model's own"""
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
        print(f"nothing to do: model.py names no SPACE of settings to try; for example {EXAMPLE}")
        return 0
    Registry(settings)  # before the long work: a registry that is away is known at once
    found = []
    with locked(settings.state_dir / LOCK, "tune", whoami(), LOCK_WORKS):
        for each in run(seam, load_rows(seam)[1], args.trials):
            below = f"{each.gain.value:.2g} ({each.gain.low:.2g} to {each.gain.high:.2g})"
            print(f"error {each.error:.4g}, {below} below that of the model as it is: {each.said}", flush=True)
            found.append(each)
    least = min(found, key=lambda each: each.error)
    better = [each for each in found if each.better]
    if better:
        print(f"put {min(better, key=lambda each: each.error).said} into build_model() of model.py, make train")
    said = f"{len(better) or 'none'} of {len(found)} settings surely better by {WORTH:.0%}; the best, {least.said}: "
    said += f"error {least.error:.4g}, as it is {least.error + least.gain.value:.4g}"
    return save_evidence(settings, [finding("hyperparameters-tuned", not better, digests(settings, seam), said[:500])])
