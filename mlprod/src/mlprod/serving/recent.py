"""Recent answers of this replica: the same row with the same id gets the same answer.

Another row with the id of an earlier row gets a problem. A request pays only for a pointer: bodies
and answers are stored as bytes, and parsed when an id comes again. Other replicas do not know these
answers, and old ones are dropped. records/shipping.py finds such repetitions when it stores them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json

from ..display.counting import count_of
from ..modes import DecisionMode
from .problems import MAX_SHOWN_ERRORS, ProblemError

# Answers of a generation. There are two; the older one is dropped when the newer one is full.
MAX_ANSWERS = 10_000
MAX_BYTES = 4_000_000  # of the bodies and answers of a generation
MAX_READ = 2_000_000  # bytes parsed again for one request; ids beyond them count as new here
RECORDED_FACTS = ("model_version", "mode")  # facts of an answer that may have changed since
Request = tuple[bytes, bytes]  # body and answer


class EarlierAnswer(NamedTuple):
    """A row as it was received, and its answer with the facts of that time."""

    row: Mapping[str, Any]
    answer: Mapping[str, Any]


class RecentAnswers:
    """Answers by id.

    Not safe for threads: use one lock for `known`, the recording, and `add`.
    """

    def __init__(self, validate: Callable[[bytes], Any]) -> None:
        """`validate` returns an object with the `rows` of a body."""
        self.validate = validate
        self._new: dict[str, Request] = {}
        self._old: dict[str, Request] = {}
        self._bytes = 0

    def known(self, ids: Sequence[str]) -> dict[str, EarlierAnswer]:
        """Return the earlier answers by id, for the ids that have one."""
        if self._new.keys().isdisjoint(ids) and self._old.keys().isdisjoint(ids):
            return {}
        result: dict[str, EarlierAnswer] = {}
        left = MAX_READ
        for id in ids:
            if id not in result and (request := self._of(id)) and left > 0:
                left -= sum(map(len, request))
                result |= self._read(request)
        return {id: result[id] for id in ids if id in result}

    def add(self, ids: Sequence[str], body: bytes, answer: bytes) -> None:
        """Add a recorded request: the new ids of a body, the body and the answer to it."""
        size = len(body) + len(answer)
        if len(self._new) + len(ids) > MAX_ANSWERS or self._bytes + size > MAX_BYTES:
            self._old, self._new, self._bytes = self._new, {}, 0
        request = body, answer
        for id in ids:
            self._new[id] = request
        self._bytes += size

    def _of(self, id: str) -> Request | None:
        return self._new.get(id) or self._old.get(id)

    def _read(self, request: Request) -> dict[str, EarlierAnswer]:
        """Return the answers to the ids that this request was the first to send."""
        body, message = request
        answer, rows = from_json(message), self.validate(body).rows
        facts = {name: answer[name] for name in RECORDED_FACTS}
        pairs = zip(rows, answer["predictions"], strict=True)
        return {
            item["id"]: EarlierAnswer(_without_id(row), facts | item)
            for row, item in pairs
            if self._of(item["id"]) is request
        }


def require_same_rows(
    ids: Sequence[str], rows: Sequence[Any], known: Mapping[str, EarlierAnswer]
) -> None:
    """Raises ProblemError if an id has an earlier answer to another row."""
    pairs = enumerate(zip(ids, rows, strict=True))
    others = [
        place for place, (id, row) in pairs if id in known and known[id].row != _without_id(row)
    ]
    if others:
        rule = "this id was used for another row; an id identifies one row permanently"
        errors = [
            {"row": place, "field": "id", "rule": rule, "given": ids[place][:80], "example": None}
            for place in others[:MAX_SHOWN_ERRORS]
        ]
        raise ProblemError(
            409,
            f"{count_of(len(others), 'row')} {'has' if len(others) == 1 else 'have'} the id of "
            "another row; no row was scored. "
            "Leave the id out, or send each row with an id of its own",
            errors,
        )


def merge_answers(
    ids: Sequence[str], answer: Mapping[str, Any], known: Mapping[str, EarlierAnswer]
) -> dict[str, Any]:
    """Return the answer to all rows of a body, some of which have an earlier answer.

    An earlier answer is returned as recorded, with its model version and mode where these differ
    now. In shadow, then or now, its decision is None.
    """
    new = {item["id"]: item for item in answer["predictions"]}
    rows = [new.get(id) or _repeat(known[id].answer, answer["mode"]) for id in ids]
    facts = answer if new else {**answer, **{name: rows[0][name] for name in RECORDED_FACTS}}
    shown = [
        {name: row[name] for name in row if name not in RECORDED_FACTS or row[name] != facts[name]}
        for row in rows
    ]
    return {**facts, "predictions": shown}


def _repeat(answer: Mapping[str, Any], mode: str) -> dict[str, Any]:
    return (
        {**answer, "decision": None, "mode": mode} if mode == DecisionMode.SHADOW else dict(answer)
    )


def _without_id(row: Any) -> dict[str, Any]:
    """Return the values of a row without its id, which the service may have created."""
    return {name: value for name, value in vars(row).items() if name != "id"}
