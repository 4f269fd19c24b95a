"""Tests of the image build without a container engine.

The tests of the template build and run the images.
"""

import sys
from pathlib import Path

import pytest

from mlprod.ops.images import CERTIFICATES, INDEX, PROXIES, TARGETS, ImageError, build_images
from mlprod.training.bundle_builder import git_revision

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="engines here are shell scripts")


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in (
        "PIP_CONFIG_FILE",
        *CERTIFICATES,
        *PROXIES,
        *(name for names in INDEX.values() for name in names),
    ):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def install(folder: Path, name: str, info: int = 0, build: int = 0) -> Path:
    """Install a fake engine that logs its arguments and exits with the given codes."""
    log, program = folder / f"{name}.log", folder / name
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{log}\n[ "$1" = info ] && exit {info}\nexit {build}\n'
    )
    program.chmod(0o755)
    return log


def test_build_without_an_engine_names_the_supported_ones(engines: Path) -> None:
    with pytest.raises(ImageError, match="docker, podman, buildah"):
        build_images("scoring")


def test_docker_client_without_its_server_is_skipped(engines: Path) -> None:
    docker, podman = install(engines, "docker", info=1), install(engines, "podman")
    assert build_images("scoring") == [f"scoring:{target}" for target in TARGETS]
    assert docker.read_text().split() == ["info"]
    assert podman.read_text().count("--format docker") == len(TARGETS), (
        "or the health check is lost"
    )


def test_pip_settings_reach_the_build_as_a_secret_not_as_an_argument(
    engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, lent = install(engines, "docker"), engines / "pip.conf"
    lent.touch()
    monkeypatch.setenv("PIP_CONFIG_FILE", str(lent))
    monkeypatch.setenv("PIP_CERT", str(engines / "absent"))
    build_images("scoring", base="python@sha256:0")
    parts = message.read_text()
    assert f"--secret id=pip_conf,src={lent}" in parts
    assert "id=ca" not in parts
    assert "--build-arg BASE=python@sha256:0" in parts
    assert "--format" not in parts


@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_index_and_proxy_of_the_environment_reach_the_build_without_being_shown(
    variable: str, engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fake engine copies the secret file, since it is deleted afterwards."""
    message, lent = install(engines, "docker"), engines / "lent.conf"
    (engines / "cat").symlink_to("/bin/cat")
    program = engines / "docker"
    copy = (
        'for word; do case $word in id=pip_conf,src=*) IFS==; set -- $word; cat "$3" > LENT;; '
        "esac; done\n"
    )
    program.write_text(
        program.read_text().removesuffix("exit 0\n") + copy.replace("LENT", str(lent))
    )
    (engines / "pip.conf").write_text(
        "[global]\nindex-url = https://before.example.org\ntimeout = 60\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(engines / "pip.conf"))
    monkeypatch.setenv(variable, "https://reader:c4n4ry%40@index.example.org/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    monkeypatch.setenv("SSL_CERT_FILE", str(engines / "pip.conf"))
    build_images("scoring")
    assert lent.read_text().split("\n")[:3] == [
        "[global]",
        "index-url = https://reader:c4n4ry%40@index.example.org/simple",
        "timeout = 60",
    ]
    parts = message.read_text()
    assert "--build-arg HTTPS_PROXY" in parts
    assert f"--secret id=ca,src={engines}/pip.conf" in parts
    assert "c4n4ry" not in parts
    assert "proxy.example.org" not in parts


def test_failed_build_raises_image_error(engines: Path) -> None:
    install(engines, "buildah", build=1)
    with pytest.raises(
        ImageError, match="scoring:serve could not be built; the output of buildah is above"
    ):
        build_images("scoring")


def test_revision_comes_from_the_environment_without_git(
    engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git_revision() == ""
    monkeypatch.setenv("ML_REVISION", "a" * 40)
    assert git_revision() == "a" * 40
    git = engines / "git"
    git.write_text("#!/bin/sh\necho from-git\n")
    git.chmod(0o755)
    assert git_revision() == "from-git"
