"""The examples of docs/library.md in a copy of the project, and errors in an extensions.py."""

import hashlib
import hmac
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from conftest import Client
from fixture_project import PROJECT
from onnx import ModelProto
from own_project import PAGE, Extend, example
from own_project import extend as extend

from mlprod import Project, create_api
from mlprod.commands.cli import VERBS, run
from mlprod.contract.encoding import encode, sample_columns
from mlprod.extensions import ExtensionError
from mlprod.project.extension_loader import SIGNATURES, load_extensions
from mlprod.serving.api import read_api
from mlprod.serving.api_keys import add_key
from mlprod.settings import Settings
from mlprod.training.export import ExportError, export, predict, runtime_of

ROUTE = "def routes(app):\n    @app.get({path!r})\n    def _answer():\n        return 1\n"


@pytest.fixture
def keyed(settings: Settings, tmp_path: Path) -> tuple[Settings, str]:
    """A service where keys are needed, and the authorization of one of them."""
    key = add_key(tmp_path / "keys.json", "checkout", ["predict", "operate"])
    own = {"keys_file": tmp_path / "keys.json", "event_log_dir": tmp_path / "spool"}
    return settings.model_copy(update=own), f"Bearer {key}"


def test_the_page_has_an_example_of_every_function() -> None:
    assert [line for line in PAGE.splitlines() if line.startswith("### ")] == [
        f"### {name}({', '.join(arguments)})" for name, arguments in SIGNATURES.items()
    ]


def test_own_metrics_appear_beside_those_of_the_service(extend: Extend, settings: Settings) -> None:
    text = (
        Client(create_api(extend(example("metrics()")), settings).assembly)
        .operations.get("/metrics")
        .text
    )
    assert "\nfraud_started_timestamp_seconds 1." in text
    assert "\nml_requests_total{" in text


def test_an_own_export_replaces_that_of_the_library(extend: Extend) -> None:
    seam = Project(extend(example("export(estimator)"))).seam()
    columns = sample_columns(seam.terms.fields, 400, seed=0)
    estimator = seam.build_model(seam.terms.fields).set_params(
        histgradientboostingclassifier__max_iter=5
    )
    estimator.fit(encode(seam.terms.fields, columns), np.tile([0, 1], 200))
    files = export(seam, estimator)
    opsets = {
        opset.domain: opset.version
        for opset in ModelProto.FromString(files["model.onnx"]).opset_import
    }
    assert opsets[""] == 15
    scores = runtime_of(seam, files).score(columns)
    np.testing.assert_allclose(scores, predict(seam, estimator, columns), atol=1e-5)


