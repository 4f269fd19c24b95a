"""Verbs of drills: smoke test, kill switch, rollback, alerts and image."""

import argparse
import os
from typing import TYPE_CHECKING

from .verb import IMAGE_NAME, SERVICE_URL, image_name, option, verb

if TYPE_CHECKING:
    from ..ops.drills import DrilledService


@verb("smoke-test", SERVICE_URL)
def smoke_test(args: argparse.Namespace) -> int:
    """Try a running service: prediction, reasons, outcome and feedback."""
    from ..ops.drills import smoke_test as run
    from ..training.evidence_store import digests
    from .evidence import run_drill

    settings, seam = args.project.settings(), args.project.seam()
    subject, service = digests(settings, seam), _service(args.url)
    failed = ["served-end-to-end", "feedback-works"]
    return run_drill(settings, subject, failed, lambda: run(service, seam, subject))


@verb("kill-switch-drill", SERVICE_URL)
def kill_switch_drill(args: argparse.Namespace) -> int:
    """Use the kill switch on a running service, time it, and restore the mode."""
    from ..identity import whoami
    from ..ops.drills import kill_switch_drill as run
    from ..training.evidence_store import digests
    from .evidence import run_drill
    from .service import records

    settings, service = args.project.settings(), _service(args.url)
    subject, store = digests(settings), records(settings)
    return run_drill(
        settings,
        subject,
        ["stop-drilled"],
        lambda: run(service, store, whoami(), subject, settings.mode_file),
    )


@verb(
    "rollback-drill",
    SERVICE_URL,
    option(
        "--unattended",
        action="store_true",
        help="do nothing if production follows, or if there is no earlier champion",
    ),
)
def rollback_drill(args: argparse.Namespace) -> int:
    """Roll a running service back, time it, and promote again."""
    from ..identity import whoami
    from ..ops.drills import reason_to_skip
    from ..ops.drills import rollback_drill as run
    from ..training.evidence_store import digests
    from ..training.registry import Registry
    from .evidence import run_drill

    settings = args.project.settings()
    subject, registry = digests(settings), Registry(settings)
    if args.unattended and (why := reason_to_skip(registry, subject)):
        print(f"the drill was skipped: {why}")
        return 0
    service = _service(args.url)
    return run_drill(
        settings, subject, ["rollback-drilled"], lambda: run(service, registry, whoami(), subject)
    )


@verb(
    "alert-drill",
    option("--url", default="http://127.0.0.1:9093", help="address of Alertmanager"),
    option(
        "--duration",
        type=float,
        default=45,
        help="seconds until the test alerts end; messages leave within 30",
    ),
)
def alert_drill(args: argparse.Namespace) -> int:
    """Send a test alert for each outcome through Alertmanager; check who receives it."""
    from ..governance.ownership import read_ownership
    from ..ops.alert_drill import Alertmanager, run_alert_drill
    from ..training.evidence_store import digests
    from .evidence import save_evidence

    settings = args.project.settings()
    ownership = read_ownership(settings.governance_dir / "ownership.yaml")
    manager = Alertmanager(args.url.rstrip("/"))
    return save_evidence(
        settings, run_alert_drill(manager, ownership, digests(settings), args.duration)
    )


@verb("test-image", IMAGE_NAME)
def test_image(args: argparse.Namespace) -> int:
    """Run the service image with the champion, locked down as in a cluster."""
    from ..ops.images import TARGETS
    from ..ops.images import image_drill as run
    from ..training.evidence_store import digests
    from ..training.registry import Registry
    from .evidence import run_drill

    settings, seam = args.project.settings(), args.project.seam()
    subject, registry = digests(settings, seam), Registry(settings)
    name = f"{image_name(args)}:{TARGETS[0]}"
    return run_drill(settings, subject, ["image-runs"], lambda: run(name, registry, seam, subject))


def _service(url: str) -> "DrilledService":
    """Return a service that responds. Raises DrillError if it does not."""
    from ..ops.drills import DrilledService

    service = DrilledService(url.rstrip("/"), os.environ.get("ML_SERVICE_KEY", ""))
    service.wait_for(
        lambda facts: facts, "a response (start one with make serve in another terminal)", seconds=5
    )
    return service
