"""Build the wheel of the library into a project, and write its pin.

Usage: `python mlprod/build_wheel.py PROJECT`. Standard library only, since the hook runs it where
nothing is installed. Every Python builds the same bytes.
"""

import hashlib
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENDOR, PIN = "vendor", "requirements/mlprod.txt"
# The library's own code, by which an installed library knows its wheel.
WHEEL = runpy.run_path(str(HERE / "src" / "mlprod" / "installation" / "wheel.py"))
PIN_TEXT = """--find-links ../vendor
# The library, by version and checksum. With an index of your own delete the line above and the
# wheel. Also add "vendor/*.whl" to [tool.cruft] skip in pyproject.toml, so that an update adds no
# wheel.
mlprod=={version} --hash=sha256:{checksum}
"""


def version_of(template: Path, base: str) -> str:
    """Return the tag of this commit, or without a tag the next version as .devN.

    N is the number of commits since the last tag.
    """
    exact = _git(template, "describe", "--tags", "--exact-match", "--match", "v[0-9]*")
    if exact:
        return exact.removeprefix("v")
    last = _git(template, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*")
    count = _git(template, "rev-list", "--count", f"{last}..HEAD" if last else "HEAD")
    return f"{base}.dev{count or 0}"


def metadata(project: dict, version: str, readme: str) -> str:
    """Return the METADATA of the wheel, in the form of the core metadata specification."""
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Summary: {project['description']}",
        f"Requires-Python: {project['requires-python']}",
        "Description-Content-Type: text/markdown",
        f"License-Expression: {project['license']}",
    ]
    extras = project["optional-dependencies"]
    for extra in sorted(extras):
        for requirement in extras[extra]:
            needed, _, marker = requirement.partition(";")
            condition = f'extra == "{extra}"' + (f" and ({marker.strip()})" if marker else "")
            lines.append(f"Requires-Dist: {needed.strip()} ; {condition}")
    lines += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
    return "\n".join(lines) + "\n\n" + readme


def content(version: str) -> dict[str, bytes]:
    """Return every file of the wheel except RECORD, by its name in the wheel."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    files: dict[str, bytes] = WHEEL["read_tree"](HERE / "src" / "mlprod")
    mark = b'VERSION = ""'
    files["mlprod/version.py"] = files["mlprod/version.py"].replace(
        mark, f'VERSION = "{version}"'.encode()
    )
    info = WHEEL["info_folder"](version)
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    files[f"{info}/METADATA"] = metadata(project, version, readme).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: mlprod\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    return files


def write_wheel(folder: Path, version: str) -> Path:
    """Write the wheel into `folder`, remove every other wheel of the library, return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    for other in folder.glob("mlprod-*.whl"):
        other.unlink()
    wheel = folder / WHEEL["wheel_name"](version)
    wheel.write_bytes(WHEEL["pack"](content(version), version))
    return wheel


def build(template: Path, project: Path) -> str:
    """Build the wheel into the project's vendor/, write the pin, and return the version."""
    base = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    version = version_of(template, base)
    checksum = hashlib.sha256(write_wheel(project / VENDOR, version).read_bytes()).hexdigest()
    pin = project / PIN
    pin.parent.mkdir(parents=True, exist_ok=True)
    pin.write_text(
        PIN_TEXT.format(version=version, checksum=checksum), encoding="utf-8", newline="\n"
    )
    return version


def _git(folder: Path, *parts: str) -> str:
    """Return the output of git; empty if it fails, or if the folder has no .git of its own."""
    if not (folder / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", "-C", str(folder), *parts], capture_output=True, check=False)
    except OSError:
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1], "requirements").is_dir():
        sys.exit(
            "usage: python mlprod/build_wheel.py PROJECT, the folder of a project with its "
            "requirements/"
        )
    print(f"mlprod {build(HERE.parent, Path(sys.argv[1]))} is in {VENDOR}/ and named by {PIN}")
