"""Environments are created, filled and adapted to their folder, whatever the machine's settings."""

import os
import subprocess
from pathlib import Path

import pytest
from fixture_project import PROJECT

from mlprod.installation.environments import READY, install, make_environment, mark_ready

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the programs here are shell scripts")
LED_AWAY = {
    "PIP_USER": "1",
    "PIP_TARGET": "/elsewhere",
    "PIP_PREFIX": "/elsewhere",
    "PIP_ROOT": "/elsewhere",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PYTHONHOME": "/elsewhere",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment whose Python writes down its arguments and variables.

    There is no uv, and no variable of pip or uv is set.
    """
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("PIP_", "UV_")) or name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PATH", str(tmp_path / "programs"), prepend=None)
    program(tmp_path / "env" / "bin" / "python", tmp_path / "arguments-of-python")
    return Path("env")


def program(path: Path, written: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "$@" > {written}\n/usr/bin/env >> {written}\n')
    path.chmod(0o755)
    return written


def test_pip_installs_into_the_environment_whatever_its_variables_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in LED_AWAY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example.org/simple")
    assert install(folder, "--require-hashes", "-r", "dev.txt") == 0
    requested, *variables = (tmp_path / "arguments-of-python").read_text().splitlines()
    assert (
        requested
        == "-m pip install --disable-pip-version-check --quiet --require-hashes -r dev.txt"
    )
    assert "PIP_USER=0" in variables
    assert "PIP_INDEX_URL=https://index.example.org/simple" in variables
    assert not {f"{name}={value}" for name, value in LED_AWAY.items()} & set(variables)


@pytest.mark.parametrize(
    ("index", "certificates", "installs", "trusts"),
    [
        ({}, {}, "uv", ""),
        ({}, {"PIP_CERT": "/pip.pem"}, "uv", "/pip.pem"),
        ({}, {"REQUESTS_CA_BUNDLE": "/all.pem", "SSL_CERT_FILE": "/own.pem"}, "uv", "/own.pem"),
        ({"PIP_INDEX_URL": "https://index.example.org"}, {}, "python", ""),
        (
            {
                "PIP_INDEX_URL": "https://index.example.org",
                "UV_DEFAULT_INDEX": "https://index.example.org",
            },
            {},
            "uv",
            "",
        ),
        ({"UV_INDEX_URL": "https://index.example.org"}, {}, "uv", ""),
    ],
)
def test_the_installer_is_the_one_that_knows_the_index(
    index: dict[str, str],
    certificates: dict[str, str],
    installs: str,
    trusts: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program(tmp_path / "programs" / "uv", tmp_path / "arguments-of-uv")
    for name, value in (index | certificates).items():
        monkeypatch.setenv(name, value)
    install(folder, "-r", "dev.txt")
    requested, *variables = (tmp_path / f"arguments-of-{installs}").read_text().splitlines()
    assert requested.endswith("-r dev.txt")
    if trusts:
        assert f"SSL_CERT_FILE={trusts}" in variables


def test_an_index_in_pips_own_file_is_known_to_pip_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "programs" / "uv", tmp_path / "arguments-of-uv")
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://index.example.org\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    install(folder, "-r", "dev.txt")
    assert not (tmp_path / "arguments-of-uv").exists()
    assert (tmp_path / "arguments-of-python").exists()


def test_a_failed_installation_names_the_page(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "env" / "bin" / "python").write_text("#!/bin/sh\nexit 3\n")
    assert install(folder, "-r", "dev.txt") == 3
    message = capsys.readouterr().err
    assert "dev.txt could not be installed" in message
    assert (PROJECT / message.split()[-1]).is_file(), "the page exists"


def test_an_environment_that_was_moved_is_adapted_to_its_folder(
    folder: Path, tmp_path: Path
) -> None:
    script, binary = folder / "bin" / "pytest", folder / "bin" / "program"
    script.write_text("#!/before/env/bin/python\nimport pytest\n")
    binary.write_bytes(b"\0/before/env/bin/python")
    (folder / READY).write_text("/before\n")
    make_environment(folder, tmp_path)
    assert script.read_text() == f"#!{tmp_path}/env/bin/python\nimport pytest\n"
    assert binary.read_bytes() == b"\0/before/env/bin/python"
    assert (folder / READY).read_text() == "/before\n", "until it is complete"
    mark_ready(folder, tmp_path)
    assert (folder / READY).read_text() == f"{tmp_path}\n"


@pytest.mark.parametrize("state", ["new", "half made", "python gone"])
def test_an_environment_that_does_not_work_is_created_again(
    state: str, folder: Path, tmp_path: Path
) -> None:
    python = folder / "bin" / "python"
    if state == "new":
        python.unlink()
    if state == "python gone":
        python.unlink()
        python.symlink_to("/no/such/python")
        mark_ready(folder, tmp_path)
    program(tmp_path / "programs" / "uv", tmp_path / "arguments-of-uv")  # pip would take seconds
    make_environment(folder, tmp_path)
    prefix = subprocess.run(
        [python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    assert Path(prefix.stdout.strip()) == tmp_path / folder
