"""How ready is it? Every check's state for a stage, the ML Test Score, the maturity level, and who should do what."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from functools import partial
from typing import Literal

from ..installed import Library
from .check_catalogue import Entry, MlTest, Section, Subject, catalogue
from .checks import DECLARED
from .checks.context import DoesNotApply, Drill, View
from .checks.problem import overdue
from .config import Organisation
from .evidence import UNINSTALLED, Evidence, Status, judge, unsound
from .ownership import STAGES, TODO, Stage
from .waivers import PICKLE, Waiver

NOBODY = "who answers for it, once named,"  # is no address
CLASSIC: tuple[Section, ...] = ("Data", "Model", "Infrastructure", "Monitoring")  # sections of the ML Test Score
LEAST = {"A": 5, "B": 4, "C": 3}  # ML Test Score that production asks for, by tier
AIM = 6  # points of 7 that a well-kept project has in each section
MATURITY: tuple[tuple[str, ...], ...] = (  # Microsoft's MLOps maturity model: a level needs all lower ones
    ("checks-green", "tests-green"),
    ("gates-passed", "training-reproducible"),
    ("deployed-by-digest", "rollback-drilled"),
    ("alert-reaches-owner", "drift-watched", "live-quality-watched"),
)
LONGEST = timedelta(days=180)  # of a waiver
State = Literal["passed", "failed", "stale", "unmeasured", "waived", "not applicable"]
WELL: frozenset[State] = frozenset({"passed", "waived", "not applicable"})


@dataclass(frozen=True)
class Facts:
    """What is here today: digests by subject, the text of the workflows, whether a model or the baseline is looked
    at, how it is called, and the library that is installed."""

    digests: Mapping[Subject, str]
    workflows: str = ""
    kind: Literal["model", "baseline"] = "model"
    looked_at: str = "no model yet"
    library: Library = UNINSTALLED


@dataclass(frozen=True)
class Result:
    """A check's state. `says`: what is missing, each with file and key, or of the evidence that counts."""

    entry: Entry
    status: State
    says: tuple[str, ...]
    person: str
    owner: str = ""
    only_ci: bool = False  # it was shown, and what lacks is a run of the CI
    waiver: Waiver | None = None
    record: Evidence | None = None

    @property
    def fix(self) -> str:
        """What mends it; empty where a file is to be edited, as `says` tells."""
        entry = self.entry
        if entry.later:
            facts = f"check: {entry.id}, reason: …, risk: …, approved_by: {self.owner}, expires: …"
            return f"nothing measures it yet; until then governance/waivers.yaml may hold {{{facts}}}"
        if self.only_ci and entry.by_hand:
            return f"{self.person} starts the workflow by hand, task attest, for {entry.id}: a token proves who did"
        if self.only_ci:
            return f"let the CI run {entry.by}, with MLFLOW_TRACKING_URI"
        command = f"{entry.by}, while make serve runs in another terminal" if entry.needs_service else entry.by
        return entry.fix if entry.fix and self.status == "failed" else command or entry.fix


@dataclass(frozen=True)
class Point:
    """`mend`: what makes it more, with `title`, what then holds; both empty where it is all that can be had."""

    test: MlTest
    points: float
    why: str
    mend: str = ""
    title: str = ""


