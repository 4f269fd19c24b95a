"""Images and containers by buildah and podman, on a substitute for the official Python image."""

import fcntl
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = (
    "buildah",
    "podman",
    "runc",
    "mmdebstrap",
    "hadolint",
    "check-jsonschema",
    "rclone",
    "promtool",
)
# Settings that work without systemd, and on kernels with cgroups of version 1.
CONTAINERS = """[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "FOLDER/libpod"
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
        reason=f"needs root and {', '.join(PROGRAMS)}; .ci/run installs them",
    ),
]


class Engine:
    """Podman and buildah with their own storage."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, []
        driver = "overlay" if "overlay" in Path("/proc/filesystems").read_text() else "vfs"
        (folder / "containers.conf").write_text(CONTAINERS.replace("FOLDER", str(folder)))
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "{driver}"\ngraphroot = "{folder}/graph"\nrunroot = '
            f'"{folder}/run"\n'
        )
        self.environment = {
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            # A Docker daemon of this machine does not have the substitute image.
            "DOCKER_HOST": f"unix://{folder}/no-docker",
        }

    def __call__(self, *parts: object, check: bool = True, **more: Any) -> str:
        done = subprocess.run(
            [str(part) for part in parts],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            **more,
        )
        assert not check or not done.returncode, (
            f"{parts}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        return done.stdout.strip()

    def start(self, image: str, *options: object, command: tuple[str, ...] = ()) -> str:
        name = f"baked-{secrets.token_hex(4)}"
        self.names.append(name)
        self(
            "podman",
            "run",
            "--detach",
            "--name",
            name,
            "--pull=never",
            "--no-healthcheck",
            *options,
            image,
            *command,
        )
        return name

    def run_in(self, container: str, *command: object) -> str:
        return self("podman", "exec", container, *command)

    def works(self, container: str, *command: str) -> bool:
        tried = ["podman", "exec", container, *command]
        return not subprocess.run(
            tried, env=os.environ | self.environment, capture_output=True, check=False
        ).returncode

    def end(self, container: str, seconds: int = 20) -> int:
        """Stop a container and return its exit code; 137 means that podman had to kill it."""
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
def base(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build an image like python:3.x-slim once for each test run.

    Each pytest process has its own storage and loads the image from an archive.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    image, archive = "localhost/substitute", folder / "substitute.tar"
    with archive.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if archive.exists():
            engine("podman", "load", "-q", "-i", archive)
        else:
            make_base(engine, image)
            engine("podman", "save", "-q", "-o", archive, image)
    return image


def make_base(engine: Engine, image: str) -> None:
    """Build Debian with the Python and pip of this process below /usr/local, without bytecode."""
    prefix = Path(sys.base_prefix)
    if prefix == Path("/usr"):
        pytest.skip(
            "the Python that runs the tests is the system's; works: a Python in its own folder, "
            "see .ci/run"
        )
    lib = f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
    linked = engine("ldd", prefix / "bin" / "python3", *(prefix / lib / "lib-dynload").glob("*.so"))
    files = {str(Path(path).resolve()) for path in re.findall(r"=> (/(?:usr/)?lib/\S+)", linked)}
    owners = {
        line.partition(":")[0] for line in engine("dpkg", "-S", *files, check=False).splitlines()
    }
    packages = sorted(name for name in owners if not re.match(r"lib(tk|tcl|x)", name))
    release = dict(
        re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE)
    )
    include = f"--include=ca-certificates,{','.join(packages)}"
    root, python = engine.folder / "root.tar", engine.folder / "python"
    engine("mmdebstrap", "--quiet", "--variant=minbase", include, release["VERSION_CODENAME"], root)
    left_out = (
        "__pycache__",
        "test",
        "idlelib",
        "turtledemo",
        "config-*",
        "*.a",
        "[!p]*.pth",
        "share",
    )
    shutil.copytree(
        prefix, python, symlinks=True, ignore=shutil.ignore_patterns(*left_out, "_*.pth")
    )
    for other in (python / lib / "site-packages").iterdir():
        if not other.name.startswith("pip"):
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    container = engine("buildah", "from", "scratch")
    engine("buildah", "add", "-q", container, root, "/")
    engine("buildah", "add", "-q", container, python, "/usr/local")
    engine(
        "buildah", "config", "--env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container
    )
    engine("buildah", "run", container, "--", "ldconfig")
    engine("buildah", "commit", "-q", "--rm", container, image)


def eventually(holds: Callable[[], Any], what: str, seconds: float = 60) -> float:
    """Wait until `holds` returns a true value; return the seconds that it took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if holds():
                return time.monotonic() - began
        except (OSError, HTTPException):
            pass
        time.sleep(0.02)
    raise AssertionError(f"the condition was not met within {seconds:g} s: {what}")
