"""Verbs of the supply chain: what it is built from, under which licences, with which holes, and no
secret in it.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from ..installation.pinned import LINE, PIN
from ..ops.secret_scan import CheckNotRunError, search
from .verb import verb

LOCKS = Path("requirements")
LONGEST = timedelta(days=183)  # for which a known hole may be borne, as any waiver
BASELINE = Path(".secrets.baseline")
CANNOT_AUDIT = """pip-audit could not get the advisories of every locked package. A mirror of an index may have none.
Works: a network that reaches the public advisories, with HTTPS_PROXY and REQUESTS_CA_BUNDLE behind a proxy; or another
source, by PIP_AUDIT_VULNERABILITY_SERVICE=osv and PIP_AUDIT_OSV_URL"""
PLANTED = ("django", "2.0")  # locked nowhere here; advisories of many years name it


@verb("sbom")
def sbom(args: argparse.Namespace) -> int:
    """List what the service and the pipeline are built from, with hashes (CycloneDX)."""
    from ..training.evidence_store import digests, finding
    from .evidence import save_evidence

    settings = args.project.settings()
    counts = {}
    for name in ("serve", "pipeline"):
        file = settings.state_dir / "sbom" / f"{name}.cdx.json"
        counts[name] = components(LOCKS / f"{name}.txt", file)
        print(f"{file}: {counts[name]} components")
    return save_evidence(
        settings, [finding("sbom", True, digests(settings), float(counts["pipeline"]))]
    )


def components(lock: Path, file: Path) -> int:
    """Write the bill of a lock and of the pinned library, valid by CycloneDX's schema; gives the
    number of components.

    Raises CheckNotRunError when it could not be made, or when it does not list every locked package
    with its hashes.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    requested = [
        "--pyproject",
        "pyproject.toml",
        "--output-reproducible",
        "--validate",
        "-o",
        str(file),
    ]
    with tempfile.TemporaryDirectory() as folder:
        source = lock
        if (
            lock.is_file()
            and PIN.is_file()
            and (pin := LINE.search(PIN.read_text(encoding="utf-8")))
        ):
            source = Path(folder, lock.name)
            source.write_text(f"{lock.read_text(encoding='utf-8')}\n{pin[0]}\n", encoding="utf-8")
        done = _tool("cyclonedx_py", "requirements", *requested, str(source))
    if done.returncode:
        raise CheckNotRunError(f"no bill was made of {lock}: {done.stderr.strip()[-500:]}")
    listed = {
        (part["name"], part["version"])
        for part in json.loads(file.read_text(encoding="utf-8")).get("components", [])
        if any(reference.get("hashes") for reference in part.get("externalReferences", []))
    }
    if lacking := locked(lock).items() - listed:
        raise CheckNotRunError(
            f"{file} does not list with hashes what {lock} holds: {sorted(lacking)[:5]}"
        )
    return len(listed)


def locked(lock: Path) -> dict[str, str]:
    """Package → version, for every system."""
    result = dict(
        re.findall(
            r"^([A-Za-z0-9._-]+)==([^ ;\\\n]+)", lock.read_text(encoding="utf-8"), re.MULTILINE
        )
    )
    if not result:
        raise CheckNotRunError(f"{lock} locks nothing")
    return result


def applicable(lock: Path) -> set[str]:
    """The packages that a lock installs on this system."""
    from packaging.requirements import Requirement

    lines = re.findall(
        r"^[A-Za-z0-9._-]+==[^\\\n]+", lock.read_text(encoding="utf-8"), re.MULTILINE
    )
    wanted = [Requirement(line) for line in lines]
    names = {_normal(item.name) for item in wanted if item.marker is None or item.marker.evaluate()}
    if not names:
        raise CheckNotRunError(f"{lock} locks nothing for this system")
    return names


@verb("check-licenses")
def check_licenses(_: argparse.Namespace) -> int:
    """Refuse packages whose license [tool.licenses] of pyproject.toml forbids."""
    tools = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]
    policy = tools.get("licenses") or tools["licences"]  # the spelling of version 0.1
    if not policy["refuse"]:
        raise CheckNotRunError(
            "[tool.licenses] of pyproject.toml refuses nothing, so no license was checked; name one"
        )
    result = installed_licenses(LOCKS / "serve.txt")
    bad = refused(result, policy["refuse"], policy["accepted"])
    for name, license in bad.items():
        print(f"{name}: {license} is refused by [tool.licenses] of pyproject.toml", file=sys.stderr)
    if bad:
        print("use another package, or accept it there by name, with the reason", file=sys.stderr)
        return 1
    print(f"{len(result)} packages of the service: no license is refused")
    return 0


def installed_licenses(lock: Path) -> dict[str, str]:
    """Package → licence, of what a lock installs on this system.

    Raises CheckNotRunError when one is not installed here.
    """
    here = {_normal(item.metadata["Name"]) for item in metadata.distributions()}
    wanted = applicable(lock)
    if absent := wanted - here:
        raise CheckNotRunError(
            f"{sorted(absent)} of {lock} are not installed here, so nobody knows their "
            f"licences: make setup"
        )
    done = _tool(
        "piplicenses",
        "--format=json",
        "--from=mixed",
        "--with-system",
        "--packages",
        *sorted(wanted),
    )
    result = (
        {_normal(entry["Name"]): entry["License"] for entry in json.loads(done.stdout)}
        if not done.returncode
        else {}
    )
    if lacking := wanted - set(result):
        raise CheckNotRunError(
            f"nothing is said of {sorted(lacking)}: {done.stderr.strip()[-300:]}"
        )
    return result


