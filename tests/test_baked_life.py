"""Complete life cycles of baked projects, with only the commands of the README.

Slow: they install the lock once and run all commands.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, BakedProject, baking
from golden_outputs import compare_api, compare_demo, compare_help

pytestmark = pytest.mark.slow
USECASES = Path(__file__).parent / "usecases"
BY_PANDAS = '''"""Payments of a file, by pandas."""

from datetime import datetime

import ibis
import ibis.expr.types as ir
import pandas as pd


def load(since: datetime | None = None, until: datetime | None = None) -> ir.Table:
    """All payments."""
    frame = pd.read_csv("data/payments.csv", parse_dates=["at"], dtype={"card_age": "Int64"})
    return ibis.memtable(frame)
'''
# The project's estimator, fitted in a notebook on float64, as a data scientist would do it.
NOTEBOOK = """
import numpy as np
from mlprod import Project
from mlprod.explore import rows

frame, project = rows(), Project("fraud_scoring")
fields, terms = project.terms.fields, project.terms


def encoded(field):
    if field.kind != "category":
        return frame[field.name].astype(float)
    codes = {word: code for code, word in enumerate(field.categories)}
    return frame[field.name].map(lambda word: codes.get(word, len(codes))).astype(float)


X = np.column_stack([encoded(field) for field in fields])
train, test = (frame._split == "train").to_numpy(), (frame._split == "test").to_numpy()
model = project.model.build_model(fields).fit(X[train], frame.loc[train, terms.label])
for name, columns in {"same": X, "filled": np.where(np.isnan(X), 0, X)}.items():
    scores = model.predict_proba(columns[test])[:, 1]
    scored = frame.loc[test, [terms.id]].assign(score=scores)
    scored.to_csv(f"../var/{name}.csv", index=False)
"""
# A new user's shell has no registry and no CI variables, even if a CI runs these tests.
REMOVED_PREFIXES = ("ML_", "MLFLOW_", "CI", "GITHUB_", "GITLAB_", "ACTIONS_", "BUILD_ID")
# Maximum number of lines for a new use case, without blank lines and docstrings.
MAX_LINES = 60


class Project:
    """A baked project and its make targets, as a new user runs them."""

    # The setting with the admin port.
    second_port = "ML_ADMIN_PORT"

    def __init__(self, baked: BakedProject, environment: Path) -> None:
        self.path, self.baked = baked.path, baked
        # The process of `serving`.
        self.service: subprocess.Popen[bytes] | None = None
        self.port = self.operations = 0
        self.source = next(self.path.glob("src/*/__main__.py")).parent
        self.package = self.source.name
        # The template's own environment may have uv.
        tools = Path(sys.executable).parent
        stored = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(REMOVED_PREFIXES)
        }
        self.environment = stored | {
            # Prometheus scrapes each second in these tests.
            "ML_NEW_SERIES_SECONDS": "1",
            "VENV": str(environment),
            "PYTHONPATH": "src",
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        }

    @property
    def python(self) -> Path:
        return Path(self.environment["VENV"]) / "bin" / "python"

    def make(
        self, *arguments: str, timeout: float = 1_800, **more: str
    ) -> subprocess.CompletedProcess[str]:
        command = ["make", f"PYTHON={sys.executable}", *arguments]
        return subprocess.run(
            command,
            cwd=self.path,
            env=self.environment | more,
            timeout=timeout,
            capture_output=True,
            text=True,
        )

    def makes(self, *arguments: str, **more: str) -> str:
        """Run a make target and return its output; the test fails if the target fails."""
        done = self.make(*arguments, **more)
        assert done.returncode == 0, (
            f"make {' '.join(arguments)}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        )
        return done.stdout + done.stderr

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a verb without make."""
        command = [self.python, "-m", self.package, *arguments]
        return subprocess.run(
            command,
            cwd=self.path,
            env=self.environment | more,
            timeout=300,
            capture_output=True,
            text=True,
        )

    @contextmanager
    def serving(self, *options: str, again: bool = False) -> Iterator[str]:
        """Run the service as a process; with `again`, on the same ports as before."""
        if not again:
            self.port, self.operations = free_port(), free_port()
        port = self.port
        command = [self.python, "-m", self.package, "serve", *options]
        with (self.path / "serve.log").open("w") as log:
            self.service = service = subprocess.Popen(
                command,
                cwd=self.path,
                env=self.environment
                | {"ML_PORT": str(port), self.second_port: str(self.operations)},
                stdout=log,
                stderr=log,
            )
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                service.terminate()
                service.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310
        return json.load(response)


