"""The update of a project from its template, without losing a change.

The verb update runs it where cruft is installed. cruft skips changes of files that the project no
longer has, for example after a rename, and reports success. This script refuses such an update
before anything is changed, and compares the result with the template.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# At the end of the path, so that the packages beside cruft come first.
sys.path.append(str(Path(__file__).parents[2]))

from cruft._commands.utils.cookiecutter import get_cookiecutter_repo
from cruft._commands.utils.generate import cookiecutter_template
from cruft._commands.utils.iohelper import AltTemporaryDirectory

from mlprod.ops.update_patches import repatch, unfit_patch

LINK, PIN = Path(".cruft.json"), Path("requirements/mlprod.txt")
UPDATE = ["update", "--skip-apply-ask", "--allow-untracked-files"]
REPOSITORY = "repo"
# Files in a message.
MAX_SHOWN = 20


def main() -> int:
    """Update the project in the working folder; return the exit code."""
    link = LINK.read_text(encoding="utf-8")
    # cruft's own class lets the template import its extensions.
    with AltTemporaryDirectory(REPOSITORY) as name:
        before, after = Path(name, "before"), Path(name, "after")
        _render(json.loads(link), Path(name, REPOSITORY), before, after)
        changed = list(_changed(before, after))
        if lost := [file for file in changed if _is_removed(file, before)]:
            _print(
                "The template changed these files, but this project does not have them. "
                "Nothing was updated:",
                lost,
            )
            print(
                f"If you renamed the package, write its name into package_name of {LINK}. "
                "If you removed or moved a file, name its old path in pyproject.toml: "
                '[tool.cruft] skip = ["docs/old.md"]. Commit, and repeat the update.'
            )
            return 1
        if unfit := unfit_patch(Path(), before, after):
            print(
                f"{unfit}. Nothing was updated. Change or remove the patch, commit, and repeat "
                f"the update."
            )
            return 1
        pin = PIN.read_text(encoding="utf-8") if PIN.is_file() else ""
        contents = {file: _content(Path(file)) for file in changed}
        if code := subprocess.run([sys.executable, "-m", "cruft", *UPDATE], check=False).returncode:
            return code
        repatch(Path(), pin, before, after)
        if absent := [file for file in changed if not _arrived(file, contents[file], after)]:
            LINK.write_text(link, encoding="utf-8")
            _print(
                f"These changes of the template were not applied, so {LINK} names the previous "
                f"version:",
                absent,
            )
            print(
                "Run git stash to set aside your changes, then update again, or make these "
                "changes by hand."
            )
            return 1
    if rejected := sorted(file for file in changed if Path(f"{file}.rej").exists()):
        _print("Merge by hand the parts of these changes that are in files *.rej:", rejected)
    return 0


def _render(link: dict[str, str], template: Path, before: Path, after: Path) -> None:
    """Render the project of the linked and of the newest template, without [tool.cruft] skip."""
    with get_cookiecutter_repo(link["template"], template, link.get("checkout")) as repo:
        newest = repo.head.object.hexsha
        for folder, commit in ((before, link["commit"]), (after, newest)):
            cookiecutter_template(output_dir=folder, repo=repo, cruft_state=link, checkout=commit)


def _changed(before: Path, after: Path) -> Iterator[str]:
    """Yield the files that differ between the two, by their names in the project."""
    files = {
        path.relative_to(folder)
        for folder in (before, after)
        for path in folder.rglob("*")
        if path.is_file()
    }
    for file in sorted(files):
        if _content(before / file) != _content(after / file):
            yield file.as_posix()


def _is_removed(file: str, before: Path) -> bool:
    """Return whether the project has removed a changed file, or the folder of a new file."""
    known = Path(file) if (before / file).exists() else Path(file).parent
    return (before / known).exists() and not known.exists()


def _arrived(file: str, content: bytes | None, after: Path) -> bool:
    now = _content(Path(file))
    return now != content or now == _content(after / file) or Path(f"{file}.rej").exists()


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _print(what: str, files: list[str]) -> None:
    print(what)
    print("\n".join(f"  {file}" for file in files[:MAX_SHOWN]))
    if len(files) > MAX_SHOWN:
        print(f"  and {len(files) - MAX_SHOWN:,} more")


if __name__ == "__main__":
    sys.exit(main())
