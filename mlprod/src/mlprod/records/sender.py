"""Who sent outcomes or feedback."""

from typing import Any, NamedTuple

from .smoke import is_smoke


class Sender(NamedTuple):
    """Who sent outcomes or feedback, in which request, and whether they may try the service.

    None: not known.
    """

    caller: str | None = None
    request: str | None = None
    may_try: bool | None = None

    def row(self, prediction_id: str) -> dict[str, Any]:
        """What is recorded of it beside something about a prediction."""
        smoke = self.may_try and is_smoke(prediction_id)
        return {"caller": self.caller, "request": self.request, "smoke": smoke}
