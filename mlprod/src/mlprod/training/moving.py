"""Exclusive move of the champion, only if it is still where the mover read it.

MLflow sets an alias without a condition. On this machine a file lock separates movers. With a
server each mover first writes a tag and then reads the tags of all movers. So of two movers at
least one sees the other and withdraws. docs/delivery.md describes the remaining risk.
"""

import contextlib
import json
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from ..display.plain_text import display
from ..locks import LockHeldError, locked
from .history import MOVES, read_events
from .registry import CHAMPION, Registry, RegistryError

# Begins the name of the tag with which a mover announces itself.
INTENT_PREFIX = "moving."
# An older announcement comes from a process that ended.
EXPIRES_SECONDS = 120.0
# The time to wait for another mover.
WAIT_SECONDS = 10.0
# The shortest and the longest pause before the next attempt.
SHORT_PAUSES = 0.1, 0.7


class NoTargetVersionError(Exception):
    """There is no version to which the champion can move; nothing was changed."""


class ConcurrentPromotionError(NoTargetVersionError):
    """Somebody else moved the champion meanwhile, or is moving it now."""


@dataclass(frozen=True)
class Position:
    """The champion and every move that led to it; a move forth and back makes another position."""

    champion: int | None
    moves: frozenset[str]
    # The last move, as text for people.
    last: str

    @property
    def shown(self) -> str:
        return f"version {self.champion}" if self.champion else "none"


def champion_position(registry: Registry) -> Position:
    """Read the champion and its moves from the registry."""
    champion, tags = registry.get_by_alias(CHAMPION), registry.model_tags()
    events = [event for event in read_events(tags)[0] if event["action"] in MOVES]
    last = ""
    if events:
        last = " {action} by {who} at {at}: {why}".format(**events[-1])
    return Position(
        champion.number if champion else None, frozenset(event["at"] for event in events), last
    )


@contextmanager
def exclusive_move(registry: Registry, who: str, seen: Position) -> Iterator[None]:
    """Let the body move the champion while no other mover can.

    Raises ConcurrentPromotionError if the champion is no longer where it was `seen`.
    """
    with _alone(registry, who):
        if (now := champion_position(registry)) != seen:
            raise ConcurrentPromotionError(
                display(
                    f"the champion was {seen.shown} when this began and is {now.shown} now;"
                    f"{now.last}. Nothing was moved. Run `list-versions`, then decide again"
                )
            )
        yield


@contextmanager
def _alone(registry: Registry, who: str) -> Iterator[None]:
    if registry.folder:
        try:
            path, remedy = registry.folder / "champion.lock", "Nothing was moved; try again"
            with locked(path, "a move of the champion", who, remedy, WAIT_SECONDS):
                yield
        except LockHeldError as error:
            raise ConcurrentPromotionError(str(error)) from error
        return
    own = _announce(registry, who)
    try:
        yield
    finally:
        # A tag that cannot be deleted expires after EXPIRES_SECONDS.
        with contextlib.suppress(RegistryError):
            registry.drop_model_tag(own)


def _announce(registry: Registry, who: str) -> str:
    """Announce this mover by a tag, wait for the others, and return the name of the tag."""
    own, until = INTENT_PREFIX + uuid.uuid4().hex, time.monotonic() + WAIT_SECONDS
    while True:
        registry.tag_model(
            own, json.dumps({"who": who, "at": datetime.now(UTC).isoformat(timespec="seconds")})
        )
        others = {
            name: text
            for name, text in registry.model_tags().items()
            if name.startswith(INTENT_PREFIX) and name != own
        }
        alive = {name: text for name, text in others.items() if _is_alive(text)}
        for name in others.keys() - alive.keys():
            registry.drop_model_tag(name)
        if not alive:
            return own
        registry.drop_model_tag(own)
        if time.monotonic() >= until:
            other = json.loads(next(iter(alive.values()))).get("who", "somebody")
            raise ConcurrentPromotionError(
                display(
                    f"somebody else is moving the champion: {other}. Nothing was moved; try again"
                )
            )
        # A random pause, so that two movers do not collide again.
        time.sleep(random.uniform(*SHORT_PAUSES))  # noqa: S311


def _is_alive(text: str) -> bool:
    """Return whether the mover may still be active; a text that is not an announcement is not."""
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(json.loads(text)["at"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return abs(age.total_seconds()) < EXPIRES_SECONDS
