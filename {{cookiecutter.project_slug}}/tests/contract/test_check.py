from typing import Any

import ibis
import pyarrow as pa
import pytest
from seams import PARCELS, Flat, Message, flats, parcels, terms_of

from {{cookiecutter.package_name}}.contract.check import CheckReport, check
from {{cookiecutter.package_name}}.contract.terms import Task
from {{cookiecutter.package_name}}.pipeline.rows import collect

GOOD = parcels(100)


def changed(**values: dict[int, Any]) -> pa.Table:
    """The good table with other values, by row."""
    table = GOOD
    for name, new in values.items():
        listed = [new.get(row, value) for row, value in enumerate(table[name].to_pylist())]
        table = table.set_column(table.column_names.index(name), name, pa.array(listed))
    return table


def found(table: pa.Table, task: Task = "binary") -> CheckReport:
    return check(ibis.memtable(table), PARCELS, task)


def broken(table: pa.Table, task: Task = "binary") -> list[tuple[str, str, int]]:
    return [(item.field, item.rule, item.count) for item in found(table, task).violations]


def test_good_rows_hold_the_contract() -> None:
    report = found(GOOD)
    assert (report.ok, report.rows, report.labelled) == (True, 100, 98)


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
        ("late", {3: 2, 5: -1}, "a binary label is 0, 1 or not yet known"),
    ],
)
def test_a_broken_rule_is_counted(name: str, values: dict[int, Any], rule: str) -> None:
    assert broken(changed(**{name: values})) == [(name, rule, 2)]


def test_words_and_ids_of_the_greatest_length_hold_the_contract_and_bad_ones_are_shown_in_part() -> None:
    longest = {"city": {3: "x" * 1_000}, "customer": {3: "y" * 128}, "parcel": {3: "z" * 128}}
    assert found(changed(**longest)).ok
    said = found(changed(city={3: "x" * 900_000})).describe()
    assert "'xxxxx" in said
    assert len(said) < 500


def test_every_broken_rule_is_told_at_once() -> None:
    report = found(changed(weight={1: -1.0, 2: 99.0}, courier={1: "drone"}))
    assert [(item.field, item.count) for item in report.violations] == [("weight", 1), ("weight", 1), ("courier", 1)]


def test_an_absent_column_is_named_with_those_that_are_there() -> None:
    (violation,) = found(GOOD.drop_columns(["stops"])).violations
    assert violation.field == "stops"
    assert "no such column" in violation.rule
    assert "weight" in violation.rule


@pytest.mark.parametrize(
    ("name", "values", "rule"),
    [
        ("weight", ["heavy"] * 100, "type string is no number; in load(): .cast('float64')"),
        ("weight", [True] * 100, "type boolean is no number; in load(): .cast('float64')"),
        ("stops", [1.5] * 100, "type float64 is no integer; in load(): .cast('int64')"),
        ("courier", [1] * 100, "type int64 is no category; in load(): .cast('string')"),
        ("express", [1] * 100, "type int64 is no boolean; in load(): .cast('boolean')"),
        ("at", ["today"] * 100, "type string is no time; in load(): .cast('timestamp')"),
        ("late", ["no"] * 100, "type string is no label; in load(): .cast('float64')"),
        ("parcel", [1.5] * 100, "type float64 is no id; in load(): .cast('string')"),
    ],
)
def test_a_column_of_a_wrong_type_is_named(name: str, values: list[Any], rule: str) -> None:
    table = GOOD.set_column(GOOD.column_names.index(name), name, pa.array(values))
    assert broken(table) == [(name, rule, 0)]


def test_no_rows_are_a_violation() -> None:
    (violation,) = found(GOOD.slice(0, 0)).violations
    assert "no rows at all" in violation.rule


def test_no_label_is_a_violation() -> None:
    assert broken(GOOD.slice(98)) == [("late", "no row has a label yet", 2)]


def test_what_may_be_missing_or_unknown_is_counted_and_allowed() -> None:
    distances = dict.fromkeys(range(100), 1.0) | {4: None, 5: float("nan")}
    cities = dict.fromkeys(range(100), "oslo") | {7: "tromso", 8: "malmö", 9: "Oslo"}
    report = found(changed(distance=distances, city=cities))
    assert report.ok
    assert (report.missing, report.unknown) == ({"distance": 2}, {"city": 3})
    assert "distance: missing (allowed): 2 rows" in report.describe()


def test_examples_are_few_and_name_their_rows() -> None:
    (violation,) = found(changed(stops={row: 60 + row for row in range(10)})).violations
    assert violation.count == 10
    assert len(violation.examples) == 3
    assert all(value == 60 + int(key[1:]) for key, value in violation.examples)


def test_personal_values_are_not_shown() -> None:
    report = found(changed(distance={3: 4711.0}))
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
    assert report.labelled == 49
    assert len(collect(changed, terms_of(Flat))) == 49


def test_a_text_has_a_longest_length() -> None:
    texts = pa.table({"key": [1, 2], "label": [0, 1], "body": ["x" * 200, "x" * 201]})
    (violation,) = check(ibis.memtable(texts), terms_of(Message), "binary").violations
    assert (violation.rule, violation.count, violation.examples[0][0]) == ("longer than 200 characters", 1, 2)


def test_a_binary_label_may_be_a_boolean() -> None:
    late = pa.array([value == 1 for value in GOOD["late"].to_pylist()])
    assert found(GOOD.set_column(GOOD.column_names.index("late"), "late", late)).ok


def test_columns_beyond_the_contract_do_no_harm() -> None:
    assert found(GOOD.append_column("colour", pa.array(["red"] * 100))).ok
