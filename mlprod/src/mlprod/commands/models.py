"""Verbs of those who make the model."""

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..plain_text import display

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..training.registry import Registry, Version


def contract(args: argparse.Namespace) -> int:
    """compare the data with the contract, or the rows of --table; train nothing"""
    from ..contract.validation import ContractViolated, check
    from ..files.columns import of_terms
    from ..files.read import read
    from ..training.evidence_store import digests, write
    from ..training.registry import Registry
    from ..training.training_evidence import of_data

    seam, settings = args.project.seam(), args.project.settings()
    if args.table:
        settings.state.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="table-", dir=settings.state) as folder:
            file = read(args.table, of_terms(seam.terms), Path(folder))
            report = check(file.table, seam.terms, seam.task(), of_file=True)
        if file.described:
            print(file.described)
        if not report.ok:
            raise ContractViolated(report)
        print(report.describe())
        return 0
    report = check(seam.table(), seam.terms, seam.task())
    write(Registry(settings), of_data(seam, report, digests(settings, seam)))
    if not report.ok:
        raise ContractViolated(report)
    print(display(report.describe(), keep="\n"))
    return 0


def train(args: argparse.Namespace) -> int:
    """data to registered challenger, through the gates; --baseline registers what is done today instead"""
    from ..training.registry import Registry
    from ..training.train import train as run

    settings, kind = args.project.settings(), "baseline" if args.baseline else "model"
    version = run(args.project.seam(), settings, saying(), kind=kind, until=args.until).version
    print(_next_step(Registry(settings), version))
    return 0


def _next_step(registry: "Registry", version: "Version") -> str:
    """What to type so that a version that was just trained answers."""
    from ..training.registry import CHALLENGER, CHAMPION

    champion, challenger = registry.behind(CHAMPION), registry.behind(CHALLENGER)
    if champion and champion.number == version.number:
        return f"Version {version.number} is the champion already: the same rows and files make the same bundle."
    if challenger and challenger.number == version.number:
        named = f"VERSION={version.number} " if challenger.rolled_back else ""
        return f'Next: make promote {named}WHY="..." makes version {version.number} answer.'
    if version.kind == "model":
        return f"Version {version.number} did not become the challenger: the champion moved meanwhile. Train again."
    return f'A baseline challenges no champion; make promote VERSION={version.number} WHY="..." goes back to it.'


def retrain(args: argparse.Namespace) -> int:
    """learn anew with the outcomes told to the service: --because drift; without one when age, drift or errors ask"""
    from ..identity import whoami
    from ..training.registry import Registry
    from ..training.retrain import retrain as run
    from ..training.retrain_trigger import reason
    from .service import records

    settings, because, why = args.project.settings(), args.because or ("person" if args.why else ""), args.why
    seam, store = args.project.seam(), records(settings)
    if not because:
        because, why = reason(settings, seam, store, args.days)
        print(display(why if because else f"nothing to do: {why}"), flush=True)
        if not because:
            return 0
    who = args.who or whoami()
    version = run(seam, settings, store, saying(), because=because, who=who, why=why).version
    print(f"Nothing answers with it yet. {_next_step(Registry(settings), version)}")
    return 0


def saying() -> "Callable[[str], None]":
    """Print each step behind the seconds that have passed."""
    started = time.perf_counter()
    return lambda line: print(f"{time.perf_counter() - started:6.1f} s  {display(line)}", flush=True)


def promote(args: argparse.Namespace) -> int:
    """make the challenger the champion: --why "..." [--version N] [--environment staging]"""
    from ..identity import whoami
    from ..ops.readiness_report import ASKED, NotReady, demand
    from ..training.promotion import promote as move
    from ..training.registry import Registry, Version

    settings = args.project.settings()
    registry, strictest = Registry(settings), list(ASKED)
    named = [args.environment or "local", settings.environment, registry.environment()]
    environment = max(named, key=strictest.index)  # what a registry is for cannot be talked away
    if args.environment and args.environment != environment:  # nor the approval that a workflow's environment asks for
        raise NotReady(
            f"{environment} follows this registry's champion, so what is promoted here answers there; nothing was "
            f"promoted. Works: --environment {environment} (make: ENVIRONMENT={environment})"
        )

    def ready(version: Version) -> None:
        demand(args.project.seam_if_readable(), settings, registry, environment, version)
        registry.serves(environment)

    before, after = move(
        registry,
        args.who or whoami(),
        args.why,
        args.version,
        seam=None if args.unchecked else args.project.seam(),
        settings=settings,
        ready=ready,
    )
    print(display(f"champion: version {before.number if before else 'none'} -> {after.number} ({after.kind})"))
    _wait_for(args.url, after.number)
    return 0


