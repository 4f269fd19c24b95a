"""The load test: for SOAK_MINUTES, memory and latency stay stable and no record is lost."""

import itertools
import json
import statistics
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from .bodies import OUTCOMES
from .callers import CONNECTION_ERRORS, CallerLoad, HttpCaller, seconds_of
from .service import ServiceProcess, running

pytestmark = [
    pytest.mark.faults,
    pytest.mark.soak,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has"),
]
MINUTES = seconds_of("SOAK_MINUTES", 1)
# Share by which memory may grow after the first quarter.
MAX_GROWTH = 0.15
# p99 of the last quarter as a multiple of the second quarter's.
MAX_SLOWDOWN = 3.0
AT = "2026-01-31T12:00:00Z"


def test_steady_load_keeps_memory_latency_and_records_stable(
    models: Path, tmp_path: Path, sqlite: str
) -> None:
    seconds, samples = MINUTES * 60, list[tuple[float, int, int, int]]()
    with running(tmp_path, models, sqlite) as service:
        single, hundreds = (
            CallerLoad(service, callers=4, pause=0.01),
            CallerLoad(service, callers=1, rows=100, pause=0.2),
        )
        with OutcomeSender(service, single) as sender, single, hundreds:
            began = time.monotonic()
            while (now := time.monotonic()) < began + seconds:
                samples.append((now - began, *resource_usage(service.pid)))
                time.sleep(min(1.0, seconds / 60))
        for load in (single, hundreds):
            assert not load.errors
            assert not load.broken
            assert set(load.statuses) == {200}, load.reasons[:3]
        assert not sender.errors
        assert sender.sent > seconds
        service.wait_until_shipped()
        stored_by_one = {**single.answered, **hundreds.answered}
        single.answered, single.requested = stored_by_one, single.requested | hundreds.requested
        single.assert_stored()
    quarters = [
        [sample for sample in samples if int(sample[0] / seconds * 4) == number]
        for number in range(4)
    ]
    memory, files, threads = (
        [[sample[kind] for sample in quarter] for quarter in quarters] for kind in (1, 2, 3)
    )
    first, last = statistics.median(memory[0][-5:]), statistics.median(memory[3])
    late = [
        [took for when, took in single.times if int((when - began) / seconds * 4) == n]
        for n in range(4)
    ]
    p50, p99 = (
        statistics.quantiles(itertools.chain(*late), n=100)[place] * 1_000 for place in (49, 98)
    )
    print(
        f"\n{MINUTES:g} min, {len(single.times) + len(hundreds.times) + sender.sent} requests, "
        f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, rss {memory[0][0] / 1e6:.0f} MB at first, "
        f"{first / 1e6:.0f} MB after a quarter, {last / 1e6:.0f} MB at last, "
        f"fds {max(files[1])} -> {max(files[3])}, "
        f"threads {max(threads[1])} -> {max(threads[3])}"
    )
    assert last < first * (1 + MAX_GROWTH)
    assert max(files[3]) <= max(files[1]) + 2
    assert max(threads[3]) <= max(threads[1]) + 1
    second, fourth = (statistics.quantiles(late[number], n=100)[98] for number in (1, 3))
    assert fourth < MAX_SLOWDOWN * second


class OutcomeSender:
    """A thread that sends outcomes and feedback for predictions."""

    def __init__(self, service: ServiceProcess, load: CallerLoad) -> None:
        self.service, self.load, self.sent = service, load, 0
        self.errors: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> "OutcomeSender":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _send(self) -> None:
        caller, given = HttpCaller(self.service), dict[str, dict[str, object]]()
        while not self._stop.wait(0.1):
            subject = f"case-{uuid.uuid4().hex}"
            given = {
                "outcomes": {
                    "prediction_id": subject,
                    "outcome": OUTCOMES[self.sent % 2],
                    "at": AT,
                },
                "feedback": {
                    "prediction_id": subject,
                    "verdict": "accepted",
                    "reviewer": f"desk-{self.sent % 5}",
                },
            }
            for name, message in given.items():
                try:
                    status, _, answer = caller.post(
                        f"/v1/{name}", json.dumps({name: [message]}).encode()
                    )
                except CONNECTION_ERRORS as error:
                    self.errors.append(repr(error))
                    continue
                self.sent += 1
                if status != 200:
                    self.errors.append(f"{status} {answer[:200]!r}")
        caller.close()


def resource_usage(pid: int) -> tuple[int, int, int]:
    """Return resident bytes, open files and threads of a process."""
    folder = Path(f"/proc/{pid}")
    message = dict(
        line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
    )
    return (
        int(message["VmRSS"].split()[0]) * 1_024,
        len(list((folder / "fd").iterdir())),
        int(message["Threads"]),
    )
