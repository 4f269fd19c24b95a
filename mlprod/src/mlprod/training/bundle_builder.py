"""Put a judged candidate into a bundle."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..bundle.manifest import Data, Estimate, Parity, SliceMetrics, inputs_of, sha256
from ..bundle.reference_profile import describe
from ..bundle.runtime import Runtime
from ..bundle.writer import canonical, probe, write_bundle
from ..governance.gates import Verdict
from ..identity import whoami
from ..project.project import Seam
from .dataset import Dataset
from .evaluate import Evaluation
from .model_card import card
from .model_card_text import ModelCardText
from .split import Split


@dataclass(frozen=True)
class Candidate:
    """What is judged: the baseline, or a model as the service will run it."""

    kind: str
    runtime: Runtime
    files: dict[str, bytes]
    threshold: float
    parity: Parity | None


def make_bundle(
    seam: Seam, root: Path, rows: Dataset, parts: Split, candidate: Candidate, found: Evaluation, baseline: Evaluation,
    verdicts: list[Verdict], purpose: ModelCardText,
) -> Path:  # fmt: skip
    """The bundle of a candidate, written below `root`. The same inputs give the same digest."""
    lasting = [
        verdict for verdict in verdicts if verdict.gate.compare != "champion"
    ]  # champions change, the bundle does not
    terms, task, learnt = seam.terms, seam.task(), rows.take(parts.train)
    window = (str(rows.at.min()), str(rows.at.max())) if rows.at is not None else (None, None)
    data = Data(since=window[0], until=window[1], rows=len(rows), units=len(set(rows.units)))
    by_slice: dict[str, dict[str, Estimate]] = {}
    for (name, part), figure in found.figures.items():
        if part:
            by_slice.setdefault(part, {})[name] = figure
    files = candidate.files | {
        "reference.json": canonical(
            describe(
                terms.fields, learnt.columns, candidate.runtime.score(learnt.columns)
            ).model_dump(mode="json")
        ),
        "probe.json": probe(terms.fields, candidate.runtime),
        "card.md": card(
            candidate.kind,
            task,
            terms,
            purpose,
            data,
            parts,
            candidate.threshold,
            found,
            baseline,
            lasting,
        ).encode(),
    }
    manifest = {
        "kind": candidate.kind,
        "task": task,
        "runtime": "python" if candidate.kind == "baseline" else seam.runtime,
        "inputs": inputs_of(terms.fields),
        "threshold": candidate.threshold,
        "digests": {
            "contract": terms.fields.digest(),
            "data": rows.digest(),
            "domain": seam.digest,
        },
        "data": data,
        "metrics": found.whole(),
        "slices": [
            SliceMetrics(field=p.partition("=")[0], value=p.partition("=")[2], metrics=m)
            for p, m in sorted(by_slice.items())
        ],
        "baseline": baseline.whole(),
        "parity": candidate.parity,
        "accountable": purpose.contact,
    }
    return write_bundle(root, manifest, files)


def provenance(root: Path) -> dict[str, str]:
    """Who made this, when, where and from which project: beside the bundle, since it differs
    between equal bundles.
    """
    lock = root / "requirements/pipeline.txt"
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": revision(root),
        "who": whoami(),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "lock": sha256(lock.read_bytes()) if lock.is_file() else "",
    }


def revision(root: Path = Path()) -> str:
    """The commit of a folder as git describes it; without git, as in an image, what the image was
    built from.
    """
    git = shutil.which("git")
    parts = ["-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    message = (
        subprocess.run([git, *parts], capture_output=True, text=True, check=False).stdout.strip()
        if git
        else ""
    )
    return message or os.environ.get("ML_REVISION", "")
