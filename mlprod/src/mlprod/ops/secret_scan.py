"""Committed files searched for secrets, beside a planted key that must be found: else the search
proves nothing.
"""

import codecs
import json
import secrets
import shutil
import string
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# A process of its own, since the tool keeps its settings in globals and reads files in the encoding
# of the locale.
SEARCH = """
import json, logging, sys
from detect_secrets.core import scan
from detect_secrets.core.log import log
from detect_secrets.settings import configure_settings_from_baseline, get_settings
asked, messages = json.load(sys.stdin), []
configure_settings_from_baseline(asked["baseline"])
# To verify would mean to try what was found at whatever it may open, over the network.
get_settings().disable_filters("detect_secrets.filters.common.is_ignored_due_to_verification_policies")
handler = logging.Handler()
handler.emit = lambda record: messages.append(record.getMessage())
log.handlers = [handler]
log.setLevel(logging.INFO)
found = [(s.filename, s.line_number, s.type, s.secret_hash) for name in asked["files"] for s in scan.scan_file(name)]
read = set(messages)
print(json.dumps({"found": found, "read": [name for name in asked["files"] if f"Checking file: {name}" in read]}))
"""


class CheckNotRunError(Exception):
    """What was asked could not be looked at, so nothing is known, and the answer is no."""


@dataclass(frozen=True)
class Search:
    """`found`: (file, line, kind) of each secret that the baseline does not hold, in `files` files
    that were read.
    """

    found: list[tuple[str, int, str]]
    files: int


def search(baseline: Path) -> Search:
    """Search the files below this folder that git knows.

    Raises CheckNotRunError when that proves nothing.
    """
    try:
        known = json.loads(baseline.read_text(encoding="utf-8"))
        entries = [(name, entry) for name in known["results"] for entry in known["results"][name]]
        accepted = {(entry["type"], name, entry["hashed_secret"]) for name, entry in entries}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CheckNotRunError(
            f"{baseline} cannot be used: {error!r}. Works: detect-secrets scan > {baseline}"
        ) from error
    with TemporaryDirectory() as folder:
        planted = Path(folder, "planted.py")
        key = "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
        planted.write_text(f'key = "{key}"\n', encoding="utf-8")
        names = {str(_readable(name, Path(folder))): name for name in _committed()}
        result = _run({"baseline": known, "files": [str(planted), *names]})
    if str(planted) not in {path for path, *_ in result["found"]}:
        raise CheckNotRunError(
            f"a planted key was not found: the plugins and filters in {baseline} find none"
        )
    if not (read := set(result["read"]) & set(names)):
        raise CheckNotRunError(
            f"none of {len(names)} committed files was read: the filters in {baseline} "
            f"leave them out"
        )
    matches = [
        (names[path], line, kind)
        for path, line, kind, digest in result["found"]
        if path in names and (kind, names[path], digest) not in accepted
    ]
    return Search(sorted(matches), len(read))


def _committed() -> list[str]:
    """Files below this folder that git knows, also where the folder is a part of a larger
    repository.
    """
    git = shutil.which("git")
    listed = (
        subprocess.run([git, "ls-files", "-z"], capture_output=True, check=False).stdout
        if git
        else b""
    )
    names = [
        codecs.decode(name, "utf-8", "surrogateescape") for name in listed.split(b"\0") if name
    ]
    if not (
        files := [name for name in names if Path(name).is_file() and not Path(name).is_symlink()]
    ):
        raise CheckNotRunError("git knows no file here, so none was looked at; is this a checkout?")
    return files


def _readable(name: str, folder: Path) -> Path:
    """The file, or a copy in UTF-8 of text in another encoding, which the tool would leave out
    without a word.
    """
    content = Path(name).read_bytes()
    try:
        if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            content.decode("utf-8")
            return Path(name)
        text = content.decode("utf-16", "replace")
    except UnicodeDecodeError:
        if b"\0" in content:
            return Path(name)  # no text
        text = content.decode("latin-1")
    copy = folder / f"{len(list(folder.iterdir()))}{Path(name).suffix}"
    copy.write_text(text, encoding="utf-8")
    return copy


def _run(requested: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-X", "utf8", "-c", SEARCH]
    done = subprocess.run(
        command, input=json.dumps(requested), capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise CheckNotRunError(f"no file was looked at: {done.stderr.strip()[-500:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result
