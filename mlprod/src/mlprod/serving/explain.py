"""Explanations of scores: the fields of a row, ranked by their effect on its score."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import to_json

from ..bundle.loader import Bundle
from ..contract.encoding import column, columns_of, json_value
from ..contract.schema import ContractSchema, Field
from .model_loader import ModelLoader
from .problems import validation_problem
from .request_models import EXAMPLES, validator_of


class ExplainHandler:
    """Handler of POST /v1/explain. It records nothing."""

    def __init__(self, terms: ContractSchema, models: ModelLoader) -> None:
        self.validate, self.fields, self.models = validator_of(terms), terms.fields, models
        self.personal = terms.personal

    def answer(self, body: bytes) -> bytes:
        """Return the answer to a body, as JSON.

        Raises ProblemError if no model is loaded or the body breaks the contract.
        """
        serving = self.models.get_or_503()
        try:
            rows = [row.__dict__ for row in self.validate(body).rows]
        except ValidationError as error:
            raise validation_problem(error, self.fields, EXAMPLES, self.personal) from None
        received = [
            {"score": score, **explained_class, "fields": ranked}
            for score, ranked, explained_class in ranked_effects(serving.bundle, rows)
        ]
        return to_json({"model_version": serving.version, "explanations": received})


def ranked_effects(
    bundle: Bundle, rows: Sequence[Mapping[str, Any]]
) -> list[tuple[float, list[dict[str, Any]], dict[str, Any]]]:
    """Return (score, fields ranked by effect, {"class": name} or {}) for each row.

    The effect of a field is the score minus the score of the row with the field's typical value.
    With classes, the score is the probability of the row's most probable class. The model scores
    all variants in one batch of rows times (fields + 1). Fields that act together share their
    effect. The ranking is a reading aid and does not prove a cause.
    """
    fields = bundle.fields
    given = columns_of(fields, rows)
    count, variants = len(rows), len(fields) + 1
    tiled = {name: np.tile(values, variants) for name, values in given.items()}
    for position, field in enumerate(fields, start=1):
        tiled[field.name][position * count : (position + 1) * count] = typical_value(bundle, field)
    every, classes = bundle.runtime.score(tiled), bundle.classes
    if not classes:
        scores, named = every.reshape(variants, count), [dict[str, Any]() for _ in rows]
    else:
        top = every[:count].argmax(axis=1)
        scores = every[np.arange(len(every)), np.tile(top, variants)].reshape(variants, count)
        named = [{"class": classes[place]} for place in top.tolist()]
    return [
        (float(scores[0, row]), _ranked(bundle, given, scores[:, row], row), named[row])
        for row in range(count)
    ]


def typical_value(bundle: Bundle, field: Field) -> Any:
    """Return the median or the most frequent category of the training rows; "" for a text."""
    return column(
        field, [bundle.reference.fields[field.name].typical if field.kind != "text" else ""]
    )[0]


def _ranked(
    bundle: Bundle, given: Any, scores: NDArray[np.float64], row: int
) -> list[dict[str, Any]]:
    effects = [
        {
            "field": field.name,
            "given": json_value(field, given[field.name][row]),
            "typical": json_value(field, typical_value(bundle, field)),
            "effect": float(scores[0] - scores[position]),
        }
        for position, field in enumerate(bundle.fields, start=1)
    ]
    return sorted(effects, key=lambda effect: -abs(effect["effect"]))
