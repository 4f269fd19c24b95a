"""The file of what passed, which a release takes along: verified.json of the wheel."""

import json
import os
from collections import Counter

import fixture_project
import pytest

from mlprod.governance.check_catalogue import ROOMS
from mlprod.installation.installed import read_library


class Tally:
    """Counts what passed by file; with VERIFIED=yes a whole green run writes it into the wheel's
    sources, with the rooms that it ran with.
    """

    def __init__(self) -> None:
        self.passed = Counter[str]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed[f"mlprod/{report.nodeid.partition('::')[0]}"] += 1

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if os.environ.get("VERIFIED") == "yes" and not os.environ.get("SAMPLE") and not exitstatus:
            rooms = read_library(fixture_project.PROJECT).rooms
            tested = {
                "passed": dict(sorted(self.passed.items())),
                "rooms": {room: rooms[room] for room in ROOMS},
            }
            text = json.dumps(tested, indent=1)
            (fixture_project.LIBRARY / "src" / "mlprod" / "verified.json").write_text(text + "\n")
