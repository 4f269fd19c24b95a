"""Days without drift, and days with a planted shift, through the baked rules: how often does an alarm lie?"""

import json
import shutil
from pathlib import Path

from measure import Line, environment, timed

SIDE = Path(__file__).parent / "sides" / "alarms.py"


def ready() -> None:
    if not shutil.which("promtool"):
        raise ValueError("alarms needs promtool, which comes with Prometheus: apt-get install prometheus")


def lines(folder: Path, project: Path, python: Path) -> list[Line]:
    """The table's lines. One run: the same seed gives the same answer."""
    folder.mkdir(parents=True, exist_ok=True)
    timed([python, SIDE, project], environment(), folder / "said")
    found = json.loads((folder / "said").read_text().splitlines()[-1])
    return [
        Line(
            f"drift alarms by the rules, {int(traffic):,} rows an hour",
            f"false: {figures['false']} of {figures['days']} quiet field-days",
            f"0.2 sd of shift: {figures['found']} of {figures['planted']} found, median {figures['hours']:g} h",
            target="0 false",
            met=figures["false"] == 0,
        )
        for traffic, figures in found.items()
    ]
