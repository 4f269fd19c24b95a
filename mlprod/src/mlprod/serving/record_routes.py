"""Outcomes and feedback: what callers report, and goes to the database before the answer leaves."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from ..records.errors import EventsRefusedError, OutcomeConflictError, StoreUnavailableError
from ..records.events import pseudonymize
from ..records.sender import Sender
from .api_keys import ApiKeys, Caller
from .metrics import Metrics
from .model_loader import ModelLoader
from .problems import SHOWN, ProblemError, refused
from .record_shipper import RecordShipper, away
from .request_models import EXAMPLES, Feedback, Feedbacks, Outcome, Outcomes

if TYPE_CHECKING:
    from ..records.store import Store

Result = TypeVar("Result")
Shape = TypeVar("Shape", bound=BaseModel)


class RecordRoutes:
    """Answers the two routes that write.

    Every method waits for the database, so call it on a thread.
    """

    def __init__(
        self, models: ModelLoader, keeper: RecordShipper, keys: ApiKeys, metrics: Metrics
    ) -> None:
        self.models, self.keeper, self.keys, self.metrics = models, keeper, keys, metrics

    def outcomes(self, body: bytes, caller: Caller, request: str) -> bytes:
        """Take outcomes, all or none; `caller` and the id of the `request` are recorded with them.

        Raises ProblemError: 409 for one that differs and is no correction.
        """
        given: list[Outcome] = read(Outcomes, body).outcomes
        if self.models.required().bundle.manifest.task == "binary":
            self._zero_or_one(given)
        rows = [item.model_dump() for item in given]
        try:
            count = self._store(lambda store: store.add_outcomes(rows, sender_of(caller, request)))
        except OutcomeConflictError as conflict:
            errors = [
                {"row": row, "field": "outcome", "rule": f"{known:g} is known of " f"{given[row].prediction_id!r}",
                 "given": given[row].outcome, "example": {"outcome": given[row].outcome, "correction": True}}
                for row, known in conflict.known.items()
            ]  # fmt: skip
            raise ProblemError(
                409,
                f'{conflict}; nothing was written. To replace one, send it with "correction": true',
                errors[:SHOWN],
            ) from None
        for result, number in count.items():
            self.metrics.outcomes.labels(result).inc(number)
        return to_json(count)

    def feedback(self, body: bytes, caller: Caller, request: str) -> bytes:
        """Take feedback, as `outcomes`; the same again is taken once. Raises ProblemError."""
        given: list[Feedback] = read(Feedbacks, body).feedback
        rows = [self._row(item) for item in given]
        new, unknown = self._store(
            lambda store: store.add_feedback(rows, sender_of(caller, request))
        )
        return to_json(
            {"accepted": len(new), "repeated": len(given) - len(new), "unknown": unknown}
        )

    def _row(self, item: Feedback) -> dict[str, Any]:
        """A row for the database.

        Its id is made of what it says, so that the same again is known.
        """
        month = datetime.now(UTC).strftime("%Y-%m")
        row = item.model_dump(exclude={"reviewer"})
        row["pseudonym"] = pseudonymize(f"{month} {item.reviewer}", self.keys.salt)
        message = repr(sorted(row.items())).encode()
        return row | {"id": hashlib.blake2b(message, digest_size=16).hexdigest()}

    def _store(self, work: Callable[["Store"], Result]) -> Result:
        return self._asked(lambda: work(self.keeper.required()))

    def _asked(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except StoreUnavailableError as error:
            raise away(str(error)) from error
        except EventsRefusedError as error:
            raise ProblemError(422, f"the database cannot hold this: {error}") from error

    def _zero_or_one(self, given: list[Outcome]) -> None:
        invalid = [
            (row, item.outcome) for row, item in enumerate(given) if item.outcome not in (0, 1)
        ]
        if invalid:
            errors = [
                {
                    "row": row,
                    "field": "outcome",
                    "rule": "0 or 1: the model is a classifier",
                    "given": message,
                    "example": 1,
                }
                for row, message in invalid[:SHOWN]
            ]
            raise ProblemError(
                422,
                f"the body breaks the contract in {len(invalid)} places; nothing was written",
                errors,
            )


def sender_of(caller: Caller, request: str) -> Sender:
    return Sender(caller.name, request, "smoke" in caller.roles)


def read(shape: type[Shape], body: bytes, examples: dict[str, Any] = EXAMPLES) -> Shape:
    """A body of this shape. Raises ProblemError, which shows `examples`."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise refused(error, examples=examples) from None
