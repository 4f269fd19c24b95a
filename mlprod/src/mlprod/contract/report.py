"""The report of the data check: the broken rules with counts and examples."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ..display.counting import count_of
from .dates import text_of
from .words import by_folded_text, describe_category

# Lines of a report.
MAX_VIOLATIONS = 40
# Characters of a cell in a message.
SHOWN_LENGTH = 40


class ContractViolationError(Exception):
    """The data breaks the contract; `report` shows where and how often, with examples."""

    def __init__(self, report: "CheckReport") -> None:
        super().__init__(report.describe())
        self.report = report


@dataclass(frozen=True)
class Violation:
    """One broken rule of one column.

    `examples` holds pairs of row id or line, and value. `categories` are the allowed ones. `by` is
    "row" or "line", and empty if a row has no name.
    """

    field: str
    rule: str
    count: int
    examples: tuple[tuple[Any, Any], ...] = ()
    categories: tuple[str, ...] = ()
    by: str = "row"
    remedy: str = ""

    def describe(self) -> str:
        """Return the broken rule as one line."""
        counted = f": {count_of(self.count, 'row')}" if self.count else ""
        return f"{self.field}: {self.rule}{counted}{self.shown}"

    @property
    def shown(self) -> str:
        """Some rows that break the rule, and what works."""
        known = by_folded_text(self.categories) if self.examples else {}
        places = {key: f" in {self.by} {key!r}" if self.by else "" for key, _ in self.examples}
        examples = ", ".join(f"{_shown(value, known)}{places[key]}" for key, value in self.examples)
        remedy = f". Works: {self.remedy}" if self.remedy else ""
        return (f", for example {examples}" if examples else "") + remedy


@dataclass(frozen=True)
class CheckReport:
    """The counts of the data check.

    The contract allows `missing` and `unknown`, which are counted for information. `alike` are
    sentences on unknown categories that look like known ones.
    """

    rows: int
    labeled: int
    violations: tuple[Violation, ...]
    missing: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    alike: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no rule is broken."""
        return not self.violations

    def describe(self) -> str:
        """Return the report as lines of text."""
        # A violation without a count is one of the table's columns. Then nothing could be counted.
        shaped = all(broken.count for broken in self.violations)
        labeled = f", {self.labeled:,} with a label" if shaped else ""
        broken_rules = count_of(len(self.violations), "rule")
        lines = [f"{count_of(self.rows, 'row')}{labeled}, {broken_rules} broken"]
        lines += [f"  {broken.describe()}" for broken in self.violations[:MAX_VIOLATIONS]]
        if (others := len(self.violations) - MAX_VIOLATIONS) > 0:
            lines.append(f"  … and {others:,} more rules broken")
        for message, counts in (
            ("missing (allowed)", self.missing),
            ("unknown category (allowed)", self.unknown),
        ):
            lines += [
                f"  {name}: {message}: {count_of(count, 'row')}"
                for name, count in counts.items()
                if count
            ]
        return "\n".join([*lines, *(f"  {line}" for line in self.alike)])


def _shown(value: Any, known: Mapping[str, str]) -> str:
    if isinstance(value, str) and known:
        return describe_category(value, known)
    shown = text_of(value) if isinstance(value, date) else repr(value)
    return shown if len(shown) <= SHOWN_LENGTH else f"{shown[: SHOWN_LENGTH - 1]}…"
