"""The sender of outcomes or feedback."""

from typing import Any, NamedTuple

from .smoke import is_smoke


class Sender(NamedTuple):
    """The caller and the request of outcomes or feedback.

    `may_try`: whether the caller may send smoke tests. None: not known.
    """

    caller: str | None = None
    request: str | None = None
    may_try: bool | None = None

    def row(self, prediction_id: str) -> dict[str, Any]:
        """Return the columns for the sender of a record of this prediction."""
        smoke = self.may_try and is_smoke(prediction_id)
        return {"caller": self.caller, "request": self.request, "smoke": smoke}
