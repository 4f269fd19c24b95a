from datetime import date
from decimal import Decimal
from typing import Any, Literal

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import Field, create_model
from seams import PARCELS, Flat, Message, flats, parcels, terms_of

from mlprod.contract.schema import Contract, Task
from mlprod.contract.validation import CheckReport, check, first_violation, prepare
from mlprod.training.dataset import collect

GOOD = parcels(100)


def changed(**values: dict[int, Any]) -> pa.Table:
    """The good table with other values, by row."""
    table = GOOD
    for name, new in values.items():
        listed = [new.get(row, value) for row, value in enumerate(table[name].to_pylist())]
        table = table.set_column(table.column_names.index(name), name, pa.array(listed))
    return table


def report_on(table: pa.Table, task: Task = "binary") -> CheckReport:
    return check(ibis.memtable(table), PARCELS, task)


def broken(table: pa.Table, task: Task = "binary") -> list[tuple[str, str, int]]:
    return [(item.field, item.rule, item.count) for item in report_on(table, task).violations]


def test_good_rows_hold_the_contract() -> None:
    report = report_on(GOOD)
    assert (report.ok, report.rows, report.labeled) == (True, 100, 98)


@pytest.mark.parametrize(
    ("name", "values", "rule"),
    [
        ("weight", {3: -0.01, 5: -7.0}, "below 0"),
        ("weight", {3: 30.01, 5: float("inf")}, "above 30"),
        ("weight", {3: None, 5: float("nan")}, "missing"),
        ("stops", {3: 51, 5: 99}, "above 50"),
        ("stops", {3: None, 5: None}, "missing"),
        ("courier", {3: "drone", 5: "Bike"}, "not one of bike, van"),
        ("courier", {3: None, 5: None}, "missing"),
        ("express", {3: None, 5: None}, "missing"),
        ("parcel", {3: None, 5: None}, "missing"),
        ("parcel", {3: "p00001", 5: "p00002"}, "repeated: an id must name one row"),
        ("customer", {3: None, 5: None}, "missing"),
        ("customer", {3: "", 5: "x" * 129}, "empty or longer than 128 characters"),
        ("parcel", {3: "", 5: "x" * 129}, "empty or longer than 128 characters"),
        ("city", {3: "x" * 1_001, 5: "y" * 900_000}, "longer than 1,000 characters"),
        ("at", {3: None, 5: None}, "missing"),
        (
            "late",
            {3: 2, 5: -1},
            "a classifier takes 0 and 1 (for a number, build_model() returns a regressor; for "
            "three or more classes, contract.py lists them in CLASSES)",
        ),
    ],
)
def test_a_broken_rule_is_counted(name: str, values: dict[int, Any], rule: str) -> None:
    assert broken(changed(**{name: values})) == [(name, rule, 2)]


def test_texts_of_maximum_length_are_allowed_and_longer_ones_are_shown_in_part() -> None:
    longest = {"city": {3: "x" * 1_000}, "customer": {3: "y" * 128}, "parcel": {3: "z" * 128}}
    assert report_on(changed(**longest)).ok
    message = report_on(changed(city={3: "x" * 900_000})).describe()
    assert "'xxxxx" in message
    assert len(message) < 500


@pytest.mark.parametrize("bound", [0.1 + 0.2, 0.9448268413543701, 1.1 * 1.1, 123456.7890123456])
def test_a_bound_of_many_digits_is_inclusive(bound: float) -> None:
    field = create_model(
        "Field", __base__=Contract, share=(float, Field(ge=-bound, le=bound, description="A share"))
    )
    table = flats(2).append_column("share", pa.array([-bound, bound]))
    assert check(ibis.memtable(table), terms_of(field), "regression").ok


def test_every_broken_rule_is_reported_at_once() -> None:
    report = report_on(changed(weight={1: -1.0, 2: 99.0}, courier={1: "drone"}))
    assert [(item.field, item.count) for item in report.violations] == [
        ("weight", 1),
        ("weight", 1),
        ("courier", 1),
    ]


def test_an_absent_column_is_named_with_the_existing_ones() -> None:
    (violation,) = report_on(GOOD.drop_columns(["stops"])).violations
    assert violation.field == "stops"
    assert "no such column" in violation.rule
    assert "weight" in violation.rule


