from dataclasses import replace

import ibis
import numpy as np
import pyarrow as pa
import pytest
from seams import PARCELS, Flat, binary, flats, given, parcels, terms_of

from mlprod.contract.validation import ContractViolationError
from mlprod.training.dataset import Dataset, collect, load_rows


def collected(table: pa.Table) -> Dataset:
    return collect(ibis.memtable(table), PARCELS)


def test_rows_without_label_are_left_out() -> None:
    assert len(collected(parcels(100))) == 98


def test_order_of_rows_does_not_depend_on_the_engine() -> None:
    table = parcels(200)
    shuffled = table.take(np.random.Generator(np.random.Philox(5)).permutation(200))
    assert collected(table).digest() == collected(shuffled).digest()


@pytest.mark.parametrize(
    ("name", "value"), [("weight", 1.5), ("city", "rome"), ("late", 1), ("customer", "k999")]
)
def test_changed_value_changes_the_digest(name: str, value: object) -> None:
    table = parcels(50)
    values = [value, *table[name].to_pylist()[1:]]
    assert values != table[name].to_pylist()
    changed = table.set_column(table.column_names.index(name), name, pa.array(values))
    assert collected(table).digest() != collected(changed).digest()


def test_payoff_receives_plain_values() -> None:
    table = parcels(50)
    distances = pa.array([None, *[7.5] * 49], pa.float64())
    first, second, *_ = collected(
        table.set_column(table.column_names.index("distance"), "distance", distances)
    ).as_dicts()
    assert first["distance"] is None
    assert second["distance"] == 7.5
    assert first["courier"] in ("bike", "van")
    assert set(first) == set(PARCELS.fields.names)


def test_without_group_each_row_is_a_unit_named_by_its_id() -> None:
    rows = collect(ibis.memtable(flats(40)), terms_of(Flat))
    assert set(rows.units) == {str(key) for key in range(40)}


def test_rows_that_violate_the_contract_are_not_loaded() -> None:
    with pytest.raises(ContractViolationError, match="stops: no such column"):
        load_rows(replace(binary, load=given(parcels(50).drop_columns(["stops"]))))
