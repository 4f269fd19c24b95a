import json
import re
from collections.abc import Callable
from datetime import date

import pytest
from filled import FILES, Filled, filled

from mlprod.governance import reports
from mlprod.governance.config import GovernanceConfig

__all__ = ["filled"]
PAGES = (reports.raci, reports.problem, reports.change_plan, reports.risks)
HOSTILE = (
    "| [x](http://evil.test) <img src=x> **b** `c`\n\n# Heading\n- item <!-- to here survives -->"
)
Page = Callable[[GovernanceConfig], str]


def shape(page: str) -> list[str]:
    """The structure of a page: headings, rows with their number of cells, items, comments."""
    plain = page.replace("\\\\", "").replace("\\|", "")
    return [
        f"{line.count('|')} cells" if line.startswith("|") else line.split(" ")[0]
        for line in plain.splitlines()
        if re.match(r"[|#<>-]", line)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_page_does_not_depend_on_the_day(
    filled: Filled, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page(filled.org) == page(filled.org)
    assert date.today().isoformat() not in page(filled.org)


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (
            reports.raci,
            "| business value | **Ada Invented (value owner)** | Flo Invented "
            "(adoption owner) | *not filled in yet* |",
        ),
        (
            reports.raci,
            "| Dee Invented (platform owner) | dee@example.org | Gil Invented (author) | "
            "serving (2026-05-04), sec",
        ),
        (
            reports.raci,
            "| fraud-team | Bea Invented (model owner), Gil Invented (author) | \\#fraud | "
            "Gil Invented (author) |",
        ),
        (
            reports.raci,
            "- checkout (by API), owned by payments team. Without a decision: approve below 50 EUR",
        ),
        (reports.problem, "**People affected.** card holders"),
        (
            reports.problem,
            "- A simple rule: a few more are found. Why it is not enough: every merchant "
            "needs a rule",
        ),
        (reports.problem, "fraud losses, in EUR a month: 175000 today, 120000 by 2026-12-31"),
        (reports.problem, "- losses stay above 160000, checked on 2026-09-30"),
        (reports.change_plan, "## Will I lose my job?\n\nNo.\n"),
        (
            reports.change_plan,
            "| assist | *not filled in yet* | 28 days, 900 cases | *not filled in yet* | "
            "*not filled in yet* |",
        ),
        (
            reports.change_plan,
            "| desk | what it cannot do (begins with the limits) | *not filled in yet* | "
            "*not filled in yet* | 2026-05-21 |",
        ),
        (reports.change_plan, "| desk | training: limits | | *not filled in yet* | 9 of 10 |"),
        (
            reports.raci,
            "| ML | Gil Invented (author), practitioner | the model is surely worth more than "
            "today's process (`make train`) |  |",
        ),
        (
            reports.raci,
            "| kubernetes | *not filled in yet* | the rollback was tested and timed "
            "(`make rollback-drill`) | a new colleague: Dee Invented (platform owner) by "
            "2026-09-30 |",
        ),
        (
            reports.risks,
            "Tier **A**. Decisions about people: yes. Personal data: yes. Acts before a review: "
            "no.",
        ),
        (
            reports.risks,
            "| honest customers are declined | medium | medium | a gate | Bea Invented "
            "(model owner) | 2026-08-01 |",
        ),
        (reports.risks, "Not legal advice"),
    ],
)
def test_page_has_the_content_of_the_file(filled: Filled, page: Page, says: str) -> None:
    assert says in page(filled.org)


@pytest.mark.parametrize("page", PAGES)
def test_missing_entry_is_shown_as_not_filled_in(filled: Filled, page: Page) -> None:
    for name in ("problem.yaml", "risk.yaml", "change_plan.yaml"):
        (filled.folder / name).unlink()
    assert "None" not in page(filled.org)
    assert "*not filled in yet*" in page(filled.org)


@pytest.mark.parametrize("page", PAGES)
def test_hostile_text_is_shown_as_text(filled: Filled, page: Page) -> None:
    before = shape(page(filled.org))
    hostile = json.dumps(HOSTILE)
    for file, line in (
        ("ownership.yaml", "name: Bea Invented"),
        ("ownership.yaml", "name: Gil Invented"),
        ("ownership.yaml", "fallback: approve below 50 EUR"),
        ("ownership.yaml", 'channel: "#fraud"'),
        ("problem.yaml", "statement: Fraudulent payments settle before anyone looks."),
        ("problem.yaml", "when: losses stay above 160000"),
        ("problem.yaml", "why_not: every merchant needs a rule"),
        ("problem.yaml", "unit: EUR a month"),
        ("risk.yaml", "harm: honest customers are declined"),
        ("risk.yaml", "why: a person reviews it; confirmed by counsel"),
        ("change_plan.yaml", 'answer: "No."'),
        ("change_plan.yaml", "group: payments desk"),
        ("change_plan.yaml", "content: limits"),
    ):
        filled.change(file, line, f"{line.partition(':')[0]}: {hostile}")
    result = page(filled.org)
    assert shape(result) == before
    assert "evil.test" in result
    assert "<img" not in result
    assert "[x]" not in result.replace("\\[x\\]", "")


def test_every_file_except_gates_has_a_page() -> None:
    assert len(PAGES) + 1 == len(FILES)
