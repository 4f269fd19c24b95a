from dataclasses import replace

import ibis
import numpy as np
import pytest
from seams import PARCELS, Flat, flats, parcels, terms_of

from {{cookiecutter.package_name}}.pipeline.rows import collect
from {{cookiecutter.package_name}}.pipeline.split import (
    Leak,
    SplitImpossible,
    split,
    verify,
)

ROWS = collect(ibis.memtable(parcels()), PARCELS)
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
