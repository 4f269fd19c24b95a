"""Run `setup` or `mlprod-patch` from the wheel in vendor/. Python 3.6 can read this file."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

PIN, WORKS = "requirements/mlprod.txt", "git checkout -- vendor requirements/mlprod.txt"
MISSING = "the template's hook writes this pin. Works: python TEMPLATE/mlprod/build_wheel.py ."


def command(project: Path, verb: str) -> list:
    """The command that runs the verb. A wheel that differs from the pin ends the process."""
    pin = project / PIN
    text = pin.read_text(encoding="utf-8") if pin.is_file() else ""
    pinned = re.search(r"^mlprod==(\S+) --hash=sha256:([0-9a-f]{64})", text, re.MULTILINE)
    if not pinned:
        sys.exit(f"{PIN}: {'it pins no mlprod' if text else 'no such file'}; {MISSING}")
    if "--find-links" not in text:  # from an index
        arguments = "-m pip install --target var/mlprod --upgrade --no-deps -qr"
        return [sys.executable, *arguments.split(), PIN]
    # A library that was patched badly could not patch itself again, so the released one does.
    patched = r"^# with patches/, .* mlprod==(\S+) --hash=sha256:([0-9a-f]{64})"
    if verb == "mlprod-patch":
        pinned = re.search(patched, text, re.MULTILINE) or pinned
    wheel = project / "vendor" / f"mlprod-{pinned[1]}-py3-none-any.whl"
    if not wheel.is_file():
        others = ", ".join(sorted(path.name for path in wheel.parent.glob("*.whl"))) or "no wheel"
        sys.exit(f"vendor/{wheel.name}: {PIN} pins it, but vendor/ holds {others}. Works: {WORKS}")
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != pinned[2]:
        sys.exit(f"vendor/{wheel.name}: it was changed, {PIN} has another checksum. Works: {WORKS}")
    return [sys.executable, str(wheel / "mlprod"), verb]


if __name__ == "__main__":
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        given = f"Python {sys.version.split()[0]} ({sys.executable})"
        works = "Works: make setup PYTHON=python3.13"
        sys.exit(f"{given} cannot run this project: its locks cover 3.11 to 3.13. {works}")
    verb = sys.argv[1] if len(sys.argv) > 1 else "setup"
    first = command(Path.cwd(), verb)
    code = subprocess.run(first, check=False).returncode
    if code == 0 and "pip" in first:
        code = subprocess.run([sys.executable, "var/mlprod/mlprod", verb], check=False).returncode
    sys.exit(code)
