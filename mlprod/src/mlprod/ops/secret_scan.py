"""A search for secrets in the committed files.

A planted key must be found too; otherwise the search proves nothing.
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

# It runs as a process of its own: the tool keeps its settings in globals, and reads files in the
# encoding of the locale.
SEARCH = """
import json, logging, sys
from detect_secrets.core import scan
from detect_secrets.core.log import log
from detect_secrets.settings import configure_settings_from_baseline, get_settings
request, messages = json.load(sys.stdin), []
configure_settings_from_baseline(request["baseline"])
# Verification would try a found secret over the network.
get_settings().disable_filters(
    "detect_secrets.filters.common.is_ignored_due_to_verification_policies"
)
handler = logging.Handler()
handler.emit = lambda record: messages.append(record.getMessage())
log.handlers = [handler]
log.setLevel(logging.INFO)
files = request["files"]
matches = [
    (s.filename, s.line_number, s.type, s.secret_hash)
    for name in files
    for s in scan.scan_file(name)
]
read = [name for name in files if f"Checking file: {name}" in set(messages)]
print(json.dumps({"matches": matches, "read": read}))
"""


class CheckNotRunError(Exception):
    """A check could not run, so its result is unknown, and the verb fails."""


@dataclass(frozen=True)
class SecretScanResult:
    """The result of a search.

    `matches`: (file, line, kind) of each secret that is not in the baseline. `files`: the number of
    files that were read.
    """

    matches: list[tuple[str, int, str]]
    files: int


def search_secrets(baseline: Path) -> SecretScanResult:
    """Search the committed files below the working folder.

    Raises CheckNotRunError if the search proves nothing.
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
    if str(planted) not in {path for path, *_ in result["matches"]}:
        raise CheckNotRunError(
            f"the search did not find a planted key: the plugins and filters in {baseline} "
            f"find no key"
        )
    if not (read := set(result["read"]) & set(names)):
        raise CheckNotRunError(
            f"none of {len(names)} committed files was read: the filters in {baseline} exclude them"
        )
    matches = [
        (names[path], line, kind)
        for path, line, kind, digest in result["matches"]
        if path in names and (kind, names[path], digest) not in accepted
    ]
    return SecretScanResult(sorted(matches), len(read))


def _committed() -> list[str]:
    """Return the committed files below the working folder, even inside a larger repository."""
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
        raise CheckNotRunError(
            "git tracks no file here, so no file was searched. Works: git add, in a checkout"
        )
    return files


def _readable(name: str, folder: Path) -> Path:
    """Return the file, or a UTF-8 copy of text in another encoding, which the tool would skip."""
    content = Path(name).read_bytes()
    try:
        if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            content.decode("utf-8")
            return Path(name)
        text = content.decode("utf-16", "replace")
    except UnicodeDecodeError:
        if b"\0" in content:
            # A binary file.
            return Path(name)
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
        raise CheckNotRunError(f"no file was searched: {done.stderr.strip()[-500:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result