def refused(
    found: Mapping[str, str], refuse: Iterable[str], accepted: Mapping[str, str]
) -> dict[str, str]:
    """What may not be carried.

    Of a choice (A OR B) one that is not refused suffices; of several at once all count.
    """

    def bad(licence: str) -> bool:
        choices = licence.split(" OR ") if " AND " not in licence else [licence]
        return all(
            any(re.search(pattern, choice, re.IGNORECASE) for pattern in refuse)
            for choice in choices
        )

    return {
        name: licence for name, licence in found.items() if name not in accepted and bad(licence)
    }


@verb("scan-secrets")
def scan_secrets(_: argparse.Namespace) -> int:
    """Search the committed files for passwords and keys."""
    result = search(BASELINE)
    for name, line, kind in result.found:
        print(f"{name}:{line}: {kind}", file=sys.stderr)
    if result.found:
        print(
            "a secret that was committed must be changed where it opens something. What is "
            "none gets a comment on its "
            f"line, `pragma: allowlist secret`, or an entry: detect-secrets scan "
            f"--no-verify --baseline {BASELINE}",
            file=sys.stderr,
        )
        return 1
    print(
        f"no secret among the committed files: {result.files} were read, and a planted key "
        f"was found"
    )
    return 0


@verb("audit")
def audit(args: argparse.Namespace) -> int:
    """Audit the locked packages for known vulnerabilities; fails if the audit cannot run."""
    from ..training.evidence_store import digests, finding
    from .evidence import save_evidence

    settings = args.project.settings()
    try:
        holes = known_vulnerabilities(LOCKS / "dev.txt")
    except CheckNotRunError as error:
        save_evidence(
            settings,
            [
                finding(
                    "dependencies-audited",
                    False,
                    digests(settings),
                    f"could not look: {error}"[:500],
                )
            ],
        )
        print(CANNOT_AUDIT, file=sys.stderr)
        return 1
    accepted = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["audit"][
        "accepted"
    ]
    left = []
    for name, version, hole, mended in holes:
        where = "the service" if name in locked(LOCKS / "serve.txt") else "pipeline or development"
        excuse, why_not = accepted_reason(accepted.get(hole), datetime.now(UTC).date())
        end = (
            f"accepted: {excuse}" if excuse else f"mended in {mended or 'no version yet'}{why_not}"
        )
        print(f"{name} {version} ({where}): {hole}, {end}", file=sys.stderr)
        left += [] if excuse else [f"{name} {hole}"]
    borne = len(holes) - len(left)
    message = "; ".join(left) or (
        f"no hole is known but {borne} that are borne for now" if borne else "no hole is known"
    )
    return save_evidence(
        settings, [finding("dependencies-audited", not left, digests(settings), message[:500])]
    )


def accepted_reason(entry: Mapping[str, Any] | None, today: date) -> tuple[str, str]:
    """Why a known hole is borne for now, or else what an entry lacks that [tool.audit.accepted] has
    for it.
    """
    if entry is None:
        return "", ""
    until, why = entry.get("until"), str(entry.get("why", "")).strip()
    if not isinstance(until, date) or not why or until > today + LONGEST:
        works = f'until = {today + LONGEST}, why = "never reads what others send"'
        return (
            "",
            f"; its entry in [tool.audit.accepted] needs a reason and a day within half a "
            f"year, as in {works}",
        )
    if until < today:
        return "", f"; it was accepted until {until}"
    return f"{why} (until {until})", ""


def known_vulnerabilities(lock: Path) -> list[tuple[str, str, str, str]]:
    """(package, version, id, versions that mend it).

    Raises CheckNotRunError when not every package could be looked up, and when the service of
    advisories knows nothing of PLANTED: a mirror may answer without advisories.
    """
    wanted = applicable(lock)
    with tempfile.TemporaryDirectory() as folder:
        file, planted = Path(folder) / "audit.json", Path(folder) / "planted.txt"
        planted.write_text(f"{'=='.join(PLANTED)} --hash=sha256:{'0' * 64}\n", encoding="utf-8")
        requested = ["--strict", "--disable-pip", "--require-hashes", "--progress-spinner=off"]
        requested += ["-r", str(lock), "-r", str(planted)]
        done = _tool("pip_audit", *requested, "-f", "json", "-o", str(file))
        if not file.is_file() or not (text := file.read_text(encoding="utf-8")):
            raise CheckNotRunError(
                done.stderr.strip()[-300:] or f"pip-audit ended with {done.returncode}"
            )
    looked = json.loads(text)["dependencies"]
    if lacking := wanted - {_normal(item["name"]) for item in looked if "vulns" in item}:
        raise CheckNotRunError(f"nothing is said of {sorted(lacking)[:5]}")
    if not any(entry["vulns"] for entry in looked if (entry["name"], entry["version"]) == PLANTED):
        raise CheckNotRunError(
            f"the service of advisories knows none of {' '.join(PLANTED)}, so it knows none at all"
        )
    return [
        (element["name"], element["version"], hole["id"], ", ".join(hole["fix_versions"]))
        for element in looked
        if (element["name"], element["version"]) != PLANTED
        for hole in element["vulns"]
    ]


def _normal(name: str) -> str:
    """As indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _tool(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "utf8", "-m", module, *arguments]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
