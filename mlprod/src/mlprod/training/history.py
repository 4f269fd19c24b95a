"""History of the champions, from the tags of a model.

Anybody can write a tag, so a tag that is not an event is reported and skipped.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Begins the name of a tag that holds an event.
EVENT_PREFIX = "event."
MOVES = ("promote", "rollback")


def read_events(tags: Mapping[str, str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the events, oldest first, and the tags with the name of an event that hold none."""
    events, unreadable = [], {}
    for name in sorted(name for name in tags if name.startswith(EVENT_PREFIX)):
        event = _event(tags[name])
        if event:
            events.append(event)
        else:
            unreadable[name] = tags[name]
    return events, unreadable


def champion_line(events: Iterable[Mapping[str, Any]]) -> list[int]:
    """Return the champions that a rollback can reach, oldest first, and the current one last.

    A version that was left by a rollback, or by a move to an older number, is not among them.
    """
    line: list[int] = []
    for event in events:
        if event["action"] in MOVES:
            number = event["version"]
            line = line[: line.index(number)] if number in line else line
            line.append(number)
    return line


def rollback_that_left(
    number: int, events: Iterable[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Return the rollback that left a version; None if there is none, or it was champion since."""
    newest_first: list[Mapping[str, Any]] = list(events)[::-1]
    for event in newest_first:
        if event["action"] in MOVES and event["version"] == number:
            return None
        if event["action"] == "rollback" and event["before"] == number:
            return event
    return None


def parse_version_number(text: str) -> int | None:
    """Return the version number that a tag holds; None if the text is not a version number."""
    return int(text) if re.fullmatch("[1-9][0-9]{0,8}", text) else None


def rollback_targets(
    number: int, previous: Mapping[int, str], events: Sequence[Mapping[str, Any]]
) -> list[int]:
    """Return the versions that rollbacks from `number` reach, nearest first.

    `previous` maps each existing version to its tag `previous`. Where the tag does not name an
    existing version, the history decides.
    """
    result = [number]
    while text := previous.get(result[-1], ""):
        before = parse_version_number(text)
        if before is None or before not in previous or before in result:
            line = champion_line(events)
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
    texts = all(isinstance(event.get(key), str) for key in ("action", "at", "who", "why"))
    before, version = event.get("before"), event.get("version")
    numbers = type(version) is int and (before is None or type(before) is int)
    return event if texts and numbers else None
