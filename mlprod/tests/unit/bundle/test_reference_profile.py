import numpy as np

from mlprod.bundle.reference_profile import Distribution, build_reference
from mlprod.contract.schema import Field, Fields

NUMBER, WORD = (
    Field("size", "number"),
    Field("city", "category", categories=("bergen", "oslo"), open=True),
)


def described(field: Field, values: list[object]) -> Distribution:
    column = np.array(values, dtype=float if field.kind == "number" else object)
    return build_reference(Fields((field,)), {field.name: column}, np.zeros(len(values))).fields[
        field.name
    ]


def test_numbers_fall_in_bins_of_equal_shares() -> None:
    result = described(NUMBER, list(range(100)))
    assert np.allclose(result.shares, 0.1)
    assert result.cumulative[-1] == 1


def test_missing_values_are_counted_separately() -> None:
    result = described(NUMBER, [1, 2, None, 4])
    assert (result.missing, result.rows, round(sum(result.shares), 6)) == (0.25, 4, 1)


def test_the_last_share_of_categories_is_that_of_unknown_ones() -> None:
    result = described(WORD, ["oslo", "oslo", "tromso", "bergen", None])
    assert result.edges == ("bergen", "oslo")
    assert result.shares == (0.25, 0.5, 0.25)


def test_the_typical_number_is_near_the_median() -> None:
    assert 45 <= float(described(NUMBER, [*range(99), 1_000_000]).typical or 0) <= 55


def test_the_typical_category_is_the_most_frequent_known_one() -> None:
    assert described(WORD, ["x", "x", "x", "oslo", "oslo", "bergen"]).typical == "oslo"


def test_a_field_that_is_always_missing_has_no_typical_value() -> None:
    assert described(NUMBER, [None, None]).typical is None


def test_text_has_nothing_but_its_missing_share() -> None:
    result = described(Field("body", "text"), ["hello", None])
    assert (result.edges, result.missing) == ((), 0.5)
