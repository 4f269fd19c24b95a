import unicodedata

import pytest

from mlprod.contract.words import by_look, explained, listed, look_alikes

NFD = unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    ("given", "difference"),
    [
        (NFD, "the same letters in another Unicode form: 'cafe\\u0301' is NFD, 'caf\\xe9' is NFC"),
        ("café ", "other blanks or invisible signs: 'caf\\xe9 ', not 'caf\\xe9'"),
        ("café\u00a0", "other blanks or invisible signs: 'caf\\xe9\\xa0'"),
        ("\ufeffcafé", "other blanks or invisible signs: '\\ufeffcaf\\xe9'"),
        ("CAFÉ", "other case than 'café'"),
        (" Cafe\u0301", "other case, blanks or Unicode signs: ' Cafe\\u0301'"),
        ("ｃａｆé", "other case, blanks or Unicode signs"),
        ("саfé", "'\\u0441\\u0430f\\xe9'"),  # two Cyrillic letters
    ],
)
def test_a_word_that_looks_like_a_known_one_is_shown_with_its_difference(
    given: str, difference: str
) -> None:
    assert difference in explained(given, by_look(["café", "bar"]))


def test_a_word_that_looks_like_no_other_is_shown_as_it_is() -> None:
    looks = by_look(["café", "bar"])
    assert explained("pub", looks) == "'pub'"
    assert explained("x" * 500, looks) == repr("x" * 39 + "…")


def test_words_that_look_alike_are_found() -> None:
    assert look_alikes(["a", "b", "A"]) is None
    assert look_alikes(["a b", "b", "a\u00a0b"]) == ("a b", "a\u00a0b")
    assert look_alikes(["café", NFD]) == ("café", NFD)


def test_many_words_are_listed_shortly() -> None:
    assert listed(["bike", "van"]) == "bike, van"
    assert listed(f"w{number}" for number in range(5_000)).endswith("w11, … (5,000 in all)")
