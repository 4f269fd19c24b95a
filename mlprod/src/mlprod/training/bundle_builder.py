"""Builder of a bundle from a judged candidate."""

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.code import CODE_FOLDER
from ..bundle.code_rules import collect_sources
from ..bundle.manifest import (
    BacktestWindow,
    Data,
    Estimate,
    Parity,
    Refit,
    SliceMetrics,
    inputs_of,
    sha256,
)
from ..bundle.reference_profile import build_reference
from ..bundle.runtime import Runtime
from ..bundle.writer import canonical, make_probe, write_bundle
from ..contract.classes import Decide, answered_score, class_names, decide_inputs
from ..governance.gates import GateVerdict
from ..identity import whoami
from ..project.project import Seam
from .dataset import Dataset
from .evaluate import Evaluation
from .model_card import render_card
from .model_card_text import ModelCardText
from .own_split import describe_split
from .split import Split


@dataclass(frozen=True)
class Candidate:
    """A baseline, or a model as the service will run it, which the gates judge.

    `decide` is the one of its bundle; None means that of the project today.
    """

    kind: str
    runtime: Runtime
    files: dict[str, bytes]
    threshold: float
    parity: Parity | None
    decide: Decide | None = None


def make_bundle(
    seam: Seam,
    root: Path,
    rows: Dataset,
    parts: Split,
    candidate: Candidate,
    evaluation: Evaluation,
    baseline: Evaluation,
    verdicts: list[GateVerdict],
    card_text: ModelCardText,
    refit: Refit | None = None,
    windows: Sequence[BacktestWindow] = (),
) -> Path:
    """Write the bundle of a candidate below `root`. The same inputs give the same digest.

    After a refit the candidate is the refitted model, and the evaluation that of the evaluated one.
    """
    # Champions change and the bundle does not, so verdicts about a champion stay out of it.
    lasting = [verdict for verdict in verdicts if verdict.gate.compare != "champion"]
    terms, task = seam.terms, seam.task()
    learned = rows if refit else rows.subset(parts.train)
    window = (str(rows.at.min()), str(rows.at.max())) if rows.at is not None else (None, None)
    newest = learned.at.max() if candidate.kind == "model" and learned.at is not None else None
    data = Data(
        since=window[0],
        until=window[1],
        rows=len(rows),
        units=len(set(rows.units)),
        learned_until=None if newest is None else str(newest),
        split=describe_split(seam, rows, parts),
    )
    by_slice: dict[str, dict[str, Estimate]] = {}
    for (name, part), figure in evaluation.figures.items():
        if part:
            by_slice.setdefault(part, {})[name] = figure
    code = {
        f"{CODE_FOLDER}{name}.py": source.encode()
        for name, source in carried_sources(seam, candidate.kind).items()
    }
    files = (
        candidate.files
        | code
        | {
            "reference.json": canonical(_reference(seam, candidate, learned)),
            "probe.json": make_probe(terms.fields, candidate.runtime),
            "card.md": render_card(
                candidate.kind,
                task,
                terms,
                card_text,
                data,
                parts,
                candidate.threshold,
                evaluation,
                baseline,
                lasting,
                refit,
                windows,
            ).encode(),
        }
    )
    manifest = {
        "kind": candidate.kind,
        "package": seam.package,
        "task": task,
        "classes": terms.classes,
        "runtime": "python" if candidate.kind == "baseline" else seam.runtime,
        "inputs": inputs_of(terms.fields),
        "threshold": candidate.threshold,
        "digests": {
            "contract": terms.fields.digest(),
            "data": rows.digest(),
            "domain": seam.digest,
        },
        "data": data,
        "metrics": evaluation.overall(),
        "slices": [
            SliceMetrics(field=p.partition("=")[0], value=p.partition("=")[2], metrics=m)
            for p, m in sorted(by_slice.items())
        ],
        "baseline": baseline.overall(),
        "refit": refit,
        "backtest": tuple(windows),
        "parity": candidate.parity,
        "accountable": card_text.contact,
    }
    return write_bundle(root, manifest, files)


def _reference(seam: Seam, candidate: Candidate, learned: Dataset) -> dict[str, Any]:
    """Return the reference profile, with the class shares only for a label with classes."""
    classes, scores = seam.terms.classes, candidate.runtime.score(learned.columns)
    if not classes:
        profile = build_reference(seam.terms.fields, learned.columns, scores)
        return profile.model_dump(mode="json", exclude={"classes"}, exclude_none=True)
    decide = candidate.decide or seam.decide
    answered = [
        answered_score(given, decide(given, candidate.threshold))
        for given in decide_inputs(classes, scores)
    ]
    return build_reference(
        seam.terms.fields,
        learned.columns,
        np.array(answered),
        class_names(classes),
        scores.argmax(axis=1).tolist(),
    ).model_dump(mode="json", exclude_none=True)


def carried_sources(seam: Seam, kind: str) -> dict[str, str]:
    """Return the modules that a bundle of this kind carries; a baseline needs no model.py."""
    names = seam.sources if kind == "model" else ["decision"]
    return collect_sources(seam.sources.get, names)


def provenance(root: Path) -> dict[str, str]:
    """Describe who made a bundle, when, where and from which commit.

    It is stored beside the bundle's content, because it differs between equal bundles.
    """
    lock = root / "requirements/pipeline.txt"
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git_revision(root),
        "who": whoami(),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "lock": sha256(lock.read_bytes()) if lock.is_file() else "",
    }


def git_revision(root: Path = Path()) -> str:
    """Return the commit of a folder, as `git describe` prints it.

    Without git, as in an image, it is ML_REVISION: the commit from which the image was built.
    """
    git = shutil.which("git")
    parts = ["-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    described = (
        subprocess.run([git, *parts], capture_output=True, text=True, check=False).stdout.strip()
        if git
        else ""
    )
    return described or os.environ.get("ML_REVISION", "")
