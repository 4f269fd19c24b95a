"""The verbs. The Makefile only names them, so everything works without make: python -m <package> help."""

import argparse
import codecs
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ..deprecated import with_new_names
from ..display.masking import masked
from ..display.plain_text import display
from ..extensions import Command, ExtensionError
from ..installation.pinned import FROM_WHEEL
from ..loopback import bypass_proxies
from ..modes import MODES
from ..project.extension_loader import own_commands

# The verbs import what they need themselves: `setup` runs before anything is installed.
from . import (
    batch,
    deployment,
    development,
    drills,
    evidence,
    experiments,
    governance,
    models,
    monitoring,
    patching,
    service,
    supply_chain,
    training,
)

Verb = Callable[[argparse.Namespace], int]
VERBS: dict[str, Verb] = {
    "setup": development.setup,
    "demo": training.demo,
    "check": development.check,
    "format": development.tidy,
    "update": development.update,
    "mlprod-patch": patching.patch,
    "test": development.test,
    "faults": development.faults,
    "soak": development.soak,
    "contract": training.contract,
    "train": training.train,
    "retrain": training.retrain,
    "staleness": experiments.staleness,
    "tune": experiments.tune,
    "promote": models.promote,
    "rollback": models.rollback,
    "versions": models.versions,
    "score": batch.score,
    "serve": service.serve,
    "sync": models.sync,
    "migrate": service.migrate,
    "mode": service.mode,
    "key": service.key,
    "forget": service.forget,
    "smoke": drills.smoke,
    "stop-drill": drills.stop_drill,
    "rollback-drill": drills.rollback_drill,
    "alert-drill": drills.alert_drill,
    "drift": monitoring.drift,
    "upstream": monitoring.upstream,
    "watch": monitoring.watch,
    "deploy": deployment.deploy,
    "deployed": deployment.deployed,
    "image": deployment.image,
    "image-drill": drills.image_drill,
    "generate": governance.generate,
    "readiness": governance.readiness,
    "stage": governance.stage,
    "attest": evidence.attest,
    "observe": evidence.observe,
    "report": governance.report,
    "sbom": supply_chain.sbom,
    "licences": supply_chain.licences,
    "secrets": supply_chain.secrets,
    "audit": supply_chain.audit,
}
BREAK = "\n"  # an error may have several lines
STAGES = ["poc", "pilot", "production"]


class Parser(argparse.ArgumentParser):
    """Says what is wrong with arguments without repeating the secrets in them."""

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(masked(message), file)


def run(package: str, argv: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Run a verb of the project whose four files are in `package`, in its folder `root`; gives the exit code.

    Without a `root` the verb runs in the working folder.
    """
    show_any_text()
    bypass_proxies()
    words = with_new_names(sys.argv[1:] if argv is None else argv)
    own: dict[str, Command] = {}
    if not words or words[0] not in VERBS:
        try:
            own = own_commands(package, (*VERBS, "help"))
        except ExtensionError as error:  # which must not take the list of verbs away
            print(f"\n{type(error).__name__}: {display(masked(str(error)), keep=BREAK)}", file=sys.stderr)
    parser = _parser(package, own)
    is_own = bool(words) and words[0] in own
    args = argparse.Namespace(verb=words[0]) if is_own else parser.parse_args(words)
    if args.verb in (None, "help"):
        parser.print_help()
        return 0
    if root and root != Path.cwd():
        _enter(root, args)
    try:
        if args.verb in own:
            return own[args.verb](words[1:]) or 0
        if args.verb not in FROM_WHEEL:
            from ..project.project import Project

            args.project = Project(package)
        return VERBS[args.verb](args)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if type(error).__name__ == "ValidationError" and getattr(error, "title", "") == "Settings":
            from ..settings import unusable

            print(f"\n{unusable(error)}", file=sys.stderr)
            return 1
        if type(error).__module__.partition(".")[0] != __name__.partition(".")[0]:
            raise  # a defect, or an error of your own files: the traceback says where
        print(f"\n{type(error).__name__}: {display(masked(str(error)), keep=BREAK)}", file=sys.stderr)
        return 1


def _enter(root: Path, args: argparse.Namespace) -> None:
    """Work in `root`, where every file of the project is found; a path that was typed stays where it was typed."""
    for name in ("table", "to"):
        typed = getattr(args, name, None)
        if typed and "://" not in typed:
            setattr(args, name, str(Path(typed).absolute()))
    listed = [str(Path(each).absolute()) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    os.environ["PYTHONPATH"] = os.pathsep.join([*listed, str(root / "src")])  # child processes find the package too
    os.chdir(root)


def show_any_text() -> None:
    """Show a character that the terminal's encoding does not have by its number, as JSON does: no verb fails on one."""
    codecs.register_error("number", _numbered)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="number")


