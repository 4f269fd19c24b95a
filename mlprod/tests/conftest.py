"""What every test begins with.

Fixtures and helpers stand in modules by subject, and are imported from here.
"""

import gc
import os
import shutil
import urllib.request

import fixture_project
import ibis
import pytest
from governance_files import GATES, OWNERSHIP, governance, waive
from registries import (
    Registered,
    empty_records,
    empty_state,
    new_settings,
    register,
    registry,
    release,
    settings,
    state,
)
from services import Client, assemble, client, output, serve
from tally import Tally
from trained_models import Trained, baseline, model, sealed, silent, trained, trained_baseline

from mlprod.loopback import bypass_proxies
from mlprod.records import event_log
from mlprod.serving import mode_follower, record_shipper
from mlprod.testing.waiting import eventually, point

__all__ = [
    "GATES",
    "OWNERSHIP",
    "Client",
    "Registered",
    "Trained",
    "assemble",
    "baseline",
    "client",
    "empty_records",
    "empty_state",
    "eventually",
    "governance",
    "model",
    "new_settings",
    "output",
    "point",
    "register",
    "registry",
    "release",
    "sealed",
    "serve",
    "settings",
    "silent",
    "state",
    "trained",
    "trained_baseline",
    "waive",
]


@pytest.fixture(scope="session", autouse=True)
def bare_environment() -> None:
    """Start in the folder of the project, without the settings of a developer or an outer make."""
    os.chdir(fixture_project.PROJECT)
    for name in list(os.environ):
        if name.startswith("ML_") or name in ("MLFLOW_TRACKING_URI", "MAKEFLAGS"):
            del os.environ[name]
    bypass_proxies()


@pytest.fixture(scope="session", autouse=True)
def hasty() -> None:
    """A tenth of the pauses, so that no test waits for them."""
    record_shipper.SHIP_SECONDS, record_shipper.TURN_SECONDS = 0.02, 0.1
    mode_follower.MODE_SECONDS, mode_follower.FILE_SECONDS = 0.1, 0.05
    event_log.HOLD_SECONDS = 0.5


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins in the folder of the project, as a command does, and without the proxies of
    a test before it.
    """
    monkeypatch.chdir(fixture_project.PROJECT)
    urllib.request.install_opener(None)  # or urlopen() goes on with the one that it made first


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:  # what workers report comes here once more
        config.pluginmanager.register(Tally())


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Release DuckDB before the interpreter ends, or its bindings report leaks."""
    ibis.options.default_backend = None
    gc.collect()
    shutil.rmtree(fixture_project.PROJECT.parent, ignore_errors=True)
