"""What the tests share. One registry for the session, since making its database takes seconds; a model name each."""

import contextlib
import gc
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar, Protocol

import ibis
import pytest
from seams import binary
from starlette.testclient import TestClient

from {{cookiecutter.package_name}}.bundle.files import bundle_digest, folder_digest, sha256
from {{cookiecutter.package_name}}.loopback import bypass_proxies
from {{cookiecutter.package_name}}.pipeline.migrate import migrate
from {{cookiecutter.package_name}}.pipeline.promotion import promote
from {{cookiecutter.package_name}}.pipeline.registry import Registry, Version
from {{cookiecutter.package_name}}.pipeline.seam import Seam
from {{cookiecutter.package_name}}.pipeline.training import Outcome, train
from {{cookiecutter.package_name}}.records import spool
from {{cookiecutter.package_name}}.serving import keeper, mode_follower
from {{cookiecutter.package_name}}.serving.assembly import Assembly
from {{cookiecutter.package_name}}.serving.log import logging_to_output
from {{cookiecutter.package_name}}.settings import Settings

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
    """A developer's own settings must not reach the tests."""
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
    keeper.SHIP_SECONDS, keeper.TURN_SECONDS = 0.02, 0.1
    mode_follower.MODE_SECONDS, mode_follower.FILE_SECONDS = 0.1, 0.05
    spool.HOLD_SECONDS = 0.5


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


def point(models: Path, bundle: Path, version: int, *previous: dict[str, object]) -> dict[str, object]:
    """Make a bundle the champion of MODEL_DIR, as the follower does: the folder first, then the pointer at once."""
    if not (models / "versions" / bundle.name).exists():
        shutil.copytree(bundle, models / "versions" / bundle.name)
    here: dict[str, object] = {"digest": bundle.name, "version": version}
    (models / "draft").write_text(json.dumps(here | {"previous": previous}))
    (models / "draft").replace(models / "champion.json")
    return here


def eventually(holds: Callable[[], object], seconds: float = 30) -> None:
    """Return once `holds` does, within some seconds. What is not there yet does not hold."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if holds():
                return
        time.sleep(0.01)
    raise AssertionError("this did not come to hold")


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


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Let go of DuckDB before the interpreter ends, or its bindings report what is left as leaks."""
    ibis.options.default_backend = None
    gc.collect()