def test_an_own_authentication_accepts_a_caller_without_a_key(
    extend: Extend, keyed: tuple[Settings, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_SECRET", "s3cret")
    settings, authorization = keyed
    client = Client(create_api(extend(example("authenticate(request)")), settings).assembly)
    signature = hmac.digest(b"s3cret", b"webshop", hashlib.sha256).hex()
    signed = {"x-gateway-caller": "webshop", "x-gateway-signature": signature}
    assert client.get("/openapi.json", headers=signed).status_code == 200
    assert (
        client.get("/openapi.json", headers=signed | {"x-gateway-caller": "another"}).status_code
        == 401
    )
    assert client.get("/openapi.json", headers={"authorization": authorization}).status_code == 200


def test_an_own_route_responds_is_documented_and_requires_a_caller(
    extend: Extend, settings: Settings, keyed: tuple[Settings, str]
) -> None:
    package = extend(example("routes(app)"))
    client = Client(create_api(package, settings).assembly)
    assert client.get("/v1/limits").json() == {"currency": "EUR", "fee": 0.01}
    assert client.get("/openapi.json").json()["paths"]["/v1/limits"]["get"]["x-role"] == "any"
    closed = Client(create_api(package, keyed[0]).assembly)
    assert closed.get("/v1/limits").status_code == 401
    assert closed.get("/v1/limits", headers={"authorization": keyed[1]}).status_code == 200


def test_an_own_check_gives_the_reason_why_a_replica_is_not_ready(
    extend: Extend, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = extend(example("checks()"))
    checks = create_api(package, settings).assembly.own_checks
    assert checks
    assert checks.run_once() == ""
    monkeypatch.setattr(import_module(f"{package}.extensions"), "MIN_FREE_BYTES", 10**18)
    assert "check disk: " in checks.run_once()
    assert "are needed" in checks.run_once()


def test_an_own_verb_runs_and_is_listed(extend: Extend, capsys: pytest.CaptureFixture[str]) -> None:
    package = extend(example("commands()"))
    assert run(package, ["count-rows"]) == 0
    assert capsys.readouterr().out == "100,000 rows\n"
    assert run(package, ["help"]) == 0
    assert "this project: count-rows Print the number of rows that load() returns." in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_project_without_the_file_has_no_extension(tmp_path: Path) -> None:
    assert not (PROJECT / "src" / "fraud_scoring" / "extensions.py").exists()
    assert load_extensions("fraud_scoring").names == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import math\nimport no_such_module\n",
            r"line 2: it cannot be imported: ModuleNotFoundError: .*no_such_module",
        ),
        (
            "import no_such_module\n",
            "import a package of training inside the function that needs it",
        ),
        ("def metrics(:\n", "line 1: it cannot be imported: SyntaxError"),
        ("X = 1 / 0\n", "line 1: it cannot be imported: ZeroDivisionError"),
        (
            "def metric(): ...\n",
            r"the library calls no function metric\(\); .* Did you mean metrics\(\)\?",
        ),
        (
            "def helper(): ...\n",
            r"the library calls no function helper\(\); works: metrics\(\), export\(\), "
            r".* Name a helper "
            r"_helper\(\)",
        ),
        (
            "def export(): ...\n",
            r"export\(\) has wrong arguments: .* Works: def export\(estimator\):",
        ),
        ("def checks(now): ...\n", r"checks\(now\) has wrong arguments: .* Works: def checks\(\):"),
        ("metrics = []\n", r"metrics is \[\], not a function; works: def metrics\(\):"),
        (
            "async def authenticate(request): ...\n",
            r"authenticate\(\) is async, .* Works: def authenticate\(request\):",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_works(
    text: str, message: str, extend: Extend
) -> None:
    with pytest.raises(ExtensionError, match=f"^extensions.py.*{message}"):
        load_extensions(extend(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def metrics(): return [1]\n",
            r"metrics\(\) returned 1; it must return Prometheus collectors",
        ),
        ("def metrics(): raise OSError('away')\n", r"metrics\(\) failed: OSError: away"),
        (
            "from prometheus_client import Gauge\ndef metrics(): return [Gauge('ml_mine', "
            "'-', registry=None)]\n",
            r"uses the name ml_mine; names that begin with ml_ belong to the library",
        ),
        (
            "from prometheus_client import Gauge\ndef metrics(): return [Gauge('a', '-', "
            "registry=None)] * 2\n",
            "Duplicated timeseries.*use each name only once",
        ),
        ("def checks(): return [1]\n", r"checks\(\) returned \[1\]; it must return a dict"),
        (
            ROUTE.format(path="/v1/model"),
            r"routes\(\) adds /v1/model, which already has a route",
        ),
        (
            ROUTE.format(path="/v1/predict"),
            r"routes\(\) adds /v1/predict, which already has a route",
        ),
        (ROUTE.format(path="/healthz"), r"routes\(\) adds /healthz, which already has a route"),
        (ROUTE.format(path="limits"), r"routes\(\) adds the path 'limits'"),
    ],
)
def test_a_service_does_not_start_with_an_invalid_extension(
    text: str, message: str, extend: Extend, settings: Settings
) -> None:
    with pytest.raises(ExtensionError, match=f"^extensions.py: .*{message}"):
        create_api(extend(text), settings)


@pytest.mark.parametrize(
    ("verbs", "message"),
    [
        ("{'train': _run}", "names 'train', a verb of the library"),
        ("{'help': _run}", "names 'help', a verb of the library"),
        ("{'Count Rows': _run}", "such as 'count-rows'"),
        ("{'count': lambda words: 0}", "a function with a docstring"),
        ("['count']", "it must return a dict"),
    ],
)
def test_an_invalid_verb_is_named_and_help_still_lists_the_verbs_of_the_library(
    verbs: str, message: str, extend: Extend, capsys: pytest.CaptureFixture[str]
) -> None:
    package = extend(f"def _run(words):\n    'Runs.'\ndef commands():\n    return {verbs}\n")
    assert run(package, ["help"]) == 0
    printed = capsys.readouterr()
    assert "ExtensionError: extensions.py: commands() " in printed.err
    assert message in printed.err
    assert all(verb in printed.out for verb in VERBS)


def test_a_verb_receives_its_arguments_and_returns_the_exit_code(
    extend: Extend, capsys: pytest.CaptureFixture[str]
) -> None:
    package = extend(
        "def _run(words):\n    'Runs.'\n    print(words)\n    return 3\ndef commands():\n  "
        "  return {'mine': _run}\n"
    )
    assert run(package, ["mine", "--days", "7", "-h"]) == 3
    assert capsys.readouterr().out == "['--days', '7', '-h']\n"


def test_an_export_without_a_model_or_with_an_error_stops_the_training(extend: Extend) -> None:
    for body, message in (
        ("return 1", "returned a int; it must return an onnx.ModelProto"),
        ("raise ValueError('no')", "failed .*no"),
    ):
        seam = Project(extend(f"def export(estimator): {body}\n")).seam()
        with pytest.raises(ExportError, match=message):
            export(seam, seam.build_model(seam.terms.fields))


def test_the_file_is_loaded_when_needed_and_the_service_loads_no_training_code(
    extend: Extend, tmp_path: Path
) -> None:
    package = extend(example("routes(app)"))
    code = (
        "import sys; from mlprod import Project, create_api\n"
        f"project = Project({package!r}); project.contract; project.decision\n"
        f"assert {package + '.extensions'!r} not in sys.modules\n"
        f"create_api({package!r})\n"
        f"assert {package + '.extensions'!r} in sys.modules\n"
        "found = sorted({'sklearn', 'ibis', 'mlflow', 'skl2onnx', 'mlprod.training'} & "
        "set(sys.modules))\n"
        "assert not found, found\n"
    )
    paths = f"import sys; sys.path[:0] = {[str(tmp_path / 'src'), *sys.path]!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", paths + code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_file_api_py_of_the_project_replaces_the_served_app(
    extend: Extend, tmp_path: Path
) -> None:
    package = extend("")
    assert read_api(package).assembly.extensions.names == []
    served = extend("")
    (tmp_path / "src" / served / "api.py").write_text("app = 'mine'\n")
    assert read_api(served) == "mine"  # type: ignore[comparison-overlap]
