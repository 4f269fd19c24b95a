"""The hot path: a body to an answer, written down before it leaves."""

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import to_json

from ..contract.terms import Terms
from ..records import TRIED
from ..records.spool import Spool, SpoolError
from .explore import LetThrough
from .metrics import Metrics
from .mode_state import ModeState
from .models import Models, Serving
from .problems import Problem, places, refused
from .rows import EXAMPLES, validator_of

ARM, EXPLORED = "champion", "explored"


class Predict:
    """Answers POST /v1/predict. Safe for threads."""

    def __init__(
        self,
        terms: Terms,
        models: Models,
        decide: Callable[[float, float], Any],
        spool: Spool,
        mode_state: ModeState,
        metrics: Metrics,
        explored: LetThrough | None = None,
    ) -> None:
        self.explored = explored
        self.validate, self.fields, self.personal = validator_of(terms), terms.fields, terms.personal
        self.models, self.decide, self.spool, self.mode_state, self.metrics = models, decide, spool, mode_state, metrics

    @property
    def slow(self) -> bool:
        """Whether the model may take its time, as one in Python does."""
        return bool(self.models.current and self.models.current.bundle.manifest.runtime == "python")

    def answer(self, body: bytes, salt: bytes) -> bytes:
        """The answer to a body, as JSON. Raises Problem for a body that breaks the contract, when no model answers and
        when the answer cannot be written down."""
        serving, mode = self.models.required(), self.mode_state.mode
        try:
            rows = [row.__dict__ for row in self.validate(body).rows]
        except ValidationError as error:
            for (field, rule), count in places(error, self.fields).items():
                self.metrics.violations.add(field, rule, amount=count)
            raise refused(error, self.fields, EXAMPLES, self.personal) from None
        matrix, found = serving.bundle.score_rows(rows)
        scores, threshold = found.tolist(), serving.bundle.manifest.threshold
        explored = self.explored if mode != "shadow" else None
        if not all(map(isfinite, scores)):
            raise ValueError(f"version {serving.version} scored a row with no finite number")
        answers, kept = [], []
        for row, score in zip(rows, scores, strict=True):
            id, unit, decision = row.pop("id") or os.urandom(16).hex(), row.pop("unit"), self.decide(score, threshold)
            if decision is None or decision != decision:
                raise ValueError(f"decide() gave {decision!r} for a score of {score}")
            for name in self.personal:
                del row[name]
            arm = {}
            if explored and decision != explored.decision and explored.takes(id, salt):
                arm, decision = {"arm": EXPLORED}, explored.decision
            answers.append({"id": id, "score": score, "decision": None if mode == "shadow" else decision, **arm})
            unit = unit and hidden(unit, salt)
            kept.append({"id": id, "score": score, "decision": decision, "unit": unit, "row": row, **arm})
        if len(rows) > 1 and len({answer["id"] for answer in answers}) < len(rows):
            raise Problem(422, "an id stands twice in the body; an id names one prediction")
        said = {"model_version": serving.version, "arm": ARM, "mode": mode}
        at = datetime.now(UTC).isoformat(" ", "microseconds")[:26]
        event = {"at": at, "bundle": serving.bundle.digest, **said, "predictions": kept}
        try:
            self.spool.append(to_json(event, fallback=plain))
        except SpoolError as error:
            raise Problem(
                503, f"no prediction is made that cannot be recorded: {error}", retry_after=5, shed="records"
            ) from error
        self._count(serving, matrix, scores, kept)
        return to_json({**said, "predictions": answers}, fallback=plain)

    def _count(self, serving: Serving, matrix: NDArray[np.float32], scores: list[float], kept: list[Any]) -> None:
        """Count what was answered, but for what only tries the service."""
        tried = [place for place, each in enumerate(kept) if each["id"].startswith(TRIED)]
        if tried:
            cases = [place for place in range(len(kept)) if place not in tried]
            matrix, scores, kept = matrix[cases], [scores[place] for place in cases], [kept[place] for place in cases]
        if kept:
            serving.counts.add(matrix, scores)
            self.metrics.predicted(serving.version, [(each.get("arm", ARM), each["decision"]) for each in kept])


def hidden(name: str, salt: bytes) -> str:
    """What stands for a name in the records: the same for the same name, and no way back without the salt."""
    return hashlib.blake2b(name.encode(), key=salt, digest_size=16).hexdigest()


def plain(value: Any) -> Any:
    """A decision may be a numpy scalar."""
    return value.item()
