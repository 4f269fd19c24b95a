"""Readiness scorecard: checks, ML Test Score, maturity level, and what blocks every stage."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from difflib import get_close_matches

from .check_catalogue import Section, catalogue
from .check_results import OK_STATES, CheckResult, ProjectState, check_results
from .checks.context import CheckContext, Drill
from .checks.problem import overdue
from .config import GovernanceConfig
from .evidence import Evidence
from .evidence_status import reason_unsound
from .ml_test_score import (
    MIN_SCORE_BY_TIER,
    SCORE_SECTIONS,
    TARGET_SCORE,
    TestScore,
    max_score_today,
    score_tests,
)
from .ownership import STAGES, Stage
from .waivers import PICKLE

# Microsoft's MLOps maturity model: a level requires all lower ones.
MATURITY: tuple[tuple[str, ...], ...] = (
    ("checks-green", "tests-green"),
    ("gates-passed", "training-reproducible"),
    ("deployed-by-digest", "rollback-drilled"),
    ("alert-reaches-owner", "drift-watched", "live-quality-watched"),
)


@dataclass(frozen=True)
class Scorecard:
    """The readiness of a system on a day.

    `pilot` are the results by all evidence, `production` those by evidence of the CI. `alarms` are
    the findings that block every stage. `assessed` names the model version.
    """

    org: GovernanceConfig
    today: date
    pilot: tuple[CheckResult, ...]
    production: tuple[CheckResult, ...]
    points: tuple[TestScore, ...]
    alarms: tuple[str, ...]
    assessed: str

    def results(self, stage: Stage) -> tuple[CheckResult, ...]:
        return self.production if stage == "production" else self.pilot

    def gaps(self, stage: Stage) -> tuple[CheckResult, ...]:
        """Checks that a stage requires and that are not met, in the order of the catalog."""
        tier = self.org.risk.tier
        return tuple(
            r
            for r in self.results(stage)
            if r.entry.demanded(stage, tier) and r.status not in OK_STATES
        )

    def missing(self, stage: Stage) -> tuple[str, ...]:
        """What blocks a stage beside its gaps: the alarms, and a score too low for production."""
        least = MIN_SCORE_BY_TIER[self.org.risk.tier]
        low = stage == "production" and self.score < least
        needed = (
            f"tier {self.org.risk.tier} requires {least}, this version can measure up to "
            f"{max_score_today()}"
        )
        message = f"ML Test Score {self.score:g}; {needed}"
        return self.alarms + ((message,) if low else ())

    def reached(self, stage: Stage) -> bool:
        return not (self.gaps(stage) or self.missing(stage))

    @property
    def next_stage(self) -> Stage:
        """The first stage that is not reached; production if all are."""
        return next((stage for stage in STAGES[1:] if not self.reached(stage)), STAGES[-1])

    def sum_of(self, section: Section) -> float:
        return sum(point.points for point in self.points if point.test.section == section)

    def remedies(self, section: Section) -> dict[str, list[str]]:
        """Commands that improve a section below the target score → what then holds.

        Empty for a section that reaches the target.
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
        """Whether the owner of the value has not yet accepted the payoffs of payoff()."""
        return not any(r.entry.id == "payoff-accepted" and r.status == "passed" for r in self.pilot)

    def break_even(self) -> str:
        """Decisions a month that pay for the running costs, by the lower bound of the gain.

        Empty if the gain is unknown.
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
            else "each 1,000 of running costs (value.cost_a_month is not filled in)"
        )
        return (
            f"{(1_000 if cost is None else cost) / result.value:,.0f} decisions a month pay "
            f"for {message}"
        )


def assess(
    view: CheckContext, evidence: Sequence[Evidence], facts: ProjectState, now: datetime
) -> Scorecard:
    """Assess the files and the project in `view` with the evidence of the registry.

    Times have a time zone.
    """
    known = catalogue()
    drills = tuple(
        Drill(record.actor, record.check, record.at.date())
        for record in evidence
        if record.passed
        and (entry := known.entry(record.check))
        and not reason_unsound(entry, record, now)
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
        points=score_tests(anyone, facts),
        alarms=tuple(_alarms(view)),
        assessed=facts.assessed,
    )


def _alarms(view: CheckContext) -> list[str]:
    """Findings that block every stage: expired, unknown or contradictory entries."""
    ended = [w for w in view.org.waivers if w.expires < view.today]
    ids = [*(entry.id for entry in catalogue().checks), PICKLE]
    strangers = [w.check for w in view.org.waivers if w.check not in ids]
    return [
        *(
            f"governance/waivers.yaml: {check}: there is no such check; the most similar "
            f"is {_nearest(check, ids)}"
            for check in strangers
        ),
        *(
            f"governance/waivers.yaml: {w.check}: expired on {w.expires}: make the check "
            f"pass, or get a new approval"
            for w in ended
        ),
        *overdue(view),
        *_hidden_personal_data(view),
    ]


def _hidden_personal_data(view: CheckContext) -> list[str]:
    if not view.personal or view.org.risk.tier_questions.personal_data:
        return []
    return [
        f"governance/risk.yaml: tier_questions.personal_data: false, but contract.py has PII "
        f"fields ({', '.join(view.personal)}); set it to true"
    ]


def _nearest(word: str, known: list[str]) -> str:
    return (get_close_matches(word, known, 1, 0.0) or known)[0]