@dataclass(frozen=True)
class Scorecard:
    org: Organisation
    today: date
    pilot: tuple[Result, ...]
    production: tuple[Result, ...]
    points: tuple[Point, ...]
    alarms: tuple[str, ...]
    looked_at: str

    def results(self, stage: Stage) -> tuple[Result, ...]:
        return self.production if stage == "production" else self.pilot

    def gaps(self, stage: Stage) -> tuple[Result, ...]:
        """What a stage demands and does not have, in the order of the catalogue."""
        tier = self.org.risk.tier
        return tuple(r for r in self.results(stage) if r.entry.demanded(stage, tier) and r.status not in WELL)

    def missing(self, stage: Stage) -> tuple[str, ...]:
        """What stops a stage beside its gaps: what has run out, and for production a score that is too low."""
        least = LEAST[self.org.risk.tier]
        low = stage == "production" and self.score < least
        said = f"ML Test Score {self.score:g}; tier {self.org.risk.tier} needs {least}, this version measures {_most()}"
        return self.alarms + ((said,) if low else ())

    def reached(self, stage: Stage) -> bool:
        return not (self.gaps(stage) or self.missing(stage))

    @property
    def next_stage(self) -> Stage:
        """The first stage that is not reached; production when all are."""
        return next((stage for stage in STAGES[1:] if not self.reached(stage)), STAGES[-1])

    def sum_of(self, section: Section) -> float:
        return sum(point.points for point in self.points if point.test.section == section)

    def lacks(self, section: Section) -> dict[str, list[str]]:
        """What mends a section that is below AIM, by command → what then holds; empty for one that is not."""
        found: dict[str, list[str]] = {}
        for point in self.points if self.sum_of(section) < AIM else ():
            if point.test.section == section and point.mend:
                found.setdefault(point.mend, []).append(point.title)
        return found

    @property
    def score(self) -> float:
        """The ML Test Score: the smallest of the four sections (Breck et al. 2017)."""
        return min(self.sum_of(section) for section in CLASSIC)

    @property
    def maturity(self) -> int:
        """0 to 4 (Microsoft's MLOps maturity model)."""
        well = {result.entry.id for result in self.pilot if result.status == "passed"}
        return next((level for level, needed in enumerate(MATURITY) if not well.issuperset(needed)), len(MATURITY))

    @property
    def days(self) -> int | None:
        since = self.org.ownership.system.since
        return (self.today - since).days if since else None

    @property
    def assumed(self) -> bool:
        """Has the owner of the value not yet accepted what payoff() says a decision is worth?"""
        return not any(r.entry.id == "payoff-accepted" and r.status == "passed" for r in self.pilot)

    def break_even(self) -> str:
        """What it must decide to pay for itself, at the cautious end of its gain; empty when nothing is known."""
        found = next((r.record for r in self.pilot if r.entry.id == "beats-baseline" and r.status == "passed"), None)
        if found is None or not isinstance(found.value, float) or found.value <= 0:
            return ""
        cost = self.org.problem.value.cost_a_month
        said = (
            "the running costs" if cost is not None else "each 1,000 of running costs (value.cost_a_month is not said)"
        )
        return f"{(1_000 if cost is None else cost) / found.value:,.0f} decisions a month pay for {said}"


def assess(view: View, evidence: Sequence[Evidence], facts: Facts, now: datetime) -> Scorecard:
    """The scorecard of the organisation in `view`, with the evidence of its registry. Times are aware."""
    known = catalogue()
    drills = tuple(
        Drill(record.actor, record.check, record.at.date())
        for record in evidence
        if record.passed and (entry := known.entry(record.check)) and not unsound(entry, record, now)
    )
    view = replace(view, drills=drills)
    anyone, by_ci = (_results(view, evidence, facts, now, only_ci=only_ci) for only_ci in (False, True))
    return Scorecard(
        org=view.org,
        today=view.today,
        pilot=anyone,
        production=by_ci,
        points=_points(anyone, facts),
        alarms=tuple(_alarms(view)),
        looked_at=facts.looked_at,
    )


def _results(
    view: View, evidence: Sequence[Evidence], facts: Facts, now: datetime, *, only_ci: bool
) -> tuple[Result, ...]:
    return tuple(
        _waived(view, _result(view, entry, evidence, facts, now, only_ci=only_ci)) for entry in catalogue().checks
    )


def _result(
    view: View, entry: Entry, evidence: Sequence[Evidence], facts: Facts, now: datetime, *, only_ci: bool
) -> Result:
    owner = view.org.ownership.answers_for(entry.outcome)
    id = owner.id if owner else entry.outcome
    shown = owner.name if owner and owner.known else f"{TODO} ({id})"
    if entry.models_only and facts.kind == "baseline":
        return Result(entry, "not applicable", ("the baseline is what is looked at",), shown, id)
    if entry.declared:
        try:
            found = tuple(DECLARED[entry.id](view))
        except DoesNotApply as reason:
            return Result(entry, "not applicable", (str(reason),), shown, id)
        return Result(entry, "failed" if found else "passed", found, shown, id)
    only_by = (owner.email if owner and owner.known else NOBODY) if entry.by_hand else ""
    judged = partial(judge, entry, evidence, facts.digests, now, library=facts.library, only_by=only_by)
    anyone, ci = judged(), view.org.ownership.ci
    by_ci = judged(only_ci=True, proof=ci.proof if ci else "") if only_ci else anyone
    lacks_ci = by_ci.status != "passed" and anyone.status == "passed"
    status: Status = by_ci.status
    return Result(entry, status, (by_ci.why,), shown, id, lacks_ci, record=by_ci.record)


