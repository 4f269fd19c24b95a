"""How ready is it?

The state of every check, the ML Test Score, the maturity level, and what stops every stage.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from difflib import get_close_matches

from .check_catalogue import Section, catalogue
from .check_results import OK_STATES, ProjectState, Result, check_results
from .checks.context import CheckContext, Drill
from .checks.problem import overdue
from .config import GovernanceConfig
from .evidence import Evidence
from .evidence_status import unsound
from .ml_test_score import (
    MIN_SCORE_BY_TIER,
    SCORE_SECTIONS,
    TARGET_SCORE,
    TestScore,
    most_today,
    points_of,
)
from .ownership import STAGES, Stage
from .waivers import PICKLE

MATURITY: tuple[
    tuple[str, ...], ...
] = (  # Microsoft's MLOps maturity model: a level needs all lower ones
    ("checks-green", "tests-green"),
    ("gates-passed", "training-reproducible"),
    ("deployed-by-digest", "rollback-drilled"),
    ("alert-reaches-owner", "drift-watched", "live-quality-watched"),
)


@dataclass(frozen=True)
class Scorecard:
    org: GovernanceConfig
    today: date
    pilot: tuple[Result, ...]
    production: tuple[Result, ...]
    points: tuple[TestScore, ...]
    alarms: tuple[str, ...]
    looked_at: str

    def results(self, stage: Stage) -> tuple[Result, ...]:
        return self.production if stage == "production" else self.pilot

    def gaps(self, stage: Stage) -> tuple[Result, ...]:
        """What a stage demands and does not have, in the order of the catalogue."""
        tier = self.org.risk.tier
        return tuple(
            r
            for r in self.results(stage)
            if r.entry.demanded(stage, tier) and r.status not in OK_STATES
        )

    def missing(self, stage: Stage) -> tuple[str, ...]:
        """What stops a stage beside its gaps: what has run out, and for production a score that is
        too low.
        """
        least = MIN_SCORE_BY_TIER[self.org.risk.tier]
        low = stage == "production" and self.score < least
        needed = f"tier {self.org.risk.tier} needs {least}, this version measures {most_today()}"
        message = f"ML Test Score {self.score:g}; {needed}"
        return self.alarms + ((message,) if low else ())

    def reached(self, stage: Stage) -> bool:
        return not (self.gaps(stage) or self.missing(stage))

    @property
    def next_stage(self) -> Stage:
        """The first stage that is not reached; production when all are."""
        return next((stage for stage in STAGES[1:] if not self.reached(stage)), STAGES[-1])

    def sum_of(self, section: Section) -> float:
        return sum(point.points for point in self.points if point.test.section == section)

    def remedies(self, section: Section) -> dict[str, list[str]]:
        """What mends a section that is below AIM, by command → what then holds; empty for one that
        is not.
        """
        result: dict[str, list[str]] = {}
        for point in self.points if self.sum_of(section) < TARGET_SCORE else ():
            if point.test.section == section and point.remedy:
                result.setdefault(point.remedy, []).append(point.title)
        return result

    @property
    def score(self) -> float:
        """The ML Test Score: the smallest of the four sections (Breck et al. 2017)."""
        return min(self.sum_of(section) for section in SCORE_SECTIONS)

    @property
    def maturity(self) -> int:
        """0 to 4 (Microsoft's MLOps maturity model)."""
        well = {result.entry.id for result in self.pilot if result.status == "passed"}
        return next(
            (level for level, needed in enumerate(MATURITY) if not well.issuperset(needed)),
            len(MATURITY),
        )

    @property
    def days(self) -> int | None:
        since = self.org.ownership.system.since
        return (self.today - since).days if since else None

    @property
    def assumed(self) -> bool:
        """Has the owner of the value not yet accepted what payoff() says a decision is worth?"""
        return not any(r.entry.id == "payoff-accepted" and r.status == "passed" for r in self.pilot)

    def break_even(self) -> str:
        """What it must decide to pay for itself, at the cautious end of its gain; empty when
        nothing is known.
        """
        result = next(
            (
                r.record
                for r in self.pilot
                if r.entry.id == "beats-baseline" and r.status == "passed"
            ),
            None,
        )
        if result is None or not isinstance(result.value, float) or result.value <= 0:
            return ""
        cost = self.org.problem.value.cost_a_month
        message = (
            "the running costs"
            if cost is not None
            else "each 1,000 of running costs (value.cost_a_month is not said)"
        )
        return (
            f"{(1_000 if cost is None else cost) / result.value:,.0f} decisions a month pay "
            f"for {message}"
        )


def assess(
    view: CheckContext, evidence: Sequence[Evidence], facts: ProjectState, now: datetime
) -> Scorecard:
    """The scorecard of the organisation in `view`, with the evidence of its registry.

    Times are aware.
    """
    known = catalogue()
    drills = tuple(
        Drill(record.actor, record.check, record.at.date())
        for record in evidence
        if record.passed
        and (entry := known.entry(record.check))
        and not unsound(entry, record, now)
    )
    view = replace(view, drills=drills)
    anyone, by_ci = (
        check_results(view, evidence, facts, now, only_ci=only_ci) for only_ci in (False, True)
    )
    return Scorecard(
        org=view.org,
        today=view.today,
        pilot=anyone,
        production=by_ci,
        points=points_of(anyone, facts),
        alarms=tuple(_alarms(view)),
        looked_at=facts.looked_at,
    )


def _alarms(view: CheckContext) -> list[str]:
    """What has run out or names nothing, and fails at every stage."""
    ended = [w for w in view.org.waivers if w.expires < view.today]
    ids = [*(entry.id for entry in catalogue().checks), PICKLE]
    strangers = [w.check for w in view.org.waivers if w.check not in ids]
    return [
        *(
            f"governance/waivers.yaml: {check}: there is no such check; the nearest is "
            f"{_nearest(check, ids)}"
            for check in strangers
        ),
        *(
            f"governance/waivers.yaml: {w.check}: expired on {w.expires}: mend it, or have "
            f"it approved anew"
            for w in ended
        ),
        *overdue(view),
        *_hidden_personal_data(view),
    ]


def _hidden_personal_data(view: CheckContext) -> list[str]:
    if not view.personal or view.org.risk.tier_questions.personal_data:
        return []
    message = f"contract.py has PII fields ({', '.join(view.personal)})"
    return [f"governance/risk.yaml: tier_questions.personal_data: false, but {message}"]


def _nearest(word: str, known: list[str]) -> str:
    return (get_close_matches(word, known, 1, 0.0) or known)[0]
