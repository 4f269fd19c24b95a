import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from seams import CLAIMS, PARCELS

from mlprod.contract.encoding import sample_columns
from mlprod.contract.model_inputs import Derive, FeatureError, ModelInputs
from mlprod.contract.schema import Columns
from mlprod.training.feature_check import bound_rows, require_sound_features

FIELDS = PARCELS.fields
# Rows in the middle of the bounds, where most features are sound.
DATA = dict(sample_columns(FIELDS, 200, seed=3)) | {
    "weight": np.full(200, 5.0),
    "distance": np.full(200, 40.0),
}
CLOCK: Iterator[int] = itertools.count()


def test_sound_features_pass_with_missing_values() -> None:
    require_sound_features(
        ModelInputs(FIELDS, lambda c: {"a": np.log1p(c["weight"]), "b": c["distance"] / 100}), DATA
    )
    require_sound_features(ModelInputs(FIELDS), DATA)


def test_limits_are_the_bounds_and_missing_values() -> None:
    rows = bound_rows(FIELDS)
    np.testing.assert_array_equal(rows["stops"], [0, 50, 0])
    np.testing.assert_array_equal(rows["distance"], [0, 100, np.nan])
    assert rows["courier"].tolist() == ["bike", "van", "bike"]


@pytest.mark.filterwarnings("ignore:invalid value")
def test_no_value_of_a_personal_field_is_shown() -> None:
    secret = dict(DATA) | {"distance": np.full(200, 77.125)}

    def derive(columns: Columns) -> dict[str, NDArray[np.float64]]:
        return {"a": np.where(columns["distance"] == 77.125, np.inf, columns["weight"])}

    with pytest.raises(FeatureError, match=r"a is inf in row 0 .*\(the data\)") as raised:
        require_sound_features(ModelInputs(FIELDS, derive), secret, ("distance",))
    assert "77.125" not in str(raised.value)

    def refuse(columns: Columns) -> dict[str, NDArray[np.float64]]:
        if 77.125 in columns["distance"]:
            raise ValueError("what to do with 77.125?")
        return {"a": columns["weight"]}

    with pytest.raises(FeatureError, match="failed for the rows of the data, with Val") as again:
        require_sound_features(ModelInputs(FIELDS, refuse), secret, ("distance",))
    assert "77.125" not in str(again.value)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_row_of_a_message_has_dates() -> None:
    start = CLAIMS.fields["happened"].bounds or (0, 0)
    derive = ModelInputs(CLAIMS.fields, lambda c: {"a": 1 / (c["happened"] - start[0])})
    data = sample_columns(CLAIMS.fields, 20, seed=0)
    with pytest.raises(FeatureError, match=r"happened=2020-01-01, reported=20.*Z, born=.*limits"):
        require_sound_features(derive, data)


@pytest.mark.parametrize(
    ("derive", "part"),
    [
        (lambda c: {"a": 1 / c["weight"]}, r"a is inf in row 0 \[.*weight=0.0.* limits of the"),
        (lambda c: {"a": np.sqrt(c["weight"] - 1)}, r"a is nan in row .* of the contract\)"),
        (lambda c: {"a": c["weight"] - np.nanmean(c["weight"])}, "among other rows and .* alone"),
        (lambda c: {"a": c["stops"] / max(c["stops"])}, "among other rows and .* alone in row"),
        (lambda c: {"a": c["weight"] + next(CLOCK)}, r"a differs between two calls in row 0"),
        (lambda c: {"a": c["weight"] + np.random.rand()}, "no random numbers, no clock"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_features_that_would_fail_later_are_named_with_row_and_rule(
    derive: Derive, part: str
) -> None:
    with pytest.raises(FeatureError, match=part):
        require_sound_features(ModelInputs(FIELDS, derive), DATA)
