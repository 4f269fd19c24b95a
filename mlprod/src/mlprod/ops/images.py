"""The images: built by the container engine that is here, and the one that answers tried as a
cluster would run it.
"""

import configparser
import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ..governance.check_catalogue import Subject
from ..governance.evidence import Evidence
from ..project.project import Seam
from ..serving.api_keys import add_key
from ..training.bundle_builder import revision
from ..training.evidence_store import finding
from ..training.registry import Registry
from ..training.sync import sync
from .drills import DrilledService, DrillError, smoke
from .migrate import migrate

TARGETS = ("serve", "pipeline")  # of the Dockerfile
INDEX = {  # setting of pip: variables that name it, the first one counts
    "index-url": ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL"),
    "trusted-host": ("PIP_TRUSTED_HOST",),
}
CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
FORBIDDEN_PACKAGES = (
    "sklearn",
    "mlflow",
    "alembic",
    "pip",
    "ensurepip",
)  # in the image that answers
OK_EXIT_CODES = (0, 143)  # by itself, or by the signal that it was sent
PROBE_SCRIPT = """import importlib.util, json, os
try:
    os.close(os.open("/app/written", os.O_CREAT | os.O_WRONLY))
    writable = True
except OSError:
    writable = False
found = [name for name in {unwanted} if importlib.util.find_spec(name)]
memory = next(line.split()[1] for line in open("/proc/1/status") if line.startswith("VmRSS"))
print(json.dumps(dict(uid=os.getuid(), writable=writable, found=found, megabytes=int(memory) / 1024)))
"""


class ImageError(Exception):
    """Nothing is here to build or run an image with, or the build failed; the message says which."""


def build(name: str, base: str = "") -> list[str]:
    """Both images, as `name`:serve and `name`:pipeline; gives these names.

    `base` replaces the Dockerfile's.

    What reaches an index here is lent to the build and stays in no image: the settings of pip or
    uv, the certificates of a proxy, and the proxy. Raises ImageError.
    """
    engine, made = (
        _engine("docker", "podman", "buildah"),
        [f"{name}:{target}" for target in TARGETS],
    )
    version = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    parts = ["--build-arg", f"VERSION={version}", "--build-arg", f"REVISION={revision()}"]
    parts += ["--build-arg", f"BASE={base}"] if base else []
    if Path(engine).stem != "docker":
        parts += ["--format", "docker"]  # theirs has no HEALTHCHECK
    parts += [
        word for name in PROXIES if os.environ.get(name) for word in ("--build-arg", name)
    ]  # by name: its value
    with TemporaryDirectory(
        prefix="image-build-"
    ) as folder:  # may hold a password, which no process list shows
        for id, file in (
            ("pip_conf", _pip_conf(Path(folder, "pip.conf"))),
            ("ca", _first_file(CERTIFICATES)),
        ):
            parts += ["--secret", f"id={id},src={file}"] if file else []
        for target, image in zip(TARGETS, made, strict=True):
            done = subprocess.run(
                [engine, "build", *parts, "--target", target, "--tag", image, "."], check=False
            )
            if done.returncode:
                raise ImageError(
                    f"{image} could not be built; what {Path(engine).stem} said is above"
                )
    return made


def _pip_conf(draft: Path) -> Path | None:
    """The file of pip's settings, or one made of it and of the index that the environment names for
    pip or uv.
    """
    given = _first_file(["PIP_CONFIG_FILE"])
    named = {
        key: next((os.environ[n] for n in names if os.environ.get(n)), "")
        for key, names in INDEX.items()
    }
    if not any(named.values()):
        return given
    settings = configparser.RawConfigParser()
    settings.read([given] if given else [], encoding="utf-8")
    if not settings.has_section("global"):
        settings.add_section("global")
    for key, value in named.items():
        if value:
            settings.set("global", key, value)
    draft.touch(mode=0o600)
    with draft.open("w", encoding="utf-8") as file:
        settings.write(file)
    return draft


def _first_file(variables: Iterable[str]) -> Path | None:
    """The file that the first of the variables names."""
    paths = [Path(os.environ[name]).expanduser() for name in variables if os.environ.get(name)]
    return next((path for path in paths if path.is_file()), None)


