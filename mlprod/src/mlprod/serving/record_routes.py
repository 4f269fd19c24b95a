"""Routes of outcomes and feedback. Both are in the database before the answer is sent."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from ..display.counting import count_of
from ..records.errors import EventsRefusedError, OutcomeConflictError, StoreUnavailableError
from ..records.events import pseudonymize
from ..records.sender import Sender
from .api_keys import ApiKeys, Caller
from .class_outcomes import ClassOutcome, ClassOutcomes, class_examples, class_rows
from .metrics import Metrics
from .model_loader import ModelLoader
from .problems import MAX_SHOWN_ERRORS, ProblemError, validation_problem
from .record_shipper import RecordShipper, store_unavailable
from .request_models import EXAMPLES, Feedback, Feedbacks, Outcome, Outcomes

if TYPE_CHECKING:
    from ..records.store import Store

Result = TypeVar("Result")
Shape = TypeVar("Shape", bound=BaseModel)


class RecordRoutes:
    """Handler of POST /v1/outcomes and /v1/feedback.

    Every method waits for the database, so call it on a thread.
    """

    def __init__(
        self, models: ModelLoader, keeper: RecordShipper, keys: ApiKeys, metrics: Metrics
    ) -> None:
        self.models, self.keeper, self.keys, self.metrics = models, keeper, keys, metrics

    def outcomes(self, body: bytes, caller: Caller, request: str) -> bytes:
        """Store outcomes, all or none, with `caller` and the id of the `request`.

        Raises ProblemError: 409 if an outcome differs from the stored one without "correction".
        """
        serving = self.models.current
        classes = serving.bundle.classes if serving else ()
        given: list[Outcome] | list[ClassOutcome]
        if classes:
            given = parse_body(ClassOutcomes, body, class_examples(classes)).outcomes
            rows = class_rows(given, classes)
        else:
            given = parse_body(Outcomes, body).outcomes
            if self.models.get_or_503().bundle.manifest.task == "binary":
                self._zero_or_one(given)
            rows = [item.model_dump() for item in given]
        try:
            count = self._store(lambda store: store.add_outcomes(rows, sender_of(caller, request)))
        except OutcomeConflictError as conflict:
            errors = [
                {
                    "row": row,
                    "field": "outcome",
                    "rule": f"{known if isinstance(known, str) else format(known, 'g')} is stored "
                    f"for {given[row].prediction_id!r}",
                    "given": given[row].outcome,
                    "example": {"outcome": given[row].outcome, "correction": True},
                }
                for row, known in conflict.known.items()
            ]
            raise ProblemError(
                409,
                f'{conflict}; nothing was written. To replace one, send it with "correction": true',
                errors[:MAX_SHOWN_ERRORS],
            ) from None
        for result, number in count.items():
            self.metrics.outcomes.labels(result).inc(number)
        return to_json(count)

    def feedback(self, body: bytes, caller: Caller, request: str) -> bytes:
        """Store feedback as `outcomes` does; repeated feedback is stored once.

        Raises ProblemError if the body is invalid or the database is not available.
        """
        given: list[Feedback] = parse_body(Feedbacks, body).feedback
        rows = [self._row(item) for item in given]
        new, unknown = self._store(
            lambda store: store.add_feedback(rows, sender_of(caller, request))
        )
        return to_json(
            {"accepted": len(new), "repeated": len(given) - len(new), "unknown": unknown}
        )

    def _row(self, item: Feedback) -> dict[str, Any]:
        """Return a row for the database. Its id is a hash of its content, to detect repetitions."""
        month = datetime.now(UTC).strftime("%Y-%m")
        row = item.model_dump(exclude={"reviewer"})
        row["pseudonym"] = pseudonymize(f"{month} {item.reviewer}", self.keys.salt)
        content = repr(sorted(row.items())).encode()
        return row | {"id": hashlib.blake2b(content, digest_size=16).hexdigest()}

    def _store(self, work: Callable[["Store"], Result]) -> Result:
        try:
            return work(self.keeper.get_or_503())
        except StoreUnavailableError as error:
            raise store_unavailable(str(error)) from error
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
                    "given": outcome,
                    "example": 1,
                }
                for row, outcome in invalid[:MAX_SHOWN_ERRORS]
            ]
            raise ProblemError(
                422,
                f"the body breaks the contract in {count_of(len(invalid), 'place')}; nothing was "
                "written",
                errors,
            )


def sender_of(caller: Caller, request: str) -> Sender:
    """Return the sender to record: name of the caller, id of the request, and the role smoke."""
    return Sender(caller.name, request, "smoke" in caller.roles)


def parse_body(shape: type[Shape], body: bytes, examples: dict[str, Any] = EXAMPLES) -> Shape:
    """Return a body of this shape. Raises ProblemError with `examples` if the body is invalid."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise validation_problem(error, examples=examples) from None
