"""Compare the library that runs with the project's pin in requirements/mlprod.txt.

Standard library only.
"""

import re
from pathlib import Path

PIN = Path("requirements/mlprod.txt")
# Verbs that run from the wheel itself, whatever version is installed.
FROM_WHEEL = ("setup", "mlprod-patch")
LINE = re.compile(
    r"^mlprod==(?P<version>\S+) --hash=sha256:(?P<checksum>[0-9a-f]{64})", re.MULTILINE
)


def version_mismatch(project: Path, running: str) -> str:
    """Return an error message if the project pins another version than the one that runs.

    The message is empty if the versions agree. A project without a pin accepts every version. A
    checkout of the library has no version, so every project accepts it.
    """
    result = _pin(project) if running else None
    if result is None or result["version"] == running:
        return ""
    return f"{PIN} pins mlprod {result['version']}, but {running} is installed. Works: make setup"


def wheel_mismatch(project: Path, running: str, checksum: str) -> str:
    """Return an error message if the installed wheel differs from the pinned one.

    The message is empty if they agree. `checksum` is the SHA-256 of the wheel of version `running`;
    it is empty if it is unknown.
    """
    result = _pin(project) if running else None
    if result is None or (result["version"], result["checksum"]) == (running, checksum):
        return ""
    return (
        f"mlprod {running} as it is installed is not the wheel that {PIN} pins: its checksum is "
        f"{checksum[:12] or 'unknown'}, the pinned one {result['checksum'][:12]}. Works: make setup"
    )


def _pin(project: Path) -> "re.Match[str] | None":
    pin = project / PIN
    return LINE.search(pin.read_text(encoding="utf-8")) if pin.is_file() else None