def image_drill(
    image: str, registry: Registry, seam: Seam, digests: dict[Subject, str]
) -> list[Evidence]:
    """Run the image with the champion: read-only root, no capabilities, a uid that nobody chose.

    It must answer, take outcome and feedback, hold nothing that trains or installs, and end when
    told. Raises ImageError, DrillError.
    """
    engine, port = _engine("docker", "podman"), _free_port()
    with TemporaryDirectory(prefix="image-drill-") as name:
        folder = Path(name)
        models, state, keys = folder / "models", folder / "state", folder / "keys.json"
        models.mkdir()
        state.mkdir()
        if not sync(registry, models):
            raise DrillError(
                "no champion is registered to answer with: make baseline, then make promote"
            )
        migrate(f"sqlite:///{state / 'records.db'}")
        key = add_key(keys, "image-drill", ["predict", "outcomes", "feedback", "smoke"])
        for path in folder.rglob("*"):  # the folder around them keeps others on this machine out
            path.chmod(0o777 if path.is_dir() else 0o666)
        parts = [f"--volume={models}:/models:ro,Z", f"--volume={state}:/var/lib/ml:Z"]
        parts += [
            f"--volume={keys}:/run/secrets/keys.json:ro,Z",
            "--env=ML_KEYS_FILE=/run/secrets/keys.json",
        ]
        parts += [f"--publish=127.0.0.1:{port}:{port}", f"--env=ML_PORT={port}"]
        began = time.monotonic()
        with _running(engine, image, parts) as (container, uid):
            service = DrilledService(f"http://127.0.0.1:{port}", key)
            service.wait_for(lambda facts: facts, f"an answer of {image}")
            seconds = time.monotonic() - began
            if silent := [item for item in smoke(service, seam, digests) if not item.passed]:
                raise DrillError(f"{image}: {silent[0].check}: {silent[0].value}")
            result = json.loads(
                _ask(
                    engine,
                    "exec",
                    container,
                    "python3",
                    "-c",
                    PROBE_SCRIPT.format(unwanted=FORBIDDEN_PACKAGES),
                )
            )
            _ask(engine, "stop", "--time", "20", container)
            code = int(_ask(engine, "inspect", "--format", "{{.State.ExitCode}}", container))
        errors = [f"holds {name}" for name in result["found"]] + [
            "its root can be written to"
        ] * result["writable"]
        errors += [f"runs as {result['uid']}, not {uid}"] * (result["uid"] != uid)
        errors += [f"ended with {code} when it was told to end"] * (code not in OK_EXIT_CODES)
        id = _ask(engine, "image", "inspect", "--format", "{{.Id}}", image).removeprefix("sha256:")[
            :12
        ]
    message = f"{id} answered after {seconds:.1f} s, {result['megabytes']:.0f} MB, as uid {uid}, and ended with {code}"
    return [
        finding(
            "image-runs", not errors, digests, f"{id} {'; '.join(errors)}" if errors else message
        )
    ]


@contextmanager
def _running(engine: str, image: str, parts: list[str]) -> Iterator[tuple[str, int]]:
    """A container as a cluster would run it, and its uid; gone when the block ends."""
    uid = 20_000 + secrets.randbelow(40_000)  # within what an engine without root may give away
    hard = [
        "--read-only",
        "--tmpfs=/tmp",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--memory=512m",
    ]
    if Path(engine).stem == "podman":
        hard.append("--no-healthcheck")  # it would need systemd
    container = _ask(engine, "run", "--detach", *hard, f"--user={uid}:0", *parts, image)
    try:
        yield container, uid
    except BaseException:
        subprocess.run([engine, "logs", "--tail", "20", container], check=False)
        raise
    finally:
        _ask(engine, "rm", "--force", container)


def _engine(*names: str) -> str:
    """The first of these that is here and works: a client of Docker without its server does not."""
    for name in names:
        path = shutil.which(name)
        if path and not subprocess.run([path, "info"], capture_output=True, check=False).returncode:
            return path
    raise ImageError(
        f"a container engine is needed, and none of {', '.join(names)} works here; try one's info command"
    )


def _ask(engine: str, *parts: str) -> str:
    done = subprocess.run(
        [engine, *parts], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        raise DrillError(f"{Path(engine).stem} {parts[0]}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
