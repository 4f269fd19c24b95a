from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from seams import binary, given, parcels, regression

from mlprod.training.dataset import load_rows
from mlprod.training.staleness import AGES, NoTimeColumnError, staleness


def test_where_nothing_changes_age_costs_next_to_nothing() -> None:
    aged = staleness(binary, load_rows(binary)[1])
    assert [item.days for item in aged] == pytest.approx(
        [aged[-1].days * age / AGES[-1] for age in AGES]
    )
    assert aged[0].loss.value == 0
    assert all(entry.loss.low <= 0 <= entry.loss.high for entry in aged)


def test_where_the_world_turned_an_older_model_loses() -> None:
    table = parcels(6_000)
    flipped = np.arange(len(table)) < 2_600  # what was learnt first is wrong later
    late = table["late"].to_numpy(zero_copy_only=False)
    known = ~np.isnan(late)
    turned = np.where(flipped & known, 1 - late, late)
    table = table.set_column(
        table.schema.get_field_index("late"), "late", pa.array(turned, mask=~known).cast("int64")
    )
    aged = staleness(
        replace(binary, load=given(table)), load_rows(replace(binary, load=given(table)))[1]
    )
    assert aged[-1].loss.low > 0


def test_without_a_time_no_model_is_older() -> None:
    with pytest.raises(NoTimeColumnError, match="names no EVENT_TIME"):
        staleness(regression, load_rows(regression)[1])
