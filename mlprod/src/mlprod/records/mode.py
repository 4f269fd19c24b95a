"""The decision mode: its switches with author, reason and time, and the strictest of several."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..modes import MODES

# characters
MAX_REASON, MAX_ACTOR, MAX_REQUEST = 500, 128, 64


@dataclass(frozen=True)
class ModeSwitch:
    """A switch of the mode: who made it, why, and when.

    `at` (UTC) is None if nobody ever switched. `number` is its row in the database. For a switch
    that is not stored yet it is the newest row that was known at the time of the switch. `request`
    is the id of the request that made it; empty for a command.
    """

    mode: str
    who: str
    why: str
    at: datetime | None = None
    number: int = field(default=0, compare=False)
    request: str = field(default="", compare=False)


def new_switch(mode: str, who: str, why: str, number: int = 0, request: str = "") -> ModeSwitch:
    """Create a switch with the current time; `number`: the newest known row of the database."""
    at = datetime.now(UTC).replace(tzinfo=None)
    return ModeSwitch(
        mode, storable(who, MAX_ACTOR), storable(why, MAX_REASON), at, number, request
    )


def rank(mode: str) -> int:
    """Return the rank of a mode; 0 is the strictest.

    Any other value ranks as the strictest, because it must never relax a restriction.
    """
    return MODES.index(mode) if mode in MODES else 0


def strictest(modes: Iterable[ModeSwitch]) -> ModeSwitch:
    """Return the strictest mode; the first one if several have the same rank."""
    return min(modes, key=lambda item: rank(item.mode))


def mode_to_dict(mode: ModeSwitch) -> dict[str, Any]:
    """Convert a switch to a dictionary that JSON can hold."""
    at = mode.at.isoformat() if mode.at else None
    origin = {"number": mode.number, "request": mode.request}
    return {"mode": mode.mode, "who": mode.who, "why": mode.why, "at": at, **origin}


def mode_from_dict(content: Any) -> ModeSwitch:
    """Convert a dictionary of `mode_to_dict` to a switch.

    Raises KeyError, TypeError or ValueError for any other content.
    """
    mode, at = content["mode"], content["at"]
    if mode not in MODES:
        raise ValueError(f"{mode!r} is not a mode")
    at = datetime.fromisoformat(at) if at else None
    who, why = storable(str(content["who"]), MAX_ACTOR), storable(str(content["why"]), MAX_REASON)
    return ModeSwitch(
        mode,
        who,
        why,
        at,
        int(content["number"]),
        storable(str(content.get("request", "")), MAX_REQUEST),
    )


def storable(text: str, length: int) -> str:
    """Return the text without characters that a database rejects, at most `length` of them."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")[:length]
