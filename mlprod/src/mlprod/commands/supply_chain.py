"""Verbs of the supply chain: bill of materials, licenses, vulnerabilities and secrets."""

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
from ..ops.secret_scan import CheckNotRunError, search_secrets
from .verb import verb

LOCKS = Path("requirements")
# A vulnerability can be accepted for this long, as any waiver.
MAX_ACCEPTANCE = timedelta(days=183)
BASELINE = Path(".secrets.baseline")
AUDIT_HELP = """pip-audit could not get the advisories of every locked package. A mirror of an
index may have none. Works: a network that reaches the public advisories, with HTTPS_PROXY and
REQUESTS_CA_BUNDLE behind a proxy; or another source, by PIP_AUDIT_VULNERABILITY_SERVICE=osv and
PIP_AUDIT_OSV_URL"""
# A version with many known vulnerabilities. No lock holds it; the audit must report it.
PLANTED = ("django", "2.0")


@verb("sbom")
def sbom(args: argparse.Namespace) -> int:
    """List what the service and the pipeline are built from, with hashes (CycloneDX)."""
    from ..training.evidence_store import digests, finding
    from .evidence import save_evidence

    settings = args.project.settings()
    counts = {}
    for name in ("serve", "pipeline"):
        file = settings.state_dir / "sbom" / f"{name}.cdx.json"
        counts[name] = write_sbom(LOCKS / f"{name}.txt", file)
        print(f"{file}: {counts[name]} components")
    return save_evidence(
        settings, [finding("sbom", True, digests(settings), float(counts["pipeline"]))]
    )


