"""The documentation of the fields, generated from the contract."""

from .dates import DATE_EXAMPLES, date_of, text_of
from .schema import ContractSchema, Field
from .words import join_shortened


def fields_table(terms: ContractSchema) -> str:
    """Return a Markdown table of the fields with their meaning and rules."""
    lines = ["| field | meaning | rule | may be missing |", "| --- | --- | --- | --- |"]
    for item in terms.fields:
        marks = [
            mark
            for mark, names in (("slice", terms.slices), ("personal", terms.personal))
            if item.name in names
        ]
        meaning = item.description + (f" ({', '.join(marks)})" if marks else "")
        lines.append(
            f"| `{item.name}` | {meaning} | {rule_text(item)} | "
            f"{'yes' if item.optional else 'no'} |".replace("\n", " ")
        )
    return "\n".join(lines)


def rule_text(item: Field) -> str:
    """Describe the values that a field allows."""
    if item.bounds:
        low, high = (bound_text(item, bound) for bound in item.bounds)
        return f"{item.kind} from {low} to {high}" + (f" {item.unit}" if item.unit else "")
    if item.categories:
        parts = join_shortened(item.categories)
        return (
            f"one of {parts}"
            if not item.open
            else f"a category; known are {parts}; others count as unknown"
        )
    return (
        "true or false"
        if item.kind == "boolean"
        else f"text of at most {item.longest:,} characters"
    )


def bound_text(item: Field, number: float) -> str:
    """Format a bound of a field: as a date, or as a number with every digit."""
    dated = item.kind in DATE_EXAMPLES
    return text_of(date_of(item.kind, number)) if dated else plain_number(number)


def plain_number(number: float) -> str:
    """Format a bound with every digit, and without .0 for a whole number."""
    return f"{number:.0f}" if number == round(number) and abs(number) < 1e15 else repr(number)


def example_value(item: Field) -> object:
    """Return a value that the contract accepts."""
    if item.bounds:
        low, high = item.bounds
        middle = low + (high - low) / 4
        if item.kind in DATE_EXAMPLES:
            # A datetime of whole minutes is easier to read.
            unit = 1 if item.kind == "date" else 60
            return bound_text(item, max(low, middle // unit * unit))
        return round(middle) if item.kind == "integer" else round(middle, 2)
    return (
        item.categories[0] if item.categories else True if item.kind == "boolean" else "a few words"
    )