@pytest.mark.parametrize(
    ("name", "values", "rule"),
    [
        (
            "weight",
            ["heavy"] * 100,
            "type string does not hold a number; works: write the column as float64, in load() "
            "with .cast('float64'); "
            "it has 'heavy'",
        ),
        (
            "weight",
            [True] * 100,
            "type boolean does not hold a number; works: write the column as float64, in load() "
            "with .cast('float64')",
        ),
        (
            "stops",
            [True] * 100,
            "type boolean does not hold an integer; works: write the column as int64, in load() "
            "with .cast('int64')",
        ),
        (
            "courier",
            [1] * 100,
            "type int64 does not hold a category; works: write the column as string, in load() "
            "with .cast('string')",
        ),
        (
            "express",
            ["ja", "nein"] * 50,
            "type string does not hold a boolean; works: write it as true or false, in load() by "
            "comparing it with the text "
            "that means true: table.column == '...'; it has 'ja', 'nein'",
        ),
        (
            "at",
            ["today"] * 100,
            "type string does not hold a time; works: write the column as timestamp, in load() "
            "with .cast('timestamp'); "
            "it has 'today'",
        ),
        (
            "late",
            ["no", "yes"] * 50,
            "type string does not hold a label; works: write it as true or false, in load() by "
            "comparing it with the text "
            "that means true: table.column == '...'; for three or more classes list them in "
            "CLASSES of contract.py; it has 'no', 'yes'",
        ),
        (
            "parcel",
            [1.5] * 100,
            "type float64 does not hold an id; works: write the column as int64, in load() "
            "with .cast('int64')",
        ),
        (
            "distance",
            ["far"] * 100,
            "type string does not hold a number; works: write the column as float64, in load() "
            "with .cast('float64')",
        ),
    ],
)
def test_a_column_of_another_type_is_named_with_what_works(
    name: str, values: list[Any], rule: str
) -> None:
    table = GOOD.set_column(GOOD.column_names.index(name), name, pa.array(values))
    assert broken(table) == [(name, rule, 0)]


def test_a_column_of_another_case_is_named() -> None:
    (violation,) = report_on(GOOD.rename_columns({"stops": "Stops"})).violations
    assert violation.rule.startswith(
        "no such column in the table, and 'Stops' is another name: rename it in load()"
    )


def cast(**types: pa.DataType) -> pa.Table:
    table = GOOD
    for name, type in types.items():
        column = table[name]
        if pa.types.is_decimal(type) and pa.types.is_floating(column.type):
            column = pa.array(
                [None if item is None else Decimal(str(item)) for item in column.to_pylist()]
            )
        table = table.set_column(table.column_names.index(name), name, column.cast(type))
    return table


@pytest.mark.parametrize(
    "types",
    [
        {"weight": pa.float32(), "stops": pa.int8(), "distance": pa.decimal128(12, 2)},
        {"weight": pa.decimal128(12, 2), "stops": pa.uint64(), "distance": pa.float32()},
        {"stops": pa.float64(), "express": pa.int8()},
        {"stops": pa.decimal128(38, 0), "express": pa.float64(), "late": pa.bool_()},
        {
            "courier": pa.dictionary(pa.int8(), pa.string()),
            "city": pa.large_string(),
            "parcel": pa.string_view(),
        },
        {"at": pa.timestamp("ns", "UTC"), "late": pa.float64()},
    ],
)
def test_types_with_one_meaning_are_cast(types: dict[str, pa.DataType]) -> None:
    table = cast(**types)
    report = report_on(table)
    assert (report.ok, report.describe()) == (True, report_on(GOOD).describe())
    rows, others = (collect(ibis.memtable(item), PARCELS) for item in (GOOD, table))
    if types.get("weight") == pa.float32() or types.get("distance") == pa.float32():
        assert rows.columns["weight"] == pytest.approx(others.columns["weight"])
    else:
        assert rows.digest() == others.digest()


def test_a_column_without_any_value_is_missing_whatever_its_type() -> None:
    place = GOOD.column_names.index("distance")
    report = report_on(GOOD.set_column(place, "distance", pa.nulls(100)))
    assert (report.ok, report.missing["distance"]) == (True, 100)


def test_an_unreadable_cell_is_neither_missing_nor_another_value() -> None:
    halves = [1.5, None, float("nan"), *GOOD["stops"].to_pylist()[3:]]
    twos = [0.0, 2.0, 1.0, *map(float, GOOD["express"].to_pylist()[3:])]
    table = GOOD.set_column(
        GOOD.column_names.index("stops"), "stops", pa.array(halves, pa.float64())
    )
    table = table.set_column(table.column_names.index("express"), "express", pa.array(twos))
    assert broken(table) == [
        ("stops", "not a whole number", 1),
        ("stops", "missing", 2),
        ("express", "neither true nor false", 1),
    ]
    assert (
        "stops: not a whole number: 1 row, for example '1.5' in row 'p00000'"
        in report_on(table).describe()
    )


