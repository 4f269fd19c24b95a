"""The ML Test Score: 28 tests in four sections, and what a point of each rests on (Breck et al.

2017).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .check_catalogue import MlTest, Section, catalogue
from .check_results import ProjectState, Result

SCORE_SECTIONS: tuple[Section, ...] = (
    "Data",
    "Model",
    "Infrastructure",
    "Monitoring",
)  # its sections
MIN_SCORE_BY_TIER = {"A": 5, "B": 4, "C": 3}  # what production asks for, by tier
TARGET_SCORE = 6  # points of 7 that a well-kept project has in each section


@dataclass(frozen=True)
class TestScore:
    """`remedy`: what makes it more, with `title`, what then holds; both empty where it is all that
    can be had.
    """

    test: MlTest
    points: float
    why: str
    remedy: str = ""
    title: str = ""


def most_today() -> int:
    """The largest ML Test Score that today's commands could show."""
    later = {entry.id for entry in catalogue().checks if entry.later}
    measured = [
        test.section for test in catalogue().ml_test_score if not later.issuperset(test.checks)
    ]
    return min(measured.count(section) for section in SCORE_SECTIONS)


def points_of(results: Sequence[Result], facts: ProjectState) -> tuple[TestScore, ...]:
    by_id = {result.entry.id: result for result in results}
    return tuple(
        _point(test, [by_id[id] for id in test.checks], facts.workflows)
        for test in catalogue().ml_test_score
    )


def _point(test: MlTest, results: list[Result], workflows: str) -> TestScore:
    """1: a run has shown it, and a workflow repeats it; 0.5: done by hand only; else 0 (Breck et
    al. 2017).
    """
    errors = next((result for result in results if result.status != "passed"), None)
    if errors:
        why = f"{errors.status}: {errors.says[0] if errors.says else ''}"
        remedy = "nothing measures it yet" if errors.entry.later else errors.fix or errors.says[0]
        return TestScore(test, 0, why, remedy, errors.entry.title)
    if repeated := next((word for word in test.repeated_by if _repeats(workflows, word)), ""):
        return TestScore(
            test, 1, f"{results[0].says[0]}; repeated by make {repeated} in a workflow"
        )
    remedy = f"let a workflow run make {test.repeated_by[0]} by itself" if test.repeated_by else ""
    return TestScore(
        test, 0.5, f"{results[0].says[0]}; no workflow repeats it", remedy, results[0].entry.title
    )


def _repeats(workflows: str, target: str) -> bool:
    """Does a line of the workflows, not a comment, make this very target?"""
    return (
        re.search(rf"^[^#\n]*\bmake[ \t]+{target}(?![\w.-])", workflows, re.MULTILINE) is not None
    )
