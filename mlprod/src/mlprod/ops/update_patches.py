"""Patches of a project in an update of the template that brings another library version."""

import shutil
import subprocess
from pathlib import Path

from ..installation.pinned import LINE, PIN
from .patched_wheel import PatchError, patch_files, patched_wheel
from .patching import Pinned, apply_patches, read_pin, released_wheel


def unfit_patch(project: Path, before: Path, after: Path) -> str:
    """Return which patch does not apply to the new library; empty if all apply.

    `before` and `after` are the project as rendered from the linked and from the newest template.
    """
    if not _is_patched(project, before, after):
        return ""
    try:
        pin = read_pin(after)
        patched_wheel(released_wheel(after, pin), patch_files(project), f"{pin.released}+org.1")
    except PatchError as error:
        return str(error)
    return ""


def repatch(project: Path, text: str, before: Path, after: Path) -> None:
    """Apply the patches to the library that the update has brought.

    `text` is the project's pin before the update. The update merges the pin line of the template
    with that of the patched wheel, which is a conflict. Here the template's line applies, and the
    patches are applied after it. Raises PatchError.
    """
    known = LINE.search(text)
    if not known or "+" not in known["version"] or _pin(before) == _pin(after):
        return
    original = Pinned(text, "", "", "").original
    new = _pin(after)
    # The project added lines of its own: keep them.
    if original != _pin(before):
        line = LINE.search(new)
        new = LINE.sub(line[0] if line else "", original)
    (project / PIN).write_text(new, encoding="utf-8")
    Path(f"{project / PIN}.rej").unlink(missing_ok=True)
    print(apply_patches(project))
    # Adding the files ends the conflict; without a repository there is none.
    if git := shutil.which("git"):
        command = [git, "add", "--", PIN.as_posix(), "vendor"]
        subprocess.run(command, cwd=project, check=False, capture_output=True)


def _is_patched(project: Path, before: Path, after: Path) -> bool:
    pin = LINE.search(_pin(project))
    return bool(pin and "+" in pin["version"]) and _pin(before) != _pin(after)


def _pin(project: Path) -> str:
    path = project / PIN
    return path.read_text(encoding="utf-8") if path.is_file() else ""
