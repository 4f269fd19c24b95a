"""The workflows of a baked project, checked by linters and executed by act and gitlab-ci-local.

The tests execute the checks of a change (`ci`), the images (`build`), and their push by digest to a
registry on loopback. The linters and test_baked_workflows.py check the jobs that need a platform,
such as signing, a cluster or an approval.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Bake, BakedProject
from containers import Engine, base, engine, eventually
from containers import pytestmark as images
from git_host import git_host
from test_baked_life import Project, environment, free_port, get

__all__ = ["base", "engine", "environment"]  # fixtures
PROGRAMS = (
    "act",
    "gitlab-ci-local",
    "rsync",
    "actionlint",
    "shellcheck",
    "zizmor",
    "check-jsonschema",
    "skopeo",
)
PROGRAMS += ("docker-registry", "jq")
SUBSTITUTES = ROOT / "tests" / "actions"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, PROGRAMS)),
        reason=f"needs {', '.join(PROGRAMS)}; .ci/run installs them",
    ),
]
needs_engine = [mark for mark in images if mark.name == "skipif"]


def run(*command: object, cwd: Path, timeout: float = 300, **more: str) -> str:
    """Run a command and return its output; the test fails if the command fails.

    The environment has the settings that pip and uv need on this machine.
    """
    stored = {name: value for name, value in os.environ.items() if name != "VENV"}
    # The folder of this Python has uv.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=stored | {"PATH": path} | more,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-8000:]}"
    return done.stdout


def act(project: BakedProject, job: str, *arguments: str, timeout: float, **more: str) -> str:
    """Run a job of ci.yml as after a push to main.

    Checkout is act's own; substitutes replace other actions.
    """
    used = set(re.findall(r"uses: (\S+/(\S+)@\S+)", project.read(".github/workflows/ci.yml")))
    here = [
        f"--local-repository={pin}={SUBSTITUTES / name}"
        for pin, name in used
        if (SUBSTITUTES / name).is_dir()
    ]
    arguments = ("push", "--workflows", ".github/workflows/ci.yml", "--job", job, *here, *arguments)
    settings = [f"--env={name}={value}" for name, value in more.items()]
    return run(
        "act",
        *arguments,
        *settings,
        "--platform=ubuntu-latest=-self-hosted",
        cwd=project.path,
        timeout=timeout,
    )


def gitlab(project: BakedProject, job: str, *arguments: str, timeout: float, **more: str) -> str:
    arguments = ("--force-shell-executor", "--no-color", *arguments, job)
    return run("gitlab-ci-local", *arguments, cwd=project.path, timeout=timeout, **more)


def works(python: str) -> bool:
    """Return whether the program is an interpreter; a pyenv shim may not be."""
    result = shutil.which(python)
    return (
        bool(result)
        and subprocess.run([result, "-c", "import venv"], capture_output=True).returncode == 0
    )


def test_linters_accept_the_workflows(bake: Bake) -> None:
    github, gitlab = bake(ci_provider="github").path, bake(ci_provider="gitlab").path
    workflows = sorted((github / ".github" / "workflows").iterdir())
    run("actionlint", "-shellcheck", shutil.which("shellcheck"), *workflows, cwd=github)
    strict = ("--offline", "--persona=pedantic", "--config", ROOT / "tests" / "zizmor.yml")
    run("zizmor", *strict, ".github", cwd=github)
    schema = ("check-jsonschema", "--builtin-schema")
    run(*schema, "vendor.github-workflows", *workflows, cwd=github)
    run(*schema, "vendor.dependabot", ".github/dependabot.yml", cwd=github)
    run(*schema, "vendor.gitlab-ci", "--data-transform", "gitlab-ci", ".gitlab-ci.yml", cwd=gitlab)
    run("shellcheck", "--shell=sh", *sorted(github.glob("deploy/*.sh")), cwd=github)


def test_zizmor_detects_untrusted_input_in_a_script(bake: Bake) -> None:
    """Prove that the linter of the test above can fail."""
    folder = bake(ci_provider="github").path
    file = folder / ".github" / "workflows" / "by-hand.yml"
    file.write_text(
        file.read_text().replace(
            "run: make promote", "run: echo ${{ inputs.reason }}; make promote"
        )
    )
    with pytest.raises(AssertionError, match="template-injection"):
        run("zizmor", "--offline", ".github", cwd=folder)


@pytest.mark.sampled("check and tests by a provider")
def test_github_runs_check_and_tests_on_the_newest_python(bake: Bake) -> None:
    """The test for GitLab runs them on the oldest Python, because each run takes minutes."""
    received = act(bake(ci_provider="github"), "ci", "--matrix=python:3.13", timeout=1_800)
    assert received.count("🏁  Job succeeded") == 1
    assert "creating .venv with Python 3.13" in received
    assert len(re.findall(r"\d+ passed", received)) == 1


@pytest.mark.sampled("check and tests by a provider")
def test_gitlab_runs_check_and_tests_and_leaves_evidence_that_counts_for_production(
    bake: Bake, environment: Path, tmp_path: Path
) -> None:
    project = bake(ci_provider="gitlab")
    home = f"sqlite:///{tmp_path}/mlflow.db"
    minor = next(item for item in ("3.11", "3.13") if works(f"python{item}"))
    life = Project(project, environment)
    # The git host runs in this environment.
    life.makes("setup")
    with git_host(life.python, project) as token:
        facts = (f"MLFLOW_TRACKING_URI={home}", f"ML_ID_TOKEN={token}")
        variables = [option for fact in facts for option in ("--variable", fact)]
        output = gitlab(project, f"ci: [{minor}]", *variables, timeout=1_800)
        assert f" PASS  ci: [{minor}]" in output
        assert len(re.findall(r"\d+ passed", output)) == 1
        card = run(
            *("make", "-s", "readiness", "STAGE=production", "FORMAT=json", "--ignore-errors"),
            cwd=project.path, MLFLOW_TRACKING_URI=home,
        )  # fmt: skip
    shown = {check["id"]: check for check in json.loads(card[card.index("{") :])["checks"]}
    assert (shown["checks-green"]["status"], shown["tests-green"]["status"]) == ("passed", "passed")


@pytest.mark.sampled("what takes five minutes")
@pytest.mark.parametrize("provider", ["github", "gitlab"])
@needs_engine[0]
def test_images_are_built_tested_and_passed_to_publishing(
    provider: str, engine: Engine, base: str, bake: Bake
) -> None:
    project = bake(ci_provider=provider)
    secrets = {
        name: os.environ[name] for name in ("PIP_CERT", "PIP_CONFIG_FILE") if name in os.environ
    }
    if provider == "github":
        received = act(
            project,
            "build",
            "--var",
            f"BASE_IMAGE={base}",
            timeout=1_800,
            **secrets,
            **engine.environment,
        )
        assert "🏁  Job succeeded" in received
    else:
        received = gitlab(
            project,
            "build",
            "--variable",
            f"BASE_IMAGE={base}",
            timeout=1_800,
            **secrets,
            **engine.environment,
        )
        assert re.search(r"PASS +build", received)
    assert "passed image-runs: " in received
    for name in ("serving.tar", "pipeline.tar", "serving.cdx.json", "pipeline.cdx.json"):
        # The substitute for the upload action prints the list of its files.
        if provider == "github":
            assert f"images: var/images/{name}, " in received
        else:
            assert (project.path / "var" / "images" / name).stat().st_size


@needs_engine[0]
def test_publishing_pushes_the_built_images_and_prints_their_digests(
    engine: Engine, bake: Bake, tmp_path: Path
) -> None:
    """Use a real registry and skopeo.

    A substitute for cosign only records its arguments, because nothing can be signed here.
    """
    folder, port, signed = bake().path, free_port(), tmp_path / "signed"
    (folder / "var" / "images").mkdir(parents=True)
    for name in ("serving", "pipeline"):
        container = engine("buildah", "from", "scratch")
        engine("buildah", "config", "--label", f"is={name}", container)
        engine("buildah", "commit", "-q", "--rm", container, f"localhost/tiny:{name}")
        engine(
            "buildah",
            "push",
            "-q",
            f"localhost/tiny:{name}",
            f"docker-archive:{folder}/var/images/{name}.tar",
        )
    (tmp_path / "cosign").write_text(f'#!/bin/sh\necho "$1 ${{*##* }}" >>{signed}\n')
    (tmp_path / "cosign").chmod(0o755)
    plain = tmp_path / ".config" / "containers" / "registries.conf"
    plain.parent.mkdir(parents=True)
    plain.write_text(f'[[registry]]\nlocation = "127.0.0.1:{port}"\ninsecure = true\n')
    (tmp_path / "registry.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}}}}}\nhttp: "
        f"{{addr: '127.0.0.1:{port}'}}\n"
    )
    facts = {
        "SOURCE": "https://git.example.org/team/fraud",
        "REVISION": "0123abc",
        "RUN": "https://git.example.org/1",
    }
    facts |= {"BUILDER": "https://git.example.org", "REGISTRY": f"127.0.0.1:{port}/team"}
    facts |= {"HOME": str(tmp_path)}
    with subprocess.Popen(
        ["docker-registry", "serve", tmp_path / "registry.yml"], stderr=subprocess.DEVNULL
    ) as server:
        try:
            eventually(lambda: get(f"http://127.0.0.1:{port}/v2/") == {}, "the registry is up")
            run(
                "make",
                "publish",
                cwd=folder,
                **facts,
                PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            )
            printed = (
                (folder / "var" / "published" / "images.env")
                .read_text()
                .removeprefix("IMAGES=")
                .split()
            )
            for image, name in zip(printed, ("pipeline", "serving"), strict=True):
                assert image.startswith(f"127.0.0.1:{port}/team/{name}@sha256:")
                there = json.loads(
                    run("skopeo", "inspect", f"docker://{image}", cwd=folder, **facts)
                )
                assert (there["Labels"]["is"], there["RepoTags"]) == (name, ["0123abc"])
                assert image.endswith(there["Digest"])
        finally:
            server.terminate()
    requested = signed.read_text().splitlines()
    assert requested == [
        f"{verb} {image}" for image in printed for verb in ("sign", "attest", "attest")
    ]
