import json
from typing import Any

import pytest

from mlprod.training.history import (
    champion_line,
    parse_version_number,
    read_events,
    rollback_targets,
)


def event(action: str, version: int, before: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "action": action,
        "at": "2026-01-01",
        "before": before,
        "version": version,
        "who": "a",
        "why": "b",
    } | more


def line(*moves: str) -> list[int]:
    """Return the champion_line of moves such as p1 (promotion) and r1 (rollback)."""
    return champion_line(
        event("promote" if move[0] == "p" else "rollback", int(move[1:])) for move in moves
    )


MOVES = {
    ("p1",): [1],
    ("p1", "p2", "p3"): [1, 2, 3],
    ("p1", "p2", "p3", "r2"): [1, 2],
    ("p1", "p2", "p3", "r2", "p3"): [1, 2, 3],
    ("p1", "p2", "p3", "r2", "p4"): [1, 2, 4],
    # A move to an older number leaves the versions in between for good.
    ("p1", "p2", "p3", "p1"): [1],
    ("r7",): [7],
}


@pytest.mark.parametrize(("moves", "left"), MOVES.items())
def test_champion_line_has_the_versions_that_rollbacks_can_reach(
    moves: tuple[str, ...], left: list[int]
) -> None:
    assert line(*moves) == left


def test_retraining_does_not_move_the_champion() -> None:
    assert champion_line([event("promote", 1), event("retrain", 2)]) == [1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '"promote"',
        "[" * 100_000,
        json.dumps(event("promote", 1) | {"version": "1"}),
        json.dumps(event("promote", 1) | {"version": True}),
        json.dumps(event("promote", 1) | {"before": "none"}),
        json.dumps(event("promote", 1) | {"who": None}),
        json.dumps({"action": "promote"}),
    ],
)
def test_tag_that_is_not_an_event_is_reported_and_left_out(text: str) -> None:
    good = json.dumps(event("promote", 1))
    tags = {"event.1": good, "event.2": text, "event.3": good, "environment": "staging"}
    events, unreadable = read_events(tags)
    assert (len(events), unreadable) == (2, {"event.2": text})


@pytest.mark.parametrize("text", ["", "abc", "-1", "0", "1.5", " 1", "１", "9" * 5_000, "1e3"])
def test_text_that_is_not_a_version_number_is_none(text: str) -> None:
    assert parse_version_number(text) is None


EVENTS = [event("promote", number) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("previous", "result"),
    [
        ({4: "3", 3: "2", 2: "1", 1: ""}, [3, 2, 1]),
        # The tag of the first champion is empty, which is valid.
        ({4: "", 3: "2", 2: "1", 1: ""}, []),
        ({4: "abc", 3: "2", 2: "1", 1: ""}, [3, 2, 1]),
        ({4: "3", 3: "abc", 2: "1", 1: ""}, [3, 2, 1]),
        # Version 3 was deleted.
        ({4: "3", 2: "1", 1: ""}, [2, 1]),
        ({4: "3", 3: "2", 1: ""}, [3, 1]),
        # The tags form a cycle.
        ({4: "3", 3: "4", 2: "1", 1: ""}, [3, 2, 1]),
        ({4: "4", 3: "2", 2: "1", 1: ""}, [3, 2, 1]),
        ({4: "99", 3: "2", 2: "1", 1: ""}, [3, 2, 1]),
    ],
)
def test_rollback_targets_follow_the_tags_and_use_the_history_where_a_tag_is_invalid(
    previous: dict[int, str], result: list[int]
) -> None:
    assert rollback_targets(4, previous, EVENTS) == result


def test_without_tags_and_history_there_are_no_rollback_targets() -> None:
    assert rollback_targets(4, {4: "abc", 3: "2"}, []) == []
