"""The verb set-mode: it works without the database, reports its reach, and starts fast."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Trained, eventually, point, serve
from fixture_project import PACKAGE, main
from seams import binary

from mlprod.ops import mode_requirements
from mlprod.ops.migrate import migrate
from mlprod.ops.mode_switch import mode_now
from mlprod.project.project import Project
from mlprod.records.store import Store
from mlprod.records.usage_stats import Usage
from mlprod.settings import Settings

HEAVY = {
    "alembic",
    "duckdb",
    "ibis",
    "matplotlib",
    "mlflow",
    "numpy",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "sklearn",
}
RUN = f"""
import json, sys
from mlprod.commands.cli import run
code = run({PACKAGE!r}, sys.argv[1:])
print(json.dumps([code, sorted(name.partition(".")[0] for name in sys.modules)]))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine with a state folder, whose database has no tables yet."""
    monkeypatch.setenv("ML_STATE_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("ML_DATABASE_URL", f"sqlite:///{tmp_path}/records.db")
    return Project(PACKAGE).settings()


@pytest.fixture
def away(here: Settings) -> Settings:
    """The database is down; a replica of this machine that has ended was in automate."""
    here.spooled.mkdir(parents=True)
    (here.spooled / "mode").write_text("automate")
    return here


@pytest.mark.parametrize("environment", ["local", "production"])
@pytest.mark.parametrize("there", [True, False])
def test_kill_switch_imports_no_training_package(
    environment: str, there: bool, tmp_path: Path, empty_records: Path
) -> None:
    if there:
        shutil.copy(empty_records, tmp_path / "records.db")
    message = {
        "ML_STATE_DIR": str(tmp_path),
        "ML_DATABASE_URL": f"sqlite:///{tmp_path}/records.db",
        "ML_ENVIRONMENT": environment,
        "PYTHONPATH": ":".join(sys.path),
    }
    command = [
        sys.executable,
        "-c",
        RUN,
        "set-mode",
        "shadow",
        "--reason",
        "complaints",
        "--actor",
        "grace",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=message)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == (0 if there else 1), done.stdout
    assert not HEAVY & set(modules)


def test_kill_switch_does_not_check_readiness(
    here: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a step down requires nothing")

    migrate(here.database_url)
    monkeypatch.setattr(mode_requirements, "require_mode", never)
    monkeypatch.setattr("mlprod.records.usage_stats.usage", never)
    monkeypatch.setenv("ML_ENVIRONMENT", "production")
    assert main(["set-mode", "shadow", "--reason", "complaints", "--actor", "grace"]) == 0
    assert "by grace: complaints" in capsys.readouterr().out


def test_step_up_checks_readiness(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[tuple[str, str]] = []

    def demand(settings: Settings, wanted: str, now: str, used: Usage) -> None:
        requested.append((now, wanted))

    migrate(here.database_url)
    monkeypatch.setattr(mode_requirements, "require_mode", demand)
    monkeypatch.setenv("ML_ENVIRONMENT", "production")
    assert main(["set-mode", "assist", "--reason", "all is well", "--actor", "grace"]) == 0
    assert requested == [("shadow", "assist")]


def test_kill_switch_without_database_and_service_reports_that_it_reached_none(
    away: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["set-mode", "shadow", "--reason", "complaints", "--actor", "grace"]) == 1
    message = capsys.readouterr().out
    for part in (
        "is unavailable: no such table",
        "No service runs with",
        "NOT reached: replicas on other machines",
    ):
        assert part in message
    migrate(away.database_url)
    assert main(["set-mode"]) == 0
    assert "by grace: complaints" in capsys.readouterr().out
    assert list(away.switches.iterdir()) == []
    stored = Store(away.database_url).mode()
    assert stored
    assert (stored.mode, stored.who, stored.why) == ("shadow", "grace", "complaints")


def test_kill_switch_without_the_database_reaches_the_service_of_this_folder(
    away: Settings, settings: Settings, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    point(settings.models, trained.bundle, 1)
    with serve(
        binary, away.model_copy(update={"model_dir": settings.models, "max_queue_seconds": 5.0})
    ) as client:
        assert client.get("/v1/model").json()["mode"] == "automate"
        assert main(["set-mode", "shadow", "--reason", "complaints", "--actor", "grace"]) == 0
        assert f"for the service that runs with {away.spooled}" in capsys.readouterr().out
        eventually(lambda: client.get("/v1/model").json()["mode"] == "shadow")
        assert client.get("/v1/model").json()["mode_source"] == "replica"
        assert main(["set-mode"]) == 1, "the database cannot be read"
        message = capsys.readouterr()
        assert "on this machine the mode is shadow, set by grace: complaints" in message.out
        assert "StoreUnavailableError" in message.err or "TablesMissingError" in message.err
        migrate(away.database_url)
        eventually(lambda: client.get("/v1/model").json()["mode_source"] == "database")
        assert main(["set-mode", "assist", "--reason", "all is well"]) == 0
        eventually(lambda: client.get("/v1/model").json()["mode"] == "assist")


@pytest.mark.parametrize(
    ("remembered", "wanted"), [("automate", "automate"), ("assist", "automate"), ("", "automate")]
)
def test_step_up_without_the_database_is_refused(
    here: Settings, remembered: str, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here.spooled.mkdir(parents=True)
    (here.spooled / "mode").write_text(remembered)
    code = main(["set-mode", wanted, "--reason", "all is well", "--actor", "grace"])
    if remembered == wanted:
        assert code in (0, 1)
    else:
        assert code == 1
        assert "requires the database; nothing was switched" in capsys.readouterr().err
        assert not here.switches.exists()


def test_step_up_after_the_kill_switch_without_the_database_is_refused(
    away: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["set-mode", "shadow", "--reason", "complaints", "--actor", "grace"])
    assert main(["set-mode", "assist", "--reason", "all is well", "--actor", "grace"]) == 1
    assert "requires the database" in capsys.readouterr().err


def test_unwritable_switch_folder_is_refused_with_what_works(
    away: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    away.switches.write_text("a file where the folder should be")
    assert main(["set-mode", "shadow", "--reason", "complaints", "--actor", "grace"]) == 1
    message = capsys.readouterr().err
    for part in (
        "NotSwitchedError",
        "no such table",
        str(away.switches),
        "POST /v1/mode",
        "mode file",
    ):
        assert part in message


def test_shown_mode_names_a_stricter_mode_file(
    here: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    migrate(here.database_url)
    file = tmp_path / "mode-file"
    file.write_text("shadow complaints since noon")
    monkeypatch.setenv("ML_MODE_FILE", str(file))
    assert main(["set-mode"]) == 0
    message = capsys.readouterr().out
    assert "assist (ML_MODE), never switched" in message
    assert f"on this machine the mode is shadow, set by {file}: complaints since noon" in message
    file.write_text("automate")
    assert main(["set-mode"]) == 0
    assert "on this machine" not in capsys.readouterr().out


def test_batch_uses_the_strictest_mode_of_database_file_and_machine(
    here: Settings, tmp_path: Path
) -> None:
    migrate(here.database_url)
    store, file = Store(here.database_url), tmp_path / "mode-file"
    settings = here.model_copy(update={"mode_file": file})
    store.set_mode("automate", "you", "a test")
    assert mode_now(settings, store).mode == "automate"
    file.write_text("assist")
    assert mode_now(settings, store).mode == "assist"
    file.write_text("no such mode")
    assert mode_now(settings, store).mode == "shadow"
    file.unlink()
    store.set_mode("shadow", "you", "a stop")
    assert mode_now(settings, store).mode == "shadow"


def test_initial_mode_is_shown_without_tables_on_a_laptop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ML_STATE_DIR", str(tmp_path / "var"))
    assert main(["set-mode"]) == 0
    assert "assist (ML_MODE), never switched" in capsys.readouterr().out
    assert main(["set-mode", "shadow", "--reason", "complaints", "--actor", "grace"]) == 0
    message = capsys.readouterr().out
    assert "by grace: complaints" in message
    assert f"stored in sqlite:///{tmp_path}/var/records.db: the services that use it" in message
