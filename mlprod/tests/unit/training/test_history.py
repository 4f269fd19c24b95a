import json
from typing import Any

import pytest

from mlprod.training.history import champions, line_back, number_of, read_events


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
    """`champions` of moves such as p1 and r1."""
    return champions(
        event("promote" if move[0] == "p" else "rollback", int(move[1:])) for move in moves
    )


MOVES = {
    ("p1",): [1],
    ("p1", "p2", "p3"): [1, 2, 3],
    ("p1", "p2", "p3", "r2"): [1, 2],
    ("p1", "p2", "p3", "r2", "p3"): [1, 2, 3],
    ("p1", "p2", "p3", "r2", "p4"): [1, 2, 4],
    ("p1", "p2", "p3", "p1"): [1],  # going back by number leaves what came between for good
    ("r7",): [7],
}


@pytest.mark.parametrize(("moves", "left"), MOVES.items())
def test_the_line_of_champions_is_what_rollbacks_can_come_to(
    moves: tuple[str, ...], left: list[int]
) -> None:
    assert line(*moves) == left


def test_a_retraining_moves_nobody() -> None:
    assert champions([event("promote", 1), event("retrain", 2)]) == [1]


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
def test_what_is_no_event_is_named_and_left_out(text: str) -> None:
    good = json.dumps(event("promote", 1))
    tags = {"event.1": good, "event.2": text, "event.3": good, "environment": "staging"}
    events, unreadable = read_events(tags)
    assert (len(events), unreadable) == (2, {"event.2": text})


@pytest.mark.parametrize("text", ["", "abc", "-1", "0", "1.5", " 1", "１", "9" * 5_000, "1e3"])
def test_what_is_no_number_of_a_version_is_none(text: str) -> None:
    assert number_of(text) is None


EVENTS = [event("promote", number) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("previous", "result"),
    [
        ({4: "3", 3: "2", 2: "1", 1: ""}, [3, 2, 1]),
        ({4: "", 3: "2", 2: "1", 1: ""}, []),  # the first champion says nothing, and is no fault
        ({4: "abc", 3: "2", 2: "1", 1: ""}, [3, 2, 1]),
        ({4: "3", 3: "abc", 2: "1", 1: ""}, [3, 2, 1]),
        ({4: "3", 2: "1", 1: ""}, [2, 1]),  # version 3 was deleted
        ({4: "3", 3: "2", 1: ""}, [3, 1]),
        ({4: "3", 3: "4", 2: "1", 1: ""}, [3, 2, 1]),  # a ring
        ({4: "4", 3: "2", 2: "1", 1: ""}, [3, 2, 1]),
        ({4: "99", 3: "2", 2: "1", 1: ""}, [3, 2, 1]),
    ],
)
def test_the_way_back_follows_the_tags_and_where_they_break_the_history(
    previous: dict[int, str], result: list[int]
) -> None:
    assert line_back(4, previous, EVENTS) == result


def test_without_tags_and_without_history_there_is_no_way_back() -> None:
    assert line_back(4, {4: "abc", 3: "2"}, []) == []
