"""The verb mlprod-patch: keeps vendor/ and requirements/mlprod.txt in step with patches/.

Standard library only.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ..installation.pinned import LINE, PIN
from ..installation.wheel import wheel_name
from .patched_wheel import PatchError, patch_files, patched_wheel

FIND_LINKS = "--find-links"
NOTE = "# with patches/, by make mlprod-patch, from "
RELEASED = re.compile(
    rf"^{re.escape(NOTE)}(?P<line>mlprod==(?P<version>\S+) "
    rf"--hash=sha256:(?P<checksum>[0-9a-f]{{64}}))\n",
    re.M,
)
REMEDY = f"Works: git checkout -- vendor {PIN.as_posix()}"
FROM_INDEX = (
    f"{PIN.as_posix()} takes mlprod from an index, so vendor/ holds no wheel to patch. "
    f'Works: write "{FIND_LINKS} ../vendor" into its first line, run python -m pip download '
    f"--no-deps --dest vendor --requirement {PIN.as_posix()}, then make mlprod-patch. Publish "
    f"the patched wheel, and remove the line and the wheels"
)


@dataclass(frozen=True)
class Pinned:
    """The pin of a project: its text, the installed version, and the release that is patched."""

    text: str
    version: str
    released: str
    # SHA-256 of the wheel of the release.
    checksum: str

    @property
    def original(self) -> str:
        """The text without patches."""
        note = RELEASED.search(self.text)
        return (
            LINE.sub(note["line"], self.text[: note.start()] + self.text[note.end() :])
            if note
            else self.text
        )

    def patched(self, version: str, wheel: bytes) -> str:
        """Return the text that pins a patched wheel and names the release in a comment."""
        line = f"mlprod=={version} --hash=sha256:{hashlib.sha256(wheel).hexdigest()}"
        return LINE.sub(lambda match: f"{NOTE}{match[0]}\n{line}", self.original)


def read_pin(project: Path) -> Pinned:
    """Read the pin of the project.

    Raises PatchError if there is none, or if the library comes from an index.
    """
    path = project / PIN
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    result = LINE.search(text)
    if not result:
        raise PatchError(f"{PIN.as_posix()} does not pin mlprod. {REMEDY}")
    if FIND_LINKS not in text:
        raise PatchError(FROM_INDEX)
    released = RELEASED.search(text) or result
    return Pinned(text, result["version"], released["version"], released["checksum"])


def released_wheel(project: Path, pin: Pinned) -> Path:
    """Return the released wheel to which the patches apply.

    Raises PatchError if it is missing or changed.
    """
    wheel = project / "vendor" / wheel_name(pin.released)
    if not wheel.is_file():
        raise PatchError(
            f"vendor/{wheel.name}: no such file; the patches apply to it, so it must stay beside "
            f"the patched wheel. {REMEDY}"
        )
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != pin.checksum:
        raise PatchError(
            f"vendor/{wheel.name}: it was changed, {PIN.as_posix()} has another checksum. {REMEDY}"
        )
    return wheel


def apply_patches(project: Path) -> str:
    """Update wheel and pin from patches/; return a sentence about the change.

    Raises PatchError, and then changes nothing.
    """
    pin = read_pin(project)
    wheel, patches = released_wheel(project, pin), patch_files(project)
    if not patches:
        _write(project, pin.original, {})
        return (
            "patches/ holds no *.patch file, so the project uses the released library "
            "(docs/library.md)"
        )
    version, content = _next(project, pin, wheel, patches)
    if version == pin.version:
        return (
            f"nothing to do: vendor/{wheel_name(version)} already contains the {len(patches)} "
            f"patches"
        )
    _write(project, pin.patched(version, content), {wheel_name(version): content})
    return (
        f"mlprod {version} is in vendor/ and pinned in {PIN.as_posix()}: release "
        f"{pin.released} with {len(patches)} {'patch' if len(patches) == 1 else 'patches'}"
    )


def outdated_patches(project: Path) -> str:
    """Return why the pinned library does not match patches/; empty if it matches."""
    path = project / PIN
    if not patch_files(project) and not (
        path.is_file() and NOTE in path.read_text(encoding="utf-8")
    ):
        return ""
    try:
        pin = read_pin(project)
        wheel, patches = released_wheel(project, pin), patch_files(project)
        version = _next(project, pin, wheel, patches)[0] if patches else pin.released
    except PatchError as error:
        return str(error)
    return (
        ""
        if version == pin.version
        else f"{PIN.as_posix()}: mlprod {pin.version} does not match patches/. Run make "
        f"mlprod-patch"
    )


def _next(project: Path, pin: Pinned, wheel: Path, patches: list[Path]) -> tuple[str, bytes]:
    """Return version and bytes of the patched wheel.

    An unchanged wheel keeps its version; a changed one gets the next number.
    """
    number = int(pin.version.rpartition("+org.")[2]) if "+org." in pin.version else 0
    if number:
        content = patched_wheel(wheel, patches, pin.version)
        present = project / "vendor" / wheel_name(pin.version)
        if present.is_file() and present.read_bytes() == content:
            return pin.version, content
    version = f"{pin.released}+org.{number + 1}"
    return version, patched_wheel(wheel, patches, version)


def _write(project: Path, pin: str, wheels: dict[str, bytes]) -> None:
    """Write the new wheel, then its pin, then remove older patched wheels.

    In this order an interruption between two steps leaves a project that installs.
    """
    vendor, target = project / "vendor", project / PIN
    for name, content in wheels.items():
        _replace(vendor / name, content)
    if pin != target.read_text(encoding="utf-8"):
        _replace(target, pin.encode())
    for other in vendor.glob("mlprod-*+org.*.whl"):
        if other.name not in wheels:
            other.unlink()


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
