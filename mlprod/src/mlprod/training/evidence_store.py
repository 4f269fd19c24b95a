"""Evidence in the registry: what commands write, and of what it is evidence today."""

import functools
import hashlib
import math
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from ..display.masking import masked
from ..governance.change_plan import read_change_plan
from ..governance.check_catalogue import ROOMS, Subject, catalogue
from ..governance.ci_identity import IdentityError, claimed_run, in_ci, proven_run
from ..governance.evidence import Evidence, Writer, utc_now
from ..governance.gates import read_gates_file
from ..governance.ownership import read_ownership
from ..governance.yaml_loader import GovernanceError, digest
from ..identity import whoami
from ..installation.installed import Library, read_library
from ..project.project import Seam
from ..settings import Settings
from ..version import VERSION
from .registry import Registry, Version

PREFIX = "evidence."
NEWEST = 1_000  # commands that are looked back at
LOCKS = tuple(f"requirements/{name}" for name in ("install.sh", "serve.txt", "pipeline.txt"))
SEAM = {f"{name}.py" for name in ("contract", "data", "decision", "model")}  # which `domain` names


def finding(
    check: str, passed: bool, digests: dict[Subject, str], value: float | str | None = None
) -> Evidence:
    """What a command has found, written down as the catalogue asks.

    Raises KeyError for a check that is not in it.
    """
    entry = catalogue().entry(check)
    if entry is None:
        raise KeyError(f"the catalogue has no check {check!r}")
    writer, actor, run, proof = _author()
    return Evidence(
        check=check,
        at=utc_now(),
        writer=writer,
        actor=actor,
        run=run,
        proof=proof,
        value=_said(value),
        threshold=entry.needs or None,
        passed=passed,
        valid_days=entry.valid_days,
        digests={subject: digests[subject] for subject in entry.tied_to if subject in digests},
        library=VERSION,
    )


def _author() -> tuple[Writer, str, str, str]:
    """(writer, actor, run, proof): the CI's where a token proves it; else what is declared, as a
    laptop's.
    """
    declared: tuple[Writer, str, str, str] = ("local", whoami(), claimed_run(), "")
    if not in_ci():
        return declared
    try:
        owners = read_ownership(Settings().governance_dir / "ownership.yaml")
        result = proven_run(owners.ci)
    except (IdentityError, GovernanceError) as error:
        _warn(f"This evidence counts as a laptop's, not for production: {error}")
        return declared
    person = owners.by_account(result.account)
    return "ci", person.email if person else result.account, result.run, result.proof


@functools.lru_cache(maxsize=8)
def _warn(reason: str) -> None:
    """Once for each reason: a command may write much evidence."""
    print(reason, file=sys.stderr)


def write(registry: Registry, records: Sequence[Evidence]) -> bool:
    """Keep the records of one command.

    What another library than the pinned one has shown is not kept: then this prints the reason and
    gives False. Raises RegistryError.
    """
    if refusal := read_library(Path()).refusal:
        _warn(f"no evidence was kept: {refusal}")
        return False
    registry.save_tag_sets(
        "evidence", {PREFIX + record.check: record.model_dump_json() for record in records}
    )
    return True


def read(registry: Registry) -> list[Evidence]:
    """The records of the newest commands.

    What is no evidence at all is left out. Raises RegistryError.
    """
    result = []
    for tags in registry.load_tag_sets("evidence", NEWEST):
        for name, text in tags.items():
            record = Evidence.parse(text) if name.startswith(PREFIX) else None
            if record and name == PREFIX + record.check:
                result.append(record)
    return result


def digests(
    settings: Settings,
    seam: Seam | None = None,
    version: Version | None = None,
    library: Library | None = None,
) -> dict[Subject, str]:
    """Of what evidence is evidence today.

    A file that cannot be read has no digest, and nothing can be shown of it; nor of a library that
    is not the pinned one.
    """
    library = library or read_library(Path())
    own = _own_files()
    result: dict[Subject, str] = {
        "project": _files(own),
        "image": _files(map(Path, ("Dockerfile", ".dockerignore", *LOCKS))),
        "rules": _files(sorted(Path("monitoring").rglob("*"))),
    }
    if not library.refusal:
        result["code"] = _files([*own, Path("pyproject.toml")], library.checksum)
        result |= {room: library.rooms[room] for room in ROOMS if room in library.rooms}
    if seam:
        result |= {"domain": seam.digest, "contract": seam.terms.fields.digest()}
    if version:
        result["bundle"] = version.digest
    with suppress(GovernanceError):
        result["change_plan"] = digest(
            read_change_plan(settings.governance_dir / "change_plan.yaml")
        )
    with suppress(GovernanceError):
        result["gates"] = digest(read_gates_file(settings.governance_dir / "gates.yaml"))
    with suppress(GovernanceError):
        owners = read_ownership(settings.governance_dir / "ownership.yaml")
        stageless = owners.system.model_copy(
            update={"stage": "poc", "since": None}
        )  # a new stage is no new owner
        result["ownership"] = digest(owners.model_copy(update={"system": stageless}))
    return result


def _said(value: float | str | None) -> float | str | None:
    """A figure as a float; one that is no number as a word, which no limit lets pass."""
    if isinstance(value, str) or value is None:
        return masked(value) if isinstance(value, str) else value
    return float(value) if math.isfinite(value) else str(value)


def _own_files() -> list[Path]:
    """The project's package without the four files, and the lock."""
    own = [
        path
        for path in sorted(Path("src").rglob("*.py"))
        if path.parent.parent != Path("src") or path.name not in SEAM
    ]
    return [*own, Path("requirements/pipeline.txt")]


def _files(paths: Iterable[Path], first: str = "") -> str:
    total = hashlib.sha256(first.encode())
    for path in paths:
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.name} {content}\n".encode())
    return total.hexdigest()
