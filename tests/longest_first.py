"""A pytest plugin: files that take minutes run first, so that all processes end together.

The order follows the durations that `make test` prints at its end.
"""

from pathlib import Path

import pytest

LONGEST = (
    "test_baked_image.py",
    "test_baked_governance.py",
    "test_update_life.py",
    "test_baked_life.py",
    "test_baked_watch.py",
    "test_baked_operations.py",
    "test_first_day.py",
    "test_install_paths.py",
    "test_baked_registry.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(Path(item.path).name, len(LONGEST)))
