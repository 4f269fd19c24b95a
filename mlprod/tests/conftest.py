"""What the tests share. One registry for the session, since making its database takes seconds; a model name each."""

import contextlib
import gc
import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar, Protocol

import fixture_project
import ibis
import pytest
from seams import binary
from starlette.testclient import TestClient

from mlprod.bundle.files import bundle_digest, folder_digest, sha256
from mlprod.governance.check_catalogue import ROOMS
from mlprod.installed import read_library
from mlprod.loopback import bypass_proxies
from mlprod.ops.migrate import migrate
from mlprod.project import Seam
from mlprod.records import event_log
from mlprod.serving import mode_follower, record_shipper
from mlprod.serving.container import Assembly
from mlprod.serving.logs import logging_to_output
from mlprod.settings import Settings
from mlprod.testing.waiting import eventually as eventually
from mlprod.testing.waiting import point as point
from mlprod.training.promotion import promote
from mlprod.training.registry import Registry, Version
from mlprod.training.train import Outcome, train

GATES = """gates:
  - {id: beats-baseline, metric: value, compare: baseline, op: ">", threshold: 0, on: lower, why: worth its upkeep}
  - {id: holds-champion, metric: value, compare: champion, op: ">=", threshold: 0, on: upper, why: not surely worse}
  - {id: slices, metric: value, slice: "*", compare: baseline, op: ">=", threshold: 0, on: upper, why: for everyone}
  - {id: no-copy-of-the-label, metric: single_field_power, slice: "*", op: "<=", threshold: 0.99, why: known too late}
  - {id: exact-export, metric: parity_difference, op: "<=", threshold: 0.01, why: what was measured must answer}
"""
OWNERSHIP = """system: {name: parcels, stage: poc}
people:
  - {id: model_owner, name: Your Name, email: you@example.org}
outcomes:
  - {id: model_quality, accountable: model_owner}
"""


def silent(line: str) -> None:
    """For steps that report progress."""


@dataclass(frozen=True)
class Trained:
    settings: Settings
    outcome: Outcome
    bundle: Path  # a folder named by its digest


@pytest.fixture(scope="session", autouse=True)
def bare_environment() -> None:
    """Fixtures begin in the folder of the project, and a developer's own settings must not reach the tests."""
    os.chdir(fixture_project.PROJECT)
    for name in [name for name in os.environ if name.startswith("ML_") or name == "MLFLOW_TRACKING_URI"]:
        del os.environ[name]
    bypass_proxies()


@pytest.fixture(scope="session")
def governance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("governance")
    (folder / "gates.yaml").write_text(GATES)
    (folder / "ownership.yaml").write_text(OWNERSHIP)
    return folder


@pytest.fixture(scope="session")
def empty_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose database holds no model yet; copy it."""
    folder = tmp_path_factory.mktemp("empty")
    Registry(Settings(state=folder, tracking_uri="", model_name="nothing"))
    return folder


@pytest.fixture(scope="session")
def state(empty_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    shutil.copy(empty_state / "mlflow.db", folder)
    return folder


@pytest.fixture(scope="session")
def empty_records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of records in which nothing happened yet; copy it."""
    path = tmp_path_factory.mktemp("empty-records") / "records.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session", autouse=True)
def hasty() -> None:
    """A tenth of the pauses, so that no test waits for them."""
    record_shipper.SHIP_SECONDS, record_shipper.TURN_SECONDS = 0.02, 0.1
    mode_follower.MODE_SECONDS, mode_follower.FILE_SECONDS = 0.1, 0.05
    event_log.HOLD_SECONDS = 0.5


@pytest.fixture(scope="session")
def new_settings(
    state: Path, governance: Path, empty_records: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Settings]:
    def make() -> Settings:
        records = shutil.copy(empty_records, tmp_path_factory.mktemp("records"))
        return Settings(
            state=state,
            governance=governance,
            tracking_uri="",
            model_name=f"model-{uuid.uuid4().hex[:8]}",
            model_dir=tmp_path_factory.mktemp("models"),
            database_url=f"sqlite:///{records}",
            spool=tmp_path_factory.mktemp("spool"),
            poll_seconds=0.05,
            new_series_seconds=1e-9,  # shown at 0 once  # nothing is held back
            max_late_seconds=5,  # a machine that is busy with something else must not fail a test
        )

    return make


@pytest.fixture
def settings(new_settings: Callable[[], Settings]) -> Settings:
    return new_settings()


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return Registry(settings)


