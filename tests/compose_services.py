"""The services of compose.yaml that the project defines, run by podman."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from built_images import Built
from containers import eventually
from test_baked_life import free_port


class Compose:
    """The services of compose.yaml, run by podman in one network.

    Every service name resolves to 127.0.0.1.
    """

    def __init__(self, built: Built, folder: Path) -> None:
        self.built, self.folder, self.engine = built, folder, built.engine
        self.file = built.project.baked.yaml("compose.yaml")
        self.port = free_port()
        names = [f"--add-host={name}:127.0.0.1" for name in self.file["services"]]
        publish = f"--publish=127.0.0.1:{self.port}:8000"
        self.network = self.engine.start(built.base, *names, publish, command=("sleep", "900"))
        self.servers: list[subprocess.Popen[bytes]] = []
        # With the permissions of the folders in the images on which they are mounted first.
        for volume in self.file["volumes"]:
            (folder / volume).mkdir()
            (folder / volume).chmod(0o755 if volume in ("secrets", "bundles") else 0o770)

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text().strip()

    def substituted(self, text: str) -> str:
        """Replace the variables in a text of the file, as Compose does."""
        own = {"IMAGE": self.built.name}
        return re.sub(
            r"\$\$|\$\{(\w+):-([^}]*)\}", lambda m: own.get(m[1], m[2]) if m[1] else "$", text
        )

    def start(self, service: str, *command: str) -> str:
        received = self.file["services"][service]
        parts = [f"--network=container:{self.network}"]
        parts += [
            f"--env={name}={self.substituted(value)}"
            for name, value in received.get("environment", {}).items()
        ]
        for mount in received.get("volumes", []):
            volume, _, where = mount.partition(":")
            parts.append(f"--volume={self.folder / volume}:{where}")
        parts += ["--read-only", "--read-only-tmpfs=false"] if received["read_only"] else []
        parts += [
            f"--{key.replace('_', '-')}={entry}"
            for key in ("cap_drop", "cap_add", "tmpfs")
            for entry in received.get(key, [])
        ]
        parts += [f"--security-opt={item.partition(':')[0]}" for item in received["security_opt"]]
        parts += [
            f"--{option}={received[key]}"
            for key, option in (("user", "user"), ("mem_limit", "memory"))
            if key in received
        ]
        parts += (
            [f"--entrypoint={json.dumps(received['entrypoint'])}"]
            if "entrypoint" in received
            else []
        )
        started = tuple(command) or tuple(map(self.substituted, received.get("command", [])))
        return self.engine.start(self.substituted(received["image"]), *parts, command=started)

    def run(self, service: str, *command: str) -> str:
        """Run a service to its end and return its output; fails unless the exit code is 0."""
        container = self.start(service, *command)
        code = self.engine("podman", "wait", container)
        message = self.engine("sh", "-c", f"podman logs {container} 2>&1")
        assert code == "0", f"{service} ended with {code}: {message[-3000:]}"
        return message

    def inside(self, *command: object, **more: Any) -> list[str]:
        """Return a command that runs a program of this machine in that network."""
        return [
            "nsenter",
            "-n",
            "-t",
            str(self.built.process(self.network)),
            "--",
            *map(str, command),
        ]

    def serve(self, *command: object, **environment: str) -> None:
        log = (self.folder / f"{len(self.servers)}.log").open("w")
        self.servers.append(
            subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environment)
        )

    def postgres(self) -> None:
        """Start PostgreSQL of this machine instead of the image, as the file configures it."""
        received, data = (
            self.file["services"]["postgres"]["environment"],
            self.folder / "postgres" / "data",
        )
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))[-1].parent
        shutil.chown(data.parent, "nobody")
        data.parent.chmod(0o755)
        # Other users cannot enter the folders of pytest.
        for folder in (self.folder, *self.folder.parents):
            folder.chmod(0o755)
            if folder.name.startswith("pytest-of-"):
                break
        first = (
            "--auth=scram-sha-256",
            f"--username={received['POSTGRES_USER']}",
            f"--pwfile={self.folder}/secrets/postgres",
        )
        self.engine(
            "runuser", "-u", "nobody", "--", programs / "initdb", *first, "--no-sync", "-D", data
        )
        where = ("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", data.parent)
        self.serve(
            *self.inside("runuser", "-u", "nobody", "--", programs / "postgres", "-D", data, *where)
        )
        psql = self.inside(
            "psql",
            "-h",
            "127.0.0.1",
            "-U",
            received["POSTGRES_USER"],
            "-d",
            "postgres",
            "-v",
            "ON_ERROR_STOP=1",
        )
        password = {"PGPASSWORD": self.secret("postgres")}
        for statement in (
            f"CREATE DATABASE {received['POSTGRES_DB']}",
            self.file["configs"]["databases"]["content"],
        ):
            eventually(lambda: self.succeeds([*psql, "-c", statement], password), statement)  # noqa: B023

    def succeeds(self, command: list[str], environment: dict[str, str]) -> bool:
        return (
            subprocess.run(
                command, env=os.environ | environment, capture_output=True, check=False
            ).returncode
            == 0
        )

    def s3(self) -> None:
        """Run the command of the file with the rclone of this machine."""
        received = self.file["services"]["s3"]
        (script,) = map(self.substituted, received["command"])
        script = script.replace("/secrets/", f"{self.folder}/secrets/").replace(
            "/data", f"{self.folder}/bundles"
        )
        self.serve(
            *self.inside(*received["entrypoint"], script),
            RCLONE_CONFIG=str(self.folder / "no.conf"),
        )

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
    print(
        f"registry: {built.size(f'{built.name}:registry') - built.size(built.base)} MB "
        f"more than the base"
    )
    compose = Compose(built, tmp_path)
    try:
        yield compose
    finally:
        compose.end()
