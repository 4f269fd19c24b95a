import json
import random
import re
import shutil
import string
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from fixture_project import PROJECT, TEMPLATE, main

from mlprod.commands import supply_chain
from mlprod.governance.evidence import Evidence
from mlprod.ops.secret_scan import CheckNotRunError
from mlprod.settings import Settings
from mlprod.training.evidence_store import read_evidence
from mlprod.training.registry import Registry

LOCK = PROJECT / "requirements" / "serve.txt"
GIT = shutil.which("git") or "git"
BASELINE = PROJECT / ".secrets.baseline"
LEFT_OUT = {
    "path": "detect_secrets.filters.regex.should_exclude_file",
    "pattern": ["^(settings|\\.secrets)"],
}
FIXED = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}]


@pytest.fixture
def here(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The tests' own registry and state."""
    shutil.copy(settings.state_dir / "mlflow.db", tmp_path)
    monkeypatch.setenv("ML_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("ML_MODEL_NAME", settings.model_name)
    return settings.model_copy(update={"state_dir": tmp_path})


def stored_evidence(settings: Settings, check: str) -> Evidence:
    return next(record for record in read_evidence(Registry(settings)) if record.check == check)


def entry(package: str) -> str:
    """The lines of a package in the lock."""
    result = re.search(rf"^{package}==(?:.*\\\n)*.*", LOCK.read_text(), re.MULTILINE)
    assert result
    return result[0] + "\n"


# Bill of materials


def test_sbom_lists_every_locked_package_with_hashes_and_is_valid(
    here: Settings,
) -> None:
    assert main(["sbom"]) == 0
    for name in ("serve", "pipeline"):
        text = (here.state_dir / "sbom" / f"{name}.cdx.json").read_text()
        listed = {part["name"]: part for part in json.loads(text)["components"]}
        locked = (
            Path(f"requirements/{name}.txt").read_text()
            + Path("requirements/mlprod.txt").read_text()
        )
        assert set(listed) == set(re.findall(r"^([a-z0-9.-]+)==", locked, re.MULTILINE))
        assert listed["mlprod"]["version"] in locked, "the library is part of both"
        for part in listed.values():
            (reference,) = part["externalReferences"]
            assert all(
                hashed["alg"] == "SHA-256" and hashed["content"] in locked
                for hashed in reference["hashes"]
            )
    assert (
        JsonStrictValidator(SchemaVersion.V1_6).validate_str(
            (here.state_dir / "sbom" / "serve.cdx.json").read_text()
        )
        is None
    )
    record = stored_evidence(here, "sbom")
    assert record.passed
    packages = re.findall(
        r"^[a-z0-9.-]+==", Path("requirements/pipeline.txt").read_text(), re.MULTILINE
    )
    assert record.value == len(packages) + 1, "one more for the library"
    assert record.digests["code"], "another lock makes it stale"


@pytest.mark.parametrize(
    ("lock", "says"),
    [
        ("h11==0.16.0\n", "h11"),
        ("", "locks no package"),
        (None, "no bill of materials was written"),
    ],
)
def test_incomplete_sbom_raises_check_not_run(lock: str | None, says: str, tmp_path: Path) -> None:
    if lock is not None:
        (tmp_path / "lock.txt").write_text(lock)
    with pytest.raises(CheckNotRunError, match=says):
        supply_chain.write_sbom(tmp_path / "lock.txt", tmp_path / "sbom.json")


# Licenses


def test_no_license_of_the_service_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-licenses"]) == 0
    assert re.match(r"\d\d packages of the service", capsys.readouterr().out)


def test_refused_license_is_reported_by_package_and_accepted_by_name_only() -> None:
    result = supply_chain.installed_licenses(LOCK)
    assert result["fastapi"] == "MIT"
    assert supply_chain.forbidden_licenses(result, [r"^MIT\b"], {})["fastapi"] == "MIT"
    left = supply_chain.forbidden_licenses(result, [r"^MIT\b"], {"fastapi": "why not"})
    assert "fastapi" not in left
    assert "pydantic" in left


@pytest.mark.parametrize(
    ("license", "allowed"),
    [
        ("GPL-3.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("GNU Affero General Public License v3", False),
        ("AGPL-3.0-or-later", False),
        ("UNKNOWN", False),
        ("Apache-2.0 AND GPL-2.0-only", False),
        ("(MIT OR GPL-2.0-only) AND AGPL-3.0-only", False),
        ("MIT License; GNU General Public License v2 (GPLv2)", False),
        ("MIT OR GPL-2.0-only", True),
        ("LGPL-3.0-only", True),
        ("GNU Lesser General Public License v3 (LGPLv3)", True),
        ("Mozilla Public License 2.0 (MPL 2.0)", True),
    ],
)
def test_strong_copyleft_and_unknown_licenses_are_refused(license: str, allowed: bool) -> None:
    refuse = ["\\bA?GPL", "affero", "gnu general public", "sspl", "server side public", "unknown"]
    assert (supply_chain.forbidden_licenses({"x": license}, refuse, {}) == {}) is allowed


def test_license_of_a_package_that_is_not_installed_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text("no-such-package==1.0 \\\n    --hash=sha256:00\n")
    with pytest.raises(CheckNotRunError, match=r"no-such-package.*make setup"):
        supply_chain.installed_licenses(tmp_path / "lock.txt")


# Secrets


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    subprocess.run([GIT, "init", "-q"], check=True)
    shutil.copy(BASELINE, tmp_path)
    return tmp_path


def test_committed_key_is_found_and_not_printed(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    invented = invented_key()
    (checkout / "settings.py").write_text(f'\nKEY = "{invented}"\n')
    subprocess.run([GIT, "add", "settings.py"], check=True)
    assert main(["scan-secrets"]) == 1
    message = capsys.readouterr().err
    assert "settings.py:2: AWS Access Key" in message
    assert invented not in message
    (checkout / "settings.py").write_text(f'KEY = "{invented}"  # pragma: allowlist secret\n')
    assert main(["scan-secrets"]) == 0


def invented_key() -> str:
    return "AKIA" + "".join(random.SystemRandom().choices(string.ascii_uppercase + "234567", k=16))


def test_key_is_found_in_a_folder_of_a_larger_repository(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = checkout / "ml" / "parcels"
    project.mkdir(parents=True)
    (checkout / BASELINE.name).rename(project / BASELINE.name)
    (project / "settings.py").write_text(f'KEY = "{invented_key()}"\n')
    monkeypatch.chdir(project)
    subprocess.run([GIT, "add", "settings.py"], check=True)
    assert main(["scan-secrets"]) == 1
    assert "settings.py:1: AWS Access Key" in capsys.readouterr().err
    (project / "settings.py").write_text("KEY = None\n")
    assert main(["scan-secrets"]) == 0
    assert (
        "no secret in the committed files: 1 were read, and a planted key was found"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_key_is_found_in_text_of_another_encoding(
    encoding: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "größe.txt").write_text(f'größe = "{invented_key()}"\n', encoding=encoding)
    subprocess.run([GIT, "add", "."], check=True)
    assert main(["scan-secrets"]) == 1
    assert "größe.txt:1: AWS Access Key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda scan: scan | {"plugins_used": [{"name": "SlackDetector"}]},
            "the search did not find a planted key",
        ),
        (
            lambda scan: scan | {"filters_used": [*scan["filters_used"], LEFT_OUT]},
            "none of 2 committed files was read",
        ),
        (lambda scan: [], "cannot be used"),
    ],
)
def test_baseline_that_hides_every_key_is_refused(
    change: Callable[[dict[str, Any]], object],
    says: str,
    checkout: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (checkout / BASELINE.name).write_text(json.dumps(change(json.loads(BASELINE.read_text()))))
    (checkout / "settings.py").write_text(f'KEY = "{invented_key()}"\n')
    subprocess.run([GIT, "add", "."], check=True)
    assert main(["scan-secrets"]) == 1
    assert says in capsys.readouterr().err


def test_scan_without_tracked_files_is_refused(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan-secrets"]) == 1
    assert "CheckNotRunError: git tracks no file here" in capsys.readouterr().err


# Vulnerabilities


Vulnerabilities = Mapping[str, object]


@pytest.fixture
def advisories(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vulnerabilities]:
    """A simulated OSV server on loopback, with its vulnerabilities by package."""
    affected = [
        {"package": {"name": "django", "ecosystem": "PyPI"}, "versions": ["2.0"], "ranges": FIXED}
    ]
    vulnerabilities: dict[str, object] = {
        "django": {"id": "PYSEC-0000-1", "summary": "a known one", "affected": affected}
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            name = request["package"]["name"]
            body = json.dumps(
                {"vulns": [vulnerabilities[name]]} if name in vulnerabilities else {}
            ).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", f"http://127.0.0.1:{server.server_port}/v1/query")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield vulnerabilities
    server.shutdown()
    server.server_close()


@pytest.fixture
def small(here: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The locks hold two packages."""
    for name in ("serve", "dev"):
        (tmp_path / f"{name}.txt").write_text(
            entry("h11") + (entry("idna") if name == "dev" else "")
        )
    monkeypatch.setattr(supply_chain, "LOCKS", tmp_path)
    return here


def test_audit_without_access_to_advisories_fails(
    small: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert main(["audit"]) == 1
    printed = capsys.readouterr()
    assert "FAILED dependencies-audited: the audit could not run" in printed.out
    assert "Works: a network that reaches the public advisories, with HTTPS_PROXY" in printed.err
    assert stored_evidence(small, "dependencies-audited").passed is False


def test_audit_without_vulnerabilities_passes(small: Settings, advisories: Vulnerabilities) -> None:
    assert main(["audit"]) == 0
    record = stored_evidence(small, "dependencies-audited")
    assert (record.passed, record.value) == (True, "no known vulnerabilities")


def test_known_vulnerability_fails_with_its_place_and_fix(
    small: Settings, advisories: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    affected = [
        {"package": {"name": "h11", "ecosystem": "PyPI"}, "versions": ["0.16.0"], "ranges": FIXED}
    ]
    advisories["h11"] = {
        "id": "PYSEC-0000-0",
        "summary": "invented for this test",
        "affected": affected,
    }
    assert main(["audit"]) == 1
    message = capsys.readouterr().err
    assert "h11 0.16.0 (the service): PYSEC-0000-0, fixed in 99.0" in message
    assert stored_evidence(small, "dependencies-audited").value == "h11 PYSEC-0000-0"


@pytest.mark.parametrize(
    ("days", "why", "passes", "says"),
    [
        (30, "only the tests parse with it", True, "accepted: only the tests parse with it"),
        (-1, "only the tests parse with it", False, "fixed in 99.0; its acceptance ended on"),
        (400, "only the tests parse with it", False, "needs a reason and a day within half a year"),
        (30, " ", False, "needs a reason and a day within half a year"),
    ],
)
def test_vulnerability_is_accepted_only_with_a_reason_and_an_end(
    days: int, why: str, passes: bool, says: str, small: Settings,
    advisories: dict[str, object], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    affected = [
        {"package": {"name": "h11", "ecosystem": "PyPI"}, "versions": ["0.16.0"], "ranges": FIXED}
    ]
    advisories["h11"] = {
        "id": "PYSEC-0000-0",
        "summary": "invented for this test",
        "affected": affected,
    }
    until = datetime.now(UTC).date() + timedelta(days=days)
    entry = f'[tool.audit.accepted.PYSEC-0000-0]\nuntil = {until}\nwhy = "{why}"\n'
    (tmp_path / "pyproject.toml").write_text(Path("pyproject.toml").read_text() + entry)
    monkeypatch.chdir(tmp_path)
    assert main(["audit"]) == (0 if passes else 1)
    received = capsys.readouterr().err
    assert received.startswith("h11 0.16.0 (the service): PYSEC-0000-0, ")
    assert says in received
    record = stored_evidence(small, "dependencies-audited")
    assert record.passed is passes
    assert record.value == (
        "no unaccepted vulnerabilities (1 accepted)" if passes else "h11 PYSEC-0000-0"
    )


def test_advisory_service_without_advisories_fails_the_audit(
    small: Settings, advisories: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    advisories.clear()
    assert main(["audit"]) == 1
    assert (
        "the audit could not run: the advisory service reports no vulnerability of django 2.0"
        in capsys.readouterr().out
    )


def test_lock_without_a_package_for_this_system_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text(
        'h11==0.16.0 ; sys_platform == "amiga" \\\n    --hash=sha256:00\n'
    )
    for check in (supply_chain.installed_licenses, supply_chain.known_vulnerabilities):
        with pytest.raises(CheckNotRunError, match="locks no package for this system"):
            check(tmp_path / "lock.txt")


def test_license_policy_without_a_refused_license_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.licenses]\nrefuse = []\n[tool.licenses.accepted]\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["check-licenses"]) == 1
    assert "refuse is empty, so no license was checked" in capsys.readouterr().err


def test_locked_package_without_a_hash_is_refused(
    small: Settings, advisories: Vulnerabilities, tmp_path: Path
) -> None:
    (tmp_path / "dev.txt").write_text("h11==0.16.0\n")
    with pytest.raises(CheckNotRunError, match="hash"):
        supply_chain.known_vulnerabilities(tmp_path / "dev.txt")


# The table of threats


def test_every_test_in_the_table_of_threats_exists() -> None:
    named = re.findall(
        r"`(mlprod/[\w/]+\.py)::(\w+)`", Path("SECURITY.md").read_text(encoding="utf-8")
    )
    assert len(named) > 15
    for file, test in named:
        assert f"def {test}(" in (TEMPLATE / file).read_text(encoding="utf-8"), (
            f"SECURITY.md names {file}::{test}"
        )
