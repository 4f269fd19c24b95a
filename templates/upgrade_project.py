"""Upgrade a project of the first version, which has all code in its package, to the library.

`python templates/upgrade_project.py PROJECT` changes the working tree and commits nothing. Edited
files of the first version that have no place any more are in one patch file.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from cruft._commands.utils.cookiecutter import get_cookiecutter_repo
from cruft._commands.utils.generate import cookiecutter_template
from cruft._commands.utils.iohelper import AltTemporaryDirectory
from four_files import old_package
from upgrade_plan import LINK, Plan, UpgradeError, git, make_plan

TEMPLATE = Path(__file__).resolve().parent.parent
PATCH = "not-upgraded.patch"
CLONE = "clone"
# The template's own Jinja extensions: those of the first version must not stay imported.
EXTENSIONS = "local_extensions"


def upgrade(project: Path) -> Plan:
    """Write a thin project over one of the first version; return what was done.

    Raises UpgradeError, before it changes anything, for a folder that is not such a project, for
    uncommitted changes and for a file whose name the template needs.
    """
    link = _link(project)
    # cruft's own class lets the template import its extensions
    with AltTemporaryDirectory(CLONE) as folder:
        before, after, clone = (Path(folder, name) for name in ("before", "after", CLONE))
        with get_cookiecutter_repo(str(TEMPLATE), clone) as repo:
            newest = repo.head.object.hexsha
            if link["commit"] not in {commit.hexsha for commit in repo.iter_commits("--all")}:
                raise UpgradeError(
                    f"{LINK} of the project names commit {link['commit'][:12]}, which this clone "
                    "of the template does not have. Works: git fetch --unshallow"
                )
            for target, commit in ((before, link["commit"]), (after, newest)):
                sys.modules.pop(EXTENSIONS, None)
                rendered = cookiecutter_template(
                    output_dir=target,
                    repo=repo,
                    cruft_state=link,
                    checkout=commit,
                    project_dir=Path(folder),
                )
        if not (before / "src" / old_package(before) / "domain").is_dir():
            raise UpgradeError(
                f"{project} was not baked by the first version. Works: make update, in the project"
            )
        if not (project / "src" / old_package(before) / "domain").is_dir():
            raise UpgradeError(
                f"{LINK} names the package {old_package(before)}, and the project has no "
                f"src/{old_package(before)}/domain. If you renamed the package, write its name "
                f"into package_name of {LINK}, commit, and repeat"
            )
        plan = make_plan(project, before, after)
        patch = b"".join(_difference(before, project, name) for name in plan.not_upgraded)
        if patch:
            plan.write[PATCH] = patch
        link |= {"commit": newest, "context": rendered}
        plan.write[LINK] = json.dumps(link, indent=2).encode() + b"\n"
        modes = {name: (after / name).stat().st_mode for name in plan.write if _is(after, name)}
    _write(project, plan, modes)
    return plan


def _is(folder: Path, name: str) -> bool:
    return (folder / name).is_file()


def _write(project: Path, plan: Plan, modes: dict[str, int]) -> None:
    for name in sorted(plan.delete):
        (project / name).unlink()
        for folder in (project / name).parents:
            if folder == project or any(path.name != "__pycache__" for path in folder.iterdir()):
                break
            shutil.rmtree(folder)
    for name, content in plan.write.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if name in modes:
            path.chmod(modes[name])


def _link(project: Path) -> dict[str, Any]:
    if not (project / LINK).is_file():
        raise UpgradeError(
            f"{project} has no {LINK}, so its version is unknown. Works: "
            "make upgrade PROJECT=../fraud-scoring, with a project that this template baked"
        )
    if changed := git(project, "status", "--porcelain").splitlines():
        raise UpgradeError(
            f"{project} has {len(changed)} uncommitted changes: "
            f"{', '.join(line[3:] for line in changed[:3])}. Works: commit them, then repeat"
        )
    return dict(json.loads((project / LINK).read_text(encoding="utf-8")))


def _difference(before: Path, project: Path, name: str) -> bytes:
    """Return the edit of a file as a patch."""
    done = subprocess.run(
        ["git", "diff", "--no-index", "--", str(before / name), str(project / name)],
        capture_output=True,
        check=False,
    )
    # the names of the project, without the folders of this run
    for folder in (before, project):
        done.stdout = done.stdout.replace(str(folder).encode() + b"/", b"/")
    return done.stdout


def main() -> int:
    """Upgrade the project of the command line, set it up, generate its files and print a report."""
    given = sys.argv[1] if len(sys.argv) > 1 else ""
    if not given or not Path(given).is_dir():
        print(
            f'no project in the folder "{given}". Works: make upgrade PROJECT=../fraud-scoring',
            file=sys.stderr,
        )
        return 2
    project = Path(given).resolve()
    try:
        plan = upgrade(project)
    except UpgradeError as error:
        print(f"Nothing was changed: {error}", file=sys.stderr)
        return 1
    print(f"{len(plan.write)} files written, {len(plan.delete)} deleted. Yours are now:")
    print("\n".join(f"  {name}" for name in sorted(plan.yours)))
    if plan.not_upgraded:
        print(f"Your edits of these files were not applied; {PATCH} has them:")
        print("\n".join(f"  {name}" for name in plan.not_upgraded))
    sys.stdout.flush()
    # `format` also reports what it cannot repair, which `check` reports again
    results = {verb: _make(project, verb) for verb in ("setup", "format", "generate", "check")}
    print("Next: make test and make migrate in the project; then commit.")
    return results["check"]


def _make(project: Path, verb: str) -> int:
    # the environment without the options of this run of make
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    command = ["make", "-C", str(project), "--no-print-directory", verb]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
