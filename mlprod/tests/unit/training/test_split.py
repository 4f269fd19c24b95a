from dataclasses import replace

import ibis
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from seams import PARCELS, Flat, flats, parcels, terms_of

from mlprod.training.dataset import Dataset, collect
from mlprod.training.split import LeakageError, SplitError, split, verify_split

ROWS = collect(ibis.memtable(parcels()), PARCELS)
NO_TIME = replace(ROWS, at=None)
FORECAST = terms_of(Flat, EVENT_TIME="at")


def test_no_unit_is_in_two_parts() -> None:
    train, validation, test = (
        set(ROWS.units[part]) for part in vars(split(ROWS, "binary")).values()
    )
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_training_part_ends_before_the_other_parts_begin() -> None:
    parts = split(ROWS, "binary")
    assert ROWS.at is not None
    assert ROWS.at[parts.train].max() < min(
        ROWS.at[parts.validation].min(), ROWS.at[parts.test].min()
    )


def test_without_event_time_every_row_is_used() -> None:
    parts = split(NO_TIME, "binary")
    assert sorted(np.concatenate(list(vars(parts).values()))) == list(range(len(ROWS)))
    assert 0.5 < len(parts.train) / len(ROWS) < 0.7


def test_without_group_the_earlier_rows_train_and_no_row_is_left_out() -> None:
    terms = replace(PARCELS, unit=None)
    rows = collect(ibis.memtable(parcels()), terms)
    parts = split(rows, "binary", terms)
    assert sorted(np.concatenate(list(vars(parts).values()))) == list(range(len(rows)))
    assert rows.at is not None
    assert rows.at[parts.train].max() < min(
        rows.at[parts.validation].min(), rows.at[parts.test].min()
    )
    shares = [len(part) / len(rows) for part in vars(parts).values()]
    assert shares == pytest.approx([0.70, 0.30 * 0.15 / 0.40, 0.30 * 0.25 / 0.40], abs=0.02)


def test_unit_stays_in_its_part_if_rows_are_added() -> None:
    fewer = NO_TIME.subset(np.arange(1_500))
    before, after = split(fewer, "binary"), split(NO_TIME, "binary")
    for name, part in vars(before).items():
        assert set(fewer.units[part]) <= set(NO_TIME.units[vars(after)[name]])


def test_unit_of_the_training_part_is_never_tested_later() -> None:
    fewer = ROWS.subset(np.arange(1_500))
    learned = fewer.units[split(fewer, "binary").train]
    assert not set(learned) & set(ROWS.units[split(ROWS, "binary").test])


def test_without_group_a_changed_feature_moves_no_row_to_another_part() -> None:
    table = flats(400)
    before = collect(ibis.memtable(table), terms_of(Flat))
    rounded = pa.array(np.round(table["size"].to_numpy()))
    after = collect(ibis.memtable(table.set_column(1, "size", rounded)), terms_of(Flat))
    for part, other in zip(
        vars(split(before, "regression")).values(),
        vars(split(after, "regression")).values(),
        strict=True,
    ):
        assert part.tolist() == other.tolist()


def test_unit_in_two_parts_is_detected() -> None:
    parts = split(NO_TIME, "binary")
    leaking = replace(parts, test=np.append(parts.test, parts.train[0]))
    with pytest.raises(
        LeakageError,
        match=f"1 units are in train and in test, for example '{ROWS.units[parts.train[0]]}'",
    ):
        verify_split(NO_TIME, leaking)


def test_training_row_from_the_test_period_is_detected() -> None:
    parts = split(ROWS, "binary")
    own_units = replace(ROWS, units=np.array([str(row) for row in range(len(ROWS))], dtype=object))
    spare = sorted(set(range(len(ROWS))) - set(np.concatenate(list(vars(parts).values()))))[-1]
    with pytest.raises(LeakageError, match=r"train ends at .*, but validation begins at"):
        verify_split(own_units, replace(parts, train=np.append(parts.train, spare)))


@pytest.mark.parametrize("rows", [0, 1, 100])
def test_too_few_rows_are_refused_with_their_number(rows: int) -> None:
    with pytest.raises(
        SplitError, match=rf"\w+ has \d+ of {rows} labeled rows; it needs 30: load more rows"
    ):
        split(ROWS.subset(np.arange(rows)), "binary", PARCELS)


