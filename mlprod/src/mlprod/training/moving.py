"""Moving the champion: one mover at a time, and only if the champion is still the one that was
looked at.

MLflow sets an alias without a condition. On this machine a file lock keeps movers apart. With a
server each mover writes a tag first and then reads the tags of all, so that of two at least one
sees the other and steps back. docs/delivery.md has what is left.
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

INTENT = "moving."  # begins the name of a tag of a mover
EXPIRES_SECONDS = 120.0  # after which an intent is that of a process that ended
WAIT_SECONDS = 10.0  # for another mover
SHORT_PAUSES = 0.1, 0.7  # at least and at most, before the next attempt


class NoTargetVersionError(Exception):
    """There is no version to move to; nothing was changed."""


class ConcurrentPromotionError(NoTargetVersionError):
    """Somebody else moved the champion meanwhile, or is about to."""


@dataclass(frozen=True)
class Position:
    """The champion, and every move that led to it: going forth and back again is another position."""

    champion: int | None
    moves: frozenset[str]
    last: str  # move, for people

    @property
    def shown(self) -> str:
        return f"version {self.champion}" if self.champion else "none"


def position(registry: Registry) -> Position:
    champion, tags = registry.get_by_alias(CHAMPION), registry.model_tags()
    events = [event for event in read_events(tags)[0] if event["action"] in MOVES]
    last = ""
    if events:
        last = " {action} by {who} at {at}: {why}".format(**events[-1])
    return Position(
        champion.number if champion else None, frozenset(event["at"] for event in events), last
    )


@contextmanager
def moving(registry: Registry, who: str, seen: Position) -> Iterator[None]:
    """The body may move the champion.

    Raises ConcurrentPromotionError when it is no longer where it was `seen`.
    """
    with _alone(registry, who):
        if (now := position(registry)) != seen:
            raise ConcurrentPromotionError(
                display(
                    f"the champion was {seen.shown} when this began and is {now.shown} now;{now.last}. Nothing was "
                    "moved. Look at `versions`, and then decide again"
                )
            )
        yield


@contextmanager
def _alone(registry: Registry, who: str) -> Iterator[None]:
    if registry.folder:
        try:
            path, works = registry.folder / "champion.lock", "Nothing was moved; try again"
            with locked(path, "a move of the champion", who, works, WAIT_SECONDS):
                yield
        except LockHeldError as error:
            raise ConcurrentPromotionError(str(error)) from error
        return
    own = _announce(registry, who)
    try:
        yield
    finally:
        with contextlib.suppress(RegistryError):  # it expires by itself
            registry.drop_model_tag(own)


def _announce(registry: Registry, who: str) -> str:
    """The name of our tag, once no other mover has one."""
    own, until = INTENT + uuid.uuid4().hex, time.monotonic() + WAIT_SECONDS
    while True:
        registry.tag_model(
            own, json.dumps({"who": who, "at": datetime.now(UTC).isoformat(timespec="seconds")})
        )
        others = {
            name: text
            for name, text in registry.model_tags().items()
            if name.startswith(INTENT) and name != own
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
                display(f"somebody moves the champion: {other}. Nothing was moved; try again")
            )
        time.sleep(random.uniform(*SHORT_PAUSES))  # noqa: S311 - so that two do not meet again


def _is_alive(text: str) -> bool:
    """Whether the mover may still be at work; what is no intent of ours keeps nobody waiting."""
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(json.loads(text)["at"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return abs(age.total_seconds()) < EXPIRES_SECONDS
