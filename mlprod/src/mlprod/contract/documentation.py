"""The fields as a page for people, written from the contract."""

from .schema import ContractSchema, Field
from .words import listed


def document(terms: ContractSchema) -> str:
    """A Markdown table of the fields, their meaning and their rules."""
    lines = ["| field | meaning | rule | may be missing |", "| --- | --- | --- | --- |"]
    for item in terms.fields:
        marks = [
            mark
            for mark, names in (("slice", terms.slices), ("personal", terms.personal))
            if item.name in names
        ]
        meaning = item.description + (f" ({', '.join(marks)})" if marks else "")
        lines.append(
            f"| `{item.name}` | {meaning} | {rule(item)} | "
            f"{'yes' if item.optional else 'no'} |".replace("\n", " ")
        )
    return "\n".join(lines)


def rule(item: Field) -> str:
    """What a value of this field must be, in words."""
    if item.bounds:
        low, high = item.bounds
        return f"{item.kind} from {plain(low)} to {plain(high)}" + (
            f" {item.unit}" if item.unit else ""
        )
    if item.categories:
        parts = listed(item.categories)
        return (
            f"one of {parts}"
            if not item.open
            else f"a word; known are {parts}; others count as unknown"
        )
    return (
        "true or false"
        if item.kind == "boolean"
        else f"text of at most {item.longest:,} characters"
    )


def plain(number: float) -> str:
    """A bound as people write it, with every digit."""
    return f"{number:.0f}" if number == round(number) and abs(number) < 1e15 else repr(number)


def example(item: Field) -> object:
    """A value that the contract accepts."""
    if item.bounds:
        low, high = item.bounds
        middle = low + (high - low) / 4
        return round(middle) if item.kind == "integer" else round(middle, 2)
    return (
        item.categories[0] if item.categories else True if item.kind == "boolean" else "a few words"
    )
