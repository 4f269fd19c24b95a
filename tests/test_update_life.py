"""Updates during operation: an edited project serves while its library is updated twice."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from conftest import copy_template
from test_baked_governance import scorecard
from test_baked_life import Project, post, readme_request, wait_for_version
from test_hooks import cookiecutter, git
from test_template_update import update

pytestmark = pytest.mark.slow
LIBRARY = "mlprod/src/mlprod"
# Seconds until a service must be up, on a busy machine.
START = 120


def release(template: Path, version: str, *edited: str) -> None:
    """Commit and tag a version of the library in which these files have another last line."""
    settings = template / "mlprod" / "pyproject.toml"
    lines = settings.read_text().splitlines(True)
    place = next(number for number, line in enumerate(lines) if line.startswith("version = "))
    settings.write_text("".join([*lines[:place], f'version = "{version}"\n', *lines[place + 1 :]]))
    for name in edited:
        file = template / LIBRARY / name
        file.write_text(f"{file.read_text()}# of {version}\n")
    git(template, "add", "-A")
    git(template, "commit", "-qm", version)
    git(template, "tag", f"v{version}")


class Caller:
    """Requests predictions in sequence, from the service that a load balancer would choose."""

    def __init__(self, address: str, row: dict[str, Any]) -> None:
        self.address, self.row = address, row
        self.answered, self.failed = 0, list[str]()
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.02):
            try:
                (prediction,) = post(f"{self.address}/v1/predict", [self.row])["predictions"]
                self.answered += 0 <= prediction["score"] <= 1
            except HTTPError as error:
                self.failed.append(f"{error.code} {error.read().decode()}")
            # Any exception means that the caller got no response.
            except Exception as error:
                self.failed.append(repr(error))

    @contextmanager
    def calling(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(30)


def with_environment(project: Project, name: str) -> Project:
    """Return the same project with its own environment and event log, as in a new image."""
    again = Project(project.baked, project.path.parent / name)
    again.environment["ML_EVENT_LOG_DIR"] = str(project.path.parent / f"spool-{name}")
    # This test does not check load shedding on a busy machine.
    again.environment["ML_MAX_QUEUE_SECONDS"] = "5"
    return again


def updated(project: Project, name: str) -> Project:
    """Update the project to the newest release and commit; its services continue to run."""
    done = update(project.baked)
    assert done.returncode == 0, done.stdout + done.stderr
    newer = with_environment(project, name)
    newer.makes("setup")
    newer.makes("generate")
    commit(newer, name)
    return newer


def commit(project: Project, message: str) -> None:
    project.baked.git("add", "-A")
    project.baked.git("-c", "core.hooksPath=/dev/null", "commit", "-qm", message)


def checks(project: Project) -> dict[str, tuple[str, str]]:
    """Return status and texts of each check by its id."""
    return {
        check["id"]: (check["status"], " ".join(check["says"]))
        for check in scorecard(project, "pilot")[1]["checks"]
    }


@pytest.mark.sampled("what takes five minutes")
def test_project_updates_to_a_patch_and_a_minor_version_while_it_serves(tmp_path: Path) -> None:
    template = tmp_path / "template"
    copy_template(template)
    git(template, "init", "-q", "-b", "main")
    release(template, "0.2.0")
    project = with_environment(
        Project(cookiecutter(f"git+file://{template}", tmp_path), tmp_path / "none"), "first"
    )
    (project.path / ".git" / "info" / "exclude").write_text("serve.log\n")
    decision = project.source / "decision.py"
    decision.write_text(f"{decision.read_text()}\n\nTEAM = 'ours'\n".replace("'", '"'))
    project.makes("setup")
    commit(project, "Ours")
    project.makes("baseline")
    project.makes("promote", REASON="the service needs a model")
    project.makes("train")
    project.makes("promote", REASON="it beats the rule")
    project.makes("ci")

    with ExitStack() as services:
        address = services.enter_context(project.serving())
        wait_for_version(address, "2", seconds=START)
        caller = Caller(address, readme_request(project))
        # The caller ends before the services.
        with caller.calling():
            project.makes("kill-switch-drill", f"URL={address}")
            before = checks(project)
            assert {before[id][0] for id in ("stop-drilled", "tests-green", "checks-green")} == {
                "passed"
            }

            release(template, "0.2.1", "governance/waivers.py")
            patched = updated(project, "patched")
            with_patch = checks(patched)
            assert with_patch["stop-drilled"][0] == "passed", (
                "a patch of another package must not make this evidence stale"
            )
            assert {with_patch[id][0] for id in ("tests-green", "checks-green")} == {"stale"}
            roll_out(services, project, patched, caller)
            patched.makes("ci")
            assert {
                checks(patched)[id][0] for id in ("stop-drilled", "tests-green", "checks-green")
            } == {"passed"}

            release(template, "0.3.0", "serving/mode_state.py")
            minor = updated(patched, "minor")
            status, says = checks(minor)["stop-drilled"]
            assert status == "stale"
            assert "mlprod.serving has changed since" in says
            roll_out(services, patched, minor, caller)
            minor.makes("kill-switch-drill", f"URL={caller.address}")
            minor.makes("ci")
            assert {
                checks(minor)[id][0] for id in ("stop-drilled", "tests-green", "checks-green")
            } == {"passed"}

    assert not caller.failed
    assert caller.answered > 100
    assert decision.read_text().endswith('TEAM = "ours"\n')


def roll_out(services: ExitStack, old: Project, new: Project, caller: Caller) -> None:
    """Start the new service before the old one ends."""
    address = services.enter_context(new.serving())
    wait_for_version(address, "2", seconds=START)
    caller.address = address
    # A request that started before uses the old service.
    time.sleep(1)
    assert old.service
    old.service.terminate()
    old.service.wait(60)
