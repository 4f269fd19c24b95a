"""Outcomes of a model with classes: a body of class names, checked against those of the model."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from ..contract.classes import Classes, class_names
from ..contract.words import by_folded_text, describe_category, join_shortened
from ..display.counting import count_of
from .problems import MAX_SHOWN_ERRORS, ProblemError
from .request_models import EXAMPLES, OUTCOME, Body, OutcomeOf

ClassName = Annotated[str | int, Field(description="one of the classes of the model")]


class ClassOutcome(OutcomeOf[ClassName]):
    """Outcome of a case: the class that occurred."""


class ClassOutcomes(Body):
    outcomes: list[ClassOutcome] = Field(min_length=1, max_length=1_000)


def class_examples(classes: Classes) -> dict[str, Any]:
    """Return the examples of a body of outcomes, with a class of the model."""
    example = OUTCOME | {"outcome": classes[0]}
    return EXAMPLES | {"outcome": classes[0], "outcomes": [example]}


def class_rows(given: Sequence[ClassOutcome], classes: Classes) -> list[dict[str, Any]]:
    """Return the rows to store: `outcome_class` is the name, `outcome` the position of a class.

    An integer may also arrive as text, as it is among the scores of an answer. Raises ProblemError
    with all outcomes that are not a class of the model.
    """
    names = class_names(classes)
    positions = {name: place for place, name in enumerate(names)}
    strange = [row for row, item in enumerate(given) if str(item.outcome) not in positions]
    if strange:
        known = by_folded_text(names)
        errors = [
            {
                "row": row,
                "field": "outcome",
                "rule": f"one of the classes of the model: {join_shortened(names)}; given "
                f"{describe_category(str(given[row].outcome), known)}",
                "given": given[row].outcome,
                "example": classes[0],
            }
            for row in strange[:MAX_SHOWN_ERRORS]
        ]
        raise ProblemError(
            422,
            f"the body breaks the contract in {count_of(len(strange), 'place')}; nothing was "
            "written",
            errors,
        )
    return [
        item.model_dump()
        | {"outcome": float(positions[str(item.outcome)]), "outcome_class": str(item.outcome)}
        for item in given
    ]
