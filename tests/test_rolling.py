"""An upgrade and a rollout from the first version, without the loss of an edit or a record.

Both versions serve at the same time with one database and one registry.
"""

import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, BakedProject
from test_baked_life import Project, environment, post, post_json, readme_request, wait_for_version

__all__ = ["environment"]  # a fixture
pytestmark = pytest.mark.slow
# The commit of the first version.
FIRST = "55006c7"
# Edits of a team, by file.
EDITS = {
    "src/fraud_scoring/domain/contract.py": ("le=50_000", "le=60_000"),
    "src/fraud_scoring/domain/data.py": (
        "from .contract import MERCHANTS",
        "from .contract import MERCHANTS, UNIT\n\nGROUPED_BY = UNIT",
    ),
    "src/fraud_scoring/domain/decision.py": ("GOODWILL = 0.15", "GOODWILL = 0.2"),
    "governance/ownership.yaml": ('name: "TODO"', 'name: "Your Name"'),
    "deploy/values/values.yaml": ("before: 400 days ago", "before: 90 days ago"),
    "README.md": ("make demo", "make demo  # ours"),
    "src/fraud_scoring/serving/limits.py": ("import asyncio\n", "import asyncio  # ours\n"),
}
OWN_TEST = """from fraud_scoring.domain.contract import UNIT


def test_ours() -> None:
    assert UNIT == "card_id"
"""
# Rows that each service scores in each phase.
ROWS = 20
# Seconds until a service must be up, on a busy machine.
START = 120


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Bake the first version, with an environment of its own lock."""
    if subprocess.run(
        ["git", "cat-file", "-e", f"{FIRST}^{{commit}}"], cwd=ROOT, capture_output=True
    ).returncode:
        pytest.skip(
            f"this clone does not contain commit {FIRST}, the first version. "
            "Works: git fetch --unshallow"
        )
    folder = tmp_path_factory.mktemp("first")
    template = folder / "template"
    git(folder, "clone", "-q", ROOT, template)
    git(template, "checkout", "-q", FIRST)
    bake = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config", "-o", folder]
    subprocess.run([*bake, "."], cwd=template, capture_output=True, check=True)
    project = Project(BakedProject(folder / "fraud-scoring"), folder / "venv")
    git(project.path, "config", "user.name", "You")
    git(project.path, "config", "user.email", "you@example.org")
    for name, (old, new) in EDITS.items():
        text = project.baked.read(name)
        assert old in text, name
        (project.path / name).write_text(text.replace(old, new))
    own = project.path / "tests" / "test_ours.py"
    own.write_text(OWN_TEST)
    git(project.path, "add", "-A")
    git(project.path, "commit", "-qm", "Ours")
    # The name of the setting in the first version.
    project.second_port = "ML_OPS_PORT"
    project.makes("setup")
    return project


def git(folder: Path, *arguments: str | Path) -> None:
    subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=True)


@pytest.fixture(scope="module")
def today(first: Project, environment: Path) -> Project:
    """Upgrade a copy of the first version's project, while the original can go on to serve."""
    path = first.path.parent / "upgraded"
    git(first.path, "clone", "-q", first.path, path)
    project = Project(BakedProject(path), environment)
    done = subprocess.run(
        ["make", "upgrade", f"PROJECT={path}"],
        cwd=ROOT,
        env=project.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    (path.parent / "upgrade.log").write_text(done.stdout)
    return project


@pytest.mark.sampled("what takes five minutes")
def test_upgraded_project_has_its_own_files_and_passes_its_tests(
    first: Project, today: Project
) -> None:
    domain, package = "src/fraud_scoring/domain", "src/fraud_scoring"
    for name, expected in (
        ("contract.py", "le=60_000"),
        ("data.py", "from .contract import GROUP, MERCHANTS"),
        ("decision.py", "GOODWILL = 0.2"),
    ):
        assert expected in today.baked.read(f"{package}/{name}")
    assert "UNIT" not in today.baked.read(f"{package}/contract.py")
    people = today.baked.yaml("governance/ownership.yaml")["people"]
    assert people == first.baked.yaml("governance/ownership.yaml")["people"]
    assert {person["name"] for person in people} == {"Your Name"}
    values = today.baked.yaml("deploy/values/values.yaml")
    assert values["forget"] == {"suspend": True, "before": "90 days ago"}
    assert values["retrain"] == {"suspend": True}, "a new value must be there"
    patch = today.baked.read("not-upgraded.patch")
    printed = (today.path.parent / "upgrade.log").read_text()
    for name in ("README.md", f"{package}/serving/limits.py"):
        assert EDITS[name][1].strip() in patch
        assert f"  {name}\n" in printed
    assert not (today.path / domain).exists()
    assert re.search(r"\d+ passed", today.makes("test"))
    ours = today.run("test", "tests/test_ours.py")
    assert "1 passed" in ours.stdout, ours.stdout + ours.stderr


def predict(address: str, ids: list[str], row: dict[str, Any]) -> list[str]:
    """Score one row under each id in separate requests; return the ids."""
    for id in ids:
        (prediction,) = post(f"{address}/v1/predict", [row | {"id": id}])["predictions"]
        assert prediction["id"] == id
        assert 0 <= prediction["score"] <= 1
    return ids


def send_outcome(address: str, id: str) -> dict[str, Any]:
    """Report one outcome; return the numbers of accepted and of repeated outcomes."""
    outcome = {"prediction_id": id, "outcome": 1, "at": "2026-06-01T12:00:00Z"}
    return dict(post_json(f"{address}/v1/outcomes", {"outcomes": [outcome]}))


def joined(project: Project) -> float:
    """Return the number of outcomes that this service has joined, by its metrics."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{project.operations}/metrics", timeout=5
    ) as response:
        result = re.search(
            r'^ml_cases_total\{(?:path="ai"|decided_by="model")\} (\S+)',
            response.read().decode(),
            re.MULTILINE,
        )
    assert result, "the metric ml_cases_total is missing"
    return float(result[1])


def eventually(value: Callable[[], Any], expected: Any, seconds: float = START) -> None:
    """Wait until a value is the expected one; fails with the last value."""
    until, result = time.monotonic() + seconds, value()
    while result != expected and time.monotonic() < until:
        time.sleep(0.1)
        result = value()
    assert result == expected


@pytest.mark.sampled("what takes five minutes")
def test_rollout_from_the_first_version_loses_no_record(
    first: Project, today: Project, tmp_path: Path
) -> None:
    state = first.path / "var"
    today.environment |= {"ML_STATE_DIR": str(state), "ML_EVENT_LOG_DIR": str(tmp_path / "spool")}
    row, requested = readme_request(today), list[str]()
    other_row = row | {"amount": row["amount"] + 100}

    first.makes("baseline")
    first.makes("promote", WHY="the service needs a model")
    first.makes("train")
    first.makes("promote", WHY="it beats the rule")
    with first.serving() as before:
        assert wait_for_version(before, "2", seconds=START)["kind"] == "model"
        requested += predict(before, [f"before-{number}" for number in range(ROWS)], row)
        requested += predict(before, ["same-row", "other-row"], row)
        assert send_outcome(before, "before-0")["accepted"] == 1

        migrated = today.run("migrate")
        assert migrated.returncode == 0, migrated.stderr
        with today.serving() as after:
            assert wait_for_version(after, "2", seconds=START)["kind"] == "model"
            assert "carries no code" in (today.path / "serve.log").read_text()
            for number in range(ROWS):
                requested += predict(before, [f"beside-before-{number}"], row)
                requested += predict(after, [f"beside-after-{number}"], row)
            predict(after, ["same-row"], row)
            predict(after, ["other-row"], other_row)
            assert send_outcome(after, "before-0")["repeated"] == 1
            assert send_outcome(after, "before-1")["accepted"] == 1
            assert send_outcome(before, "beside-after-0")["accepted"] == 1
            assert send_outcome(after, "beside-after-0")["repeated"] == 1
            eventually(lambda: joined(first) + joined(today), 3.0)
            joined_before = joined(first)
            assert first.service
            first.service.terminate()
            assert first.service.wait(60) in (0, -signal.SIGTERM)

            requested += predict(after, ["alone-0"], row)
            assert send_outcome(after, "alone-0")["accepted"] == 1
            today.makes("rollback", REASON="complaints since noon")
            assert wait_for_version(after, "1", seconds=START)["kind"] == "baseline"
            requested += predict(after, ["rolled-back"], row)
            today.makes("promote", "VERSION=2", REASON="the complaints had another reason")
            wait_for_version(after, "2", seconds=START)
            today.makes("train")
            requested += predict(after, ["trained"], row)
            eventually(lambda: joined_before + joined(today), 4.0)

    versions = today.makes("list-versions")
    assert "rollback 2 -> 1" in versions
    assert re.search(r"^.*\b3\b.*challenger", versions, re.MULTILINE), versions
    with sqlite3.connect(state / "records.db") as database:
        predictions = database.execute("SELECT id FROM predictions").fetchall()
        assert sorted(id for (id,) in predictions) == sorted(requested)
        repeated = database.execute(
            "SELECT prediction_id, conflicting FROM repeated_answers ORDER BY prediction_id"
        )
        assert repeated.fetchall() == [("other-row", 1), ("same-row", 0)]
        received = database.execute(
            "SELECT prediction_id FROM outcomes WHERE counted_at IS NOT NULL"
        ).fetchall()
        assert sorted(id for (id,) in received) == [
            "alone-0",
            "before-0",
            "before-1",
            "beside-after-0",
        ]
