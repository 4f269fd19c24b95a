"""Files that a git host reads only at the root of a repository.

A project may be in a folder of a larger repository.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Name in the project → (places at the root, text in one of them that shows that the project is
# included; default: the project's folder).
AT_ROOT: dict[str, tuple[tuple[str, ...], str]] = {
    ".github/workflows": ((".github/workflows/*.yml", ".github/workflows/*.yaml"), ""),
    ".github/dependabot.yml": (
        (".github/dependabot.yml", ".github/dependabot.yaml"),
        "github-actions",
    ),
    ".gitlab-ci.yml": ((".gitlab-ci.yml", ".gitlab/*.yml"), ""),
    ".pre-commit-config.yaml": ((".pre-commit-config.yaml",), ""),
    "CODEOWNERS": (
        ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS"),
        "",
    ),
}


def unread_files(project: Path) -> list[str]:
    """A line for each file that the git host does not read, because it is not at the root."""
    root = _root(project)
    if root is None or root.samefile(project):
        return []
    folder = project.resolve().relative_to(root.resolve()).as_posix()
    return [
        f"{name} is not read in {folder}, only at the root of the repository, {root}: "
        f"docs/setup.md lists what to copy"
        for name, (places, sign) in AT_ROOT.items()
        if (project / name).exists()
        and not any((sign or folder) in text for text in _texts(root, places))
    ]


def _root(project: Path) -> Path | None:
    git = shutil.which("git")
    requested = [str(git), "rev-parse", "--show-toplevel"]
    result = (
        subprocess.run(requested, cwd=project, capture_output=True, check=False).stdout
        if git
        else b""
    )
    return Path(result.decode("utf-8", "surrogateescape").rstrip("\n")) if result.strip() else None


def _texts(root: Path, places: tuple[str, ...]) -> Iterator[str]:
    for place in places:
        for path in root.glob(place):
            yield path.read_text(encoding="utf-8", errors="replace")
