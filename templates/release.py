"""Build the wheel of a release, or compare a file with it.

`python templates/release.py build TAG FOLDER` builds the wheel. `python templates/release.py check
TAG WHEEL` compares a file with it. Both build from a clean checkout of the tag with the builder of
that commit, so the state of this folder does not affect the wheel. `python templates/release.py
tests` lists the library's tests that checks of the scorecard need. Standard library only.
"""

import argparse
import hashlib
import re
import runpy
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = "mlprod/pyproject.toml"
CATALOG = "mlprod/src/mlprod/governance/check_catalogue.yaml"


class ReleaseError(Exception):
    """A release that cannot be built or that differs.

    The message names the reason and what works.
    """


def release_version(template: Path, tag: str) -> str:
    """Return the version that a tag releases.

    Raises ReleaseError for a tag that is not vX.Y.Z, is missing, or differs from the version of its
    commit, and for a working tree with changes.
    """
    if not (result := re.fullmatch(r"v(\d+\.\d+\.\d+)", tag)):
        raise ReleaseError(f"TAG={tag} is not a release tag. Works: TAG=v0.1.0")
    if changed := _git(template, "status", "--porcelain").splitlines():
        names = ", ".join(line[3:] for line in changed[:3])
        message = f"the working tree has {len(changed)} uncommitted changes: {names}"
        raise ReleaseError(f"{message}. Works: commit them, or git stash --include-untracked")
    if tag not in (tags := _git(template, "tag", "--list", "--sort=-creatordate").split()):
        message = (
            f"this repository has no tag {tag}; the newest tags are {', '.join(tags[:3]) or 'none'}"
        )
        raise ReleaseError(
            f"{message}. Works: git fetch --tags, or git tag {tag} on the commit to release"
        )
    declared = tomllib.loads(_git(template, "show", f"{tag}:{LIBRARY}"))["project"]["version"]
    if declared != result[1]:
        message = f'tag {tag} is on a commit whose {LIBRARY} has version = "{declared}"'
        raise ReleaseError(
            f'{message}. Works: git tag v{declared}, or version = "{result[1]}", a commit '
            f"and a new tag"
        )
    return result[1]


def build_release(template: Path, tag: str, folder: Path) -> Path:
    """Build the wheel of a tag into a folder and return its path.

    Replaces any other wheel of the library there. Raises ReleaseError as `release_version` does.
    """
    version = release_version(template, tag)
    with tempfile.TemporaryDirectory() as temporary:
        checkout = Path(temporary, "checkout")
        _git(
            template,
            "clone",
            "--quiet",
            "--depth=1",
            "--branch",
            tag,
            template.as_uri(),
            str(checkout),
        )
        builder = runpy.run_path(str(checkout / "mlprod" / "build_wheel.py"))
        return Path(builder["write_wheel"](folder, version))


def check_release(template: Path, tag: str, wheel: Path) -> str:
    """Rebuild the wheel of a tag and compare it with a file; return the SHA-256 of both.

    Raises ReleaseError if the file is missing or differs.
    """
    if not wheel.is_file():
        example = f"gh release download {tag} --pattern '*.whl'"
        raise ReleaseError(
            f"WHEEL={wheel} is not a file. Works: {example}, then "
            f"WHEEL=mlprod-X.Y.Z-py3-none-any.whl"
        )
    with tempfile.TemporaryDirectory() as temporary:
        expected = checksum(build_release(template, tag, Path(temporary)))
    if (given := checksum(wheel)) != expected:
        message = (
            f"{wheel} is not the wheel of {tag}: its SHA-256 is {given}, that of a new build is "
            f"{expected}"
        )
        raise ReleaseError(f"{message}. Do not publish or install it")
    return expected


def verified_tests(template: Path) -> list[str]:
    """Return the tests of the check catalog below mlprod/; verified.json needs their results."""
    catalogue = (template / CATALOG).read_text(encoding="utf-8")
    return sorted(set(re.findall(r"mlprod/(tests/[\w/.]+)", catalogue)))


def checksum(wheel: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _git(folder: Path, *parts: str) -> str:
    """Run git and return its output. Raises ReleaseError with its message if it fails."""
    done = subprocess.run(
        ["git", "-C", str(folder), *parts], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ReleaseError(f"git {' '.join(parts)}: {done.stderr.strip()}")
    return done.stdout


def main() -> None:
    """Run one command; a ReleaseError ends it with exit code 1."""
    parser = argparse.ArgumentParser(
        description="build the wheel of a release, or compare a file with it"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tests", help="list the library's tests that checks of the scorecard need")
    for name, path in (("build", "folder to write to"), ("check", "wheel to compare")):
        command = commands.add_parser(name)
        command.add_argument("tag", help="vX.Y.Z")
        command.add_argument("path", type=Path, help=path)
    args = parser.parse_args()
    try:
        if args.command == "tests":
            print(*verified_tests(ROOT))
        elif args.command == "build":
            wheel = build_release(ROOT, args.tag, args.path)
            print(f"{checksum(wheel)}  {wheel}")
        else:
            print(
                f"{args.path} is the wheel of {args.tag}, SHA-256 "
                f"{check_release(ROOT, args.tag, args.path)}"
            )
    except ReleaseError as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