def post(address: str, rows: list[dict[str, Any]]) -> Any:
    return post_json(address, {"rows": rows})


def post_json(address: str, content: dict[str, Any]) -> Any:
    headers = {"content-type": "application/json"}
    body = json.dumps(content).encode()
    request = urllib.request.Request(address, body, headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
        return json.load(response)


def wait_for_version(
    address: str, version: str, mode: str = "assist", seconds: int = 30
) -> dict[str, Any]:
    for _ in range(seconds * 10):
        try:
            model = get(f"{address}/v1/model")
            if model["model_version"] == version and model["mode"] == mode:
                return dict(model)
        except OSError:
            # The service is not up, or not ready (503).
            pass
        time.sleep(0.1)
    raise AssertionError(f"{address} did not serve version {version} within {seconds} s")


def readme_request(project: Project) -> dict[str, Any]:
    """Return the row in the curl command of the README."""
    shown = re.search(r"-d '(\{.*?\})'", project.baked.read("README.md"), re.DOTALL)
    assert shown, "README.md has no curl command with a request"
    return dict(json.loads(shown[1])["rows"][0])


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one environment for all baked projects, because they have the same lock."""
    return tmp_path_factory.mktemp("environment") / "venv"


@pytest.fixture
def project(cookies: Any, environment: Path) -> Project:
    return Project(baking(cookies)(), environment)


def test_demo_trains_serves_promotes_and_rolls_back(project: Project, tmp_path: Path) -> None:
    message = project.makes("demo")
    for gate in project.baked.yaml("governance/gates.yaml")["gates"]:
        assert f"passed {gate['id']}" in message
    assert re.search(
        r'-> \{"model_version": "2".*"score": 0\.\d+, "decision": "(decline|approve)"', message
    )
    assert "The reasons for the score, strongest first:" in message
    assert "feedback-works: outcome {'accepted': 1" in message
    assert re.search(r"the kill switch took \d\.\d+ s; then the mode was assist again", message)
    assert "rolled back: version 1, the baseline, serves" in message
    assert "rollback 2 -> 1" in message
    assert re.search(r"Data +2 of +3 for pilot +ML Test Score 2 of 7", message), (
        "the scorecard must have the results of the demo"
    )
    assert "ML Test Score 2, the smallest of the four" in message
    for section, command in (
        ("Data", "test"),
        ("Model", "tune"),
        ("Infrastructure", "test"),
        ("Monitoring", "check-source"),
    ):
        assert re.search(
            rf"{section} has \d, a well-kept project 6.*?make {command}  \(", message, re.DOTALL
        ), section
    assert "Next: read README.md" in message
    assert not (project.path / "var" / "mlflow.db").exists(), (
        "the demo must not use the project's own registry"
    )
    compare_demo(message, tmp_path)


def test_commands_of_the_readme_run(project: Project, tmp_path: Path) -> None:
    project.makes("baseline")
    project.makes("promote", REASON="the service needs a model")
    with project.serving() as address:
        assert wait_for_version(address, "1")["kind"] == "baseline"
        compare_api(project, address, tmp_path)
        project.makes("train")
        assert get(f"{address}/v1/model")["model_version"] == "1", "a challenger must not serve"
        project.makes("promote", REASON="it beats the rule")
        assert wait_for_version(address, "2")["kind"] == "model"
        row = readme_request(project)
        assert post(f"{address}/v1/predict", [row])["predictions"][0]["decision"] == "decline"
        explained = post(f"{address}/v1/explain", [row])["explanations"][0]["fields"]
        assert {field["field"] for field in explained} >= set(row)
        project.makes("set-mode", "MODE=shadow", REASON="to be sure")
        wait_for_version(address, "2", mode="shadow")
        withheld = post(f"{address}/v1/predict", [row | {"id": "mine"}])["predictions"][0]
        assert withheld["decision"] is None
        outcome = {"prediction_id": "mine", "outcome": 1, "at": "2026-06-01T12:00:00Z"}
        assert post_json(f"{address}/v1/outcomes", {"outcomes": [outcome]})["accepted"] == 1
        project.makes("set-mode", "MODE=assist", REASON="all is well")
        project.makes("rollback", REASON="complaints since noon")
        assert wait_for_version(address, "1")["kind"] == "baseline"
    message = project.makes("list-versions")
    assert "rollback 2 -> 1  you@example.org: complaints since noon" in message
    refused = project.make("rollback", REASON="again")
    assert refused.returncode != 0
    assert "there is no predecessor" in refused.stderr
    assert "Traceback" not in refused.stderr
    compare_help(project, tmp_path)


@pytest.mark.sampled("the serving set")
def test_locked_serving_set_is_enough_to_serve(project: Project, tmp_path: Path) -> None:
    project.makes("baseline")
    project.makes("train")
    project.makes("promote", REASON="it beats the rule")
    for verb in ("fetch-model", "migrate"):
        done = project.run(verb)
        assert done.returncode == 0, done.stderr
    small = tmp_path / "serving"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "-p", sys.executable, small], check=True)
    lock = project.path / "requirements" / "serve.txt"
    subprocess.run(
        [
            *uv,
            "pip",
            "install",
            "-q",
            "-p",
            small / "bin" / "python",
            "--require-hashes",
            "-r",
            lock,
        ],
        check=True,
    )
    library = [
        "--no-deps",
        "--no-index",
        "--require-hashes",
        "-r",
        project.path / "requirements" / "mlprod.txt",
    ]
    subprocess.run(
        [*uv, "pip", "install", "-q", "-p", small / "bin" / "python", *library], check=True
    )
    project.environment["VENV"] = str(small)
    refused = project.run("serve", ML_ENVIRONMENT="production")
    assert refused.returncode == 1
    assert "there are no keys" in refused.stderr
    assert "Traceback" not in refused.stderr
    with project.serving("--no-follow") as address:
        assert wait_for_version(address, "2")["kind"] == "model"
        assert (
            post(f"{address}/v1/predict", [readme_request(project)])["predictions"][0]["decision"]
            == "decline"
        )


@pytest.mark.sampled("what takes five minutes")
@pytest.mark.parametrize(
    ("usecase", "row"),
    [
        ("breast_cancer", {"worst_radius": 25.4, "worst_texture": 17.3, "worst_perimeter": 184.6,
                           "worst_area": 2019, "worst_smoothness": 0.16, "worst_compactness": 0.66,
                           "worst_concavity": 0.71, "worst_concave_points": 0.26,
                           "worst_symmetry": 0.46}),
        ("diabetes", {"age": 59, "sex": 2, "bmi": 32.1, "bp": 101, "s1": 157, "s2": 93.2, "s3": 38,
                      "s4": 4, "s5": 4.86, "s6": 87}),
    ],
)  # fmt: skip
def test_public_data_is_trained_and_served_by_editing_only_the_four_files(
    project: Project, usecase: str, row: dict[str, Any]
) -> None:
    typed = 0

    def edit(*names: str) -> None:
        nonlocal typed
        for name in names:
            source = (USECASES / usecase / name).read_text()
            (project.source / name).write_text(source)
            code = re.sub(r'"""(?s:.*?)"""', "", source)
            typed += sum(1 for line in code.splitlines() if line.strip())

    edit("contract.py", "data.py")
    # The label is a number, so the first step of the README makes the model a regressor.
    if usecase == "diabetes":
        model = project.source / "model.py"
        model.write_text(model.read_text().replace("Classifier", "Regressor"))
    assert "0 rules broken" in project.makes("validate")
    edit("decision.py")
    project.makes("baseline")
    edit("model.py")
    project.makes("train")
    print(f"{usecase}: {typed} lines typed")
    assert typed <= MAX_LINES
    # This file tests the example, which the edits replaced.
    (project.path / "tests" / "test_example.py").unlink()
    project.makes("promote", REASON="it beats the baseline")
    with project.serving() as address:
        model = wait_for_version(address, "2")
        # Both payoffs are costs.
        assert model["metrics"]["value"]["high"] < 0
        answered = post(f"{address}/v1/predict", [row])["predictions"][0]
    if usecase == "breast_cancer":
        # The first sample of the data, which was malignant.
        assert answered["decision"] == "biopsy"
        assert 0.5 < answered["score"] <= 1
    else:
        assert answered["decision"] == pytest.approx(answered["score"] / 10)
        # The first patient progressed by 151 points.
        assert 100 < answered["score"] < 300
    # The export of the contract follows the contract.
    assert "datacontract.yaml" in project.makes("generate")
    project.makes("ci" if usecase == "diabetes" else "check")


def public_data(folder: Path) -> Path:
    """Install the packages that ship public data, and return the folder that has them."""
    lock = ROOT / "requirements" / "usecases.txt"
    uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--no-deps", "--require-hashes"]
    subprocess.run([*uv, "--target", folder / "packages", "-r", lock], check=True)
    return folder / "packages"


@pytest.mark.sampled("what takes five minutes")
def test_dates_and_words_of_public_data_take_the_whole_way(
    project: Project, tmp_path: Path
) -> None:
    rows = project.path / "data" / "penguins-raw.csv"
    rows.parent.mkdir(exist_ok=True)
    shutil.copy(public_data(tmp_path) / "palmerpenguins" / "data" / rows.name, rows)
    for source in (USECASES / "penguins").glob("*.py"):
        shutil.copy(source, project.source)
    (project.path / "tests" / "test_example.py").unlink()
    assert "0 rules broken" in project.makes("validate")
    project.makes("baseline")
    project.makes("promote", REASON="the rule goes first")
    assert "is an input as it is" not in project.makes("train")
    project.makes("promote", REASON="it beats the rule")
    penguin = {
        "species": "Adelie Penguin (Pygoscelis adeliae)",
        "island": "Torgersen",
        "egg": "2009-11-16",
        "culmen_length": 40.3,
        "culmen_depth": 18,
        "flipper": 195,
        "sex": "FEMALE",
        "remarks": "Nest never observed with full clutch.",
    }
    with project.serving() as address:
        wait_for_version(address, "2", seconds=90)
        (answer,) = post(f"{address}/v1/predict", [penguin | {"id": "p1"}])["predictions"]
        # The third penguin of the data weighed 3,250 g.
        assert 3_000 < answer["score"] < 3_700
        assert answer["decision"] == pytest.approx(answer["score"] * 0.002)
        (explained,) = post(f"{address}/v1/explain", [penguin])["explanations"]
        egg = next(item for item in explained["fields"] if item["field"] == "egg")
        assert egg["given"] == "2009-11-16"
        assert re.fullmatch("200[7-9]-1[12]-[0-3][0-9]", egg["typical"])
        outcome = {"prediction_id": "p1", "outcome": 3250, "at": "2026-06-01T12:00:00Z"}
        assert post_json(f"{address}/v1/outcomes", {"outcomes": [outcome]})["accepted"] == 1
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(f"{address}/v1/predict", [penguin | {"egg": "16.11.2009"}])
        (error,) = json.load(refused.value)["errors"]
        assert "not a date such as 2026-06-01" in error["rule"]
        # A table whose dates a later season moved by two years.
        moved = tmp_path / "later.csv"
        script = (
            f"from {project.package}.data import load; import ibis; "
            "t = load(); t = t.mutate(egg=t.egg + ibis.interval(days=730)); "
            f"t.to_csv({str(moved)!r})"
        )
        command = [project.python, "-c", script]
        subprocess.run(command, cwd=project.path, env=project.environment, check=True)
        assert "later.parquet" in project.makes("score", f"INPUT={moved}")
        drifted = project.make("drift", f"INPUT={moved}")
        assert re.search("^egg +drifts", drifted.stdout, re.MULTILINE), drifted.stderr
        page = (project.path / "var" / "drift" / "report.html").read_text()
        assert re.search("after 2009-1[12]-[0-3][0-9]", page)
        project.makes("rollback", REASON="the doses were too small")
        assert wait_for_version(address, "1")["kind"] == "baseline"
    assert "datacontract.yaml" in project.makes("generate")
    (table,) = project.baked.yaml("datacontract.yaml")["schema"]
    kinds = {column["name"]: column.get("logicalType") for column in table["properties"]}
    assert (kinds["egg"], kinds["flipper"], kinds["sex"]) == ("date", "integer", "string")
    project.makes("check")


@pytest.mark.sampled("what takes five minutes")
def test_wines_of_three_cultivars_go_the_whole_way_by_the_four_files(project: Project) -> None:
    for source in sorted((USECASES / "wine").glob("*.py")):
        (project.source / source.name).write_text(source.read_text())
    (project.path / "tests" / "test_example.py").unlink()
    assert "0 rules broken" in project.makes("validate")
    project.makes("baseline")
    project.makes("promote", REASON="the service needs a model")
    assert "passed beats-baseline" in project.makes("train")
    project.makes("promote", REASON="it beats the rule")
    assert project.run("report").returncode == 0
    card = (project.path / "var" / "report" / "card.md").read_text()
    assert "| grignolino | " in card
    assert "confusion.svg)" in card
    show = (
        "import json; from {0}.data import load; print(json.dumps(load().to_pyarrow().to_pylist()))"
    )
    listed = subprocess.run(
        [project.python, "-c", show.format(project.package)],
        cwd=project.path,
        env=project.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(listed.stdout)
    cultivars = [row.pop("cultivar") for row in rows]
    named = [row | {"id": row.pop("bottle")} for row in rows]
    with project.serving() as address:
        assert wait_for_version(address, "2", seconds=120)["classes"] == [
            "barolo",
            "grignolino",
            "barbera",
        ]
        answers = post(f"{address}/v1/predict", named)["predictions"]
        assert {item["decision"] for item in answers} >= set(cultivars)
        first = answers[0]
        assert first["score"] == max(first["scores"].values()) > 0.9
        (explained,) = post(f"{address}/v1/explain", [rows[0]])["explanations"]
        assert (explained["class"], len(explained["fields"])) == ("barolo", 13)
        outcomes = [
            {"prediction_id": item["id"], "outcome": cultivar, "at": "2026-06-01T12:00:00Z"}
            for item, cultivar in zip(answers, cultivars, strict=True)
        ]
        unknown = [outcomes[0] | {"outcome": "merlot"}]
        with pytest.raises(urllib.error.HTTPError) as refused:
            post_json(f"{address}/v1/outcomes", {"outcomes": unknown})
        assert b"barolo, grignolino, barbera" in refused.value.read()
        sent = post_json(f"{address}/v1/outcomes", {"outcomes": outcomes})
        assert sent["accepted"] == 178
        assert "feedback-works: outcome {'accepted': 1" in project.makes(
            "smoke-test", f"URL={address}"
        )
        message = project.makes("drift")
        assert re.search(r"^\(class\) +no drift", message, re.MULTILINE)
        assert "(class)" in (project.path / "var" / "drift" / "report.html").read_text()
        # The payoff of real cases, as the records have it.
        assert re.search(
            r"passed value-metric: -\d+\.00 over 178 cases",
            project.run("collect-evidence").stdout,
        )
        rows_to_score = project.path / "bottles.csv"
        columns = [name for name in named[0] if name != "id"]
        lines = [",".join(["bottle", *columns])]
        lines += [",".join(str(item[name]) for name in ["id", *columns]) for item in named[:20]]
        rows_to_score.write_text("\n".join(lines).replace("W0", "X0") + "\n")
        assert "20 recorded" in project.makes(
            "score", "INPUT=bottles.csv", "OUTPUT=var/out.parquet"
        )
        project.makes("rollback", REASON="complaints since noon")
        assert wait_for_version(address, "1")["kind"] == "baseline"
        assert set(post(f"{address}/v1/predict", [rows[0]])["predictions"][0]["scores"]) == set(
            cultivars
        )
    project.makes("generate")
    contract = project.baked.yaml("datacontract.yaml")["schema"][0]["properties"]
    (label,) = [item for item in contract if item["name"] == "cultivar"]
    assert label["quality"][1]["arguments"]["validValues"] == ["barolo", "grignolino", "barbera"]
    project.makes("check")
    project.makes("test")


def test_features_of_the_page_answer_with_their_code_after_an_edit(project: Project) -> None:
    page = project.baked.read("docs/four-files.md").partition("## Features")[2]
    block = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert block
    features = project.source / "features.py"
    features.write_text(block[1])
    request = readme_request(project)
    assert "Success" in project.makes("check")
    project.makes("train")
    project.makes("promote", REASON="it derives its inputs")
    with project.serving() as address:
        wait_for_version(address, "1")
        before = post(f"{address}/v1/predict", [request])["predictions"][0]
    edit(features, 'np.log1p(columns["amount"])', 'columns["amount"] * 0')
    edit(project.source / "decision.py", '"decline" if', '"stop it" if')
    with project.serving() as address:
        wait_for_version(address, "1")
        after = post(f"{address}/v1/predict", [request])["predictions"][0]
    assert (after["score"], after["decision"]) == (before["score"], before["decision"])
    edit(features, 'columns["amount"] * 0', 'columns["amount"] - columns["amount"].mean()')
    refused = project.make("train")
    assert refused.returncode != 0
    assert "features.py: log_amount is" in refused.stderr
    assert "alone in row 0" in refused.stderr


def test_clone_without_data_passes_its_tests_and_names_the_skipped_ones(
    project: Project,
) -> None:
    project.makes("setup")
    data = project.source / "data.py"
    rows = project.path / "data" / "payments.csv"
    rows.parent.mkdir(exist_ok=True)
    python, package = project.python, project.package
    write = f"from {package}.data import load; load().to_csv({str(rows)!r})"
    subprocess.run([python, "-c", write], cwd=project.path, env=project.environment, check=True)
    data.write_text(BY_PANDAS)
    (project.path / "tests" / "test_example.py").unlink()
    tests = [python, "-m", "pytest", "-q", "-rs", "tests"]
    with_rows = subprocess.run(
        tests, cwd=project.path, env=project.environment, capture_output=True, text=True
    )
    assert with_rows.returncode == 0, with_rows.stdout
    assert "skipped" not in with_rows.stdout
    assert "Success" in project.makes("check")
    project.baked.git("add", "--all")
    project.baked.git("commit", "-qm", "our payments")
    clone = project.path.parent / "clone"
    subprocess.run(["git", "clone", "-q", project.path, clone], check=True)
    assert not (clone / "data").exists()
    without = subprocess.run(
        tests, cwd=clone, env=project.environment, capture_output=True, text=True
    )
    assert without.returncode == 0, without.stdout
    assert "load() finds no rows here" in without.stdout
    assert "make sample" in without.stdout
    assert "drawn from load()" in project.makes("sample")
    project.baked.git("add", "--all")
    assert "data/sample.parquet" in project.baked.git("diff", "--cached", "--name-only")
    assert "payments.csv" not in project.baked.git("diff", "--cached", "--name-only")
    project.baked.git("commit", "-qm", "a sample for tests")
    project.makes("scan-secrets")
    complete = project.path.parent / "clone-with-sample"
    subprocess.run(["git", "clone", "-q", project.path, complete], check=True)
    with_sample = subprocess.run(
        tests, cwd=complete, env=project.environment, capture_output=True, text=True
    )
    assert with_sample.returncode == 0, with_sample.stdout
    assert "skipped" not in with_sample.stdout


def test_notebook_gives_the_projects_scores_and_its_runs_are_compared(project: Project) -> None:
    project.makes("train")
    folder = project.path / "notebooks"
    cells = json.loads((folder / "explore.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    one_thread = project.environment | {"OMP_NUM_THREADS": "1"}
    for notebook in (code, NOTEBOOK):
        command = [project.python, "-c", notebook]
        subprocess.run(command, cwd=folder, env=one_thread, check=True)
    message = project.makes("parity", "PREDICTIONS=var/same.csv")
    assert re.search(r"([\d,]+) predictions, \1 of them compared with version 1 \(model\)", message)
    assert "0 of" in message
    assert "unexplained" not in message
    message = project.makes("parity", "PREDICTIONS=var/filled.csv")
    assert "the notebook has distance as 0 and card_age as 0 where it is missing" in message
    # The example's notebook has another estimator.
    refused = project.make("parity", "PREDICTIONS=var/predictions.csv")
    assert refused.returncode != 0
    assert "unexplained: nothing that was tried" in refused.stdout
    assert "Traceback" not in refused.stderr
    table = (project.path / "var" / "report" / "parity.csv").read_text().splitlines()
    assert table[0].startswith("transaction_id,status,")
    edit(project.source / "model.py", "max_iter=120", "max_iter=1")
    project.make("train")
    edit(project.source / "model.py", "max_iter=1", "max_iter=100")
    project.makes("train")
    lines = project.makes("runs").splitlines()
    assert sum("max_iter=" in line for line in lines) == 3
    assert any("max_iter=120" in line and "no sure difference" in line for line in lines)
    page = (project.path / "var" / "report" / "runs.html").read_text()
    assert page.count("<svg") == 2
    assert "Success" in project.makes("check")


def test_violated_contract_fails_before_training(project: Project) -> None:
    contract = project.source / "contract.py"
    contract.write_text(
        contract.read_text().replace(
            "amount: float = Field(ge=0, le=50_000", "amount: float = Field(ge=10, le=50_000"
        )
    )
    refused = project.make("train")
    assert refused.returncode != 0
    assert re.search(r"amount: below 10: [\d,]+ rows, for example", refused.stderr)
    assert "split" not in refused.stdout


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text of a file, which must be there."""
    text = path.read_text()
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new))


def test_model_below_the_baseline_is_rejected_with_the_difference(
    project: Project,
) -> None:
    model = project.source / "model.py"
    edit(model, "max_iter=120", "max_iter=1")
    edit(project.source / "decision.py", "GOODWILL = 0.01, 0.15", "GOODWILL = 0.01, 50.0")
    refused = project.make("train")
    assert refused.returncode != 0
    assert re.search(
        r"beats-baseline: value minus the baseline's, lower bound = .*short by", refused.stderr
    )
    assert "no version is registered yet" in project.makes("list-versions")
