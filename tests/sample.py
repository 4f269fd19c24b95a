"""A pytest plugin that runs a sample of each group of tests, chosen by the seed in SAMPLE.

It runs one test of each group of the marker `sampled("a name")`, and a sixth of each file of fault
tests. Without SAMPLE it runs all tests.
"""

import os
import random
from collections import defaultdict

import pytest

# The sample has one in so many tests of a file of fault tests.
FAULT_TESTS_PER_SAMPLE = 6
CHOICE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "sampled(group): the gate runs one test of the group, `make prove` all"
    )


def group(item: pytest.Item) -> str:
    """Return the group of a test, or "" for a test that always runs."""
    if marker := item.get_closest_marker("sampled"):
        return str(marker.args[0])
    return item.nodeid.partition("::")[0] if item.get_closest_marker("faults") else ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed, groups = os.environ.get("SAMPLE"), defaultdict[str, list[pytest.Item]](list)
    if not seed:
        return
    for item in items:
        groups[group(item) or item.nodeid].append(item)
    config.stash[CHOICE] = (
        f"one test of each group, chosen by SAMPLE={seed}; make test SAMPLE= runs all"
    )
    chosen = set[pytest.Item]()
    for name, members in sorted(groups.items()):
        count = (
            max(1, len(members) // FAULT_TESTS_PER_SAMPLE)
            if members[0].get_closest_marker("faults")
            else 1
        )
        chosen |= set(random.Random(seed + name).sample(members, count))
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if choice := terminalreporter.config.stash.get(CHOICE, ""):
        terminalreporter.write_line(choice)
