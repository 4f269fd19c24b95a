"""The pin of the library in requirements/mlprod.txt, beside the library that runs.

Standard library only.
"""

import re
from pathlib import Path

PIN = Path("requirements/mlprod.txt")
FROM_WHEEL = (
    "setup",
    "mlprod-patch",
)  # verbs that run from the wheel itself, whichever is installed
LINE = re.compile(
    r"^mlprod==(?P<version>\S+) --hash=sha256:(?P<checksum>[0-9a-f]{64})", re.MULTILINE
)


def other_version(project: Path, running: str) -> str:
    """What is wrong when the project pins another version than the one that runs; empty when
    nothing is.

    A project without a pin fits every version, and a checkout of the library, which has none, every
    project.
    """
    result = _pin(project) if running else None
    if result is None or result["version"] == running:
        return ""
    return f"{PIN} pins mlprod {result['version']}, but {running} is installed. Works: make setup"


def other_wheel(project: Path, running: str, checksum: str) -> str:
    """What is wrong when the wheel that is installed has other bytes than the pinned one; empty
    when nothing is.

    `checksum` is the SHA-256 of the wheel of version `running`; empty when it is not known.
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
