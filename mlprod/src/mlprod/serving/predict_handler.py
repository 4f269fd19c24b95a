"""Handler of POST /v1/predict, the hot path. It records each answer before it sends the answer.

middleware.py calls it; app.py documents it.
"""

import os
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import to_json

from ..contract.classes import Decide, answered_score, decide_inputs
from ..contract.schema import ContractSchema
from ..modes import DecisionMode
from ..records.errors import EventLogError
from ..records.event_log import EventLog
from ..records.events import CHAMPION, EXPLORED, build_event, build_prediction, to_plain
from ..records.smoke import is_smoke
from .api_keys import Caller
from .exploration import Exploration
from .metrics import Metrics
from .mode_state import ModeState
from .model_loader import LoadedModel, ModelLoader
from .problems import ProblemError, count_violations, validation_problem
from .recent import RecentAnswers, merge_answers, require_same_rows
from .request_models import EXAMPLES, schema_of, validator_of


class ScoredRows(NamedTuple):
    """Rows of a body in one order: ids, answers, predictions to record, scores, encoded rows.

    `top` has the position of the most probable class of each row; it is empty without classes.
    """

    ids: list[str]
    answers: list[dict[str, Any]]
    predictions: list[dict[str, Any]]
    scores: list[float]
    matrix: NDArray[np.float32]
    top: Sequence[float] = ()

    def without(self, ids: Collection[str]) -> "ScoredRows":
        """Return the rows with other ids."""
        rest = [place for place, id in enumerate(self.ids) if id not in ids]
        return ScoredRows(
            ids=[self.ids[place] for place in rest],
            answers=[self.answers[place] for place in rest],
            predictions=[self.predictions[place] for place in rest],
            scores=[self.scores[place] for place in rest],
            matrix=self.matrix[rest],
            top=[self.top[place] for place in rest] if self.top else (),
        )


class PredictHandler:
    """Handler of POST /v1/predict. Safe for threads."""

    def __init__(
        self,
        terms: ContractSchema,
        models: ModelLoader,
        decide: Decide,
        spool: EventLog,
        mode_state: ModeState,
        metrics: Metrics,
        explored: Exploration | None = None,
    ) -> None:
        self.explored = explored
        self.validate, self.fields, self.personal = (
            validator_of(terms),
            terms.fields,
            terms.personal,
        )
        self.models, self.decide, self.spool, self.mode_state, self.metrics = (
            models,
            decide,
            spool,
            mode_state,
            metrics,
        )
        self.examples = EXAMPLES | schema_of(terms)["example"]
        self.recent, self._recording = RecentAnswers(self.validate), threading.Lock()

    @property
    def slow(self) -> bool:
        """Whether the model may be slow, as a model in Python is."""
        return bool(self.models.current and self.models.current.bundle.manifest.runtime == "python")

    def answer(self, body: bytes, salt: bytes, caller: Caller, request: str) -> bytes:
        """Return the answer to a body, as JSON, and record it with `caller` and `request` (an id).

        Raises ProblemError if the body breaks the contract, if an id was used for another row, if
        no model is loaded, or if the answer cannot be recorded.
        """
        serving, mode = self.models.get_or_503(), self.mode_state.mode
        facts = {"model_version": serving.version, "arm": CHAMPION, "mode": mode}
        scored = self._scored(serving, facts, body, salt)
        ids = scored.ids
        if len(ids) > 1 and len(set(ids)) < len(ids):
            raise ProblemError(
                422, "an id appears twice in the body; each row must have an id of its own"
            )
        smoke: set[str] = set()
        if "smoke" in caller.roles and (smoke := {id for id in ids if is_smoke(id)}):
            for item in scored.predictions:
                item["smoke"] = item["id"] in smoke
        # a lock, because two requests at the same time could both find that an id is new
        with self._recording:
            known = self.recent.known(ids)
            if known:
                require_same_rows(ids, self.validate(body).rows, known)
                scored = scored.without(known)
            if scored.ids:
                self._record(serving, mode, scored.predictions, caller.name, request)
            answer = {**facts, "predictions": scored.answers}
            message = to_json(
                merge_answers(ids, answer, known) if known else answer, fallback=to_plain
            )
            self.recent.add(scored.ids, body, message)
        if known:
            self.metrics.repeated.add(amount=len(known))
        self._count(serving, scored.without(smoke) if smoke else scored)
        return message

    def _scored(
        self, serving: LoadedModel, facts: Mapping[str, str], body: bytes, salt: bytes
    ) -> ScoredRows:
        try:
            rows = [row.__dict__ for row in self.validate(body).rows]
        except ValidationError as error:
            for (field, rule), count in count_violations(error, self.fields).items():
                self.metrics.violations.add(field, rule, amount=count)
            raise validation_problem(error, self.fields, self.examples, self.personal) from None
        matrix, result = serving.bundle.score_rows(rows)
        classes, threshold = serving.bundle.classes, serving.bundle.manifest.threshold
        given = decide_inputs(classes, result)
        shadow = facts["mode"] == DecisionMode.SHADOW
        if not (np.isfinite(result).all() if classes else all(map(isfinite, given))):
            raise ValueError(
                f"version {serving.version} gave a score that is not a finite number; roll it back"
            )
        explored, personal = None if shadow else self.explored, self.personal
        decide = serving.bundle.decide or self.decide
        ids, answers, predictions, scores = [], [], [], []
        for row, value in zip(rows, given, strict=True):
            id, decision, arm = (
                row.pop("id") or os.urandom(16).hex(),
                decide(value, threshold),
                None,
            )
            if decision is None or decision != decision:
                raise ValueError(
                    f"decide() returned {decision!r} for a score of {value}; "
                    "it must return a text or a number"
                )
            score = answered_score(value, decision) if classes else value
            if explored and decision != explored.decision and explored.includes(id, salt):
                arm, decision = EXPLORED, explored.decision
            shown = None if shadow else decision
            ids.append(id)
            unit = row.pop("unit")
            for name in personal:
                del row[name]
            answer = {"id": id, "score": score, "decision": shown}
            shares = None
            if classes:
                shares = answer["scores"] = {str(item): share for item, share in value.items()}
                decision = str(decision)
            if arm:
                answer["arm"] = arm
            answers.append(answer)
            scores.append(score)
            predictions.append(build_prediction(id, score, decision, unit, row, salt, arm, shares))
        top = result.argmax(axis=1).tolist() if classes else ()
        return ScoredRows(ids, answers, predictions, scores, matrix, top)

    def _record(
        self,
        serving: LoadedModel,
        mode: str,
        predictions: list[dict[str, Any]],
        caller: str,
        request: str,
    ) -> None:
        """Write the predictions to the event log. Raises ProblemError if the write fails."""
        version, bundle = serving.version, serving.bundle.digest
        event = build_event(
            predictions,
            model_version=version,
            bundle=bundle,
            mode=mode,
            caller=caller,
            request=request,
            at=datetime.now(UTC),
        )
        try:
            self.spool.append(event)
        except EventLogError as error:
            raise ProblemError(
                503,
                f"the prediction cannot be recorded, so none is made: {error}",
                retry_after=5,
                shed="records",
            ) from error

    def _count(self, serving: LoadedModel, cases: ScoredRows) -> None:
        if cases.ids:
            serving.counts.add(cases.matrix, cases.scores, cases.top)
            decided = [(item.get("arm", CHAMPION), item["decision"]) for item in cases.predictions]
            self.metrics.count_predictions(serving.version, decided)
