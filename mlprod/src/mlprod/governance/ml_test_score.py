"""ML Test Score: 28 tests in four sections, and the checks behind them (Breck et al. 2017)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .check_catalogue import MlTest, Section, catalogue
from .check_results import CheckResult, ProjectState

SCORE_SECTIONS: tuple[Section, ...] = (
    "Data",
    "Model",
    "Infrastructure",
    "Monitoring",
)
# The score that production requires.
MIN_SCORE_BY_TIER = {"A": 5, "B": 4, "C": 3}
# Points of 7 that a well-kept project has in each section.
TARGET_SCORE = 6


@dataclass(frozen=True)
class TestScore:
    """Points of a test.

    `remedy` is what adds to them and `title` is what then holds. Both are empty if nothing adds.
    """

    test: MlTest
    points: float
    why: str
    remedy: str = ""
    title: str = ""


def max_score_today() -> int:
    """The highest ML Test Score that today's commands can prove."""
    later = {entry.id for entry in catalogue().checks if entry.later}
    measured = [
        test.section for test in catalogue().ml_test_score if not later.issuperset(test.checks)
    ]
    return min(measured.count(section) for section in SCORE_SECTIONS)


def score_tests(results: Sequence[CheckResult], facts: ProjectState) -> tuple[TestScore, ...]:
    by_id = {result.entry.id: result for result in results}
    return tuple(
        _point(test, [by_id[id] for id in test.checks], facts.workflows)
        for test in catalogue().ml_test_score
    )


def _point(test: MlTest, results: list[CheckResult], workflows: str) -> TestScore:
    """Points of a test: 1 if its checks passed and a workflow repeats it, 0.5 if none repeats it.

    Otherwise 0 (Breck et al. 2017).
    """
    errors = next((result for result in results if result.status != "passed"), None)
    if errors:
        why = f"{errors.status}: {errors.says[0] if errors.says else ''}"
        remedy = (
            "no command measures it yet" if errors.entry.later else errors.fix or errors.says[0]
        )
        return TestScore(test, 0, why, remedy, errors.entry.title)
    if repeated := next((word for word in test.repeated_by if _repeats(workflows, word)), ""):
        return TestScore(
            test, 1, f"{results[0].says[0]}; repeated by make {repeated} in a workflow"
        )
    remedy = f"let a workflow run make {test.repeated_by[0]}" if test.repeated_by else ""
    return TestScore(
        test, 0.5, f"{results[0].says[0]}; no workflow repeats it", remedy, results[0].entry.title
    )


def _repeats(workflows: str, target: str) -> bool:
    """Whether a line of the workflows that is not a comment makes this target."""
    return (
        re.search(rf"^[^#\n]*\bmake[ \t]+{target}(?![\w.-])", workflows, re.MULTILINE) is not None
    )
