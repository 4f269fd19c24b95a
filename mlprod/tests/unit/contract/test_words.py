import unicodedata

import pytest

from mlprod.contract.words import (
    by_folded_text,
    describe_category,
    find_look_alikes,
    join_shortened,
)

NFD = unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    ("given", "difference"),
    [
        (NFD, "the same letters in another Unicode form: 'cafe\\u0301' is NFD, 'caf\\xe9' is NFC"),
        ("café ", "other spaces or invisible characters: 'caf\\xe9 ', not 'caf\\xe9'"),
        ("café\u00a0", "other spaces or invisible characters: 'caf\\xe9\\xa0'"),
        ("\ufeffcafé", "other spaces or invisible characters: '\\ufeffcaf\\xe9'"),
        ("CAFÉ", "other case than 'café'"),
        (" Cafe\u0301", "other case, spaces or Unicode characters: ' Cafe\\u0301'"),
        ("ｃａｆé", "other case, spaces or Unicode characters"),
        ("саfé", "'\\u0441\\u0430f\\xe9'"),  # two Cyrillic letters
    ],
)
def test_a_name_that_looks_like_a_known_one_is_shown_with_its_difference(
    given: str, difference: str
) -> None:
    assert difference in describe_category(given, by_folded_text(["café", "bar"]))


def test_a_name_that_looks_like_no_other_is_shown_as_it_is() -> None:
    known = by_folded_text(["café", "bar"])
    assert describe_category("pub", known) == "'pub'"
    assert describe_category("x" * 500, known) == repr("x" * 39 + "…")


def test_the_first_two_names_that_look_the_same_are_returned() -> None:
    assert find_look_alikes(["a", "b", "A"]) is None
    assert find_look_alikes(["a b", "b", "a\u00a0b"]) == ("a b", "a\u00a0b")
    assert find_look_alikes(["café", NFD]) == ("café", NFD)


def test_a_long_list_of_names_is_shortened() -> None:
    assert join_shortened(["bike", "van"]) == "bike, van"
    assert join_shortened(f"w{number}" for number in range(5_000)).endswith("w11, … (5,000 in all)")
