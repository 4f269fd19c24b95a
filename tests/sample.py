"""A pytest plugin: of each group of tests the gate runs some, chosen by the seed in SAMPLE; without
SAMPLE all run.

Of the tests that a marker `sampled("a name")` groups it runs one, of each file of faults a sixth.
"""

import os
import random
from collections import defaultdict

import pytest

FEWER = 6  # of the tests of a file of faults, one in so many
CHOICE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "sampled(group): the gate runs one test of the group, `make prove` all"
    )


def group(item: pytest.Item) -> str:
    """The name of the group, or "" for a test that always runs."""
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
        f"of like cases one each, by SAMPLE={seed}; make test SAMPLE= runs them all"
    )
    chosen = set[pytest.Item]()
    for name, members in sorted(groups.items()):
        count = max(1, len(members) // FEWER) if members[0].get_closest_marker("faults") else 1
        chosen |= set(random.Random(seed + name).sample(members, count))
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if choice := terminalreporter.config.stash.get(CHOICE, ""):
        terminalreporter.write_line(choice)
