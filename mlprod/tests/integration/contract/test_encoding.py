from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seams import PARCELS, Message, Parcel, terms_of

from mlprod.contract.encoding import RowEncoder, columns_of, encode, sample_columns
from mlprod.training.dataset import collect

FIELDS = PARCELS.fields
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "weight": st.floats(0, 30),
            "stops": st.integers(0, 50),
            "courier": st.sampled_from(["bike", "van"]),
            "city": st.sampled_from(["bergen", "oslo"]) | st.text(max_size=5),
            "express": st.booleans(),
            "distance": st.none() | st.floats(0, 100),
        }
    ),
    min_size=1,
    max_size=20,
)


def table_of(rows: list[dict[str, Any]]) -> Any:
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in FIELDS.names}
    columns["distance"] = pa.array(columns["distance"], pa.float64())
    columns |= {"parcel": range(len(rows)), "customer": ["k"] * len(rows), "late": [0] * len(rows)}
    columns["at"] = pa.array(range(len(rows)), pa.timestamp("us"))
    return ibis.memtable(pa.table(columns))


@given(ROWS)
@settings(deadline=None, max_examples=30)
def test_a_table_and_requests_give_the_same_matrix(rows: list[dict[str, Any]]) -> None:
    from_table = encode(FIELDS, collect(table_of(rows), PARCELS).columns)
    validated = [Parcel(**row).model_dump() for row in rows]
    np.testing.assert_array_equal(from_table, encode(FIELDS, columns_of(FIELDS, validated)))
    np.testing.assert_array_equal(from_table, RowEncoder(FIELDS)(validated))


@given(ROWS)
@settings(deadline=None, max_examples=40)
def test_every_value_can_be_read_back_from_the_matrix(rows: list[dict[str, Any]]) -> None:
    matrix = encode(FIELDS, columns_of(FIELDS, [Parcel(**row).model_dump() for row in rows]))
    for row, (weight, stops, courier, city, express, distance) in zip(
        rows, matrix.tolist(), strict=True
    ):
        assert weight == np.float32(row["weight"])
        assert (stops, bool(express)) == (row["stops"], row["express"])
        assert ["bike", "van"][int(courier)] == row["courier"]
        assert ["bergen", "oslo", "other"][int(city)] == (
            row["city"] if row["city"] in ("bergen", "oslo") else "other"
        )
        assert (
            np.isnan(distance)
            if row["distance"] is None
            else distance == np.float32(row["distance"])
        )


def test_a_missing_category_is_missing_and_not_unknown() -> None:
    columns = {
        **sample_columns(FIELDS, 3, seed=0),
        "city": np.array([None, "oslo", "tromso"], dtype=object),
    }
    np.testing.assert_array_equal(encode(FIELDS, columns)[:, 3], [np.nan, 1, 2])


def test_an_absent_column_is_an_error() -> None:
    columns = {
        name: values for name, values in sample_columns(FIELDS, 3, seed=0).items() if name != "city"
    }
    with pytest.raises(KeyError, match="city"):
        encode(FIELDS, columns)


def test_a_text_field_cannot_be_encoded() -> None:
    fields = terms_of(Message).fields
    with pytest.raises(ValueError, match=r"field 'body' is text.*RUNTIME = \"python\""):
        encode(fields, sample_columns(fields, 3, seed=0))


def test_sample_rows_follow_the_contract_with_missing_and_unknown_values() -> None:
    columns = sample_columns(FIELDS, 200, seed=3)
    assert np.isnan(columns["distance"]).any()
    assert "never seen in training" in columns["city"]
    for weight, stops, courier, city, express, distance in zip(*columns.values(), strict=True):
        known = None if np.isnan(distance) else float(distance)
        Parcel(
            weight=weight,
            stops=int(stops),
            courier=courier,
            city=city,
            express=bool(express),
            distance=known,
        )


def test_sample_rows_with_the_same_seed_are_equal() -> None:
    np.testing.assert_array_equal(
        encode(FIELDS, sample_columns(FIELDS, 50, 3)), encode(FIELDS, sample_columns(FIELDS, 50, 3))
    )