def test_a_category_that_looks_like_an_allowed_one_is_named_with_its_difference() -> None:
    couriers = changed(
        courier={3: "Bike", 5: "van\u00a0"}, city={7: "Oslo", 8: "oslo ", 9: "oslo "}
    )
    text = report_on(couriers).describe()
    assert "'Bike' (other case than 'bike') in row 'p00003'" in text
    assert "(other spaces or invisible characters: 'van\\xa0', not 'van') in row 'p00005'" in text
    assert (
        "city: 'Oslo' (other case than 'oslo') looks like a known category and counts as "
        "unknown: 1 row" in text
    )
    assert "'oslo ' (other spaces or invisible characters: 'oslo ', not 'oslo')" in text


CLOSED = tuple(f"c{n}" for n in range(5_000))


class Shop(Contract):
    """A field for each method of looking up categories."""

    few: Literal["a", "b"] = Field(description="Compared one by one")
    some: str = Field(
        description="In one literal", json_schema_extra={"known": [f"s{n}" for n in range(50)]}
    )
    many: str = Field(
        description="In a table", json_schema_extra={"known": [f"m{n}" for n in range(5_000)]}
    )
    closed: Literal[CLOSED] | None = Field(default=None, description="The same")  # type: ignore[valid-type]


def test_thousands_of_categories_and_hundreds_of_fields_are_checked() -> None:
    wide: Any = {
        f"n{n}": (float | None, Field(default=None, ge=0, le=9, description="N"))
        for n in range(300)
    }
    terms = terms_of(create_model("Wide", __base__=Shop, __module__=Shop.__module__, **wide))
    columns: dict[str, Any] = {
        f"n{number}": pa.array([1.0, None, 10.0, 2.0]) for number in range(300)
    }
    columns |= {
        "few": ["a", "b", "c", None],
        "some": ["s1", "s50", None, "s49"],
        "many": ["m1", "m4999", "M1", None],
    }
    columns |= {
        "closed": ["c1", "c4999", "c5000", None],
        "key": [1, 2, 3, 4],
        "label": [0, 1, 0, 1],
    }
    table = ibis.memtable(pa.table(columns))
    report = check(table, terms, "binary")
    counted = {(item.field, item.rule.split(" (")[0]): item.count for item in report.violations}
    assert counted.pop(("few", "not one of a, b")) == 1
    assert [counted.pop((name, "missing")) for name in ("few", "some", "many")] == [1, 1, 1]
    assert [count for (name, _), count in counted.items() if name == "closed"] == [1]
    assert {name: count for name, count in report.unknown.items() if count} == {
        "some": 1,
        "many": 1,
    }
    assert all(report.missing[f"n{number}"] == 1 for number in range(300))
    assert len(report.describe()) < 20_000
    assert "many: 'M1' (other case than 'm1') looks like" in report.describe()
    assert "(5,000 in all)" in report.describe()
    assert "and 265 more rules broken" in report.describe()
    prepared_rows = prepare(table, terms)
    refused = (
        prepared_rows.select(rule=first_violation(prepared_rows, terms))
        .to_pyarrow()["rule"]
        .to_pylist()
    )
    assert [rule and rule.split(":")[0] for rule in refused] == [None, None, "few", "few"]
    assert (
        len(ibis.to_sql(prepared_rows.select(rule=first_violation(prepared_rows, terms)))) < 200_000
    )


def test_no_rows_are_a_violation() -> None:
    (violation,) = report_on(GOOD.slice(0, 0)).violations
    assert "no rows at all" in violation.rule


def test_no_label_is_a_violation() -> None:
    assert broken(GOOD.slice(98)) == [("late", "no row has a label yet", 2)]


def test_allowed_missing_and_unknown_values_are_counted() -> None:
    distances = dict.fromkeys(range(100), 1.0) | {4: None, 5: float("nan")}
    cities = dict.fromkeys(range(100), "oslo") | {7: "tromso", 8: "malmö", 9: "Oslo"}
    report = report_on(changed(distance=distances, city=cities))
    assert report.ok
    assert (report.missing, report.unknown) == ({"distance": 2}, {"city": 3})
    assert "distance: missing (allowed): 2 rows" in report.describe()


def test_examples_are_few_and_name_their_rows() -> None:
    (violation,) = report_on(changed(stops={row: 60 + row for row in range(10)})).violations
    assert violation.count == 10
    assert len(violation.examples) == 3
    assert all(value == 60 + int(key[1:]) for key, value in violation.examples)


def test_personal_values_are_not_shown() -> None:
    report = report_on(changed(distance={3: 4711.0}))
    assert "4711" not in report.describe()
    assert "personal, not shown" in report.describe()
    assert "p00003" in report.describe()


