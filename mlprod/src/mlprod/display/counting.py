"""Counts in sentences."""


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun in the right form: "1 row", "2 rows", "3,000 rows"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
