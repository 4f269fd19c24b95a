import numpy as np
import pytest

from {{cookiecutter.package_name}}.contract.terms import Field, Fields, Task
from {{cookiecutter.package_name}}.pipeline.leakage import single_field_power
from {{cookiecutter.package_name}}.pipeline.rows import Rows

RANDOM = np.random.Generator(np.random.Philox(7))
Y = RANDOM.integers(0, 2, 400).astype(np.float64)


def power(field: Field, values: object, y: np.ndarray = Y, task: Task = "binary") -> float:
    column = np.array(values, dtype=object if field.kind == "category" else float)
    rows = Rows(y, np.array([f"u{row}" for row in range(len(y))], dtype=object), None, {field.name: column})
    return single_field_power(Fields((field,)), rows, task)[field.name]


NUMBER = Field("x", "number")
WORD = Field("x", "category", categories=("a", "b"), open=True)


@pytest.mark.parametrize("values", [Y, -Y, Y * 100 + RANDOM.random(400), np.where(Y == 1, np.nan, RANDOM.random(400))])
def test_a_number_that_copies_the_label_has_full_power(values: object) -> None:
    assert power(NUMBER, values) == 1


def test_a_word_that_copies_the_label_has_full_power() -> None:
    assert power(WORD, np.where(Y == 1, "b", "a")) == 1


def test_a_word_that_is_missing_with_the_label_has_full_power() -> None:
    assert power(WORD, [None if label else "a" for label in Y]) == 1


def test_noise_has_no_power() -> None:
    assert power(NUMBER, RANDOM.random(400)) < 0.6
    assert power(WORD, np.where(RANDOM.random(400) < 0.5, "b", "a")) < 0.6


def test_a_band_that_copies_the_label_is_seen_though_its_order_says_nothing() -> None:
    values = RANDOM.random(400) * 10
    assert power(NUMBER, values, ((values > 4) & (values < 6)).astype(float)) > 0.95


def test_many_words_of_noise_have_no_power() -> None:
    words = [f"w{number}" for number in RANDOM.integers(0, 200, 400)]
    field = Field("x", "category", categories=tuple(sorted(set(words))))
    assert power(field, words) < 0.65


def test_words_that_nobody_knows_have_no_power_of_their_own() -> None:
    assert power(WORD, [f"stranger {row}" for row in range(400)]) < 0.55


def test_a_growing_function_of_an_amount_copies_it() -> None:
    amount = RANDOM.random(400)
    assert power(NUMBER, np.exp(9 * amount), amount, "regression") > 0.999
    assert power(NUMBER, RANDOM.random(400), amount, "regression") < 0.2