def rollback(args: argparse.Namespace) -> int:
    """make the previous champion the champion again: --why "..." [--version N]; without the registry from MODEL_DIR"""
    from ..identity import whoami
    from ..training.local_rollback import roll_back_here, undo
    from ..training.promotion import demand_reason
    from ..training.promotion import rollback as move
    from ..training.registry import Registry, RegistryError

    settings, who = args.project.settings(), args.who or whoami()
    demand_reason(who, args.why)
    if args.undo:
        ended = undo(settings.models)
        print(f"services that read {settings.models} answer with version {ended.left.version} again")
        return 0
    try:
        registry = Registry.existing(settings)
        seam = None if args.unchecked else args.project.seam()
        before, after = move(registry, who, args.why, args.version, seam=seam, settings=settings)
    except RegistryError as error:
        if error.answered:
            raise
        done = roll_back_here(settings.models, who, args.why, args.version)
        print(display(f"the registry is away: {error}"))
        print(f"services that read {settings.models}: version {done.left.version} -> {done.to.version}, within seconds")
        print("NOT reached: replicas with another MODEL_DIR; run this where each has its own (docs/cluster.md)")
        print(f'The registry still names version {done.left.version}. Once it answers: make rollback WHY="..."')
        _wait_for(args.url, done.to.version)
        return 0
    print(display(f"champion: version {before.number} -> {after.number} ({after.kind})"))
    _wait_for(args.url, after.number)
    return 0


def _wait_for(url: str, number: int) -> None:
    """With the address of a service, until it answers with the version. Raises DrillFailed when it does not follow."""
    if url:
        from ..ops.drills import Service

        service = Service(url.rstrip("/"), os.environ.get("ML_SERVICE_KEY", ""))
        what = f"the champion, version {number} by now (does the follower run and reach the registry?),"
        seconds = service.wait_for(lambda facts: facts["model_version"] == str(number), what)
        print(f"{url} answers with version {number} after {seconds:.1f} s")


def versions(args: argparse.Namespace) -> int:
    """what is registered, who serves, and how it came to that"""
    from ..training.history import read_events
    from ..training.registry import CHALLENGER, CHAMPION, Registry

    registry = Registry(args.project.settings())
    found = registry.versions()
    names = {version.number: alias for alias in (CHALLENGER, CHAMPION) if (version := registry.behind(alias))}
    for version in found:
        alias = names.get(version.number, "")
        print(display(f"version {version.number:3}  {version.kind:8}  {version.digest[:12]:12}  {alias}".rstrip()))
        for said in filter(None, [version.rolled_back, *version.problems]):
            print(f"             {said}")
    events, unreadable = read_events(registry.model_tags())
    for event in events if found else ():
        moved = f"{event['action']} {event['before'] or '-'} -> {event['version']}"
        print(display(f"{event['at'][:19]}  {moved}  {event['who']}: {event['why']}"))
    for name, text in unreadable.items():
        print(display(f"the tag {name} of the model holds no event and is left out: {text[:80]!r}"))
    if not found:
        print("nothing is registered yet: make train")
    return 0


def score(args: argparse.Namespace) -> int:
    """a file of scores for yesterday's rows of load(), or those of --table; recorded as the service's answers are"""
    from ..batch.job import score as run
    from ..batch.output import target
    from ..batch.selection import chosen, domain_of
    from ..identity import whoami
    from .service import records

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that nothing is left half done
    settings, domain = args.project.settings(), domain_of(args.project)
    settings.state.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="table-", dir=settings.state) as folder:
        rows = chosen(domain, args.table, args.since, args.until, Path(folder))
        to = target(args.to or str(settings.state / "scores"), rows.name + (".trial" if args.trial else ""))
        if rows.described:
            print(rows.described, flush=True)
        done = run(domain, settings, rows, to, None if args.trial else records(settings), whoami())
    print(f"{done.rows:,} rows, version {done.version}, {done.mode}: {to}")
    for note in done.notes:
        print(display(note))
    if not args.trial:
        known = done.rows - sum(done.refused.values()) - done.new
        print(f"{done.new:,} recorded" + (f", {known:,} were known: given is what was recorded first" if known else ""))
    return 0


def sync(args: argparse.Namespace) -> int:
    """bring the champion's bundle into MODEL_DIR; --follow keeps doing so"""

    settings, stop = args.project.settings(), threading.Event()
    if args.follow_parent and not settings.database_url:  # the embedded database belongs to this machine alone
        from ..ops.migrate import migrate as make_tables

        make_tables(settings.records_url)
    from ..training.registry import Registry
    from ..training.sync import follow
    from ..training.sync import sync as once

    if args.follow_parent:  # its end of the pipe closes when the parent ends, even by kill -9
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    if args.follow or args.follow_parent:
        follow(settings, stop)
        return 0
    print(once(Registry(settings), settings.models) or "nothing new")
    return 0


def _stop_at_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def demo(args: argparse.Namespace) -> int:
    """from nothing to a served model, a promotion and a rollback, in a folder of its own"""
    from ..ops.demo import demo as run

    return run(args.project)