def write_sbom(lock: Path, file: Path) -> int:
    """Write the bill of materials of a lock and of the pinned library; return its size.

    It is valid by CycloneDX's schema. Raises CheckNotRunError if it cannot be written, or if it
    does not list every locked package with its hashes.
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
        raise CheckNotRunError(
            f"no bill of materials was written for {lock}: {done.stderr.strip()[-500:]}"
        )
    listed = {
        (part["name"], part["version"])
        for part in json.loads(file.read_text(encoding="utf-8")).get("components", [])
        if any(reference.get("hashes") for reference in part.get("externalReferences", []))
    }
    if missing := locked_packages(lock).items() - listed:
        raise CheckNotRunError(
            f"{file} does not list these packages of {lock} with hashes: {sorted(missing)[:5]}"
        )
    return len(listed)


def locked_packages(lock: Path) -> dict[str, str]:
    """Return package → version of a lock, for every system. Raises CheckNotRunError if empty."""
    result = dict(
        re.findall(
            r"^([A-Za-z0-9._-]+)==([^ ;\\\n]+)", lock.read_text(encoding="utf-8"), re.MULTILINE
        )
    )
    if not result:
        raise CheckNotRunError(f"{lock} locks no package. Works: a lock with name==version lines")
    return result


def applicable_packages(lock: Path) -> set[str]:
    """Return the packages that a lock installs on this system."""
    from packaging.requirements import Requirement

    lines = re.findall(
        r"^[A-Za-z0-9._-]+==[^\\\n]+", lock.read_text(encoding="utf-8"), re.MULTILINE
    )
    wanted = [Requirement(line) for line in lines]
    names = {_normal(item.name) for item in wanted if item.marker is None or item.marker.evaluate()}
    if not names:
        raise CheckNotRunError(f"{lock} locks no package for this system")
    return names


@verb("check-licenses")
def check_licenses(_: argparse.Namespace) -> int:
    """Refuse packages whose license [tool.licenses] of pyproject.toml forbids."""
    tools = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]
    # Version 0.1 spelled the table [tool.licences].
    policy = tools.get("licenses") or tools["licences"]
    if not policy["refuse"]:
        raise CheckNotRunError(
            "[tool.licenses] of pyproject.toml: refuse is empty, so no license was checked; "
            "name one"
        )
    result = installed_licenses(LOCKS / "serve.txt")
    refused = forbidden_licenses(result, policy["refuse"], policy["accepted"])
    for name, license in refused.items():
        print(f"{name}: {license} is refused by [tool.licenses] of pyproject.toml", file=sys.stderr)
    if refused:
        print(
            "use another package, or accept it by name in [tool.licenses], with the reason",
            file=sys.stderr,
        )
        return 1
    print(f"{len(result)} packages of the service: no license is refused")
    return 0


def installed_licenses(lock: Path) -> dict[str, str]:
    """Return package → license of the packages that a lock installs on this system.

    Raises CheckNotRunError if a package is not installed here.
    """
    here = {_normal(item.metadata["Name"]) for item in metadata.distributions()}
    wanted = applicable_packages(lock)
    if absent := wanted - here:
        raise CheckNotRunError(
            f"{sorted(absent)} of {lock} are not installed here, so their licenses are unknown. "
            f"Works: make setup"
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
    if missing := wanted - set(result):
        raise CheckNotRunError(
            f"pip-licenses reported no license of {sorted(missing)}: {done.stderr.strip()[-300:]}"
        )
    return result


def forbidden_licenses(
    licenses: Mapping[str, str], refuse: Iterable[str], accepted: Mapping[str, str]
) -> dict[str, str]:
    """Return package → license of the packages whose license is refused.

    Of a choice (A OR B) one license that is not refused suffices; of A AND B every one counts.
    """

    def is_refused(license: str) -> bool:
        choices = license.split(" OR ") if " AND " not in license else [license]
        return all(
            any(re.search(pattern, choice, re.IGNORECASE) for pattern in refuse)
            for choice in choices
        )

    return {
        name: license
        for name, license in licenses.items()
        if name not in accepted and is_refused(license)
    }


@verb("scan-secrets")
def scan_secrets(_: argparse.Namespace) -> int:
    """Search the committed files for passwords and keys."""
    result = search_secrets(BASELINE)
    for name, line, kind in result.matches:
        print(f"{name}:{line}: {kind}", file=sys.stderr)
    if result.matches:
        print(
            "Revoke a committed secret where it grants access. Mark a false positive with the "
            "comment `pragma: allowlist secret` on its line, or add it to the baseline: "
            f"detect-secrets scan --no-verify --baseline {BASELINE}",
            file=sys.stderr,
        )
        return 1
    print(
        f"no secret in the committed files: {result.files} were read, and a planted key was found"
    )
    return 0


@verb("audit")
def audit(args: argparse.Namespace) -> int:
    """Audit the locked packages for known vulnerabilities; fails if the audit cannot run."""
    from ..training.evidence_store import digests, finding
    from .evidence import save_evidence

    settings = args.project.settings()
    try:
        vulnerabilities = known_vulnerabilities(LOCKS / "dev.txt")
    except CheckNotRunError as error:
        save_evidence(
            settings,
            [
                finding(
                    "dependencies-audited",
                    False,
                    digests(settings),
                    f"the audit could not run: {error}"[:500],
                )
            ],
        )
        print(AUDIT_HELP, file=sys.stderr)
        return 1
    accepted = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["audit"][
        "accepted"
    ]
    open_ones = []
    for name, version, id, fixed_in in vulnerabilities:
        where = (
            "the service"
            if name in locked_packages(LOCKS / "serve.txt")
            else "pipeline or development"
        )
        reason, why_not = accepted_reason(accepted.get(id), datetime.now(UTC).date())
        state = (
            f"accepted: {reason}" if reason else f"fixed in {fixed_in or 'no version yet'}{why_not}"
        )
        print(f"{name} {version} ({where}): {id}, {state}", file=sys.stderr)
        open_ones += [] if reason else [f"{name} {id}"]
    count = len(vulnerabilities) - len(open_ones)
    message = "; ".join(open_ones) or (
        f"no unaccepted vulnerabilities ({count} accepted)" if count else "no known vulnerabilities"
    )
    return save_evidence(
        settings, [finding("dependencies-audited", not open_ones, digests(settings), message[:500])]
    )


def accepted_reason(entry: Mapping[str, Any] | None, today: date) -> tuple[str, str]:
    """Return the reason for accepting a vulnerability, or what is wrong with its entry.

    `entry` is its table in [tool.audit.accepted] of pyproject.toml.
    """
    if entry is None:
        return "", ""
    until, why = entry.get("until"), str(entry.get("why", "")).strip()
    if not isinstance(until, date) or not why or until > today + MAX_ACCEPTANCE:
        works = f'until = {today + MAX_ACCEPTANCE}, why = "never reads untrusted input"'
        return (
            "",
            f"; its entry in [tool.audit.accepted] needs a reason and a day within half a year; "
            f"works: {works}",
        )
    if until < today:
        return "", f"; its acceptance ended on {until}"
    return f"{why} (until {until})", ""


def known_vulnerabilities(lock: Path) -> list[tuple[str, str, str, str]]:
    """Return (package, version, id, versions that fix it) of each known vulnerability.

    Raises CheckNotRunError if a package could not be looked up, or if the advisory service reports
    none for PLANTED: a mirror may respond without advisories.
    """
    wanted = applicable_packages(lock)
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
    audited = json.loads(text)["dependencies"]
    if missing := wanted - {_normal(item["name"]) for item in audited if "vulns" in item}:
        raise CheckNotRunError(f"pip-audit reported nothing about {sorted(missing)[:5]}")
    if not any(item["vulns"] for item in audited if (item["name"], item["version"]) == PLANTED):
        raise CheckNotRunError(
            f"the advisory service reports no vulnerability of {' '.join(PLANTED)}, which has "
            f"many; it has no advisories"
        )
    return [
        (item["name"], item["version"], entry["id"], ", ".join(entry["fix_versions"]))
        for item in audited
        if (item["name"], item["version"]) != PLANTED
        for entry in item["vulns"]
    ]


def _normal(name: str) -> str:
    """Return the normalized package name, by which indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _tool(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "utf8", "-m", module, *arguments]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
