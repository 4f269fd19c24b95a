"""The mode of decisions: who switched it, why and when, and which of several is the strictest."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..modes import MODES

MAX_REASON, MAX_ACTOR, MAX_REQUEST = 500, 128, 64  # characters


@dataclass(frozen=True)
class Mode:
    """A switch of the mode, and who made it, why and when; `at` (UTC) is None where nobody ever
    did.

    `number` is its row in the database. For a switch that is not stored there yet it is the newest
    row that was known when the switch was made. `request` is the id of the request that made it;
    empty for a command's.
    """

    mode: str
    who: str
    why: str
    at: datetime | None = None
    number: int = field(default=0, compare=False)
    request: str = field(default="", compare=False)


def new_switch(mode: str, who: str, why: str, number: int = 0, request: str = "") -> Mode:
    """A switch of this moment; `number`: the newest row of the database that is known."""
    at = datetime.now(UTC).replace(tzinfo=None)
    return Mode(mode, storable(who, MAX_ACTOR), storable(why, MAX_REASON), at, number, request)


def rank(mode: str) -> int:
    """0 for the strictest.

    A word that is no mode ranks with the strictest: it must never loosen anything.
    """
    return MODES.index(mode) if mode in MODES else 0


def strictest(modes: Iterable[Mode]) -> Mode:
    """The first of those that rank lowest."""
    return min(modes, key=lambda item: rank(item.mode))


def mode_to_dict(mode: Mode) -> dict[str, Any]:
    at = mode.at.isoformat() if mode.at else None
    subject = {"number": mode.number, "request": mode.request}
    return {"mode": mode.mode, "who": mode.who, "why": mode.why, "at": at, **subject}


def mode_from_dict(content: Any) -> Mode:
    """Raises KeyError, TypeError or ValueError for anything else than `mode_to_dict` made."""
    mode, at = content["mode"], content["at"]
    if mode not in MODES:
        raise ValueError(f"{mode!r} is not a mode")
    at = datetime.fromisoformat(at) if at else None
    who, why = storable(str(content["who"]), MAX_ACTOR), storable(str(content["why"]), MAX_REASON)
    return Mode(
        mode,
        who,
        why,
        at,
        int(content["number"]),
        storable(str(content.get("request", "")), MAX_REQUEST),
    )


def storable(text: str, length: int) -> str:
    """The text as every database takes it."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")[:length]
