"""Verbs of governance: generated files, readiness, stages and reports."""

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from .verb import option, verb

if TYPE_CHECKING:
    from ..governance.evidence import Evidence
    from ..settings import Settings


STAGES = ["poc", "pilot", "production"]
VERSION = option("--version", type=int, help="a model version; default: the champion")


@verb(
    "generate",
    option("--check", action="store_true", help="only compare; exit 1 if a file differs"),
)
def generate(args: argparse.Namespace) -> int:
    """Write the generated files, from the library and from governance/."""
    from ..assets import asset_files
    from ..governance.config import read_governance
    from ..governance.generated import outdated_files, write_files
    from ..governance.repository import unread_files
    from ..ops.generated_files import generated_files

    files = generated_files(
        read_governance(args.project.settings().governance_dir), args.project.seam()
    )
    library, present = asset_files(Path()), {name for name in files if Path(name).exists()}
    if not args.check:
        changed = write_files(files, Path())
        for name in changed:
            print(
                f"{name}: replaced by the version of {_library()}"
                if name in library and name in present
                else name
            )
        if not changed:
            print("every generated file is up to date")
        return 0
    for line in unread_files(Path.cwd()):
        print(f"note: {line}")
    for name in (differing := outdated_files(files, Path())):
        if name not in present:
            what = "is missing"
        elif name in library:
            what = f"differs from {_library()}: it was edited, or is from another version"
        else:
            what = "differs from governance/"
        print(f"{name} {what}. Run make generate, which writes it, then commit")
    return 1 if differing else 0


def _library() -> str:
    from ..version import VERSION

    return f"mlprod {VERSION}".strip()


@verb(
    "readiness",
    option("--stage", choices=STAGES, help="exit 1 unless this stage is reached"),
    option("--format", choices=["terminal", "json", "markdown", "prometheus"], default="terminal"),
    VERSION,
    option(
        "--verify",
        action="store_true",
        help="confirm the acceptances with the git host, by GITHUB_TOKEN or GITLAB_TOKEN",
    ),
)
def readiness(args: argparse.Namespace) -> int:
    """Show the readiness scorecard, or what a stage still requires."""
    from ..governance.readiness import assess
    from ..governance.scorecard import render
    from ..ops.readiness_inputs import assessed_version, readiness_inputs, registry_if_any

    settings = args.project.settings()
    registry = registry_if_any(settings)
    more = _verified(settings) if args.verify else []
    seam, version = args.project.seam_if_readable(), assessed_version(registry, args.version)
    card = assess(*readiness_inputs(seam, settings, registry, version, more))
    stage = args.stage or card.next_stage
    print(render(card, stage, args.format, whole=bool(args.stage)), end="")
    required = args.stage or card.org.ownership.system.stage
    return 0 if card.reached(required) else 1


@verb("advance-stage", option("stage", choices=STAGES[1:]))
def advance_stage(args: argparse.Namespace) -> int:
    """Add examples of missing entries to governance/; enter the stage once none is missing."""
    from ..governance.ownership import STAGES
    from ..governance.readiness import assess
    from ..governance.scorecard import terminal
    from ..governance.stage_examples import add_examples, set_stage
    from ..ops.readiness_inputs import assessed_version, readiness_inputs, registry_if_any

    settings = args.project.settings()
    registry = registry_if_any(settings)
    seam, version = args.project.seam_if_readable(), assessed_version(registry, None)
    card = assess(*readiness_inputs(seam, settings, registry, version))
    if STAGES.index(args.stage) <= STAGES.index(card.org.ownership.system.stage):
        system = card.org.ownership.system
        print(f"{system.name} is already at stage {system.stage}")
        return 0
    if card.reached(args.stage):
        set_stage(settings.governance_dir / "ownership.yaml", args.stage, date.today())
        print(f"The stage is now {args.stage}. Run make generate, then commit governance/")
        return 0
    if changed := add_examples(settings.governance_dir, args.stage, date.today()):
        print(
            f"Examples of the missing entries for {args.stage} were added as comments to: "
            f"{', '.join(changed)}\n"
        )
    print(terminal(card, args.stage))
    return 1


@verb("report", VERSION)
def report(args: argparse.Namespace) -> int:
    """Write scorecard, model card and plots as pages into var/report/."""
    from ..governance.readiness import assess
    from ..governance.scorecard import as_json, markdown
    from ..ops.readiness_inputs import assessed_version, readiness_inputs, registry_if_any
    from ..training.report import write_report

    settings = args.project.settings()
    registry = registry_if_any(settings)
    version = assessed_version(registry, args.version)
    seam = args.project.seam_if_readable()
    card = assess(*readiness_inputs(seam, settings, registry, version))
    # Not in governance/, where a generated page would be a change to approve.
    folder = settings.state_dir / "report"
    if registry and version:
        write_report(registry, version, folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scorecard.md").write_text(markdown(card, card.next_stage), encoding="utf-8")
    (folder / "readiness.json").write_text(as_json(card, card.next_stage), encoding="utf-8")
    print(f"Assessed: {card.assessed}")
    print("\n".join(sorted(str(path) for path in folder.iterdir())))
    return 0


def _verified(settings: "Settings") -> "list[Evidence]":
    """Confirm with the git host that the named people made the acceptances; record the result."""
    from ..display.plain_text import display
    from ..governance.config import read_governance
    from ..governance.git_host import unconfirmed_acceptances
    from ..training.evidence_store import digests, finding
    from .evidence import save_evidence

    errors = unconfirmed_acceptances(read_governance(settings.governance_dir).ownership)
    for line in errors:
        print(display(line), file=sys.stderr)
    result = [
        finding(
            "acceptance-verified",
            not errors,
            digests(settings),
            "; ".join(errors)[:500] or "all confirmed",
        )
    ]
    save_evidence(settings, result)
    return []
