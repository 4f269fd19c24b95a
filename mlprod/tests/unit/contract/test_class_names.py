"""CLASSES of a contract: what is accepted, and what the messages name."""

from typing import Any

import numpy as np
import pytest
from seams import Flat, terms_of

from mlprod.contract.classes import MAX_CLASSES, answered_score, decide_inputs, outcome_inputs
from mlprod.contract.open_data_contract import ContractFacts, open_data_contract
from mlprod.contract.schema import ContractError

FACTS = ContractFacts("x", "y", None, "TODO", "TODO", None, "1", "draft", None)


@pytest.mark.parametrize("given", [(), None, []])
def test_a_contract_without_classes_has_none(given: Any) -> None:
    assert terms_of(Flat, CLASSES=given).classes == ()


def test_classes_keep_their_order() -> None:
    assert terms_of(Flat, CLASSES=["c", "a", "b"]).classes == ("c", "a", "b")
    assert terms_of(Flat, CLASSES=(3, -1, 2)).classes == (3, -1, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("abc", "must be a tuple; given 'abc'; works: CLASSES = "),
        (("a", "b"), "needs at least 3.*A label with two values is 0 and 1, without CLASSES"),
        (tuple(range(MAX_CLASSES + 1)), "has 51 classes; the limit is 50"),
        (("a", "b", 3), "must hold words only, or integers only; given 'a', 'b', 3"),
        ((True, False, True), "must hold words only"),
        ((1.0, 2.0, 3.0), "must hold words only"),
        (("a", "b", "a"), "names a class twice: 'a'"),
        (("a", "b", " c"), "has ' c'; a class is 1 to 64 printable characters"),
        (("a", "b", "c" * 65), "a class is 1 to 64 printable characters"),
        (("a", "b", "unit"), "has 'unit'; .* not 'id' or 'unit'"),
        (("Red", "red", "blue"), "'Red' and 'red' differ by case"),
    ],
)
def test_other_classes_are_refused_with_what_works(given: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        terms_of(Flat, CLASSES=given)


def test_an_id_named_as_a_column_of_scores_is_refused() -> None:
    with pytest.raises(ContractError, match="a file of scores has a column 'score_red' of its own"):
        terms_of(Flat, ID="score_red", CLASSES=("red", "green", "blue"))


def test_the_functions_of_the_project_get_the_classes_themselves() -> None:
    scores = np.array([[0.5, 0.3, 0.2]])
    assert decide_inputs((7, 8, 9), scores) == [{7: 0.5, 8: 0.3, 9: 0.2}]
    assert outcome_inputs((7, 8, 9), np.array([2.0])) == [9]
    assert decide_inputs((), np.array([0.5])) == [0.5]
    assert outcome_inputs((), np.array([1.0])) == [1.0]


def test_the_score_is_that_of_the_decided_class_or_the_largest() -> None:
    scores = {"a": 0.5, "b": 0.3, "c": 0.2}
    assert answered_score(scores, "b") == 0.3
    assert answered_score(scores, "a person") == 0.5
    assert answered_score(0.4, "approve") == 0.4


def test_the_data_contract_lists_the_classes() -> None:
    def label(**constants: Any) -> Any:
        properties = open_data_contract(terms_of(Flat, **constants), FACTS)["schema"][0]
        return next(item for item in properties["properties"] if item["name"] == "label")

    of_words, integers = label(CLASSES=("c", "a", "b")), label(CLASSES=(1, 2, 3))
    assert of_words["logicalType"] == "string"
    assert of_words["quality"][1]["arguments"] == {"validValues": ["c", "a", "b"]}
    assert integers["logicalType"] == "integer"
    assert "logicalType" not in label()
