"""Words that look alike and differ: in their Unicode form, in blanks or in case.

They are compared as they are written, in requests and tables alike; so where one is refused or
unknown, the message names the difference.
"""

import unicodedata
from collections.abc import Iterable, Mapping

SHOWN_WORDS = 12
SHOWN_LENGTH = 40  # characters of a word in a message


def folded(word: str) -> str:
    """The same text for all words that people take for one: letters without form, case, blanks and
    invisible signs.
    """
    seen = _visible(unicodedata.normalize("NFKC", word))
    return _visible(unicodedata.normalize("NFKC", seen.casefold()))


def by_look(words: Iterable[str]) -> dict[str, str]:
    """A word for each look, to find what a word looks like."""
    return {folded(word): word for word in words}


def difference(given: str, known: str) -> str:
    """How two different words that look alike differ."""
    composed, wanted = (unicodedata.normalize("NFC", word) for word in (given, known))
    if composed == wanted:
        return (
            f"the same letters in another Unicode form: {given!a} is {form(given)}, {known!a} "
            f"is {form(known)}"
        )
    if _visible(composed) == _visible(wanted):
        return f"other blanks or invisible signs: {given!a}, not {known!a}"
    if composed.casefold() == wanted.casefold():
        return f"other case than {known!r}"
    return f"other case, blanks or Unicode signs: {given!a}, not {known!a}"


def form(word: str) -> str:
    """The Unicode form of a word, as people call it."""
    return next(
        (name for name in ("NFC", "NFD") if unicodedata.is_normalized(name, word)), "a mixed form"
    )


def explained(given: str, looks: Mapping[str, str]) -> str:
    """A word as a message shows it: with what it looks like (see `by_look`), and never as if it
    were another.
    """
    short = given if len(given) <= SHOWN_LENGTH else given[: SHOWN_LENGTH - 1] + "…"
    known = looks.get(folded(given))
    if known is not None and known != given:
        return f"{short!r} ({difference(given, known)})"
    return f"{short!r}" if given.isascii() else f"{short!r} ({short!a})"


def listed(words: Iterable[str]) -> str:
    """Some words, for a message: the first ones, and how many there are."""
    every = list(words)
    if len(every) <= SHOWN_WORDS:
        return ", ".join(every)
    return f"{', '.join(every[:SHOWN_WORDS])}, … ({len(every):,} in all)"


def look_alikes(words: Iterable[str]) -> tuple[str, str] | None:
    """Two words that differ in nothing that people see, if there are any.

    Case is seen: "A" and "a" may be two.
    """
    first: dict[str, str] = {}
    for word in words:
        poll = _visible(unicodedata.normalize("NFC", word))
        if poll in first:
            return first[poll], word
        first[poll] = word
    return None


def _visible(word: str) -> str:
    """Without invisible signs, and with one blank wherever there are some."""
    return " ".join("".join(sign for sign in word if unicodedata.category(sign) != "Cf").split())
