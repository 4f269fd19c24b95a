from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from seams import PARCELS, Message, terms_of

from mlprod.contract.encoding import encode, sample_columns
from mlprod.contract.model_inputs import Derive, FeatureError, ModelInputs
from mlprod.contract.schema import Columns

FIELDS = PARCELS.fields
COLUMNS = sample_columns(FIELDS, 500, seed=3)


def ratio(columns: Columns) -> Mapping[str, Any]:
    return {
        "kilos_per_stop": columns["weight"] / (1 + columns["stops"]),
        "far": columns["distance"],
    }


def test_without_derive_the_matrix_is_that_of_the_fields() -> None:
    np.testing.assert_array_equal(ModelInputs(FIELDS).matrix(COLUMNS), encode(FIELDS, COLUMNS))


def test_features_come_first_then_the_categories() -> None:
    inputs = ModelInputs(FIELDS, ratio)
    assert inputs.fields.names == ("kilos_per_stop", "far", "courier", "city")
    assert (inputs.fields.numeric, inputs.fields.categorical) == ([0, 1], [2, 3])
    matrix = inputs.matrix(COLUMNS)
    expected = (COLUMNS["weight"] / (1 + COLUMNS["stops"])).astype(np.float32)
    np.testing.assert_array_equal(matrix[:, 0], expected)
    np.testing.assert_array_equal(matrix[:, 3], encode(FIELDS, COLUMNS)[:, 3])


@pytest.mark.parametrize(
    ("derive", "part"),
    [
        (
            lambda c: {"a": c["price"]},
            r"derive\(\) reads 'price', which is not a field .* weight, ",
        ),
        (lambda c: {"a": c["weight"][:-1]}, r"a has the shape \(499,\) for 500 rows"),
        (lambda c: {"a": 1.0}, r"a has the shape \(\) for 500 rows"),
        (lambda c: {"a": c["courier"]}, "a is not numbers: could not convert"),
        (lambda c: [c["weight"]], r"derive\(\) returned list; works: a dict"),
        (lambda c: {}, r"derive\(\) returned dict; works: a dict with an array"),
        (lambda c: {"city": c["weight"]}, "names a feature 'city'; works"),
        (lambda c: {3: c["weight"]}, "names a feature 3; works"),
        (lambda c: {"a": c["weight"] / len(c["courier"].nothing)}, "AttributeError"),
    ],
)
def test_features_that_no_model_can_use_are_named(derive: Derive, part: str) -> None:
    with pytest.raises(FeatureError, match=part):
        ModelInputs(FIELDS, derive).columns(COLUMNS)


def test_a_text_is_read_by_derive_and_is_an_input_only_where_the_model_takes_texts() -> None:
    fields = terms_of(Message).fields
    columns = sample_columns(fields, 20, seed=0)

    def derive(columns: Columns) -> Mapping[str, Any]:
        return {"few": np.array([float("few" in text) for text in columns["body"]])}

    inputs = ModelInputs(fields, derive)
    assert inputs.fields.names == ("few",)
    assert set(inputs.matrix(columns).ravel()) == {0.0, 1.0}
    assert ModelInputs(fields, derive, texts=True).fields.names == ("few", "body")
    with pytest.raises(ValueError, match=r"works: numbers that derive\(\) in features.py computes"):
        ModelInputs(fields).matrix(columns)


def test_derive_cannot_change_the_rows_that_records_and_drift_read() -> None:
    def change(columns: Columns) -> Mapping[str, Any]:
        columns["weight"][:] = 0.0
        return {"a": columns["weight"]}

    before = COLUMNS["weight"].copy()
    with pytest.raises(FeatureError, match="read-only"):
        ModelInputs(FIELDS, change).columns(COLUMNS)
    np.testing.assert_array_equal(COLUMNS["weight"], before)
