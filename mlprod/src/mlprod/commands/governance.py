"""Verbs of those who answer for it."""

import argparse
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..governance.evidence import Evidence
    from ..settings import Settings


def generate(args: argparse.Namespace) -> int:
    """write the generated files, from the library and from governance/; --check only compares"""
    from ..assets import asset_files
    from ..governance.config import read_organisation
    from ..governance.generated import outdated, write
    from ..governance.repository import unread_files
    from ..ops.readiness_report import generated

    files = generated(read_organisation(args.project.settings().governance_dir), args.project.seam())
    library, present = asset_files(Path()), {name for name in files if Path(name).exists()}
    if not args.check:
        changed = write(files, Path())
        for name in changed:
            print(f"{name}: replaced by that of {_library()}" if name in library and name in present else name)
        if not changed:
            print("every generated file is up to date")
        return 0
    for line in unread_files(Path.cwd()):
        print(f"note: {line}")
    for name in (differing := outdated(files, Path())):
        if name not in present:
            what = "is missing"
        elif name in library:
            what = f"is not that of {_library()}: it was edited, or is of another version"
        else:
            what = "differs from what governance/ says"
        print(f"{name} {what}. Run make generate, which writes it, and commit")
    return 1 if differing else 0


def _library() -> str:
    from ..version import VERSION

    return f"mlprod {VERSION}".strip()


def readiness(args: argparse.Namespace) -> int:
    """the scorecard; --stage pilot exits 1 with what is missing for it"""
    from ..governance import scorecard as shown
    from ..ops.readiness_report import assessed_version, registry_if_any, scorecard

    settings = args.project.settings()
    registry = registry_if_any(settings)
    more = _verified(settings) if args.verify else []
    card = scorecard(
        args.project.seam_if_readable(), settings, registry, assessed_version(registry, args.version), more
    )
    stage = args.stage or card.next_stage
    texts = {
        "terminal": lambda: shown.terminal(card, stage, whole=bool(args.stage)) + "\n",
        "json": lambda: shown.as_json(card, stage),
        "markdown": lambda: shown.markdown(card, stage),
        "prometheus": lambda: shown.prometheus(card),
    }
    print(texts[args.format](), end="")
    demanded = args.stage or card.org.ownership.system.stage
    return 0 if card.reached(demanded) else 1


def stage(args: argparse.Namespace) -> int:
    """enter a stage: puts examples of what is still to be said into governance/, and enters once nothing is missing"""
    from ..governance.ownership import STAGES
    from ..governance.scorecard import terminal
    from ..governance.stage_examples import add_examples, set_stage
    from ..ops.readiness_report import assessed_version, registry_if_any, scorecard

    settings = args.project.settings()
    registry = registry_if_any(settings)
    card = scorecard(args.project.seam_if_readable(), settings, registry, assessed_version(registry, None))
    if STAGES.index(args.stage) <= STAGES.index(card.org.ownership.system.stage):
        print(f"{card.org.ownership.system.name} is at {card.org.ownership.system.stage} already")
        return 0
    if card.reached(args.stage):
        set_stage(settings.governance_dir / "ownership.yaml", args.stage, date.today())
        print(f"{args.stage} is entered; run make generate, and commit governance/")
        return 0
    if changed := add_examples(settings.governance_dir, args.stage, date.today()):
        print(f"Examples of what {args.stage} asks for are now, as comments, in: {', '.join(changed)}\n")
    print(terminal(card, args.stage))
    return 1


def report(args: argparse.Namespace) -> int:
    """scorecard, model card and pictures as pages, into var/report/; --version of another than what is next"""
    from ..governance.scorecard import as_json, markdown
    from ..ops.readiness_report import assessed_version, registry_if_any, scorecard
    from ..training.report import write_report

    settings = args.project.settings()
    registry = registry_if_any(settings)
    version = assessed_version(registry, args.version)
    card = scorecard(args.project.seam_if_readable(), settings, registry, version)
    folder = settings.state_dir / "report"  # not in governance/: a page that is made is no change to approve
    if registry and version:
        write_report(registry, version, folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scorecard.md").write_text(markdown(card, card.next_stage), encoding="utf-8")
    (folder / "readiness.json").write_text(as_json(card, card.next_stage), encoding="utf-8")
    print(f"Looked at: {card.looked_at}")
    print("\n".join(sorted(str(path) for path in folder.iterdir())))
    return 0


def _verified(settings: "Settings") -> "list[Evidence]":
    """Ask the git host whether the acceptances are theirs who are said to have accepted."""
    from ..display.plain_text import display
    from ..governance.config import read_organisation
    from ..governance.git_host import verify
    from ..training.evidence_store import digests, finding
    from .evidence import save_evidence

    said = verify(read_organisation(settings.governance_dir).ownership)
    for line in said:
        print(display(line), file=sys.stderr)
    found = [finding("acceptance-verified", not said, digests(settings), "; ".join(said)[:500] or "all confirmed")]
    save_evidence(settings, found)
    return []
