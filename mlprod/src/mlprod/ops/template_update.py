"""Update this project from its template, so that no change is lost.

Run by the verb update where cruft is installed.

cruft leaves out what changed in files that the project no longer has, as after a rename, and
reports success. Here such an update is refused before anything is changed, and what should have
come is compared with what came.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))  # at the end: the packages beside cruft come first

from cruft._commands.utils.cookiecutter import get_cookiecutter_repo
from cruft._commands.utils.generate import cookiecutter_template
from cruft._commands.utils.iohelper import AltTemporaryDirectory

from mlprod.ops.update_patches import repatch, unfit_patch

LINK, PIN = Path(".cruft.json"), Path("requirements/mlprod.txt")
UPDATE = ["update", "--skip-apply-ask", "--allow-untracked-files"]
REPOSITORY = "repo"
MAX_SHOWN = 20  # files


def main() -> int:
    link = LINK.read_text(encoding="utf-8")
    with AltTemporaryDirectory(
        REPOSITORY
    ) as name:  # cruft's own, which lets the template import its extensions
        before, after = Path(name, "before"), Path(name, "after")
        _render(json.loads(link), Path(name, REPOSITORY), before, after)
        changed = list(_changed(before, after))
        if lost := [file for file in changed if _has_no_place(file, before)]:
            _print(
                "The template changed these files, which this project does not have. "
                "Nothing was updated:",
                lost,
            )
            print(
                f"If the package was renamed, write its name into package_name of {LINK}. "
                f"If a file was removed or "
                "moved, name its old path in pyproject.toml: [tool.cruft] skip = "
                '["docs/old.md"]. Commit, and repeat.'
            )
            return 1
        if unfit := unfit_patch(Path(), before, after):
            print(
                f"{unfit}. Nothing was updated. Change the patch, or remove it; then "
                f"commit, and repeat."
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
                f"These changes of the template did not arrive, so {LINK} names the "
                f"version from before:",
                absent,
            )
            print(
                "Put aside what is here with git stash, then update again, or make these "
                "changes by hand."
            )
            return 1
    if rejected := sorted(file for file in changed if Path(f"{file}.rej").exists()):
        _print("Parts of these changes are in files *.rej, to be merged by hand:", rejected)
    return 0


def _render(link: dict[str, str], template: Path, before: Path, after: Path) -> None:
    """The project as the template made it then, and as it makes it now, without what [tool.cruft]
    skips.
    """
    with get_cookiecutter_repo(link["template"], template, link.get("checkout")) as repo:
        newest = repo.head.object.hexsha
        for folder, commit in ((before, link["commit"]), (after, newest)):
            cookiecutter_template(output_dir=folder, repo=repo, cruft_state=link, checkout=commit)


def _changed(before: Path, after: Path) -> Iterator[str]:
    """Files that the two differ in, by their names in the project."""
    files = {
        path.relative_to(folder)
        for folder in (before, after)
        for path in folder.rglob("*")
        if path.is_file()
    }
    for file in sorted(files):
        if _content(before / file) != _content(after / file):
            yield file.as_posix()


def _has_no_place(file: str, before: Path) -> bool:
    """Whether a changed file, or the folder of a new one, was in the project and is no longer
    there.
    """
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
