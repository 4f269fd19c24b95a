"""Container images: their build, and a drill that runs the service image as a cluster would."""

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
from ..training.bundle_builder import git_revision
from ..training.evidence_store import finding
from ..training.registry import Registry
from ..training.sync import sync
from .drills import DrilledService, DrillError, smoke_test
from .migrate import migrate

TARGETS = ("serve", "pipeline")  # of the Dockerfile
# Setting of pip → environment variables that set it; the first one that is set counts.
INDEX = {
    "index-url": ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL"),
    "trusted-host": ("PIP_TRUSTED_HOST",),
}
CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
# In the service image, which must neither train nor install.
FORBIDDEN_PACKAGES = ("sklearn", "mlflow", "alembic", "pip", "ensurepip")
# A normal end, and the end by SIGTERM.
OK_EXIT_CODES = (0, 143)
PROBE_SCRIPT = """import importlib.util, json, os
try:
    os.close(os.open("/app/written", os.O_CREAT | os.O_WRONLY))
    writable = True
except OSError:
    writable = False
forbidden = [name for name in {forbidden} if importlib.util.find_spec(name)]
memory = next(line.split()[1] for line in open("/proc/1/status") if line.startswith("VmRSS"))
result = dict(uid=os.getuid(), writable=writable, forbidden=forbidden)
print(json.dumps(result | dict(megabytes=int(memory) / 1024)))
"""


class ImageError(Exception):
    """No container engine works here, or a build failed; the message states which."""


def build_images(name: str, base: str = "") -> list[str]:
    """Build both images, and return their names: `name`:serve and `name`:pipeline.

    `base` replaces the base image of the Dockerfile. The build gets the settings that reach a
    package index from here: those of pip or uv, the certificates, and the proxy. No image keeps
    them. Raises ImageError.
    """
    engine = _engine("docker", "podman", "buildah")
    images = [f"{name}:{target}" for target in TARGETS]
    version = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    parts = ["--build-arg", f"VERSION={version}", "--build-arg", f"REVISION={git_revision()}"]
    parts += ["--build-arg", f"BASE={base}"] if base else []
    if Path(engine).stem != "docker":
        # The OCI format, their default, has no HEALTHCHECK.
        parts += ["--format", "docker"]
    # Only the variable's name is an argument: the engine reads its value from the environment.
    parts += [part for name in PROXIES if os.environ.get(name) for part in ("--build-arg", name)]
    # The file may hold a password, which must not appear in a process list.
    with TemporaryDirectory(prefix="image-build-") as folder:
        for id, file in (
            ("pip_conf", _pip_conf(Path(folder, "pip.conf"))),
            ("ca", _first_file(CERTIFICATES)),
        ):
            parts += ["--secret", f"id={id},src={file}"] if file else []
        for target, image in zip(TARGETS, images, strict=True):
            done = subprocess.run(
                [engine, "build", *parts, "--target", target, "--tag", image, "."], check=False
            )
            if done.returncode:
                raise ImageError(
                    f"{image} could not be built; the output of {Path(engine).stem} is above"
                )
    return images


def _pip_conf(draft: Path) -> Path | None:
    """Return the file with pip's settings.

    If the environment names a package index for pip or uv, write it with those settings to `draft`.
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
    """Return the first existing file that one of the variables names."""
    paths = [Path(os.environ[name]).expanduser() for name in variables if os.environ.get(name)]
    return next((path for path in paths if path.is_file()), None)


def image_drill(
    image: str, registry: Registry, seam: Seam, digests: dict[Subject, str]
) -> list[Evidence]:
    """Run the image with the champion: read-only root, no capabilities, a random uid.

    It must serve predictions, accept outcome and feedback, hold no package that trains or installs,
    and stop on SIGTERM. Raises ImageError, DrillError.
    """
    engine, port = _engine("docker", "podman"), _free_port()
    with TemporaryDirectory(prefix="image-drill-") as name:
        folder = Path(name)
        models, state, keys = folder / "models", folder / "state", folder / "keys.json"
        models.mkdir()
        state.mkdir()
        if not sync(registry, models):
            raise DrillError(
                "the registry has no champion to serve. Works: make baseline, then make promote"
            )
        migrate(f"sqlite:///{state / 'records.db'}")
        key = add_key(keys, "image-drill", ["predict", "outcomes", "feedback", "smoke"])
        # The folder around them keeps other users of this machine out.
        for path in folder.rglob("*"):
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
            service.wait_for(lambda facts: facts, f"a response of {image}")
            seconds = time.monotonic() - began
            if failed := [item for item in smoke_test(service, seam, digests) if not item.passed]:
                raise DrillError(f"{image}: {failed[0].check}: {failed[0].value}")
            result = json.loads(
                _engine_output(
                    engine,
                    "exec",
                    container,
                    "python3",
                    "-c",
                    PROBE_SCRIPT.format(forbidden=FORBIDDEN_PACKAGES),
                )
            )
            _engine_output(engine, "stop", "--time", "20", container)
            code = int(
                _engine_output(engine, "inspect", "--format", "{{.State.ExitCode}}", container)
            )
        errors = [f"holds {name}" for name in result["forbidden"]] + [
            "its root file system is writable"
        ] * result["writable"]
        errors += [f"runs as {result['uid']}, not {uid}"] * (result["uid"] != uid)
        errors += [f"ended with exit code {code} on SIGTERM"] * (code not in OK_EXIT_CODES)
        id = _engine_output(engine, "image", "inspect", "--format", "{{.Id}}", image).removeprefix(
            "sha256:"
        )[:12]
    message = (
        f"{id} served after {seconds:.1f} s, {result['megabytes']:.0f} MB, as uid {uid}, and ended "
        f"with exit code {code}"
    )
    return [
        finding(
            "image-runs", not errors, digests, f"{id} {'; '.join(errors)}" if errors else message
        )
    ]


@contextmanager
def _running(engine: str, image: str, parts: list[str]) -> Iterator[tuple[str, int]]:
    """Run a container as a cluster would; yield it and its uid, and remove it at the end."""
    # A rootless engine may assign uids in this range.
    uid = 20_000 + secrets.randbelow(40_000)
    hard = [
        "--read-only",
        "--tmpfs=/tmp",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--memory=512m",
    ]
    if Path(engine).stem == "podman":
        # Its health checks need systemd.
        hard.append("--no-healthcheck")
    container = _engine_output(engine, "run", "--detach", *hard, f"--user={uid}:0", *parts, image)
    try:
        yield container, uid
    except BaseException:
        subprocess.run([engine, "logs", "--tail", "20", container], check=False)
        raise
    finally:
        _engine_output(engine, "rm", "--force", container)


def _engine(*names: str) -> str:
    """Return the first engine that works; a Docker client without its server does not."""
    for name in names:
        path = shutil.which(name)
        if path and not subprocess.run([path, "info"], capture_output=True, check=False).returncode:
            return path
    raise ImageError(
        f"no container engine works here; tried: {', '.join(names)}. "
        f"Works: install one of them, until its info command succeeds"
    )


def _engine_output(engine: str, *parts: str) -> str:
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
