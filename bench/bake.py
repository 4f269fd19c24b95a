"""A bake with its hooks, against plain Cookiecutter with the same files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import Figures, Line, alternate, environment, middle, ratio, timed

TARGET = 1.15
TOKENS = ("{{", "{%", "{#")


def lines(checkout: Path, pairs: int) -> list[Line]:
    """Return the lines of the table. Raises ValueError if the sides create different files."""
    # Outside every repository, so that the hook creates one.
    with TemporaryDirectory() as folder:
        root = Path(folder)
        env = home(root)
        ours, baked = snapshot(checkout, root / "template", env), root / "first"
        bake(ours, baked, env, root)
        project = next(baked.iterdir())
        for made in (".git", ".cruft.json"):
            if not (project / made).exists():
                raise ValueError(
                    f"the hooks did not create {made}: {(root / 'output').read_text()}"
                )
        copied = json.loads((ours / "cookiecutter.json").read_text())["_copy_without_render"]
        sides = {
            "ours": ours,
            "rendered": constant(project, root / "rendered", []),
            "copied": constant(project, root / "copied", copied),
        }
        for name in ("rendered", "copied"):
            bake(sides[name], root / f"first-{name}", env, root)
            if contents(root / f"first-{name}" / project.name) != contents(project):
                raise ValueError(f"the constant template {name} created different files")
        result = alternate(
            {name: lambda t=t: bake(t, root / "out", env, root) for name, t in sides.items()}, pairs
        )
        count = len(contents(project))
    beside = f"plain Cookiecutter, same {count} files"
    return [
        compare("cpu", result["ours"], result["rendered"], f"{beside}, each rendered", TARGET),
        compare("wall", result["ours"], result["rendered"], f"{beside}, each rendered"),
        compare(
            "cpu", result["ours"], result["copied"], f"{beside}, copied where the template copies"
        ),
    ]


def compare(
    figure: str,
    ours: list[Figures],
    theirs: list[Figures],
    beside: str,
    target: float | None = None,
) -> Line:
    pairs = ratio(ours, theirs, figure)
    return Line(
        f"bake with hooks, {figure.replace('cpu', 'CPU')}",
        f"{middle(ours, figure):.2f} s",
        f"{beside}: {middle(theirs, figure):.2f} s",
        f"{pairs:.2f}",
        f"≤ {target}" if target else "",
        pairs <= target if target else None,
    )


def home(root: Path) -> dict[str, str]:
    """Return an environment with a git identity, and without the user's own configuration."""
    (root / "gitconfig").write_text("[user]\nname = Your Name\nemail = you@example.org\n")
    return environment(HOME=root, GIT_CONFIG_GLOBAL=root / "gitconfig", GIT_CONFIG_NOSYSTEM=1)


def bake(template: Path, out: Path, env: dict[str, str], root: Path, *answers: str) -> Figures:
    """Run one process of Cookiecutter with these answers, and defaults for the others."""
    shutil.rmtree(out, ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        "--no-input",
        "--output-dir",
        out,
        template,
        *answers,
    ]
    return timed(command, env, root / "output")


def snapshot(checkout: Path, copy: Path, env: dict[str, str]) -> Path:
    """Copy the template with uncommitted changes into a repository, as the hooks require."""
    listed = ["git", "-C", checkout, "ls-files", "-coz", "--exclude-standard"]
    for name in subprocess.run(
        listed, env=env, check=True, capture_output=True, text=True
    ).stdout.split("\0"):
        if name and (checkout / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, copy / name)
    (copy / ".gitignore").open("a").write("\n__pycache__/\n")
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Snapshot"]):
        subprocess.run(["git", "-C", copy, *arguments], env=env, check=True)
    return copy


def constant(project: Path, template: Path, copied: list[str]) -> Path:
    """Create a template with the same files, without hooks, extensions and answers to fill in."""
    answers = {"project_slug": project.name, "_copy_without_render": copied}
    for name, content in contents(project).items():
        path = template / "{{cookiecutter.project_slug}}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        verbatim = any(
            Path(name).match(pattern) or name.startswith(pattern.rstrip("*")) for pattern in copied
        )
        if not verbatim and any(token in content for token in TOKENS):
            content = "{% raw %}" + content + "{% endraw %}"
        path.write_text(content, encoding="utf-8", newline="")
    (template / "cookiecutter.json").write_text(json.dumps(answers))
    return template


def contents(project: Path) -> dict[str, str]:
    """Return every baked file, without those of git and cruft."""
    result = {
        path.relative_to(project).as_posix(): path for path in project.rglob("*") if path.is_file()
    }
    return {
        name: path.read_bytes().decode()
        for name, path in sorted(result.items())
        if not name.startswith(".git/") and name != ".cruft.json"
    }
