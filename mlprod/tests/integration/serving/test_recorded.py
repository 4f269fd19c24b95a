"""Requests and answers of version 0.1 of the API, in recorded.json.

Add to that file, and never change its content, because callers of the service rely on it. Keys may
be added to answers. No key may be removed or change its type.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Client, Trained, point, serve
from seams import binary

from mlprod.settings import Settings

CALLS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("recorded.json").read_text())[
    "calls"
]
KINDS = {str: "string", bool: "boolean", int: "number", float: "number"}
KINDS |= {type(None): "null", list: "array", dict: "object"}


@pytest.fixture(scope="module")
def service(new_settings: Callable[[], Settings], trained: Trained) -> Iterator[Client]:
    settings = new_settings()
    point(settings.models, trained.bundle, 1)
    with serve(binary, settings) as client:
        yield client


def lost(recorded: Any, answer: Any, place: str = "answer") -> Iterator[str]:
    """Yield the places of a recorded answer that are missing here or have another type."""
    if isinstance(recorded, dict) and isinstance(answer, dict):
        for name, inner in recorded.items():
            if name in answer:
                yield from lost(inner, answer[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}"
    elif isinstance(recorded, list) and isinstance(answer, list) and answer:
        for item in answer:
            yield from lost(recorded[0], item, f"{place}[]")
    elif not isinstance(recorded, str) or KINDS[type(answer)] not in recorded.split("|"):
        yield place


def test_requests_and_answers_of_0_1_still_work(service: Client) -> None:
    for call in CALLS:
        answer = service.request(call["method"], call["route"], json=call["body"])
        message = (call["what"], answer.status_code, answer.headers["content-type"])
        assert message == (call["what"], call["status"], call["type"])
        assert (call["what"], list(lost(call["answer"], answer.json()))) == (call["what"], [])


def test_every_route_is_recorded(service: Client) -> None:
    there = service.get("/openapi.json").json()["paths"]
    recorded = {(call["route"], call["method"].lower()) for call in CALLS if call["status"] == 200}
    assert {(route, method) for route, methods in there.items() for method in methods} <= recorded


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        ({"a": [{"b": 1}, {"b": None, "new": 1}], "new": []}, []),
        ({"a": [{"b": 1}, {"c": 1}]}, ["answer.a[].b"]),
        ({"a": [{"b": "1"}]}, ["answer.a[].b"]),
        ({"a": [{"b": True}]}, ["answer.a[].b"]),
        ({"a": []}, ["answer.a"]),
        ({"a": {"b": 1}}, ["answer.a"]),
        ({"b": 1}, ["answer.a"]),
        ({"a": [{"b": 1}], "c": None}, []),
        ({"a": [{"b": 1}], "c": "[]"}, ["answer.c"]),
    ],
)
def test_a_removed_key_of_an_answer_is_noticed(answer: dict[str, Any], gone: list[str]) -> None:
    assert list(lost({"a": [{"b": "number|null"}], "c": "array|null"}, {"c": [1]} | answer)) == gone
