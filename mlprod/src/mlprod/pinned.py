"""The pin of the library in requirements/mlprod.txt, beside the library that runs. Standard library only."""

import re
from pathlib import Path

PIN = Path("requirements/mlprod.txt")
LINE = re.compile(r"^mlprod==(?P<version>\S+) --hash=sha256:(?P<checksum>[0-9a-f]{64})", re.MULTILINE)


def other_version(project: Path, running: str) -> str:
    """What is wrong when the project pins another version than the one that runs; empty when nothing is.

    A project without a pin fits every version, and a checkout of the library, which has none, every project.
    """
    pin = project / PIN
    found = LINE.search(pin.read_text(encoding="utf-8")) if running and pin.is_file() else None
    if found is None or found["version"] == running:
        return ""
    return f"{PIN} pins mlprod {found['version']}, but {running} is installed. Works: make setup"
