"""What the service remembers: predictions, outcomes, feedback and the mode. Knows no model and no contract."""

import itertools
import os
import time
from typing import Any, NamedTuple

SMOKE_ID_PREFIX = "smoke-"  # ids of callers with the role "smoke" that begin so only try the service: they are no cases

_PROCESS = f"{int(time.time() * 1_000):012x}{os.urandom(3).hex()}"
_events = itertools.count()


class Sender(NamedTuple):
    """Who sent outcomes or feedback, in which request, and whether they may try the service. None: not known."""

    caller: str | None = None
    request: str | None = None
    may_try: bool | None = None

    def row(self, prediction_id: str) -> dict[str, Any]:
        """What is recorded of it beside something about a prediction."""
        smoke = self.may_try and prediction_id.startswith(SMOKE_ID_PREFIX)
        return {"caller": self.caller, "request": self.request, "smoke": smoke}


def event_number() -> str:
    """A number for the answers of one request, 28 hexadecimal digits: when this process began, random bits, and how
    many came before. Followed by the place of a row, in four more, it numbers one answer."""
    return f"{_PROCESS}{next(_events):010x}"