@pytest.fixture(scope="session")
def trained(new_settings: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model, through the whole pipeline. Do not change its registry or its bundle: copy."""
    return _trained(new_settings(), tmp_path_factory.mktemp("model"), "model")


@pytest.fixture(scope="session")
def trained_baseline(new_settings: Callable[[], Settings], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return _trained(new_settings(), tmp_path_factory.mktemp("baseline"), "baseline")


def _trained(settings: Settings, folder: Path, kind: str) -> Trained:
    outcome = train(binary, settings, silent, kind=kind)
    bundle = Registry(settings).download(outcome.version, folder)
    return Trained(settings, outcome, bundle.rename(folder / outcome.version.digest))


@pytest.fixture
def model(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the model's bundle."""
    return Path(shutil.copytree(trained.bundle, tmp_path / "model" / trained.bundle.name))


@pytest.fixture
def baseline(trained_baseline: Trained, tmp_path: Path) -> Path:
    """A copy of the baseline's bundle."""
    return Path(shutil.copytree(trained_baseline.bundle, tmp_path / "baseline" / trained_baseline.bundle.name))


def sealed(folder: Path, model: bytes = b"", **changes: bytes) -> Path:
    """The bundle with other files, and with a manifest and a name that agree with them: made so, not damaged."""
    content = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "provenance.json"}
    content |= {f"{name}.json": data for name, data in changes.items()}
    content |= {"model.onnx": model} if model else {}
    manifest = json.loads(content["manifest.json"])
    manifest["files"] = {name: sha256(data) for name, data in content.items() if name != "manifest.json"}
    content["manifest.json"] = json.dumps(manifest).encode()
    target = folder.parent / bundle_digest(content)
    target.mkdir()
    for name, data in content.items():
        (target / name).write_bytes(data)
    return target


class Registered(Protocol):
    def __call__(self, digest: str, compared_with: str = "") -> Version: ...


@pytest.fixture
def register(registry: Registry) -> Registered:
    """Register a version without a bundle, for what only moves names."""

    run = registry.log_run({}, {}, {}, None)

    def make(digest: str, compared_with: str = "") -> Version:
        return registry.register(run, digest, {"kind": "model", "compared_with": compared_with})

    return make


def release(registry: Registry, bundle: Path, kind: str = "model") -> Version:
    """Register a bundle that is there already, and make it champion."""
    version = registry.register(registry.log_run({}, {}, {}, bundle), folder_digest(bundle), {"kind": kind})
    promote(registry, "you", "a test", version.number)
    return version


def waive(settings: Settings, expires: date = date.max) -> None:
    """Allow runtime python until a day."""
    facts = f"reason: words, risk: code runs at load, approved_by: model_owner, expires: {expires}"
    (settings.governance / "waivers.yaml").write_text("waivers:\n  - {check: pickle, " + facts + "}\n")


def assemble(seam: Seam, settings: Settings) -> Assembly:
    return Assembly(seam.terms, seam.baseline, seam.decide, seam.payoff, settings)


class Client(TestClient):
    """A caller of a service; `operations` asks its second port."""

    running: ClassVar[list["Client"]] = []  # that of a module goes on beside that of a test, and logs to the same place

    def __init__(self, assembly: Assembly, headers: dict[str, str] | None = None) -> None:
        super().__init__(assembly.service, "http://localhost", raise_server_exceptions=False, headers=headers)
        self.assembly, self.operations = assembly, TestClient(assembly.operations, "http://localhost")

    def flush(self) -> None:
        """Log the requests up to now, in the thread in which the service does it by itself every half second."""
        assert self.portal
        self.portal.call(self.assembly.access.flush)


@contextlib.contextmanager
def serve(seam: Seam, settings: Settings) -> Iterator[Client]:
    """A running service, once it has looked up its mode."""
    assembly = assemble(seam, settings)
    with Client(assembly) as client:
        eventually(lambda: assembly.keeper.looked and assembly.mode_state.looked)
        Client.running.append(client)
        try:
            yield client
        finally:
            Client.running.remove(client)


@pytest.fixture
def client(trained: Trained, settings: Settings) -> Iterator[Client]:
    """A service that answers with the model as version 1."""
    point(settings.models, trained.bundle, 1)
    with serve(binary, settings) as found:
        yield found


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What services log to standard output from now on; asking for it ends the logging."""
    for client in Client.running:
        client.flush()  # or the lines of requests of tests before come within the next half second
    with contextlib.ExitStack() as logging:
        logging.enter_context(logging_to_output())

        def said() -> str:
            logging.close()
            return capsys.readouterr().out

        yield said


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins in the folder of the project, as a command does."""
    monkeypatch.chdir(fixture_project.PROJECT)


class Tally:
    """Counts what passed by file; with VERIFIED=yes a whole green run writes it into the wheel's sources, with the
    rooms that it ran with."""

    def __init__(self) -> None:
        self.passed, self.failed = Counter[str](), 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed += report.failed
        if report.when == "call" and report.passed:
            self.passed[f"mlprod/{report.nodeid.partition('::')[0]}"] += 1

    def pytest_sessionfinish(self) -> None:
        if os.environ.get("VERIFIED") == "yes" and not self.failed:
            rooms = read_library(fixture_project.PROJECT).rooms
            tested = {"passed": dict(sorted(self.passed.items())), "rooms": {room: rooms[room] for room in ROOMS}}
            text = json.dumps(tested, indent=1)
            (fixture_project.LIBRARY / "src" / "mlprod" / "verified.json").write_text(text + "\n")


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:  # what workers report comes here once more
        config.pluginmanager.register(Tally())


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Let go of DuckDB before the interpreter ends, or its bindings report what is left as leaks."""
    ibis.options.default_backend = None
    gc.collect()
    shutil.rmtree(fixture_project.PROJECT.parent, ignore_errors=True)
