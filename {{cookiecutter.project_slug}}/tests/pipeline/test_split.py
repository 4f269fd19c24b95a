from dataclasses import replace

import ibis
import numpy as np
import pytest
from seams import PARCELS, Flat, flats, parcels, terms_of

from {{cookiecutter.package_name}}.contract.terms import Field, Fields, Task
from {{cookiecutter.package_name}}.pipeline.rows import Rows, collect
from {{cookiecutter.package_name}}.pipeline.split import (
    Leak,
    SplitImpossible,
    single_field_power,
    split,
    verify,
)

ROWS = collect(ibis.memtable(parcels()), PARCELS)
RANDOM = np.random.Generator(np.random.Philox(7))
Y = RANDOM.integers(0, 2, 400).astype(np.float64)
NO_TIME = replace(ROWS, at=None)


def test_no_unit_stands_in_two_parts() -> None:
    train, validation, test = (set(ROWS.units[part]) for part in vars(split(ROWS, "binary")).values())
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_what_is_learnt_lies_before_what_is_measured() -> None:
    parts = split(ROWS, "binary")
    assert ROWS.at is not None
    assert ROWS.at[parts.train].max() < min(ROWS.at[parts.validation].min(), ROWS.at[parts.test].min())


def test_without_a_time_every_row_is_used() -> None:
    parts = split(NO_TIME, "binary")
    assert sorted(np.concatenate(list(vars(parts).values()))) == list(range(len(ROWS)))
    assert 0.5 < len(parts.train) / len(ROWS) < 0.7


def test_a_unit_stays_in_its_part_when_rows_are_added() -> None:
    fewer = NO_TIME.take(np.arange(1_500))
    before, after = split(fewer, "binary"), split(NO_TIME, "binary")
    for name, part in vars(before).items():
        assert set(fewer.units[part]) <= set(NO_TIME.units[vars(after)[name]])


def test_a_unit_that_was_learnt_from_never_tests_later() -> None:
    fewer = ROWS.take(np.arange(1_500))
    learnt = fewer.units[split(fewer, "binary").train]
    assert not set(learnt) & set(ROWS.units[split(ROWS, "binary").test])


def test_equal_rows_without_a_unit_fall_on_the_same_side() -> None:
    rows = collect(ibis.memtable(flats(400)), terms_of(Flat))
    twice = rows.take(np.repeat(np.arange(len(rows)), 2))
    parts = split(twice, "regression")
    for part in vars(parts).values():
        assert set(part[part % 2 == 0] + 1) == set(part[part % 2 == 1])


def test_a_planted_unit_is_found() -> None:
    parts = split(NO_TIME, "binary")
    leaking = replace(parts, test=np.append(parts.test, parts.train[0]))
    with pytest.raises(Leak, match=f"1 units stand in train and in test, for example '{ROWS.units[parts.train[0]]}'"):
        verify(NO_TIME, leaking)


def test_a_planted_row_of_the_future_is_found() -> None:
    parts = split(ROWS, "binary")
    own_units = replace(ROWS, units=np.array([str(row) for row in range(len(ROWS))], dtype=object))
    spare = sorted(set(range(len(ROWS))) - set(np.concatenate(list(vars(parts).values()))))[-1]
    with pytest.raises(Leak, match=r"train reaches to .*, validation begins at"):
        verify(own_units, replace(parts, train=np.append(parts.train, spare)))


@pytest.mark.parametrize("rows", [0, 1, 200])
def test_too_few_rows_are_refused_with_their_number(rows: int) -> None:
    with pytest.raises(SplitImpossible, match=rf"of {rows} labelled rows fall to \w+; it needs 30: load more rows"):
        split(ROWS.take(np.arange(rows)), "binary")


def test_a_part_with_one_class_is_refused() -> None:
    with pytest.raises(SplitImpossible, match="rows of train have the label 0: load more rows"):
        split(replace(ROWS, y=np.zeros(len(ROWS))), "binary")


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
