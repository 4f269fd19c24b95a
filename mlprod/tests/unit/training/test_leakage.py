import ibis
import numpy as np
import pyarrow as pa
import pytest
from seams import Flat, flats, terms_of

from mlprod.contract.schema import Field, Fields, Task
from mlprod.training.dataset import Dataset, collect
from mlprod.training.leakage import FieldPower, count_copies, field_powers, leakage_warnings
from mlprod.training.split import split

RANDOM = np.random.Generator(np.random.Philox(7))
Y = RANDOM.integers(0, 2, 400).astype(np.float64)


def power(field: Field, values: object, y: np.ndarray = Y, task: Task = "binary") -> float:
    column = np.array(values, dtype=object if field.kind == "category" else float)
    rows = Dataset(
        y, np.array([f"u{row}" for row in range(len(y))], dtype=object), None, {field.name: column}
    )
    return field_powers(Fields((field,)), rows, task)[field.name].power


NUMBER = Field("x", "number")
DAY = Field("x", "date")
WORD = Field("x", "category", categories=("a", "b"), open=True)


@pytest.mark.parametrize(
    "values", [Y, -Y, Y * 100 + RANDOM.random(400), np.where(Y == 1, np.nan, RANDOM.random(400))]
)
def test_number_that_copies_the_label_has_full_power(values: object) -> None:
    assert power(NUMBER, values) == 1


def test_category_that_copies_the_label_has_full_power() -> None:
    assert power(WORD, np.where(Y == 1, "b", "a")) == 1


def test_category_that_is_missing_with_the_label_has_full_power() -> None:
    assert power(WORD, [None if label else "a" for label in Y]) == 1


def test_noise_has_no_power() -> None:
    assert power(NUMBER, RANDOM.random(400)) < 0.6
    assert power(WORD, np.where(RANDOM.random(400) < 0.5, "b", "a")) < 0.6


def test_range_that_copies_the_label_is_detected_without_a_monotonic_relation() -> None:
    values = RANDOM.random(400) * 10
    assert power(NUMBER, values, ((values > 4) & (values < 6)).astype(float)) > 0.95


def test_many_random_categories_have_no_power() -> None:
    categories = [f"w{number}" for number in RANDOM.integers(0, 200, 400)]
    field = Field("x", "category", categories=tuple(sorted(set(categories))))
    assert power(field, categories) < 0.65


def test_unknown_categories_have_no_power() -> None:
    assert power(WORD, [f"unknown {row}" for row in range(400)]) < 0.55


def test_increasing_function_of_the_label_has_full_power() -> None:
    amount = RANDOM.random(400)
    assert power(NUMBER, np.exp(9 * amount), amount, "regression") > 0.999
    assert power(NUMBER, RANDOM.random(400), amount, "regression") < 0.2


RARE = (RANDOM.random(4_000) < 0.05).astype(float)
# 97 % of the positives, and no negative.
KNOWN_LATER = (RARE == 1) & (RANDOM.random(4_000) < 0.97)


def powers(field: Field, values: object, y: np.ndarray = RARE) -> dict[str, FieldPower]:
    column = np.array(
        values, dtype=float if field.kind in ("number", "boolean", "date") else object
    )
    rows = Dataset(
        y, np.array([f"u{row}" for row in range(len(y))], dtype=object), None, {field.name: column}
    )
    return field_powers(Fields((field,)), rows, "binary")


@pytest.mark.parametrize(
    ("field", "values", "group"),
    [
        (NUMBER, np.where(KNOWN_LATER, RANDOM.random(4_000), np.nan), "x present"),
        (NUMBER, np.where(KNOWN_LATER, 25.0, RANDOM.random(4_000) * 50), "x 25"),
        (NUMBER, np.where(KNOWN_LATER, 1 + RANDOM.random(4_000), 0.0), "x other than 0"),
        (NUMBER, np.where(KNOWN_LATER, np.nan, RANDOM.random(4_000)), "x missing"),
        (Field("x", "boolean"), KNOWN_LATER, "x 1"),
        (DAY, np.where(KNOWN_LATER, RANDOM.integers(0, 99, 4_000), np.nan), "x present"),
        (DAY, np.where(KNOWN_LATER, 20_605, RANDOM.integers(0, 20_000, 4_000)), "x 2026-06-01"),
        (WORD, np.where(KNOWN_LATER, "b", "a"), "x 'b'"),
        (
            WORD,
            [f"case {row}" if late else None for row, late in enumerate(KNOWN_LATER)],
            "x present",
        ),
        (
            Field("x", "text", longest=99),
            [
                f"paid {row} {'Chargeback,' if late else ''} ok"
                for row, late in enumerate(KNOWN_LATER)
            ],
            "the word 'chargeback,' in x",
        ),
        (
            Field("x", "text", longest=99),
            ["a note" if late else "" for late in KNOWN_LATER],
            "x present",
        ),
    ],
)
def test_field_that_is_filled_for_most_of_one_class_is_a_copy_of_the_label(
    field: Field, values: object, group: str
) -> None:
    result = powers(field, values)
    # A word of a text that predicts the label causes a warning only.
    assert result["x"].power > 0.99 or "the word" in group
    (warning,) = leakage_warnings(result)
    assert f"nearly all rows with {group} have the same label" in warning
    assert f"{format(KNOWN_LATER.sum() / RARE.sum(), '.0%')} of all" in warning


def test_small_pure_group_causes_a_warning_only() -> None:
    some = KNOWN_LATER & (RANDOM.random(4_000) < 0.35)
    result = powers(NUMBER, np.where(some, 1.0, np.nan))
    assert result["x"].power < 0.8
    assert len(list(leakage_warnings(result))) == 1


def test_group_without_the_rare_class_causes_no_warning() -> None:
    never = np.where(RARE == 1, 50.0, RANDOM.integers(0, 100, 4_000))
    never = np.where(RANDOM.random(4_000) < 0.5, RANDOM.integers(0, 100, 4_000), never)
    assert list(leakage_warnings(powers(NUMBER, np.where(never < 40, 10.0, never)))) == []


def test_field_that_is_known_before_the_outcome_causes_no_warning() -> None:
    assert list(leakage_warnings(powers(NUMBER, RARE + RANDOM.normal(0, 0.7, 4_000)))) == []


def test_rows_that_were_copied_under_new_ids_are_counted() -> None:
    table = flats(600)
    doubled = pa.concat_tables([table, table.set_column(0, "key", pa.array(range(600, 1_200)))])
    rows = collect(ibis.memtable(doubled), terms_of(Flat))
    parts = split(rows, "regression")
    assert 60 < count_copies(rows, parts) < len(parts.test)
    single = collect(ibis.memtable(table), terms_of(Flat))
    assert count_copies(single, split(single, "regression")) == 0


def test_equal_rows_of_a_contract_with_few_values_are_not_counted() -> None:
    columns = {"x": RANDOM.integers(0, 2, 400).astype(float)}
    rows = Dataset(Y, np.array([f"u{row}" for row in range(400)], dtype=object), None, columns)
    assert count_copies(rows, split(rows, "binary")) == 0