def test_a_label_of_a_regression_is_a_finite_number() -> None:
    table = flats(50)
    labels = [float("inf"), *table["label"].to_pylist()[1:]]
    (violation,) = check(
        ibis.memtable(table.set_column(3, "label", pa.array(labels))), terms_of(Flat), "regression"
    ).violations
    assert (violation.field, violation.rule, violation.count) == ("label", "not a finite number", 1)


def test_a_label_that_is_nan_is_not_yet_known() -> None:
    table = flats(50)
    labels = [float("nan"), *table["label"].to_pylist()[1:]]
    changed = ibis.memtable(table.set_column(3, "label", pa.array(labels)))
    report = check(changed, terms_of(Flat), "regression")
    assert report.ok
    assert report.labeled == 49
    assert len(collect(changed, terms_of(Flat))) == 49


def test_a_text_longer_than_its_maximum_is_a_violation() -> None:
    texts = pa.table({"key": [1, 2], "label": [0, 1], "body": ["x" * 200, "x" * 201]})
    (violation,) = check(ibis.memtable(texts), terms_of(Message), "binary").violations
    assert (violation.rule, violation.count, violation.examples[0][0]) == (
        "longer than 200 characters",
        1,
        2,
    )


def test_a_binary_label_may_be_a_boolean() -> None:
    late = pa.array([value == 1 for value in GOOD["late"].to_pylist()])
    assert report_on(GOOD.set_column(GOOD.column_names.index("late"), "late", late)).ok


def test_columns_beyond_the_contract_are_allowed() -> None:
    assert report_on(GOOD.append_column("color", pa.array(["red"] * 100))).ok


class Visit(Contract):
    """A visit, in which each value may be missing."""

    count: int | None = Field(default=None, ge=0, le=9, description="How many")
    paid: bool | None = Field(default=None, description="Paid")
    kind: Literal["a", "b"] | None = Field(default=None, description="Kind")
    day: date | None = Field(
        default=None, ge=date(2020, 1, 1), le=date(2030, 1, 1), description="Day"
    )


def visits(**columns: Any) -> Any:
    return ibis.memtable(pd.DataFrame({"key": list("wxyz"), "label": [0, 1, 0, 1]} | columns))


GAPS = {
    "as pandas reads them": {
        "count": [1, None, 3, 4],
        "paid": [True, None, False, True],
        "kind": ["a", None, "b", "a"],
        "day": pd.to_datetime(["2026-06-01", None, "2026-06-02", "2026-06-03"]),
    },
    "nullable types": {
        "count": pd.array([1, None, 3, 4], dtype="Int64"),
        "paid": pd.array([True, None, False, True], dtype="boolean"),
        "kind": pd.Categorical(["a", None, "b", "a"]),
        "day": [date(2026, 6, 1), None, date(2026, 6, 2), date(2026, 6, 3)],
    },
    "NaN in objects": {
        "count": [1.0, float("nan"), 3.0, 4.0],
        "paid": [1.0, float("nan"), 0.0, 1.0],
        "kind": pd.Series(["a", float("nan"), "b", "a"], dtype=object),
        "day": ["2026-06-01", None, "2026-06-02", "2026-06-03"],
    },
}


@pytest.mark.parametrize("name", GAPS)
def test_gaps_are_missing_values_where_the_field_allows_them(name: str) -> None:
    table, terms = visits(**GAPS[name]), terms_of(Visit)
    report = check(table, terms, "binary")
    assert (report.ok, report.missing) == (True, dict.fromkeys(terms.fields.names, 1))
    columns = collect(table, terms).columns
    np.testing.assert_array_equal(columns["count"], [1, np.nan, 3, 4])
    np.testing.assert_array_equal(columns["paid"], [1, np.nan, 0, 1])
    assert columns["kind"].tolist() == ["a", None, "b", "a"]
    np.testing.assert_array_equal(columns["day"], [20_605, np.nan, 20_606, 20_607])


def test_messages_on_gaps_have_the_remedy_of_pandas() -> None:
    good = GAPS["as pandas reads them"]
    parts = visits(**(good | {"count": [1, None, 3.5, 4]}))
    (violation,) = check(parts, terms_of(Visit), "binary").violations
    assert "not a whole number: 1 row, for example '3.5' in row 'y'" in violation.describe()
    assert ".round().astype('Int64'), which leaves gaps missing" in violation.describe()
    codes = visits(**(good | {"kind": [1, None, 2, 1]}))
    (violation,) = check(codes, terms_of(Visit), "binary").violations
    assert "because of gaps: .astype('Int64').astype('string')" in violation.describe()
