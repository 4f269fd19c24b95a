"""What the data check found, in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .words import by_look, explained

MAX_VIOLATIONS = 40  # lines of a report
SHOWN_LENGTH = 40  # characters of a cell in a message


class ContractViolationError(Exception):
    """The data breaks the contract; `report` says where, how often, and shows examples."""

    def __init__(self, report: "CheckReport") -> None:
        super().__init__(report.describe())
        self.report = report


@dataclass(frozen=True)
class Violation:
    """One broken rule of one column.

    `examples` holds (row id or line, value) pairs; `words` those that are allowed.
    """

    field: str
    rule: str
    count: int
    examples: tuple[tuple[Any, Any], ...] = ()
    words: tuple[str, ...] = ()
    by: str = "row"  # or "line"; empty where nothing names a row
    remedy: str = ""

    def describe(self) -> str:
        counted = f": {self.count:,} rows" if self.count else ""
        return f"{self.field}: {self.rule}{counted}{self.shown}"

    @property
    def shown(self) -> str:
        """Some rows that break the rule, and what works."""
        looks = by_look(self.words) if self.examples else {}
        places = {key: f" in {self.by} {key!r}" if self.by else "" for key, _ in self.examples}
        examples = ", ".join(f"{_shown(value, looks)}{places[key]}" for key, value in self.examples)
        remedy = f". Works: {self.remedy}" if self.remedy else ""
        return (f", for example {examples}" if examples else "") + remedy


@dataclass(frozen=True)
class CheckReport:
    """What the check counted.

    `missing` and `unknown` are allowed by the contract and counted for information; `alike` says of
    unknown words which known one they look like.
    """

    rows: int
    labelled: int
    violations: tuple[Violation, ...]
    missing: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    alike: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.violations

    def describe(self) -> str:
        shaped = all(broken.count for broken in self.violations)  # else nothing could be counted
        labelled = f", {self.labelled:,} with a label" if shaped else ""
        lines = [f"{self.rows:,} rows{labelled}, {len(self.violations)} rules broken"]
        lines += [f"  {broken.describe()}" for broken in self.violations[:MAX_VIOLATIONS]]
        if (others := len(self.violations) - MAX_VIOLATIONS) > 0:
            lines.append(f"  … and {others:,} more rules broken")
        for message, counts in (
            ("missing (allowed)", self.missing),
            ("unknown category (allowed)", self.unknown),
        ):
            lines += [
                f"  {name}: {message}: {count:,} rows" for name, count in counts.items() if count
            ]
        return "\n".join([*lines, *(f"  {line}" for line in self.alike)])


def _shown(value: Any, looks: Mapping[str, str]) -> str:
    if isinstance(value, str) and looks:
        return explained(value, looks)
    shown = repr(value)
    return shown if len(shown) <= SHOWN_LENGTH else f"{shown[: SHOWN_LENGTH - 1]}…"
