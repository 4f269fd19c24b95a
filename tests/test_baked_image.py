"""The images of a baked project, built and run: by buildah and podman, on a stand-in for the official Python image."""

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
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from conftest import BakedProject, baking
from git_host import git_host
from test_baked_life import Project, environment, free_port, get, readme_request

__all__ = ["environment"]  # a fixture
PROGRAMS = ("buildah", "podman", "runc", "mmdebstrap", "hadolint", "check-jsonschema", "rclone", "promtool")
UID = 54321  # nobody's
DRAIN = 3  # seconds
CI = {"CI": "true", "GITHUB_RUN_ID": "1"}  # its evidence counts for production with a token
CONTAINERS = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "FOLDER/libpod"
"""  # what is sure to work without systemd, and on kernels with the first kind of cgroups
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
        reason=f"needs root and {', '.join(PROGRAMS)}; .ci/run installs them",
    ),
]


class Engine:
    """Podman and buildah with a storage of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, []
        driver = "overlay" if "overlay" in Path("/proc/filesystems").read_text() else "vfs"
        (folder / "containers.conf").write_text(CONTAINERS.replace("FOLDER", str(folder)))
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "{driver}"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
        )
        self.environment = {
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "DOCKER_HOST": f"unix://{folder}/no-docker",  # a Docker that runs here has no stand-in
        }

    def __call__(self, *words: object, check: bool = True, **more: Any) -> str:
        done = subprocess.run(
            [str(word) for word in words], env=os.environ | self.environment, capture_output=True, text=True, **more
        )
        assert not check or not done.returncode, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout.strip()

    def start(self, image: str, *words: object, command: tuple[str, ...] = ()) -> str:
        name = f"baked-{secrets.token_hex(4)}"
        self.names.append(name)
        self("podman", "run", "--detach", "--name", name, "--pull=never", "--no-healthcheck", *words, image, *command)
        return name

    def ask(self, container: str, *command: object) -> str:
        return self("podman", "exec", container, *command)

    def works(self, container: str, *command: str) -> bool:
        tried = ["podman", "exec", container, *command]
        return not subprocess.run(tried, env=os.environ | self.environment, capture_output=True, check=False).returncode

    def end(self, container: str, seconds: int = 20) -> int:
        """The code with which it ends when it is told to; 137 when it has to be killed."""
        self("podman", "stop", "--time", seconds, container)
        return int(self("podman", "inspect", "--format", "{{.State.ExitCode}}", container))

    def remove(self) -> None:
        for name in self.names:
            self("podman", "rm", "--force", "--time=0", name, check=False)
        self("podman", "rmi", "--all", "--force", check=False)
        self("umount", self.folder / "graph" / "overlay", check=False)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("containers"))
    try:
        yield engine
    finally:
        engine.remove()


