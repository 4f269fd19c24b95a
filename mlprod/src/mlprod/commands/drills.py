"""Verbs that try what runs: a service, its way back, its kill switch, its alerts, its image."""

import argparse
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..ops.drills import DrilledService


def smoke(args: argparse.Namespace) -> int:
    """try a running service with a row of the data: score, reasons, outcome, feedback; --url http://127.0.0.1:8000"""
    from ..ops.drills import smoke as run
    from ..training.evidence_store import digests
    from .evidence import run_drill

    settings, seam = args.project.settings(), args.project.seam()
    about, service = digests(settings, seam), _service(args.url)
    failed = ["served-end-to-end", "feedback-works"]
    return run_drill(settings, about, failed, lambda: run(service, seam, about))


def stop_drill(args: argparse.Namespace) -> int:
    """stop a running service through the database and ML_MODE_FILE, if set; time it, and let it go on as before"""
    from ..identity import whoami
    from ..ops.drills import stop_drill as run
    from ..training.evidence_store import digests
    from .evidence import run_drill
    from .service import records

    settings, service = args.project.settings(), _service(args.url)
    about, store = digests(settings), records(settings)
    return run_drill(
        settings, about, ["stop-drilled"], lambda: run(service, store, whoami(), about, settings.mode_file)
    )


def rollback_drill(args: argparse.Namespace) -> int:
    """roll back until the version before answers, time it, and promote again"""
    from ..identity import whoami
    from ..ops.drills import reason_to_skip
    from ..ops.drills import rollback_drill as run
    from ..training.evidence_store import digests
    from ..training.registry import Registry
    from .evidence import run_drill

    settings = args.project.settings()
    about, registry = digests(settings), Registry(settings)
    if args.unattended and (why := reason_to_skip(registry, about)):
        print(f"nothing was moved: {why}")
        return 0
    service = _service(args.url)
    return run_drill(settings, about, ["rollback-drilled"], lambda: run(service, registry, whoami(), about))


def alert_drill(args: argparse.Namespace) -> int:
    """a test alert for each outcome through a running Alertmanager: who is reached?; --url http://127.0.0.1:9093"""
    from ..governance.ownership import read_ownership
    from ..ops.alert_drill import Alertmanager, drill
    from ..training.evidence_store import digests
    from .evidence import save_evidence

    settings = args.project.settings()
    ownership = read_ownership(settings.governance_dir / "ownership.yaml")
    return save_evidence(settings, drill(Alertmanager(args.url.rstrip("/")), ownership, digests(settings), args.hold))


def image_drill(args: argparse.Namespace) -> int:
    """run the image NAME:serve with the champion, locked down as a cluster would: does it answer and end?"""
    from ..ops.images import TARGETS
    from ..ops.images import image_drill as run
    from ..training.evidence_store import digests
    from ..training.registry import Registry
    from .evidence import run_drill

    settings, seam = args.project.settings(), args.project.seam()
    about, registry = digests(settings, seam), Registry(settings)
    name = f"{args.name}:{TARGETS[0]}"
    return run_drill(settings, about, ["image-runs"], lambda: run(name, registry, seam, about))


def _service(url: str) -> "DrilledService":
    """A service that answers. Raises DrillError when none does."""
    from ..ops.drills import DrilledService

    service = DrilledService(url.rstrip("/"), os.environ.get("ML_SERVICE_KEY", ""))
    service.wait_for(lambda facts: facts, "an answer (make serve in another terminal gives one)", seconds=5)
    return service
