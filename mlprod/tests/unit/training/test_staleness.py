from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from seams import binary, given, parcels, regression

from mlprod.training.dataset import load_rows
from mlprod.training.staleness import AGE_SHARES, NoTimeColumnError, staleness


def test_age_causes_no_sure_loss_if_nothing_changes() -> None:
    aged = staleness(binary, load_rows(binary)[1])
    assert [item.days for item in aged] == pytest.approx(
        [aged[-1].days * age / AGE_SHARES[-1] for age in AGE_SHARES]
    )
    assert aged[0].loss.value == 0
    assert all(item.loss.low <= 0 <= item.loss.high for item in aged)


def test_older_model_loses_if_the_relation_reversed() -> None:
    table = parcels(6_000)
    # The older rows have the reversed label.
    flipped = np.arange(len(table)) < 2_600
    late = table["late"].to_numpy(zero_copy_only=False)
    known = ~np.isnan(late)
    reversed_late = np.where(flipped & known, 1 - late, late)
    table = table.set_column(
        table.schema.get_field_index("late"),
        "late",
        pa.array(reversed_late, mask=~known).cast("int64"),
    )
    aged = staleness(
        replace(binary, load=given(table)), load_rows(replace(binary, load=given(table)))[1]
    )
    assert aged[-1].loss.low > 0


def test_without_event_time_staleness_is_refused() -> None:
    with pytest.raises(NoTimeColumnError, match="names no EVENT_TIME"):
        staleness(regression, load_rows(regression)[1])
