"""The images of a baked project, built and run by buildah and podman.

Their base is a substitute for the official Python image.
"""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from built_images import DRAIN_SECONDS, UID, Built, Load, built, is_unavailable
from compose_services import Compose, compose
from conftest import BakedProject
from containers import base, engine, eventually, pytestmark
from git_host import git_host
from test_baked_life import environment, get, readme_request, wait_for_version
from test_install_paths import PIN, index

# Fixtures, and the marks of all tests.
__all__ = ["base", "built", "compose", "engine", "environment", "pytestmark"]
# Evidence of a CI run with a token counts for production.
CI = {"CI": "true", "GITHUB_RUN_ID": "1"}
# Changes of the row in the README.
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"amount": 9.9, "merchant": "groceries", "channel": "chip"},
    {"amount": 1_200, "foreign": True, "spent_24h": 800.5},
    {"card_age": None, "distance": 1_250.75},
    {"merchant": "never seen before", "hour": 23},
)


def test_linters_accept_the_dockerfile_and_compose(
    bake: Callable[..., BakedProject],
) -> None:
    folder = bake().path
    for command in (
        ("hadolint", "Dockerfile"),
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"),
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_image_serves_only_callers_with_a_key(built: Built, tmp_path: Path) -> None:
    """The container has a read-only root, one writable folder, no capabilities and 256 MB.

    Its user id has no account.
    """
    began = time.monotonic()
    with built.serving(tmp_path / "state") as (container, address, second):
        eventually(lambda: built.predict(address)[0] == 200, "a prediction")
        print(
            f"first response after {time.monotonic() - began:.2f} s, the start of podman included"
        )
        eventually(lambda: get(f"{second}/readyz")["mode"] == "assist", "the mode is known")
        assert built.predict(address)[1]["predictions"][0]["decision"] == "decline"
        assert built.predict(address, key="")[0] == 401
        assert built.predict(address, key="x" * 43)[0] == 401
        status = built.engine.run_in(container, "cat", "/proc/1/status")
        facts = dict(re.findall(r"^(\w+):\s+(\S+)", status, re.MULTILINE))
        assert (facts["Uid"], facts["Gid"]) == (str(UID), "0")
        assert (int(facts["CapEff"], 16), int(facts["CapBnd"], 16), facts["NoNewPrivs"]) == (
            0,
            0,
            "1",
        )
        print(f"{int(facts['VmRSS']) // 1024} MB resident")
        for place in ("/app", "/models", "/opt/venv", "/tmp", "/usr/local/lib"):  # noqa: S108
            tried = built.engine(
                "podman", "exec", container, "touch", f"{place}/written", check=False
            )
            assert "written" not in built.engine.run_in(container, "ls", place), (place, tried)
        subject = json.loads(built.engine("podman", "image", "inspect", f"{built.name}:serve"))[0]
        check = subject["Healthcheck"]["Test"]
        built.engine.run_in(container, *check[1:])
        # The health check must fail for a blocked process.
        process = built.process(container)
        os.kill(process, signal.SIGSTOP)
        sick = subprocess.run(
            ["nsenter", "-n", "-t", str(process), sys.executable, *check[2:]], capture_output=True
        )
        os.kill(process, signal.SIGCONT)
        assert sick.returncode


def responses(address: str, built: Built, key: str) -> tuple[str, list[Any], list[Any]]:
    """Return the model version of a service, and predictions and explanations of a few rows."""
    rows = [
        readme_request(built.project) | change | {"id": secrets.token_hex(8)} for change in CHANGES
    ]
    headers = {"authorization": f"Bearer {key}"} if key else {}
    result = []
    for route in ("predict", "explain"):
        body = json.dumps({"rows": rows if route == "predict" else rows[:1]}).encode()
        whole, url = headers | {"content-type": "application/json"}, f"{address}/v1/{route}"
        request = urllib.request.Request(url, body, whole)  # noqa: S310
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            result.append(json.load(response))
    predicted, explained = result
    return (
        predicted["model_version"],
        [{**item, "id": ""} for item in predicted["predictions"]],
        [{**entry, "id": ""} for entry in explained["explanations"]],
    )


@pytest.mark.sampled("the serving set")
def test_vendored_wheel_index_and_image_return_the_same_predictions(
    built: Built, tmp_path: Path
) -> None:
    """Compare scores, decisions, version and reasons. The index on loopback has the wheel."""
    project, local = built.project, {}
    served = tmp_path / "served" / "simple" / "mlprod"
    served.mkdir(parents=True)
    shutil.copy(next(project.path.glob("vendor/*.whl")), served)
    pin = tmp_path / "mlprod.txt"
    lines = (project.path / PIN).read_text().splitlines(True)
    pin.write_text("".join(line for line in lines if "--find-links" not in line))
    uv = [sys.executable, "-m", "uv"]
    python, lock = tmp_path / "venv" / "bin" / "python", project.path / "requirements" / "serve.txt"
    with index(tmp_path / "served") as packages:
        subprocess.run([*uv, "venv", "-q", "-p", sys.executable, tmp_path / "venv"], check=True)
        install = [*uv, "pip", "install", "-q", "-p", python, "--require-hashes"]
        subprocess.run([*install, "-r", lock], check=True)
        eventually(lambda: urllib.request.urlopen(f"{packages}/mlprod/"), "the index")  # noqa: S310
        subprocess.run([*install, "--no-deps", "--default-index", packages, "-r", pin], check=True)
    # A service without its database is in shadow.
    migrated = project.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    for name, venv in (
        ("vendored", project.environment["VENV"]),
        ("index", str(tmp_path / "venv")),
    ):
        where = {
            "VENV": venv,
            "ML_MODEL_DIR": str(built.models),
            "ML_EVENT_LOG_DIR": str(tmp_path / name),
        }
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in where.items():
                patch.setitem(project.environment, variable, value)
            with project.serving("--no-follow") as address:
                wait_for_version(address, "1")
                local[name] = responses(address, built, "")
    with built.serving(tmp_path / "state") as (_, address, second):
        eventually(lambda: get(f"{second}/readyz")["mode"] == "assist", "the mode is known")
        image = responses(address, built, built.key)
    assert len(image[1]) == len(CHANGES)
    assert len({item["score"] for item in image[1]}) > 2, "the rows must have different scores"
    assert image[2][0]["fields"]
    assert local == {"vendored": image, "index": image}


def test_image_without_keys_does_not_start(built: Built, tmp_path: Path) -> None:
    message = subprocess.run(
        ["podman", "run", "--rm", "--pull=never", "--no-healthcheck", f"{built.name}:serve"],
        env=os.environ | built.engine.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert message.returncode == 1
    assert "there are no keys" in message.stderr
    assert "Traceback" not in message.stderr


def test_shutdown_under_load_fails_no_request(built: Built, tmp_path: Path) -> None:
    with built.serving(tmp_path / "state") as (container, address, second):
        eventually(lambda: built.predict(address)[0] == 200, "a prediction")
        with Load(built, address) as load:
            time.sleep(1.5)
            before, ended = (
                len(load.answered),
                threading.Thread(target=lambda: codes.append(built.engine.end(container))),
            )
            codes: list[int] = []
            received = time.monotonic()
            ended.start()
            eventually(
                lambda: is_unavailable(f"{second}/readyz"),
                "the admin port reports the shutdown",
                DRAIN_SECONDS - 1,
            )
            # By then, a load balancer sends no more requests.
            time.sleep(max(0.0, received + DRAIN_SECONDS - 0.7 - time.monotonic()))
        ended.join()
        print(
            f"{before:,} responses before SIGTERM, {len(load.answered) - before:,} during the drain"
        )
        assert load.failed == []
        assert len(load.answered) > before + 50
        assert codes == [0]
        assert DRAIN_SECONDS < time.monotonic() - received < DRAIN_SECONDS + 12


def test_restarted_container_serves_the_model_that_it_had(built: Built, tmp_path: Path) -> None:
    """This container cannot reach a registry; it needs only its folder."""
    for _ in range(2):
        with built.serving(tmp_path / "state", "--env=MLFLOW_TRACKING_URI=http://127.0.0.1:9") as (
            container,
            address,
            _,
        ):
            eventually(lambda: built.predict(address)[0] == 200, "a prediction")
            assert built.predict(address)[1]["model_version"] == "1"
            os.kill(built.process(container), signal.SIGKILL)


def test_serving_image_has_no_training_package_and_no_installer(built: Built) -> None:
    run = ("podman", "run", "--rm", "--pull=never", "--no-healthcheck", "--entrypoint")
    listed = built.engine(*run, "find", f"{built.name}:serve", "/opt", "/usr", "/app", "-type", "d")
    gone = ("sklearn", "mlflow", "alembic", "pandas", "pyarrow", "pip", "ensurepip", "setuptools")
    assert not re.findall(
        rf"^.*-packages/(?:{'|'.join(gone)})$|^.*/ensurepip$", listed, re.MULTILINE
    )
    compilers = "for tool in cc gcc g++ ld make pip uv; do command -v $tool; done; true"
    assert built.engine(*run, "sh", f"{built.name}:serve", "-c", compilers) == ""
    whole = built.engine(*run, "find", f"{built.name}:pipeline", "/opt", "-type", "d")
    assert "site-packages/sklearn\n" in whole, "the list above must have the names of the packages"
    for target in ("serve", "pipeline"):
        subject = json.loads(built.engine("podman", "image", "inspect", f"{built.name}:{target}"))[
            0
        ]
        assert subject["User"] == "10001:0"
        assert "PYTHONDONTWRITEBYTECODE" not in str(subject["Config"]["Env"])
        labels = subject["Labels"]
        assert (
            labels["org.opencontainers.image.version"]
            == built.project.baked.toml("pyproject.toml")["project"]["version"]
        )
        assert labels["org.opencontainers.image.revision"].startswith(
            built.project.baked.git("rev-parse", "HEAD").strip()
        )


def test_build_secret_of_pip_is_in_no_layer(built: Built, tmp_path: Path) -> None:
    for target in ("serve", "pipeline"):
        image = f"{built.name}:{target}"
        for received in (("history", "--no-trunc", image), ("image", "inspect", image)):
            assert built.marker not in built.engine("podman", *received)
        archive = tmp_path / f"{target}.tar"
        built.engine("podman", "save", "--quiet", "--output", archive, image)
        result = subprocess.run(
            ["grep", "-c", built.marker, archive], capture_output=True, text=True
        )
        assert result.stdout.strip() == "0", (
            "a layer has the marker; podman saves layers uncompressed"
        )
        shown = subprocess.run(
            ["grep", "-c", "verify_folder\\|def folder_digest", archive],
            capture_output=True,
            text=True,
        )
        assert int(shown.stdout) > 0, "this search must match the project's own source"
        archive.unlink()


def test_evidence_from_the_pipeline_image_has_the_digests_of_the_checkout(built: Built) -> None:
    imports = (
        "from mlprod.training.evidence_store import digests; from mlprod.settings import Settings"
    )
    command = ["-c", f"{imports}; print(digests(Settings())['code'])"]
    python = built.project.python
    where = {"cwd": built.project.path, "env": built.project.environment}
    here = subprocess.run([python, *command], **where, capture_output=True, text=True, check=True)
    run = (
        "podman",
        "run",
        "--rm",
        "--pull=never",
        "--read-only",
        f"--user={UID}:0",
        "--entrypoint",
        "python",
    )
    assert built.engine(*run, f"{built.name}:pipeline", *command) == here.stdout.strip()


def test_image_test_records_valid_evidence(built: Built) -> None:
    assert status(built) == "unmeasured"
    with git_host(built.project.python, built.project.baked) as token:
        message = built.project.makes("test-image", f"IMAGE={built.name}", **CI, ML_ID_TOKEN=token)
    print(result := re.search(r"passed image-runs: [0-9a-f]{12} served after .*", message))
    assert result
    assert status(built) == "passed"
    dockerfile = built.project.path / "Dockerfile"
    as_it_was = dockerfile.read_text()
    dockerfile.write_text(as_it_was + "# changed\n")
    assert status(built) == "stale"
    dockerfile.write_text(as_it_was)


def test_image_test_fails_for_an_image_with_an_installer(built: Built) -> None:
    """An image that serves predictions, but has pip and the training packages, must fail."""
    container = built.engine("buildah", "from", "--pull-never", f"{built.name}:pipeline")
    built.engine(
        "buildah", "config", "--cmd", "serve --no-follow", "--env", "ML_HOST=0.0.0.0", container
    )
    built.engine(
        "buildah", "commit", "-q", "--rm", "--format=docker", container, "localhost/fat:serve"
    )
    with git_host(built.project.python, built.project.baked) as token:
        refused = built.project.make("test-image", "IMAGE=localhost/fat", **CI, ML_ID_TOKEN=token)
    assert refused.returncode != 0
    assert re.search(
        r"FAILED image-runs: [0-9a-f]{12} holds sklearn; holds mlflow; holds alembic",
        refused.stdout,
    )
    assert status(built) == "failed"


def status(built: Built) -> str:
    """Return the status of the check image-runs on the scorecard."""
    card = json.loads(built.project.run("readiness", "--stage=production", "--format=json").stdout)
    (result,) = (item["status"] for item in card["checks"] if item["id"] == "image-runs")
    return str(result)


def test_prometheus_accepts_the_configuration_of_compose(
    bake: Callable[..., BakedProject], tmp_path: Path
) -> None:
    project = bake()
    (tmp_path / "prometheus.yml").write_text(
        project.yaml("compose.yaml")["configs"]["prometheus"]["content"]
    )
    shutil.copytree(project.path / "monitoring" / "prometheus", tmp_path / "rules")
    done = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(
        rf"SUCCESS: {len(list((tmp_path / 'rules').glob('*.rules.yml')))} rule files found",
        done.stdout,
    )


@pytest.mark.sampled("what takes five minutes")
def test_compose_serves_a_promoted_model_from_the_registry(compose: Compose) -> None:
    """Run all services of compose.yaml, with PostgreSQL and rclone of this machine."""
    compose.run("secrets")
    stored = {path.name: path.read_bytes() for path in (compose.folder / "secrets").iterdir()}
    compose.run("secrets")
    assert stored == {
        path.name: path.read_bytes() for path in (compose.folder / "secrets").iterdir()
    }
    compose.postgres()
    compose.s3()
    compose.run("migrate")
    registry = compose.start("mlflow")
    compose.healthy("mlflow", registry)
    compose.run("pipeline", "train", "--baseline")
    compose.run("pipeline", "promote", "--reason", "the service needs a model")
    assert list((compose.folder / "bundles" / "mlflow").rglob("manifest.json")), (
        "the S3 store must have the bundle"
    )
    follower, service = compose.start("follower"), compose.start("serve")
    compose.built.key, address = compose.secret("caller"), f"http://127.0.0.1:{compose.port}"
    eventually(lambda: compose.built.predict(address)[0] == 200, "a prediction")
    assert compose.built.predict(address, key="")[0] == 401
    compose.engine.end(registry)
    assert compose.engine.end(service) == 0
    compose.engine("podman", "start", service)
    eventually(
        lambda: compose.built.predict(address)[0] == 200, "a prediction without the registry"
    )
    compose.engine.end(service)
    assert compose.engine.end(follower, seconds=5) in (0, 130), (
        "the image stops with SIGINT, exit code 130"
    )