def test_rows_of_one_time_are_refused_with_the_column_and_the_time() -> None:
    assert ROWS.at is not None
    snapshot = replace(ROWS, at=np.full(len(ROWS), ROWS.at[0]))
    with pytest.raises(
        SplitError, match=r"at has 1 distinct value, and .* rows are at 2026-01-01"
    ) as refused:
        split(snapshot, "binary", PARCELS)
    assert "EVENT_TIME = None" in str(refused.value)
    assert "load more rows" not in str(refused.value)


def test_rows_with_mostly_one_time_are_refused_with_the_column_and_the_time() -> None:
    assert ROWS.at is not None
    shared = np.where(np.arange(len(ROWS)) < len(ROWS) * 0.9, ROWS.at[0], ROWS.at)
    with pytest.raises(
        SplitError, match=r"at has .* distinct values, and .* rows are at 2026-01-01 00:00:00"
    ):
        split(replace(ROWS, at=shared), "binary", PARCELS)


def test_group_with_few_values_is_refused_with_its_name() -> None:
    few = replace(
        NO_TIME, units=np.array([("ann", "bob")[row % 2] for row in range(len(ROWS))], dtype=object)
    )
    with pytest.raises(
        SplitError, match=r"customer has 2 distinct values, and 'ann' is in .* rows"
    ) as refused:
        split(few, "binary", PARCELS)
    assert "GROUP = None" in str(refused.value)


def test_labels_of_one_class_are_refused_with_their_column() -> None:
    with pytest.raises(
        SplitError, match=r"late is 0 in all .* labeled rows; a classifier needs rows with 0 and"
    ):
        split(replace(ROWS, y=np.zeros(len(ROWS))), "binary", PARCELS)


def test_part_with_one_class_is_refused_with_the_place_of_the_other() -> None:
    y = np.zeros(len(ROWS))
    y[:5] = 1
    with pytest.raises(
        SplitError, match=r"late is 1 in 5 of .* rows between 2026-01-01 .* in 5 units"
    ):
        split(replace(ROWS, y=y), "binary", PARCELS)


def by_day(rows: int, per_day: int = 1) -> Dataset:
    """Rows of a regression without GROUP, `per_day` for each day."""
    timeless = collect(ibis.memtable(flats(rows)), terms_of(Flat))
    return replace(timeless, at=np.datetime64("2026-01-01", "us") + _days(rows, per_day))


def _days(rows: int, per_day: int) -> NDArray[np.timedelta64]:
    return (np.arange(rows) // per_day).astype("timedelta64[D]").astype("timedelta64[us]")


@pytest.mark.parametrize("per_day", [1, 7, 40])
def test_forecast_is_split_by_time_alone_and_rows_of_one_time_stay_together(per_day: int) -> None:
    rows = by_day(1_000, per_day)
    assert rows.at is not None
    parts = split(rows, "regression", FORECAST)
    assert sorted(np.concatenate(list(vars(parts).values()))) == list(range(len(rows)))
    train, validation, test = (rows.at[part] for part in vars(parts).values())
    assert train.max() < validation.min()
    assert validation.max() < test.min()
    shares = [len(part) / len(rows) for part in vars(parts).values()]
    assert shares == pytest.approx([0.70, 0.1125, 0.1875], abs=0.06)


def test_forecast_does_not_depend_on_the_ids() -> None:
    rows = by_day(400)
    renamed = replace(rows, units=np.array([f"other {row}" for row in range(400)], dtype=object))
    for part, other in zip(
        vars(split(rows, "regression", FORECAST)).values(),
        vars(split(renamed, "regression", FORECAST)).values(),
        strict=True,
    ):
        assert part.tolist() == other.tolist()


def test_forecast_with_one_late_time_divides_its_rows_by_their_ids() -> None:
    rows = by_day(1_000, 700)
    assert rows.at is not None
    parts = split(rows, "regression", FORECAST)
    assert sorted(np.concatenate(list(vars(parts).values()))) == list(range(len(rows)))
    assert rows.at[parts.train].max() < rows.at[parts.test].min()
    assert min(len(parts.validation), len(parts.test)) >= 30
