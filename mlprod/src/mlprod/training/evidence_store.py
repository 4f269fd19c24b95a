"""Evidence in the registry: how commands write and read it, and the digests of its subjects."""

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
from ..governance.yaml_loader import GovernanceError, content_digest
from ..identity import whoami
from ..installation.installed import Library, read_library
from ..project.project import Seam
from ..settings import Settings
from ..version import VERSION
from .registry import Registry, Version

TAG_PREFIX = "evidence."
# The newest commands whose evidence is read.
MAX_RUNS = 1_000
LOCK_FILES = tuple(f"requirements/{name}" for name in ("install.sh", "serve.txt", "pipeline.txt"))
# The digest `domain` covers these files.
FOUR_FILES = {f"{name}.py" for name in ("contract", "data", "decision", "model")}


def finding(
    check: str, passed: bool, digests: dict[Subject, str], value: float | str | None = None
) -> Evidence:
    """Make the evidence of a check from a command's result, with the catalog's threshold.

    Raises KeyError if the catalog has no such check.
    """
    entry = catalogue().entry(check)
    if entry is None:
        raise KeyError(f"the catalog has no check {check!r}")
    writer, actor, run, proof = _author()
    return Evidence(
        check=check,
        at=utc_now(),
        writer=writer,
        actor=actor,
        run=run,
        proof=proof,
        value=_plain_value(value),
        threshold=entry.needs or None,
        passed=passed,
        valid_days=entry.valid_days,
        digests={subject: digests[subject] for subject in entry.tied_to if subject in digests},
        library=VERSION,
    )


def _author() -> tuple[Writer, str, str, str]:
    """Return (writer, actor, run, proof).

    They are those of the CI if a token proves the run. Otherwise they are the declared ones, and
    the writer counts as a laptop.
    """
    declared: tuple[Writer, str, str, str] = ("local", whoami(), claimed_run(), "")
    if not in_ci():
        return declared
    try:
        owners = read_ownership(Settings().governance_dir / "ownership.yaml")
        result = proven_run(owners.ci)
    except (IdentityError, GovernanceError) as error:
        _warn(f"This evidence counts as a laptop's and not for production: {error}")
        return declared
    person = owners.by_account(result.account)
    return "ci", person.email if person else result.account, result.run, result.proof


@functools.lru_cache(maxsize=8)
def _warn(reason: str) -> None:
    """Print a reason once, because a command may write much evidence."""
    print(reason, file=sys.stderr)


def write_evidence(registry: Registry, records: Sequence[Evidence]) -> bool:
    """Store the records of one command, and return whether they were stored.

    If the installed library is not the pinned one, this prints the reason and stores nothing.
    Raises RegistryError if the registry does not respond.
    """
    if refusal := read_library(Path()).refusal:
        _warn(f"no evidence was stored: {refusal}")
        return False
    registry.save_tag_sets(
        "evidence", {TAG_PREFIX + record.check: record.model_dump_json() for record in records}
    )
    return True


def read_evidence(registry: Registry) -> list[Evidence]:
    """Return the records of the newest commands; tags that are not evidence are left out.

    Raises RegistryError if the registry does not respond.
    """
    result = []
    for tags in registry.load_tag_sets("evidence", MAX_RUNS):
        for name, text in tags.items():
            record = Evidence.parse(text) if name.startswith(TAG_PREFIX) else None
            if record and name == TAG_PREFIX + record.check:
                result.append(record)
    return result


def digests(
    settings: Settings,
    seam: Seam | None = None,
    version: Version | None = None,
    library: Library | None = None,
) -> dict[Subject, str]:
    """Compute the current digest of each subject of evidence.

    A file that cannot be read has no digest, so no evidence about it is current. The same holds
    for a library that is not the pinned one.
    """
    library = library or read_library(Path())
    own = _own_files()
    result: dict[Subject, str] = {
        "project": _files(own),
        "image": _files(map(Path, ("Dockerfile", ".dockerignore", *LOCK_FILES))),
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
        result["change_plan"] = content_digest(
            read_change_plan(settings.governance_dir / "change_plan.yaml")
        )
    with suppress(GovernanceError):
        result["gates"] = content_digest(read_gates_file(settings.governance_dir / "gates.yaml"))
    with suppress(GovernanceError):
        owners = read_ownership(settings.governance_dir / "ownership.yaml")
        # A new stage does not change the owners.
        stageless = owners.system.model_copy(update={"stage": "poc", "since": None})
        result["ownership"] = content_digest(owners.model_copy(update={"system": stageless}))
    return result


def _plain_value(value: float | str | None) -> float | str | None:
    """Return a finite figure as a float, and any other as text, which passes no threshold."""
    if isinstance(value, str) or value is None:
        return masked(value) if isinstance(value, str) else value
    return float(value) if math.isfinite(value) else str(value)


def _own_files() -> list[Path]:
    """Return the files of the project's package without the four files, and the lock file."""
    own = [
        path
        for path in sorted(Path("src").rglob("*.py"))
        if path.parent.parent != Path("src") or path.name not in FOUR_FILES
    ]
    return [*own, Path("requirements/pipeline.txt")]


def _files(paths: Iterable[Path], first: str = "") -> str:
    """Return the sha256 over `first`, and over names and contents of the files that exist."""
    total = hashlib.sha256(first.encode())
    for path in paths:
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.name} {content}\n".encode())
    return total.hexdigest()