def _numbered(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return json.dumps(missing)[1:-1], error.end


def _utc(said: str) -> datetime:
    """A time as load() takes it: UTC, without saying so."""
    time = datetime.fromisoformat(said)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _parser(package: str, own: Mapping[str, Command]) -> argparse.ArgumentParser:
    parser = Parser(prog=f"python -m {package}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    made = {name: verbs.add_parser(name, help=verb.__doc__, description=verb.__doc__) for name, verb in VERBS.items()}
    for name, command in own.items():
        first_line = (command.__doc__ or "").strip().partition("\n")[0].replace("%", "%%")
        verbs.add_parser(name, help=f"{first_line} (of this project)")
    verbs.add_parser("help", help="this list")
    made["train"].add_argument("--baseline", action="store_true", help="register the baseline instead of a model")
    made["train"].add_argument("--until", type=_utc, help="use rows before this time, UTC, e.g. 2026-06-01")
    made["retrain"].add_argument(
        "--because",
        choices=["drift", "quality", "age", "person"],
        help="default: person with --why, else whatever of age, drift and errors on outcomes asks for it",
    )
    made["retrain"].add_argument("--days", type=float, default=90, help="age at which a champion is old; default: 90")
    for name in ("retrain", "promote", "rollback"):
        made[name].add_argument("--why", default="", help="the reason, for the record")
        made[name].add_argument("--who", default="", help="default: git's user.email")
    for name in ("promote", "rollback"):
        made[name].add_argument("--url", default="", help="of the service: wait until it answers with the version")
        made[name].add_argument(
            "--unchecked", action="store_true", help="do not ask whether this code could answer with it"
        )
    made["promote"].add_argument("--version", type=int, help="this version instead of the challenger")
    made["rollback"].add_argument("--version", type=int, help="this one, which was champion before, not the last")
    made["rollback"].add_argument(
        "--undo", action="store_true", help="end a rollback that was made here while the registry was away"
    )
    made["promote"].add_argument(
        "--environment",
        choices=["local", "staging", "production"],
        help="whose stage must be reached: staging asks for pilot, production for production; default: ML_ENVIRONMENT",
    )
    for name in ("contract", "score"):
        made[name].add_argument("--table", help="rows of a file or folder, Parquet or CSV; default: those of load()")
    for name in ("since", "until"):
        made["score"].add_argument(f"--{name}", type=_utc, help="of load(), UTC, e.g. 2026-06-01; default: yesterday")
    made["score"].add_argument(
        "--to", default="", help="file.parquet, or a folder: a path or an address, s3://bucket/scores"
    )
    made["score"].add_argument("--trial", action="store_true", help="record nothing, and so give no decisions")
    made["tune"].add_argument("--trials", type=int, default=20, help="settings at most; default: %(default)s")
    made["serve"].add_argument("--no-follow", action="store_true")
    made["mode"].add_argument("mode", nargs="?", choices=MODES)
    made["mode"].add_argument("--why", default="", help="the reason, for the record")
    made["mode"].add_argument("--who", default="", help="default: git's user.email")
    made["forget"].add_argument("--before", type=date.fromisoformat, required=True, help="a day, UTC, e.g. 2026-05-31")
    made["key"].add_argument("--name", required=True, help="the system that calls")
    made["key"].add_argument(
        "--role", action="append", required=True, choices=["predict", "outcomes", "feedback", "operate", "smoke"]
    )
    made["key"].add_argument("--until", type=date.fromisoformat, help="last day on which it holds, e.g. 2027-06-30")
    made["sync"].add_argument("--follow", action="store_true")
    made["sync"].add_argument("--follow-parent", action="store_true", help="the same, until standard input closes")
    made["soak"].add_argument("--minutes", type=float, default=30)
    made["test"].add_argument("rest", nargs="*", help="what pytest takes; without it the result is kept as evidence")
    for name in ("smoke", "stop-drill", "rollback-drill"):
        made[name].add_argument(
            "--url", default="http://127.0.0.1:8000", help="of the service; its key is read from ML_SERVICE_KEY"
        )
    made["rollback-drill"].add_argument(
        "--unattended", action="store_true", help="move nothing where production follows, or nothing is to go back to"
    )
    made["alert-drill"].add_argument("--url", default="http://127.0.0.1:9093", help="of Alertmanager")
    made["alert-drill"].add_argument(
        "--hold", type=float, default=45, help="seconds until the test alerts end; messages leave within 30"
    )
    made["drift"].add_argument("--hours", type=float, default=24, help="of records that are looked at, default 24")
    for name in ("since", "until"):
        made["drift"].add_argument(f"--{name}", type=_utc, help="rows of load() instead, by time, UTC, e.g. 2026-06-01")
    made["drift"].add_argument("--table", help="rows of a file instead: file.parquet or file.csv")
    made["watch"].add_argument(
        "--url",
        default="",
        help="that is told; default: alerting.webhook of ownership.yaml; ML_WEBHOOK_TOKEN goes along",
    )
    for name in ("deploy", "deployed"):
        made[name].add_argument("--environment", choices=["staging", "production"], required=True)
        made[name].add_argument(
            "--images", required=True, help="e.g. registry.example.org/team/name@sha256:…, one or more"
        )
    for name in ("image", "image-drill"):
        made[name].add_argument("--name", default=package.replace("_", "-"), help="default: %(default)s")
    made["image"].add_argument("--base", default="", help="image to build on, by digest: python@sha256:...")
    made["generate"].add_argument("--check", action="store_true", help="only compare; 1 when a file differs")
    made["readiness"].add_argument("--stage", choices=STAGES, help="exit with 1 when it is not reached")
    made["readiness"].add_argument(
        "--format", choices=["terminal", "json", "markdown", "prometheus"], default="terminal"
    )
    made["readiness"].add_argument(
        "--verify",
        action="store_true",
        help="ask the git host about the acceptances, with GITHUB_TOKEN or GITLAB_TOKEN",
    )
    made["stage"].add_argument("stage", choices=STAGES[1:])
    made["attest"].add_argument("--check", required=True, help="id of a check that is looked at by hand")
    made["attest"].add_argument("--why", default="", help="what you found")
    for name in ("readiness", "report"):
        made[name].add_argument("--version", type=int, help="of this version; default: the champion")
    return parser
