"""The answers that this replica gave last: the same row under the same id gets the same answer, and
another row none.

A request pays for a pointer: bodies and answers are kept as they came and left, and read again when
an id comes again. What is known only to another replica, or was forgotten here, is found when it is
stored: records/shipping.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json

from ..modes import DecisionMode
from .problems import SHOWN, ProblemError

MAX_ANSWERS = (
    10_000  # of a generation; there are two, and the older one goes when the newer one is full
)
MAX_BYTES = 4_000_000  # of the bodies and answers of a generation
MAX_READ = 2_000_000  # bytes read again for one request; ids beyond them count as new here
OF_THEN = ("model_version", "mode")  # facts of an answer that may be others now
Request = tuple[bytes, bytes]  # body and answer


class Given(NamedTuple):
    """A row as it came, and the answer to it, with the facts that were true then."""

    row: Mapping[str, Any]
    answer: Mapping[str, Any]


class Recent:
    """Answers by id.

    Not safe for threads: hold one lock around `known`, the recording, and `add`.
    """

    def __init__(self, validate: Callable[[bytes], Any]) -> None:
        """`validate` gives an object with the `rows` of a body."""
        self.validate = validate
        self._new: dict[str, Request] = {}
        self._old: dict[str, Request] = {}
        self._bytes = 0

    def known(self, ids: Sequence[str]) -> dict[str, Given]:
        """The answers to those of these ids that have one."""
        if self._new.keys().isdisjoint(ids) and self._old.keys().isdisjoint(ids):
            return {}
        result: dict[str, Given] = {}
        left = MAX_READ
        for id in ids:
            if id not in result and (request := self._of(id)) and left > 0:
                left -= sum(map(len, request))
                result |= self._read(request)
        return {id: result[id] for id in ids if id in result}

    def add(self, ids: Sequence[str], body: bytes, answer: bytes) -> None:
        """Remember what was recorded: the new ids of a body and the answer to it."""
        size = len(body) + len(answer)
        if len(self._new) + len(ids) > MAX_ANSWERS or self._bytes + size > MAX_BYTES:
            self._old, self._new, self._bytes = self._new, {}, 0
        request = body, answer
        for id in ids:
            self._new[id] = request
        self._bytes += size

    def _of(self, id: str) -> Request | None:
        return self._new.get(id) or self._old.get(id)

    def _read(self, request: Request) -> dict[str, Given]:
        """What a request was the first to ask; what it asked again belongs to another."""
        body, message = request
        answer, rows = from_json(message), self.validate(body).rows
        facts = {name: answer[name] for name in OF_THEN}
        pairs = zip(rows, answer["predictions"], strict=True)
        return {
            item["id"]: Given(_unnamed(row), facts | item)
            for row, item in pairs
            if self._of(item["id"]) is request
        }


def require_same_rows(ids: Sequence[str], rows: Sequence[Any], known: Mapping[str, Given]) -> None:
    """Raises ProblemError when an id names another row than the one that was answered under it."""
    pairs = enumerate(zip(ids, rows, strict=True))
    others = [place for place, (id, row) in pairs if id in known and known[id].row != _unnamed(row)]
    if others:
        rule = "this id was answered for another row; an id is for one row, for ever"
        errors = [
            {"row": place, "field": "id", "rule": rule, "given": ids[place][:80], "example": None}
            for place in others[:SHOWN]
        ]
        raise ProblemError(
            409,
            f"{len(others)} rows come under an id of another row; nothing was answered. "
            f"Leave the id out, or give each "
            "row an id of its own",
            errors,
        )


def with_known(
    ids: Sequence[str], answer: Mapping[str, Any], known: Mapping[str, Given]
) -> dict[str, Any]:
    """The answer to all rows of a body, some of which were answered before: these as they were
    recorded, with version and mode of then where they differ. In shadow, then or now, they decide
    nothing.
    """
    new = {item["id"]: item for item in answer["predictions"]}
    rows = [new.get(id) or _again(known[id].answer, answer["mode"]) for id in ids]
    facts = answer if new else {**answer, **{name: rows[0][name] for name in OF_THEN}}
    shown = [
        {name: row[name] for name in row if name not in OF_THEN or row[name] != facts[name]}
        for row in rows
    ]
    return {**facts, "predictions": shown}


def _again(answer: Mapping[str, Any], mode: str) -> dict[str, Any]:
    return (
        {**answer, "decision": None, "mode": mode} if mode == DecisionMode.SHADOW else dict(answer)
    )


def _unnamed(row: Any) -> dict[str, Any]:
    """The values of a row, but for its id, which the service may have given."""
    return {name: value for name, value in vars(row).items() if name != "id"}
