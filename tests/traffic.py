"""Callers of a baked service until `stop`: rows of the example data, outcomes and feedback."""

import http.client
import itertools
import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

# Rows in a request.
BATCH = 40
# Seconds between two requests: 200 rows a second.
PAUSE = 0.2
# Rows of a batch with feedback.
JUDGED = 2
PEOPLE = 12

Row = dict[str, Any]
ROWS = """
import json, sys
from datetime import datetime
from {package} import contract, data
from mlprod.contract.schema import read_contract
terms = read_contract(contract)
table = data.load(until=datetime(2026, 3, 1))
table = table.filter(table[terms.label].notnull()).select(*terms.fields.names, terms.label)
json.dump(table.to_pyarrow().to_pylist(), sys.stdout)
"""


class Traffic:
    """Sends rows, their outcomes, and feedback for a few of them.

    A test simulates a fault by replacing one of the functions `changed`, `truth` and `verdict`.
    """

    def __init__(self, address: str, rows: list[Row], label: str, name: str = "case") -> None:
        self.port = int(address.rpartition(":")[2])
        self.rows, self.label, self.name, self.names = rows, label, name, itertools.count()
        self.changed: Callable[[Row], Row] = lambda row: row
        self.truth: Callable[[float], float] = lambda outcome: outcome
        draw = random.random
        self.verdict: Callable[[], str] = lambda: "overridden" if draw() < 0.1 else "accepted"
        # Number of scored rows and of accepted outcomes.
        self.sent = self.accepted = 0
        self._stop, self._random = threading.Event(), random.Random(0)  # noqa: S311 - no secret
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        began = time.monotonic()
        for turn in itertools.count(1):
            # Some tests stop the service on purpose.
            with suppress(OSError, http.client.HTTPException):
                self.turn()
            if self._stop.wait(max(0.0, began + turn * PAUSE - time.monotonic())):
                return

    def turn(self) -> None:
        """Send a batch of rows, their outcomes and some feedback."""
        drawn = self._random.choices(self.rows, k=BATCH)
        ids = [f"{self.name}-{next(self.names)}" for _ in drawn]
        rows = [
            {
                name: value
                for name, value in self.changed(dict(row)).items()
                if name != self.label and value is not None
            }
            for row in drawn
        ]
        status = self.post(
            "predict", {"rows": [row | {"id": id} for id, row in zip(ids, rows, strict=True)]}
        )
        if status != 200:
            return
        self.sent += BATCH
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        truths = zip(ids, (self.truth(float(row[self.label])) for row in drawn), strict=True)
        received = [{"prediction_id": id, "outcome": y, "at": at} for id, y in truths]
        self.accepted += BATCH * (self.post("outcomes", {"outcomes": received}) == 200)
        judged = [
            {
                "prediction_id": id,
                "verdict": self.verdict(),
                "reviewer": f"desk-{self._random.randrange(PEOPLE)}",
            }
            | {"handling_seconds": 40, "reason": "known-customer"}
            for id in ids[:JUDGED]
        ]
        self.post("feedback", {"feedback": judged})

    def post(self, route: str, content: dict[str, Any]) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(
                "POST", f"/v1/{route}", json.dumps(content), {"content-type": "application/json"}
            )
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()
