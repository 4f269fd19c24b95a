"""Verbs of the supply chain: what it is built from, under which licences, with which holes, and no secret in it."""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

LOCKS = Path("requirements")
LONGEST = timedelta(days=183)  # for which a known hole may be borne, as any waiver
BASELINE = Path(".secrets.baseline")


class NotLooked(Exception):
    """What was asked could not be looked at, so nothing is known, and the answer is no."""


def sbom(_: argparse.Namespace) -> int:
    """list what the service and the pipeline are built from: CycloneDX, from the locks, with hashes"""
    from ..pipeline.evidence import digests, finding
    from ..settings import Settings
    from .organisation import keep

    settings = Settings()
    counts = {}
    for name in ("serve", "pipeline"):
        file = settings.state / "sbom" / f"{name}.cdx.json"
        counts[name] = components(LOCKS / f"{name}.txt", file)
        print(f"{file}: {counts[name]} components")
    return keep(settings, [finding("sbom", True, digests(settings), float(counts["pipeline"]))])


def components(lock: Path, file: Path) -> int:
    """Write the bill of a lock, valid by CycloneDX's schema; gives the number of its components.

    Raises NotLooked when it could not be made, or when it does not list every locked package with its hashes.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    asked = ["--pyproject", "pyproject.toml", "--output-reproducible", "--validate", "-o", str(file), str(lock)]
    done = _tool("cyclonedx_py", "requirements", *asked)
    if done.returncode:
        raise NotLooked(f"no bill was made of {lock}: {done.stderr.strip()[-500:]}")
    listed = {
        (part["name"], part["version"])
        for part in json.loads(file.read_text(encoding="utf-8")).get("components", [])
        if any(reference.get("hashes") for reference in part.get("externalReferences", []))
    }
    if lacking := locked(lock).items() - listed:
        raise NotLooked(f"{file} does not list with hashes what {lock} holds: {sorted(lacking)[:5]}")
    return len(listed)


def locked(lock: Path) -> dict[str, str]:
    """Package → version, for every system."""
    found = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\\n]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    if not found:
        raise NotLooked(f"{lock} locks nothing")
    return found


def applying(lock: Path) -> set[str]:
    """The packages that a lock installs on this system."""
    from packaging.requirements import Requirement

    lines = re.findall(r"^[A-Za-z0-9._-]+==[^\\\n]+", lock.read_text(encoding="utf-8"), re.MULTILINE)
    wanted = [Requirement(line) for line in lines]
    return {_normal(each.name) for each in wanted if each.marker is None or each.marker.evaluate()}


def licences(_: argparse.Namespace) -> int:
    """refuse licences that the service may not carry, as [tool.licences] of pyproject.toml says"""
    policy = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["licences"]
    found = carried(LOCKS / "serve.txt")
    bad = refused(found, policy["refuse"], policy["accepted"])
    for name, licence in bad.items():
        print(f"{name}: {licence} is refused by [tool.licences] of pyproject.toml", file=sys.stderr)
    if bad:
        print("use another package, or accept it there by name, with the reason", file=sys.stderr)
        return 1
    print(f"{len(found)} packages of the service: no licence is refused")
    return 0


def carried(lock: Path) -> dict[str, str]:
    """Package → licence, of what a lock installs on this system. Raises NotLooked when one is not installed here."""
    here = {_normal(each.metadata["Name"]) for each in metadata.distributions()}
    wanted = applying(lock)
    if absent := wanted - here:
        raise NotLooked(
            f"{sorted(absent)} of {lock} are not installed here, so nobody knows their licences: make setup"
        )
    done = _tool("piplicenses", "--format=json", "--from=mixed", "--with-system", "--packages", *sorted(wanted))
    found = {_normal(each["Name"]): each["License"] for each in json.loads(done.stdout)} if not done.returncode else {}
    if lacking := wanted - set(found):
        raise NotLooked(f"nothing is said of {sorted(lacking)}: {done.stderr.strip()[-300:]}")
    return found


def refused(found: Mapping[str, str], refuse: Iterable[str], accepted: Mapping[str, str]) -> dict[str, str]:
    """What may not be carried. Of a choice (A OR B) one that is not refused suffices; of several at once all count."""

    def bad(licence: str) -> bool:
        choices = licence.split(" OR ") if " AND " not in licence else [licence]
        return all(any(re.search(pattern, choice, re.IGNORECASE) for pattern in refuse) for choice in choices)

    return {name: licence for name, licence in found.items() if name not in accepted and bad(licence)}


def secrets(_: argparse.Namespace) -> int:
    """look for passwords and keys among the committed files; what is known to be none stands in .secrets.baseline"""
    found = unknown_secrets(BASELINE)
    for name, line, kind in found:
        print(f"{name}:{line}: {kind}", file=sys.stderr)
    if found:
        print(
            "a secret that was committed must be changed where it opens something. What is none gets a comment on its "
            f"line, `pragma: allowlist secret`, or an entry: detect-secrets scan --no-verify --baseline {BASELINE}",
            file=sys.stderr,
        )
        return 1
    print("no secret among the committed files")
    return 0


def unknown_secrets(baseline: Path) -> list[tuple[str, int, str]]:
    """(file, line, kind) of what looks like a secret in files that git knows, and is not in the baseline, whatever the
    line. Raises NotLooked."""
    git = shutil.which("git")
    tracked = subprocess.run([git, "ls-files"], capture_output=True, text=True, check=False).stdout if git else ""
    if not tracked.strip():
        raise NotLooked("git knows no file here, so none was looked at; is this a checkout?")
    known = {(e["type"], name, e["hashed_secret"]) for name, e in _entries(json.loads(baseline.read_text()))}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(baseline, folder))  # the tool writes into it
        # to verify would mean to try what was found at whatever it may open, over the network
        done = _tool("detect_secrets", "scan", "--no-verify", "--baseline", str(copy))
        if done.returncode:
            raise NotLooked(f"no file was looked at: {done.stderr.strip()[-500:]}")
        now = _entries(json.loads(copy.read_text()))
    new = [(name, e) for name, e in now if (e["type"], name, e["hashed_secret"]) not in known]
    return [(name, e["line_number"], e["type"]) for name, e in new]


def audit(_: argparse.Namespace) -> int:
    """ask whether holes are known in what is locked; fails as well when it could not look"""
    from ..pipeline.evidence import digests, finding
    from ..settings import Settings
    from .organisation import keep

    settings = Settings()
    try:
        holes = known_holes(LOCKS / "dev.txt")
    except NotLooked as error:
        keep(settings, [finding("dependencies-audited", False, digests(settings), f"could not look: {error}"[:500])])
        return 1
    accepted = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["audit"]["accepted"]
    left = []
    for name, version, hole, mended in holes:
        where = "the service" if name in locked(LOCKS / "serve.txt") else "pipeline or development"
        excuse, why_not = excused(accepted.get(hole), datetime.now(UTC).date())
        end = f"accepted: {excuse}" if excuse else f"mended in {mended or 'no version yet'}{why_not}"
        print(f"{name} {version} ({where}): {hole}, {end}", file=sys.stderr)
        left += [] if excuse else [f"{name} {hole}"]
    borne = len(holes) - len(left)
    said = "; ".join(left) or (f"no hole is known but {borne} that are borne for now" if borne else "no hole is known")
    return keep(settings, [finding("dependencies-audited", not left, digests(settings), said[:500])])


def excused(entry: Mapping[str, Any] | None, today: date) -> tuple[str, str]:
    """Why a known hole is borne for now, or else what an entry lacks that [tool.audit.accepted] has for it."""
    if entry is None:
        return "", ""
    until, why = entry.get("until"), str(entry.get("why", "")).strip()
    if not isinstance(until, date) or not why or until > today + LONGEST:
        works = f'until = {today + LONGEST}, why = "never reads what others send"'
        return "", f"; its entry in [tool.audit.accepted] needs a reason and a day within half a year, as in {works}"
    if until < today:
        return "", f"; it was accepted until {until}"
    return f"{why} (until {until})", ""


def known_holes(lock: Path) -> list[tuple[str, str, str, str]]:
    """(package, version, id, versions that mend it). Raises NotLooked when not every package could be looked up."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "audit.json"
        asked = ["--strict", "--disable-pip", "--require-hashes", "--progress-spinner=off", "-r", str(lock)]
        done = _tool("pip_audit", *asked, "-f", "json", "-o", str(file))
        if not file.is_file() or not (text := file.read_text(encoding="utf-8")):
            raise NotLooked(done.stderr.strip()[-300:] or f"pip-audit ended with {done.returncode}")
    looked = json.loads(text)["dependencies"]
    if lacking := applying(lock) - {_normal(each["name"]) for each in looked if "vulns" in each}:
        raise NotLooked(f"nothing is said of {sorted(lacking)[:5]}")
    return [
        (each["name"], each["version"], hole["id"], ", ".join(hole["fix_versions"]))
        for each in looked
        for hole in each["vulns"]
    ]


def _entries(scan: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, entry) for name, entries in scan["results"].items() for entry in entries]


def _normal(name: str) -> str:
    """As indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _tool(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
