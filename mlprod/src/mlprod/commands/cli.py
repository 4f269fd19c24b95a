"""The command line: all verbs by group, and the function that runs one.

Every verb works without make: python -m <package> help.
"""

import argparse
import codecs
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..deprecated import with_new_names
from ..display.masking import masked
from ..display.plain_text import display
from ..extensions import Command, ExtensionError
from ..installation.pinned import FROM_WHEEL
from ..loopback import bypass_proxies
from ..project.extension_loader import own_commands

# The verbs import what they need themselves: `setup` runs before anything is installed.
from . import (
    batch,
    deployment,
    development,
    docs,
    drills,
    evidence,
    experiments,
    governance,
    models,
    monitoring,
    notebooks,
    patching,
    service,
    supply_chain,
    training,
)
from .parser import build_parser
from .verb import Verb

GROUPS: dict[str, tuple[Verb, ...]] = {
    "develop": (
        development.setup,
        training.demo,
        development.check,
        development.format_code,
        development.test,
        development.update,
        docs.docs,
        patching.patch,
        supply_chain.sbom,
        supply_chain.check_licenses,
        supply_chain.scan_secrets,
        supply_chain.audit,
    ),
    "train": (
        training.validate,
        training.train,
        training.retrain,
        experiments.runs,
        experiments.ui,
        notebooks.parity,
        notebooks.sample,
        experiments.tune,
        experiments.staleness,
        monitoring.check_source,
    ),
    "serve": (
        service.serve,
        models.promote,
        models.rollback,
        models.list_versions,
        models.fetch_model,
        batch.score,
        service.set_mode,
        service.create_key,
        service.migrate,
        service.purge_records,
    ),
    "operate": (
        drills.smoke_test,
        drills.kill_switch_drill,
        drills.rollback_drill,
        drills.alert_drill,
        monitoring.drift,
        monitoring.check_alerts,
        deployment.image,
        drills.test_image,
        deployment.deploy,
        deployment.verify_deploy,
        development.chaos_test,
        development.load_test,
    ),
    "govern": (
        governance.generate,
        governance.readiness,
        governance.advance_stage,
        evidence.attest,
        evidence.collect_evidence,
        governance.report,
    ),
}
VERBS = {verb.name: verb for group in GROUPS.values() for verb in group}
# An error may have several lines.
BREAK = "\n"


def run(package: str, argv: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Run a verb of the project whose four files are in `package`; return the exit code.

    It runs in the project's folder `root`, or without it in the working folder.
    """
    show_any_text()
    bypass_proxies()
    parts = with_new_names(sys.argv[1:] if argv is None else argv)
    own: dict[str, Command] = {}
    if not parts or parts[0] not in VERBS:
        try:
            own = own_commands(package, (*VERBS, "help"))
        except ExtensionError as error:
            # The library's verbs must stay available.
            print(
                f"\n{type(error).__name__}: {display(masked(str(error)), keep=BREAK)}",
                file=sys.stderr,
            )
    parser = build_parser(package, GROUPS, own)
    is_own = bool(parts) and parts[0] in own
    args = argparse.Namespace(verb=parts[0]) if is_own else parser.parse_args(parts)
    if args.verb in (None, "help"):
        parser.print_help()
        return 0
    if root and root != Path.cwd():
        _enter(root, args)
    try:
        if args.verb in own:
            return own[args.verb](parts[1:]) or 0
        if args.verb not in FROM_WHEEL:
            from ..project.project import Project

            args.project = Project(package)
        return VERBS[args.verb](args)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of the pipe, such as `head`, has ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if type(error).__name__ == "ValidationError" and getattr(error, "title", "") == "Settings":
            from ..settings import describe_unusable_settings

            print(f"\n{describe_unusable_settings(error)}", file=sys.stderr)
            return 1
        if type(error).__module__.partition(".")[0] != __name__.partition(".")[0]:
            # A defect, or an error in the project's own files: the traceback shows where.
            raise
        print(
            f"\n{type(error).__name__}: {display(masked(str(error)), keep=BREAK)}", file=sys.stderr
        )
        return 1


def _enter(root: Path, args: argparse.Namespace) -> None:
    """Change to `root`, and keep the paths that the user typed relative to the old folder."""
    for name in ("input", "output", "predictions"):
        typed = getattr(args, name, None)
        if typed and "://" not in typed:
            setattr(args, name, str(Path(typed).absolute()))
    listed = [
        str(Path(item).absolute())
        for item in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if item
    ]
    # Child processes must find the package too.
    os.environ["PYTHONPATH"] = os.pathsep.join([*listed, str(root / "src")])
    os.chdir(root)


def show_any_text() -> None:
    """Print characters outside the terminal's encoding by their number, as JSON does.

    Otherwise a verb would fail on such a character.
    """
    codecs.register_error("number", _numbered)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="number")


def _numbered(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return json.dumps(missing)[1:-1], error.end