@pytest.fixture(scope="module")
def base(engine: Engine) -> str:
    """Like python:3.x-slim: Debian, Python with pip below /usr/local, no bytecode. Python is the one that runs this."""
    prefix, image = Path(sys.base_prefix), "localhost/stand-in"
    if prefix == Path("/usr"):
        pytest.skip("the Python that runs the tests must have a folder of its own; .ci/run says which Pythons it takes")
    lib = f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
    linked = engine("ldd", prefix / "bin" / "python3", *(prefix / lib / "lib-dynload").glob("*.so"))
    files = {str(Path(path).resolve()) for path in re.findall(r"=> (/(?:usr/)?lib/\S+)", linked)}
    owners = {line.partition(":")[0] for line in engine("dpkg", "-S", *files, check=False).splitlines()}
    packages = sorted(name for name in owners if not re.match(r"lib(tk|tcl|x)", name))
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE))
    include = f"--include=ca-certificates,{','.join(packages)}"
    root, python = engine.folder / "root.tar", engine.folder / "python"
    engine("mmdebstrap", "--quiet", "--variant=minbase", include, release["VERSION_CODENAME"], root)
    left_out = ("__pycache__", "test", "idlelib", "turtledemo", "config-*", "*.a", "[!p]*.pth", "share")
    shutil.copytree(prefix, python, symlinks=True, ignore=shutil.ignore_patterns(*left_out, "_*.pth"))
    for other in (python / lib / "site-packages").iterdir():
        if not other.name.startswith("pip"):
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    container = engine("buildah", "from", "scratch")
    engine("buildah", "add", "-q", container, root, "/")
    engine("buildah", "add", "-q", container, python, "/usr/local")
    engine("buildah", "config", "--env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
    engine("buildah", "run", container, "--", "ldconfig")
    engine("buildah", "commit", "-q", "--rm", container, image)
    return image


class Built:
    """A project with a champion, its images, and what pip was lent while they were built."""

    def __init__(self, project: Project, engine: Engine, base: str, marker: str) -> None:
        self.project, self.engine, self.base, self.marker = project, engine, base, marker
        self.name = "localhost/scoring"
        self.models, self.keys = project.path / "given" / "models", project.path / "given" / "keys.json"
        self.key = ""

    def size(self, image: str) -> int:
        """Megabytes."""
        return int(self.engine("podman", "image", "inspect", "--format", "{{.Size}}", image)) // 1_000_000

    def process(self, container: str) -> int:
        return int(self.engine("podman", "inspect", "--format", "{{.State.Pid}}", container))

    @contextmanager
    def serving(self, state: Path, *words: object) -> Iterator[tuple[str, str, str]]:
        """The image as a cluster runs it; gives container, address and address of the second port."""
        port, second = free_port(), free_port()
        user, where = f"--user={UID}:0", f"--volume={state}:/var/lib/ml"
        if not state.exists():
            state.mkdir()
            state.chmod(0o777)
            self.engine(
                "podman", "run", "--rm", "--pull=never", "--read-only", user, where, f"{self.name}:pipeline", "migrate"
            )
        container = self.engine.start(
            f"{self.name}:serve",
            *("--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
            *(user, where, "--memory=256m", f"--env=ML_DRAIN_SECONDS={DRAIN}"),
            "--env=ML_MAX_LATE_SECONDS=5",  # how it sheds load on a busy machine is not what is tried here
            *(f"--publish=127.0.0.1:{port}:8000", f"--publish=127.0.0.1:{second}:8001"),
            f"--volume={self.models}:/models:ro",
            *(f"--volume={self.keys.parent}:/run/keys:ro", "--env=ML_KEYS_FILE=/run/keys/keys.json"),
            *words,
        )
        try:
            yield container, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{second}"
        except BaseException:
            print(self.engine("podman", "logs", "--tail=9", container, check=False))
            raise
        finally:
            self.engine("podman", "rm", "--force", "--time=0", container, check=False)

    def ask(self, address: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
        """What the README's request is answered."""
        body = json.dumps({"rows": [readme_request(self.project)]}).encode()
        headers = {"authorization": f"Bearer {self.key if key is None else key}", "content-type": "application/json"}
        try:
            request = urllib.request.Request(f"{address}/v1/predict", body, headers)  # noqa: S310 - our own address
            with urllib.request.urlopen(request, timeout=5) as said:  # noqa: S310
                return said.status, json.load(said)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture(scope="module")
def built(engine: Engine, base: str, cookies_session: Any, environment: Path, tmp_path_factory: Any) -> Built:
    project = Project(baking(cookies_session)(), environment)
    marker = secrets.token_hex(20)
    built = Built(project, engine, base, marker)
    settings = tmp_path_factory.mktemp("lent") / "pip.conf"
    settings.write_text(f"[global]\ntimeout = 180\n# {marker}\n")
    project.environment |= engine.environment | {"PIP_CONFIG_FILE": str(settings)}
    project.environment.setdefault("PIP_CERT", os.environ.get("SSL_CERT_FILE", ""))
    began = time.monotonic()
    done = project.make("image", f"IMAGE={built.name}", f"BASE={base}", timeout=1_200)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    print(f"both images: {time.monotonic() - began:.0f} s on a base of {built.size(base)} MB")
    for image in ("serve", "pipeline"):
        print(f"{image}: {built.size(f'{built.name}:{image}') - built.size(base)} MB more than the base")
    project.makes("train")
    project.makes("promote", WHY="it beats the rule")
    built.models.parent.mkdir()
    given = {"ML_MODEL_DIR": str(built.models), "ML_KEYS_FILE": str(built.keys)}
    assert not project.run("sync", **given).returncode
    roles = ("predict", "outcomes", "feedback", "operate")
    made = project.run("key", "--name", "test", *(f"--role={role}" for role in roles), **given)
    built.key = made.stdout.strip()
    built.keys.chmod(0o644)
    return built


def eventually(holds: Callable[[], Any], what: str, seconds: float = 60) -> float:
    """Seconds until something held."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if holds():
                return time.monotonic() - began
        except (OSError, HTTPException):
            pass
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def test_nothing_is_wrong_with_the_dockerfile_and_compose(bake: Callable[..., BakedProject]) -> None:
    folder = bake().path
    for command in (
        ("hadolint", "Dockerfile"),
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"),
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_answers_whoever_has_a_key_and_only_them(built: Built, tmp_path: Path) -> None:
    """Read-only root and nothing writable but the state's folder, no capabilities, a uid that nobody chose, 256 MB."""
    began = time.monotonic()
    with built.serving(tmp_path / "state") as (container, address, second):
        eventually(lambda: built.ask(address)[0] == 200, "an answer")
        print(f"first answer after {time.monotonic() - began:.2f} s, the engine's start included")
        eventually(lambda: get(f"{second}/readyz")["mode"] == "assist", "the mode is known")
        assert built.ask(address)[1]["predictions"][0]["decision"] == "decline"
        assert built.ask(address, key="")[0] == 401
        assert built.ask(address, key="x" * 43)[0] == 401
        status = built.engine.ask(container, "cat", "/proc/1/status")
        facts = dict(re.findall(r"^(\w+):\s+(\S+)", status, re.MULTILINE))
        assert (facts["Uid"], facts["Gid"]) == (str(UID), "0")
        assert (int(facts["CapEff"], 16), int(facts["CapBnd"], 16), facts["NoNewPrivs"]) == (0, 0, "1")
        print(f"{int(facts['VmRSS']) // 1024} MB resident")
        for place in ("/app", "/models", "/opt/venv", "/tmp", "/usr/local/lib"):  # noqa: S108
            tried = built.engine("podman", "exec", container, "touch", f"{place}/written", check=False)
            assert "written" not in built.engine.ask(container, "ls", place), (place, tried)
        about = json.loads(built.engine("podman", "image", "inspect", f"{built.name}:serve"))[0]
        check = about["Healthcheck"]["Test"]
        built.engine.ask(container, *check[1:])
        os.kill(process := built.process(container), signal.SIGSTOP)  # a check that cannot fail would say nothing
        sick = subprocess.run(["nsenter", "-n", "-t", str(process), sys.executable, *check[2:]], capture_output=True)
        os.kill(process, signal.SIGCONT)
        assert sick.returncode


def test_without_keys_the_image_starts_nothing(built: Built, tmp_path: Path) -> None:
    said = subprocess.run(
        ["podman", "run", "--rm", "--pull=never", "--no-healthcheck", f"{built.name}:serve"],
        env=os.environ | built.engine.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert said.returncode == 1
    assert "there are no keys" in said.stderr
    assert "Traceback" not in said.stderr


def test_under_load_it_ends_without_one_failed_request(built: Built, tmp_path: Path) -> None:
    with built.serving(tmp_path / "state") as (container, address, second):
        eventually(lambda: built.ask(address)[0] == 200, "an answer")
        with Load(built, address) as load:
            time.sleep(1.5)
            before, ended = (
                len(load.answered),
                threading.Thread(target=lambda: codes.append(built.engine.end(container))),
            )
            codes: list[int] = []
            told = time.monotonic()
            ended.start()
            eventually(lambda: refuses(f"{second}/readyz"), "the second port says that it ends", DRAIN - 1)
            time.sleep(max(0.0, told + DRAIN - 0.7 - time.monotonic()))  # by then a load balancer sends nobody any more
        ended.join()
        print(f"{before:,} answers before SIGTERM, {len(load.answered) - before:,} while it drained")
        assert load.failed == []
        assert len(load.answered) > before + 50
        assert codes == [0]
        assert DRAIN < time.monotonic() - told < DRAIN + 12


def test_it_starts_again_with_the_model_that_it_had(built: Built, tmp_path: Path) -> None:
    """There is no registry in reach of this container: it needs a folder."""
    for _ in range(2):
        with built.serving(tmp_path / "state", "--env=MLFLOW_TRACKING_URI=http://127.0.0.1:9") as (
            container,
            address,
            _,
        ):
            eventually(lambda: built.ask(address)[0] == 200, "an answer")
            assert built.ask(address)[1]["model_version"] == "1"
            os.kill(built.process(container), signal.SIGKILL)


def test_what_answers_holds_nothing_that_trains_or_installs(built: Built) -> None:
    run = ("podman", "run", "--rm", "--pull=never", "--no-healthcheck", "--entrypoint")
    listed = built.engine(*run, "find", f"{built.name}:serve", "/opt", "/usr", "/app", "-type", "d")
    gone = ("sklearn", "mlflow", "alembic", "pandas", "pyarrow", "pip", "ensurepip", "setuptools")
    assert not re.findall(rf"^.*-packages/(?:{'|'.join(gone)})$|^.*/ensurepip$", listed, re.MULTILINE)
    compilers = "for tool in cc gcc g++ ld make pip uv; do command -v $tool; done; true"
    assert built.engine(*run, "sh", f"{built.name}:serve", "-c", compilers) == ""
    whole = built.engine(*run, "find", f"{built.name}:pipeline", "/opt", "-type", "d")
    assert "site-packages/sklearn\n" in whole, "the names above must be the packages' own"
    for target in ("serve", "pipeline"):
        about = json.loads(built.engine("podman", "image", "inspect", f"{built.name}:{target}"))[0]
        assert about["User"] == "10001:0"
        assert "PYTHONDONTWRITEBYTECODE" not in str(about["Config"]["Env"])
        labels = about["Labels"]
        assert (
            labels["org.opencontainers.image.version"]
            == built.project.baked.toml("pyproject.toml")["project"]["version"]
        )
        assert labels["org.opencontainers.image.revision"].startswith(
            built.project.baked.git("rev-parse", "HEAD").strip()
        )


def test_what_pip_was_lent_is_in_no_layer(built: Built, tmp_path: Path) -> None:
    for target in ("serve", "pipeline"):
        image = f"{built.name}:{target}"
        for told in (("history", "--no-trunc", image), ("image", "inspect", image)):
            assert built.marker not in built.engine("podman", *told)
        archive = tmp_path / f"{target}.tar"
        built.engine("podman", "save", "--quiet", "--output", archive, image)
        found = subprocess.run(["grep", "-c", built.marker, archive], capture_output=True, text=True)
        assert found.stdout.strip() == "0", "podman saves layers as they are, uncompressed"
        shown = subprocess.run(
            ["grep", "-c", "verify_folder\\|def folder_digest", archive], capture_output=True, text=True
        )
        assert int(shown.stdout) > 0, "the project's own source must be found this way, or nothing would"
        archive.unlink()


def test_evidence_from_the_pipeline_image_is_about_the_same_code(built: Built) -> None:
    look = "from mlprod.training.evidence_store import digests; from mlprod.settings import Settings as S"
    command = ["-c", f"{look}; print(digests(S())['code'])"]
    python = built.project.python
    where = {"cwd": built.project.path, "env": built.project.environment}
    here = subprocess.run([python, *command], **where, capture_output=True, text=True, check=True)
    run = ("podman", "run", "--rm", "--pull=never", "--read-only", f"--user={UID}:0", "--entrypoint", "python")
    assert built.engine(*run, f"{built.name}:pipeline", *command) == here.stdout.strip()


def test_the_drill_leaves_evidence_that_counts(built: Built) -> None:
    assert status(built) == "unmeasured"
    with git_host(built.project.python, built.project.baked) as token:
        said = built.project.makes("image-drill", f"IMAGE={built.name}", **CI, ML_ID_TOKEN=token)
    print(found := re.search(r"passed image-runs: [0-9a-f]{12} answered after .*", said))
    assert found
    assert status(built) == "passed"
    dockerfile = built.project.path / "Dockerfile"
    as_it_was = dockerfile.read_text()
    dockerfile.write_text(as_it_was + "# changed\n")
    assert status(built) == "stale"
    dockerfile.write_text(as_it_was)


def test_the_drill_of_an_image_that_can_install_fails(built: Built) -> None:
    """What answers all the same and holds pip and all that trains is not what should run."""
    container = built.engine("buildah", "from", "--pull-never", f"{built.name}:pipeline")
    built.engine("buildah", "config", "--cmd", "serve --no-follow", "--env", "ML_HOST=0.0.0.0", container)
    built.engine("buildah", "commit", "-q", "--rm", "--format=docker", container, "localhost/fat:serve")
    with git_host(built.project.python, built.project.baked) as token:
        refused = built.project.make("image-drill", "IMAGE=localhost/fat", **CI, ML_ID_TOKEN=token)
    assert refused.returncode != 0
    assert re.search(r"FAILED image-runs: [0-9a-f]{12} holds sklearn; holds mlflow; holds alembic", refused.stdout)
    assert status(built) == "failed"


def status(built: Built) -> str:
    """What the scorecard says of the image."""
    card = json.loads(built.project.run("readiness", "--stage=production", "--format=json").stdout)
    (found,) = (each["status"] for each in card["checks"] if each["id"] == "image-runs")
    return str(found)


class Load:
    """Four callers that keep their connections, as the service lets them."""

    def __init__(self, built: Built, address: str) -> None:
        self.host, self.row = address.removeprefix("http://"), readme_request(built.project)
        self.headers = {"authorization": f"Bearer {built.key}", "content-type": "application/json"}
        self.answered: list[float] = []
        self.failed: list[str] = []
        self.over = threading.Event()
        self.callers = [threading.Thread(target=self.call) for _ in range(4)]

    def __enter__(self) -> "Load":
        for caller in self.callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for caller in self.callers:
            caller.join()

    def call(self) -> None:
        connection, body = HTTPConnection(self.host, timeout=5), json.dumps({"rows": [self.row]})
        while not self.over.is_set():
            try:
                connection.request("POST", "/v1/predict", body, self.headers)
                answer = connection.getresponse()
                told = answer.read()
                if answer.status != 200:
                    self.failed.append(f"{answer.status}: {told[:200]!r}")
                self.answered.append(time.monotonic())
            except (OSError, HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
            time.sleep(0.002)
        connection.close()


def refuses(address: str) -> bool:
    try:
        get(address)
    except urllib.error.HTTPError as error:
        return error.code == 503
    return False


class Compose:
    """The project's own services of compose.yaml, by podman, in one network where every name is 127.0.0.1."""

    def __init__(self, built: Built, folder: Path) -> None:
        self.built, self.folder, self.engine = built, folder, built.engine
        self.file = built.project.baked.yaml("compose.yaml")
        self.port = free_port()
        names = [f"--add-host={name}:127.0.0.1" for name in self.file["services"]]
        publish = f"--publish=127.0.0.1:{self.port}:8000"
        self.network = self.engine.start(built.base, *names, publish, command=("sleep", "900"))
        self.servers: list[subprocess.Popen[bytes]] = []
        for volume in self.file["volumes"]:  # made like the folders of the images that they are first mounted over
            (folder / volume).mkdir()
            (folder / volume).chmod(0o755 if volume in ("secrets", "bundles") else 0o770)

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text().strip()

    def said(self, text: str) -> str:
        """What Compose makes of a text of the file."""
        own = {"IMAGE": self.built.name}
        return re.sub(r"\$\$|\$\{(\w+):-([^}]*)\}", lambda m: own.get(m[1], m[2]) if m[1] else "$", text)

    def start(self, service: str, *command: str) -> str:
        told = self.file["services"][service]
        words = [f"--network=container:{self.network}"]
        words += [f"--env={name}={self.said(value)}" for name, value in told.get("environment", {}).items()]
        for mount in told.get("volumes", []):
            volume, _, where = mount.partition(":")
            words.append(f"--volume={self.folder / volume}:{where}")
        words += ["--read-only", "--read-only-tmpfs=false"] if told["read_only"] else []
        words += [
            f"--{key.replace('_', '-')}={each}"
            for key in ("cap_drop", "cap_add", "tmpfs")
            for each in told.get(key, [])
        ]
        words += [f"--security-opt={each.partition(':')[0]}" for each in told["security_opt"]]
        words += [
            f"--{option}={told[key]}" for key, option in (("user", "user"), ("mem_limit", "memory")) if key in told
        ]
        words += [f"--entrypoint={json.dumps(told['entrypoint'])}"] if "entrypoint" in told else []
        started = tuple(command) or tuple(map(self.said, told.get("command", [])))
        return self.engine.start(self.said(told["image"]), *words, command=started)

    def run(self, service: str, *command: str) -> str:
        """To its end, which must be a good one; gives what it said."""
        container = self.start(service, *command)
        code = self.engine("podman", "wait", container)
        said = self.engine("sh", "-c", f"podman logs {container} 2>&1")
        assert code == "0", f"{service} ended with {code}: {said[-3000:]}"
        return said

    def inside(self, *command: object, **more: Any) -> list[str]:
        """A command of this machine in that network."""
        return ["nsenter", "-n", "-t", str(self.built.process(self.network)), "--", *map(str, command)]

    def serve(self, *command: object, **environment: str) -> None:
        log = (self.folder / f"{len(self.servers)}.log").open("w")
        self.servers.append(subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environment))

    def postgres(self) -> None:
        """A real one, in the place of the image, with what the file says of it."""
        told, data = self.file["services"]["postgres"]["environment"], self.folder / "postgres" / "data"
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))[-1].parent
        shutil.chown(data.parent, "nobody")
        data.parent.chmod(0o755)
        for folder in (self.folder, *self.folder.parents):  # pytest's own, which others may not enter
            folder.chmod(0o755)
            if folder.name.startswith("pytest-of-"):
                break
        first = (
            "--auth=scram-sha-256",
            f"--username={told['POSTGRES_USER']}",
            f"--pwfile={self.folder}/secrets/postgres",
        )
        self.engine("runuser", "-u", "nobody", "--", programs / "initdb", *first, "--no-sync", "-D", data)
        where = ("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", data.parent)
        self.serve(*self.inside("runuser", "-u", "nobody", "--", programs / "postgres", "-D", data, *where))
        ask = self.inside(
            "psql", "-h", "127.0.0.1", "-U", told["POSTGRES_USER"], "-d", "postgres", "-v", "ON_ERROR_STOP=1"
        )
        password = {"PGPASSWORD": self.secret("postgres")}
        for statement in (f"CREATE DATABASE {told['POSTGRES_DB']}", self.file["configs"]["databases"]["content"]):
            eventually(lambda: self.asks([*ask, "-c", statement], password), statement)  # noqa: B023

    def asks(self, command: list[str], environment: dict[str, str]) -> bool:
        return subprocess.run(command, env=os.environ | environment, capture_output=True, check=False).returncode == 0

    def s3(self) -> None:
        """The file's own command, by this machine's rclone."""
        told = self.file["services"]["s3"]
        (script,) = map(self.said, told["command"])
        script = script.replace("/secrets/", f"{self.folder}/secrets/").replace("/data", f"{self.folder}/bundles")
        self.serve(*self.inside(*told["entrypoint"], script), RCLONE_CONFIG=str(self.folder / "no.conf"))

    def healthy(self, service: str, container: str) -> None:
        check = self.file["services"][service]["healthcheck"]["test"][1:]
        eventually(lambda: self.engine.works(container, *check), f"{service} is healthy", 200)

    def end(self) -> None:
        for server in self.servers:
            server.terminate()
            server.wait(30)


@pytest.fixture
def compose(built: Built, tmp_path: Path) -> Iterator[Compose]:
    lent = ("--secret", f"id=ca,src={os.environ['PIP_CERT']}") if os.environ.get("PIP_CERT") else ()
    made = ("--target=registry", f"--tag={built.name}:registry", f"--build-arg=BASE={built.base}")
    built.engine("podman", "build", "--format=docker", *lent, *made, built.project.path)
    print(f"registry: {built.size(f'{built.name}:registry') - built.size(built.base)} MB more than the base")
    compose = Compose(built, tmp_path)
    try:
        yield compose
    finally:
        compose.end()


def test_what_compose_configures_prometheus_understands(bake: Callable[..., BakedProject], tmp_path: Path) -> None:
    project = bake()
    (tmp_path / "prometheus.yml").write_text(project.yaml("compose.yaml")["configs"]["prometheus"]["content"])
    shutil.copytree(project.path / "monitoring" / "prometheus", tmp_path / "rules")
    done = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.search(rf"SUCCESS: {len(list((tmp_path / 'rules').glob('*.rules.yml')))} rule files found", done.stdout)


def test_compose_brings_a_promoted_model_from_the_registry_to_the_caller(compose: Compose) -> None:
    """Its secrets, migration, MLflow server, jobs, follower and service; PostgreSQL and rclone are this machine's."""
    compose.run("secrets")
    kept = {path.name: path.read_bytes() for path in (compose.folder / "secrets").iterdir()}
    compose.run("secrets")
    assert kept == {path.name: path.read_bytes() for path in (compose.folder / "secrets").iterdir()}
    compose.postgres()
    compose.s3()
    compose.run("migrate")
    registry = compose.start("mlflow")
    compose.healthy("mlflow", registry)
    compose.run("pipeline", "train", "--baseline")
    compose.run("pipeline", "promote", "--why", "something must answer")
    assert list((compose.folder / "bundles" / "mlflow").rglob("manifest.json")), "the bundle lies in the S3 store"
    follower, service = compose.start("follower"), compose.start("serve")
    compose.built.key, address = compose.secret("caller"), f"http://127.0.0.1:{compose.port}"
    eventually(lambda: compose.built.ask(address)[0] == 200, "an answer")
    assert compose.built.ask(address, key="")[0] == 401
    compose.engine.end(registry)
    assert compose.engine.end(service) == 0
    compose.engine("podman", "start", service)
    eventually(lambda: compose.built.ask(address)[0] == 200, "an answer without the registry")
    compose.engine.end(service)
    assert compose.engine.end(follower, seconds=5) in (0, 130), "130: SIGINT, as the image asks for"
