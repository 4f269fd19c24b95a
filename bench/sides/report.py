"""Output of every side of the contract check: broken rules, and the fastest time."""

import json
import sys
import time
from collections.abc import Callable


def report(check: Callable[[str], dict[str, int]]) -> None:
    """Check the file of the first argument; a second one is the number of repetitions to time."""
    path, again = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    broken = {rule: count for rule, count in check(path).items() if count}
    seconds = []
    for _ in range(again):
        start = time.perf_counter()
        check(path)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"broken": broken, "again": min(seconds, default=None)}))
