"""Who served, from the tags of a model.

Anybody may have written a tag: what is not ours is shown and skipped.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

EVENT = "event."  # begins the name of a tag that holds an event
MOVES = ("promote", "rollback")


def read_events(tags: Mapping[str, str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The events, oldest first, and the tags that begin as an event and are none."""
    events, unreadable = [], {}
    for name in sorted(name for name in tags if name.startswith(EVENT)):
        event = _event(tags[name])
        if event:
            events.append(event)
        else:
            unreadable[name] = tags[name]
    return events, unreadable


def champions(events: Iterable[Mapping[str, Any]]) -> list[int]:
    """The champions that a rollback could come to, and today's last: what was left by a rollback,
    or by going back to an older number, is no part of it.
    """
    line: list[int] = []
    for event in events:
        if event["action"] in MOVES:
            number = event["version"]
            line = line[: line.index(number)] if number in line else line
            line.append(number)
    return line


def left_by_rollback(number: int, events: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The rollback that left a version; None when it was made champion since, or was never left so."""
    newest_first: list[Mapping[str, Any]] = list(events)[::-1]
    for event in newest_first:
        if event["action"] in MOVES and event["version"] == number:
            return None
        if event["action"] == "rollback" and event["before"] == number:
            return event
    return None


def number_of(text: str) -> int | None:
    """The version that a tag names; None for what is no number of a version."""
    return int(text) if re.fullmatch("[1-9][0-9]{0,8}", text) else None


def line_back(
    number: int, previous: Mapping[int, str], events: Sequence[Mapping[str, Any]]
) -> list[int]:
    """The versions that rollbacks from `number` come to, nearest first.

    `previous` is that tag of each version there is. Where it names none of them, the history goes
    on.
    """
    result = [number]
    while text := previous.get(result[-1], ""):
        before = number_of(text)
        if before is None or before not in previous or before in result:
            line = champions(events)
            older = line[: line.index(result[-1])] if result[-1] in line else []
            return [
                *result[1:],
                *(item for item in reversed(older) if item in previous and item not in result),
            ]
        result.append(before)
    return result[1:]


def _event(text: str) -> dict[str, Any] | None:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    parts = all(isinstance(event.get(key), str) for key in ("action", "at", "who", "why"))
    before, version = event.get("before"), event.get("version")
    numbers = type(version) is int and (before is None or type(before) is int)
    return event if parts and numbers else None
