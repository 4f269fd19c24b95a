"""The locks of the baked project: three consistent sets with hashes and without addresses."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import LIBRARY, UNBAKED, Bake

SETS = ("serve", "pipeline", "dev")
KEPT_OUT_OF_THE_SERVICE = {
    "alembic",
    "ibis-framework",
    "mlflow-skinny",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skl2onnx",
}


def locked(name: str) -> dict[str, str]:
    """Return package → version with its marker."""
    text = (UNBAKED / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)(==[^\\\n]+?) \\$", text, re.MULTILINE))


@pytest.mark.parametrize(("smaller", "larger"), [("serve", "pipeline"), ("pipeline", "dev")])
def test_smaller_lock_is_a_subset_of_the_larger_one(smaller: str, larger: str) -> None:
    versions, all_versions = locked(smaller), locked(larger)
    assert len(versions) > 10
    bare = {name: version.partition(" ;")[0] for name, version in versions.items()}
    assert bare == {name: all_versions[name].partition(" ;")[0] for name in versions}


def test_serving_lock_has_no_training_package() -> None:
    assert not KEPT_OUT_OF_THE_SERVICE & set(locked("serve"))
    assert set(locked("pipeline")) >= {"scikit-learn", "mlflow-skinny"}, (
        "the list above must have the names of the locks"
    )


def test_registry_server_and_client_have_the_same_version() -> None:
    assert locked("registry")["mlflow"] == locked("pipeline")["mlflow-skinny"]
    assert set(locked("registry")) >= {"boto3", "psycopg-binary"}


@pytest.mark.parametrize("name", [*SETS, "registry"])
def test_every_package_has_a_hash_and_no_lock_has_an_address(name: str) -> None:
    text = (UNBAKED / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert "--index" not in text
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Run an index on loopback with a few empty packages; yields its address and its requests."""
    for name in ("tiny", "mlflow-skinny", "mlflow", "boto3", "psycopg"):
        folder, stem = tmp_path / "index" / "simple" / name, f"{name.replace('-', '_')}-1.0"
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(
                f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            )
            wheel.writestr(
                f"{stem}.dist-info/WHEEL",
                "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    requested: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            requested.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "index"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://somebody:quokka@127.0.0.1:{server.server_port}/simple", requested
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "pip.conf"]
)
def test_packages_install_from_the_organizations_index_with_the_locked_hash_only(
    variable: str, index: tuple[str, list[str]], tmp_path: Path, bake: Bake
) -> None:
    """Install as `make setup` does, with uv on the PATH and a proxy that is not up."""
    address, requested = index
    stored = {
        name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))
    }
    environment = stored | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(LIBRARY.parent),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "PIP_CACHE_DIR": str(tmp_path / "pip"),
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PIP_USER": "1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }
    (tmp_path / "pip.conf").write_text(
        f"[global]\nindex-url = {address}\n" if variable == "pip.conf" else ""
    )
    if variable != "pip.conf":
        environment[variable] = address
    wheel = next((tmp_path / "index" / "simple" / "tiny").iterdir())
    code = (
        "import sys; from pathlib import Path; from mlprod.installation.environments "
        "import install, make_environment; "
        "make_environment(Path('env'), Path.cwd()); "
        "sys.exit(install(Path('env'), '--require-hashes', "
        "'-r', sys.argv[1]))"
    )
    project = bake().path
    for digest, succeeds in (
        ("0" * 64, False),
        (hashlib.sha256(wheel.read_bytes()).hexdigest(), True),
    ):
        lock = tmp_path / "lock.txt"
        lock.write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
        done = subprocess.run(
            [sys.executable, "-c", code, lock],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
        assert f"with {'uv' if variable.startswith('UV') else 'pip'}" in done.stdout
    assert any(path.startswith("/simple/tiny/") for path in requested)
    assert list(project.glob("env/lib/*/site-packages/tiny-1.0.dist-info"))


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_make_lock_uses_the_organizations_index_and_writes_no_address(
    variable: str, index: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, requested = index
    project = tmp_path / "project"
    (project / "requirements").mkdir(parents=True)
    shutil.copy(UNBAKED / "requirements" / "lock.sh", project / "requirements")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = '
        '["tiny"]\n'
        '[project.optional-dependencies]\npipeline = ["mlflow-skinny"]\ndev = []\n'
    )
    (project / "requirements" / "mlprod.txt").write_text(f"mlprod==1.0 --hash=sha256:{'0' * 64}\n")
    stored = {
        name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = stored | {
        variable: address,
        "PATH": path,
        "NO_PROXY": "127.0.0.1",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
    }
    done = subprocess.run(
        ["sh", "requirements/lock.sh"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert any(path.startswith("/simple/tiny/") for path in requested)
    for name in SETS:
        text = (project / "requirements" / f"{name}.txt").read_text()
        line = re.compile(r"[\w-]+==1\.0 \\\n    --hash=sha256:[0-9a-f]{64}\n")
        assert line.sub("", text) == "", text