def _waived(view: View, result: Result) -> Result:
    """Only the accountable of a check's outcome may waive it, and only until a day."""
    if result.status in WELL:
        return result
    outcome = view.org.ownership.outcome(result.entry.outcome)
    wrong = []
    for waiver in view.org.waivers:
        if waiver.check == result.entry.id and waiver.expires >= view.today and outcome:
            key = f"governance/waivers.yaml: {waiver.check}"
            if result.entry.no_waiver:
                wrong.append(f"{key}: nobody may excuse this")
                continue
            if waiver.expires - view.today > LONGEST:
                wrong.append(f"{key}: expires: {waiver.expires} is more than {LONGEST.days} days away")
                continue
            if view.org.ownership.same(waiver.approved_by, outcome.accountable) and view.known(waiver.approved_by):
                return replace(result, status="waived", waiver=waiver)
            only = f"only {outcome.accountable} may, once known"
            wrong.append(f"{key}: approved_by: {waiver.approved_by}; {only}")
    return replace(result, says=(*result.says, *wrong))


def _alarms(view: View) -> list[str]:
    """What has run out or names nothing, and fails at every stage."""
    ended = [w for w in view.org.waivers if w.expires < view.today]
    ids = [*(entry.id for entry in catalogue().checks), PICKLE]
    strangers = [w.check for w in view.org.waivers if w.check not in ids]
    return [
        *(
            f"governance/waivers.yaml: {check}: there is no such check; the nearest is {_nearest(check, ids)}"
            for check in strangers
        ),
        *(
            f"governance/waivers.yaml: {w.check}: expired on {w.expires}: mend it, or have it approved anew"
            for w in ended
        ),
        *overdue(view),
        *_hidden_personal_data(view),
    ]


def _hidden_personal_data(view: View) -> list[str]:
    if not view.personal or view.org.risk.tier_questions.personal_data:
        return []
    said = f"contract.py has PERSONAL fields ({', '.join(view.personal)})"
    return [f"governance/risk.yaml: tier_questions.personal_data: false, but {said}"]


def _most() -> int:
    """The largest ML Test Score that today's commands could show."""
    later = {entry.id for entry in catalogue().checks if entry.later}
    measured = [test.section for test in catalogue().ml_test_score if not later.issuperset(test.checks)]
    return min(measured.count(section) for section in CLASSIC)


def _nearest(word: str, known: list[str]) -> str:
    return (get_close_matches(word, known, 1, 0.0) or known)[0]


def _points(results: Sequence[Result], facts: Facts) -> tuple[Point, ...]:
    by_id = {result.entry.id: result for result in results}
    return tuple(_point(test, [by_id[id] for id in test.checks], facts.workflows) for test in catalogue().ml_test_score)


def _point(test: MlTest, results: list[Result], workflows: str) -> Point:
    """1: a run has shown it, and a workflow repeats it; 0.5: done by hand only; else 0 (Breck et al. 2017)."""
    wrong = next((result for result in results if result.status != "passed"), None)
    if wrong:
        why = f"{wrong.status}: {wrong.says[0] if wrong.says else ''}"
        mend = "nothing measures it yet" if wrong.entry.later else wrong.fix or wrong.says[0]
        return Point(test, 0, why, mend, wrong.entry.title)
    if repeated := next((word for word in test.repeated_by if _repeats(workflows, word)), ""):
        return Point(test, 1, f"{results[0].says[0]}; repeated by make {repeated} in a workflow")
    mend = f"let a workflow run make {test.repeated_by[0]} by itself" if test.repeated_by else ""
    return Point(test, 0.5, f"{results[0].says[0]}; no workflow repeats it", mend, results[0].entry.title)


def _repeats(workflows: str, target: str) -> bool:
    """Does a line of the workflows, not a comment, make this very target?"""
    return re.search(rf"^[^#\n]*\bmake[ \t]+{target}(?![\w.-])", workflows, re.MULTILINE) is not None
