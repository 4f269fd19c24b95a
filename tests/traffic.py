"""Callers of a baked service: rows of the example's own data, outcomes, and people who judge; until
told to stop.
"""

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

BATCH = 40  # rows in a request
PAUSE = 0.2  # seconds between two requests: 200 rows a second
JUDGED = 2  # of a batch, by people
PEOPLE = 12

Row = dict[str, Any]
ROWS = """
import json, sys
from datetime import datetime
from {package} import contract, data
from mlprod.contract.schema import read_terms
terms = read_terms(contract)
table = data.load(until=datetime(2026, 3, 1))
table = table.filter(table[terms.label].notnull()).select(*terms.fields.names, terms.label)
json.dump(table.to_pyarrow().to_pylist(), sys.stdout)
"""


class Traffic:
    """Sends rows, tells what became of them, and lets people judge a few.

    What goes wrong in the world is planted by replacing `changed`, `truth` and `verdict`, each a
    plain function.
    """

    def __init__(self, address: str, rows: list[Row], label: str, name: str = "case") -> None:
        self.port = int(address.rpartition(":")[2])
        self.rows, self.label, self.name, self.names = rows, label, name, itertools.count()
        self.changed: Callable[[Row], Row] = lambda row: row
        self.truth: Callable[[float], float] = lambda outcome: outcome
        draw = random.random
        self.verdict: Callable[[], str] = lambda: "overridden" if draw() < 0.1 else "accepted"
        self.sent = self.told = 0  # rows that were answered, and outcomes that were taken
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
            with suppress(
                OSError, http.client.HTTPException
            ):  # a dead service is what some tests plant
                self.turn()
            if self._stop.wait(max(0.0, began + turn * PAUSE - time.monotonic())):
                return

    def turn(self) -> None:
        """A batch of cases: asked, judged, and what became of them."""
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
        status = self.tell(
            "predict", {"rows": [row | {"id": id} for id, row in zip(ids, rows, strict=True)]}
        )
        if status != 200:
            return
        self.sent += BATCH
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        truths = zip(ids, (self.truth(float(row[self.label])) for row in drawn), strict=True)
        received = [{"prediction_id": id, "outcome": y, "at": at} for id, y in truths]
        self.told += BATCH * (self.tell("outcomes", {"outcomes": received}) == 200)
        judged = [
            {
                "prediction_id": id,
                "verdict": self.verdict(),
                "reviewer": f"desk-{self._random.randrange(PEOPLE)}",
            }
            | {"handling_seconds": 40, "reason": "known-customer"}
            for id in ids[:JUDGED]
        ]
        self.tell("feedback", {"feedback": judged})

    def tell(self, route: str, content: dict[str, Any]) -> int:
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
