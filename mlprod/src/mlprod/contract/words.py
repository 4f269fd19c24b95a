"""Compare category names that look alike but differ in Unicode form, spaces or case.

Requests and tables compare names exactly. So the message on a refused or unknown name describes how
it differs from a known one.
"""

import unicodedata
from collections.abc import Iterable, Mapping

# Names in a list in a message.
SHOWN_WORDS = 12
# Characters of a name in a message.
SHOWN_LENGTH = 40


def fold(word: str) -> str:
    """Return the same text for all names that look the same to people.

    It ignores Unicode form, case, repeated spaces and invisible characters.
    """
    seen = _visible(unicodedata.normalize("NFKC", word))
    return _visible(unicodedata.normalize("NFKC", seen.casefold()))


def by_folded_text(names: Iterable[str]) -> dict[str, str]:
    """Return the names by their folded text, to find the name that another one looks like."""
    return {fold(name): name for name in names}


def difference(given: str, known: str) -> str:
    """Describe how two different names that look alike differ."""
    composed, wanted = (unicodedata.normalize("NFC", word) for word in (given, known))
    if composed == wanted:
        return (
            f"the same letters in another Unicode form: {given!a} is {unicode_form(given)}, "
            f"{known!a} is {unicode_form(known)}"
        )
    if _visible(composed) == _visible(wanted):
        return f"other spaces or invisible characters: {given!a}, not {known!a}"
    if composed.casefold() == wanted.casefold():
        return f"other case than {known!r}"
    return f"other case, spaces or Unicode characters: {given!a}, not {known!a}"


def unicode_form(word: str) -> str:
    """Return the name of a text's Unicode form: NFC, NFD or a mixed form."""
    return next(
        (name for name in ("NFC", "NFD") if unicodedata.is_normalized(name, word)), "a mixed form"
    )


def describe_category(given: str, known_names: Mapping[str, str]) -> str:
    """Quote a name for a message, with its difference from the known name that it looks like.

    `known_names` is the result of `by_folded_text`. A name with other than ASCII characters is also
    shown with escapes.
    """
    short = given if len(given) <= SHOWN_LENGTH else given[: SHOWN_LENGTH - 1] + "…"
    known = known_names.get(fold(given))
    if known is not None and known != given:
        return f"{short!r} ({difference(given, known)})"
    return f"{short!r}" if given.isascii() else f"{short!r} ({short!a})"


def join_shortened(names: Iterable[str]) -> str:
    """Join names for a message: at most the first 12, and then how many there are in all."""
    every = list(names)
    if len(every) <= SHOWN_WORDS:
        return ", ".join(every)
    return f"{', '.join(every[:SHOWN_WORDS])}, … ({len(every):,} in all)"


def find_look_alikes(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two names that look the same, or None.

    Case is visible, so "A" and "a" are two names.
    """
    first: dict[str, str] = {}
    for name in names:
        visible = _visible(unicodedata.normalize("NFC", name))
        if visible in first:
            return first[visible], name
        first[visible] = name
    return None


def _visible(word: str) -> str:
    """Return the text without invisible characters, and with one space for each run of them."""
    return " ".join(
        "".join(character for character in word if unicodedata.category(character) != "Cf").split()
    )
