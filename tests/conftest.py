"""Fixtures: bake(**answers) returns a BakedProject, whose methods read the files of a project."""

import hashlib
import json
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

pytest_plugins = ["sample", "longest_first"]
ROOT = Path(__file__).resolve().parent.parent
UNBAKED = ROOT / "{{cookiecutter.project_slug}}"
LIBRARY = ROOT / "mlprod" / "src" / "mlprod"
# Files that the hook copies into a bake.
ASSETS = LIBRARY / "assets" / "project"
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])

COMBINATIONS: dict[str, dict[str, str]] = {
    "defaults": {},
    "everything else": {
        "project_name": "Churn",
        "project_slug": "churn-2",
        "package_name": "c",
        "description": "Scores customers for churn before they leave.",
        "value_owner": "Your Name <you@example.org>",
        "model_owner": "Your Name <you@example.org>",
        "data_owner": "Your Name <you@example.org>",
        "platform_owner": "Your Name <you@example.org>",
        "git_org": "example-org",
        "ci_provider": "none",
        "license": "Apache-2.0",
    },
    "longest names": {
        "project_slug": "s" * 50,
        "package_name": "p" * 40,
        "ci_provider": "gitlab",
        "license": "MIT",
    },
}


@dataclass(frozen=True)
class BakedProject:
    path: Path

    def read(self, name: str) -> str:
        """Return the text of a file; for the wheel, which is binary, its checksum."""
        if name.endswith(".whl"):
            return hashlib.sha256((self.path / name).read_bytes()).hexdigest()
        return (self.path / name).read_text(encoding="utf-8")

    def yaml(self, name: str) -> Any:
        return yaml.safe_load(self.read(name))

    def toml(self, name: str) -> dict[str, Any]:
        return tomllib.loads(self.read(name))

    def json(self, name: str) -> Any:
        return json.loads(self.read(name))

    def shown(self, name: str) -> list[str]:
        """Return the visible text of each block of a Markdown file, with other markup as <type>."""
        blocks = [
            token.children or []
            for token in MARKDOWN.parse(self.read(name))
            if token.type == "inline"
        ]
        return [
            "".join(c.content if c.type == "text" else f"<{c.type}>" for c in block)
            for block in blocks
        ]

    def files(self) -> list[str]:
        """Return every baked file, without those of git and cruft."""
        result = (p.relative_to(self.path) for p in self.path.rglob("*") if p.is_file())
        return sorted(
            p.as_posix() for p in result if p.parts[0] != ".git" and p.as_posix() != ".cruft.json"
        )

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.path, check=True, capture_output=True, text=True
        ).stdout


def make_targets(makefile: str) -> dict[str, str]:
    """Return the targets of a project's Makefile with their prerequisites."""
    joined = makefile.replace("\\\n", " ")
    grouped = re.findall(r"^\$\(OTHERS\).*:(.*)$", joined, re.MULTILINE)[0]
    others = re.findall(r"^OTHERS := (.*)$", joined, re.MULTILINE)[0].split()
    rules = re.findall(r"^([a-z-]+(?: [a-z-]+)*):(.*)$", joined, re.MULTILINE)
    return dict.fromkeys(others, grouped) | {
        name: needs for names, needs in rules for name in names.split()
    }


class BakeRefusedError(Exception):
    """The bake stopped; the message is the one that the user reads."""


Bake = Callable[..., BakedProject]


def baking(cookies: Any) -> Bake:
    def bake(template: Path = ROOT, **answers: str) -> BakedProject:
        # pytest-cookies reads the answers before Cookiecutter sets the path.
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(template)
            result = cookies.bake(extra_context=answers, template=str(template))
        if result.exception:
            raise BakeRefusedError(str(result.exception)) from result.exception
        return BakedProject(result.project_path)

    return bake


@pytest.fixture
def bake(cookies: Any) -> Bake:
    return baking(cookies)


@pytest.fixture(scope="session", params=COMBINATIONS)
def baked(request: pytest.FixtureRequest, cookies_session: Any) -> BakedProject:
    """Bake one project for each named combination; tests must not change it."""
    return baking(cookies_session)(**COMBINATIONS[request.param])


@pytest.fixture(scope="session", autouse=True)
def git_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Configure git with an identity and without the configuration of the user."""
    home = tmp_path_factory.mktemp("home")
    config = home / ".gitconfig"
    config.write_text(
        "[user]\nname = Your Name\nemail = you@example.org\n[protocol]\nallow = always\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "HOME": home,
            "GIT_CONFIG_GLOBAL": config,
            "GIT_CONFIG_NOSYSTEM": 1,
        }.items():
            patch.setenv(name, str(value))
        # `make test SAMPLE=...` runs these tests; its variables are not those of a project's make.
        for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "MAKEFLAGS"):
            patch.delenv(name, raising=False)
        yield config


def load_hook(name: str) -> dict[str, Any]:
    """Return the names that a hook defines, without running its last line."""
    return runpy.run_path(str(ROOT / "hooks" / f"{name}.py"))


def template_files() -> list[str]:
    """Return the files of the template that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    )
    return sorted(
        name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()
    )


def copy_template(folder: Path) -> None:
    """Copy these files, so that a test can commit, tag and change them."""
    for name in template_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def run(*command: object, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a tool of this environment; returns the result, also after a failure."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=cwd, capture_output=True, text=True, **more
    )
