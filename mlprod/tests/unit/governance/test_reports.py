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
    """What Markdown acts on: headings, rows with their number of cells, items, comments."""
    plain = page.replace("\\\\", "").replace("\\|", "")
    return [
        f"{line.count('|')} cells" if line.startswith("|") else line.split(" ")[0]
        for line in plain.splitlines()
        if re.match(r"[|#<>-]", line)
    ]


@pytest.mark.parametrize("page", PAGES)
def test_nothing_depends_on_the_day(
    filled: Filled, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page(filled.org) == page(filled.org)
    assert date.today().isoformat() not in page(filled.org)


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (
            reports.raci,
            "| business value | **Ada Invented (value_owner)** | Flo Invented "
            "(adoption_owner) | *not said yet* |",
        ),
        (
            reports.raci,
            "| Dee Invented (platform_owner) | dee@example.org | Gil Invented (author) | "
            "serving (2026-05-04), sec",
        ),
        (
            reports.raci,
            "| fraud-team | Bea Invented (model_owner), Gil Invented (author) | \\#fraud | "
            "Gil Invented (author) |",
        ),
        (reports.raci, "- checkout (api), payments team. Without an answer: approve below 50 EUR"),
        (reports.problem, "**Who has it.** card holders"),
        (reports.problem, "- heuristic: a few more are found. every merchant needs a rule"),
        (reports.problem, "fraud losses, in EUR a month: 175000 today, 120000 by 2026-12-31"),
        (reports.problem, "- losses stay above 160000, looked at on 2026-09-30"),
        (reports.change_plan, "## Will I lose my job?\n\nNo.\n"),
        (
            reports.change_plan,
            "| assist | *not said yet* | 28 days, 900 cases | *not said yet* | *not said yet* |",
        ),
        (
            reports.change_plan,
            "| desk | what it cannot do (limits first) | *not said yet* | *not said yet* | "
            "2026-05-21 |",
        ),
        (reports.change_plan, "| desk | training: limits | | *not said yet* | 9 of 10 |"),
        (reports.raci, "| ml | Gil Invented (author), practitioner | beats-baseline |  |"),
        (
            reports.raci,
            "| kubernetes | *not said yet* | rollback-drilled | hire: Dee Invented "
            "(platform_owner) by 2026-09-30 |",
        ),
        (
            reports.risks,
            "Tier **A**. About people: yes; personal data: yes; acts without review: no.",
        ),
        (
            reports.risks,
            "| honest customers are declined | medium | medium | a gate | Bea Invented "
            "(model_owner) | 2026-08-01 |",
        ),
        (reports.risks, "Not legal advice"),
    ],
)
def test_a_page_says_what_the_file_says(filled: Filled, page: Page, says: str) -> None:
    assert says in page(filled.org)


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_said_is_shown_as_not_said(filled: Filled, page: Page) -> None:
    for name in ("problem.yaml", "risk.yaml", "change_plan.yaml"):
        (filled.folder / name).unlink()
    assert "None" not in page(filled.org)
    assert "*not said yet*" in page(filled.org)


@pytest.mark.parametrize("page", PAGES)
def test_hostile_words_are_shown_as_words(filled: Filled, page: Page) -> None:
    before = shape(page(filled.org))
    received = json.dumps(HOSTILE)
    for file, message in (
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
        filled.change(file, message, f"{message.partition(':')[0]}: {received}")
    result = page(filled.org)
    assert shape(result) == before
    assert "evil.test" in result
    assert "<img" not in result
    assert "[x]" not in result.replace("\\[x\\]", "")


def test_every_file_has_a_page() -> None:
    assert len(PAGES) + 1 == len(FILES), "gates has none"
