"""The state of each check: what the files declare, what evidence shows, and what is waived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from ..installation.installed import Library
from .check_catalogue import CheckDefinition, Subject, catalogue
from .checks import DECLARED
from .checks.context import CheckContext, NotApplicableError
from .evidence import Evidence
from .evidence_status import UNINSTALLED, Status, judge
from .people import TODO
from .waivers import Waiver

NO_OWNER = "who answers for it, once named,"  # is no address
LONGEST = timedelta(days=180)  # of a waiver
State = Literal["passed", "failed", "stale", "unmeasured", "waived", "not applicable"]
OK_STATES: frozenset[State] = frozenset({"passed", "waived", "not applicable"})


@dataclass(frozen=True)
class ProjectState:
    """What is here today: digests by subject, the text of the workflows, whether a model or the
    baseline is looked at, how it is called, and the library that is installed.
    """

    digests: Mapping[Subject, str]
    workflows: str = ""
    kind: Literal["model", "baseline"] = "model"
    looked_at: str = "no model yet"
    library: Library = UNINSTALLED


@dataclass(frozen=True)
class Result:
    """A check's state.

    `says`: what is missing, each with file and key, or of the evidence that counts.
    """

    entry: CheckDefinition
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
            return (
                f"nothing measures it yet; until then governance/waivers.yaml may hold {{{facts}}}"
            )
        if self.only_ci and entry.by_hand:
            return (
                f"{self.person} starts the workflow by hand, task attest, for {entry.id}: a "
                f"token proves who did"
            )
        if self.only_ci:
            return f"let the CI run {entry.by}, with MLFLOW_TRACKING_URI"
        command = (
            f"{entry.by}, while make serve runs in another terminal"
            if entry.needs_service
            else entry.by
        )
        return entry.fix if entry.fix and self.status == "failed" else command or entry.fix


def check_results(
    view: CheckContext,
    evidence: Sequence[Evidence],
    facts: ProjectState,
    now: datetime,
    *,
    only_ci: bool,
) -> tuple[Result, ...]:
    """Every check of the catalogue; with `only_ci` by what the CI has shown."""
    return tuple(
        _waived(view, _result(view, entry, evidence, facts, now, only_ci=only_ci))
        for entry in catalogue().checks
    )


def _result(
    view: CheckContext,
    entry: CheckDefinition,
    evidence: Sequence[Evidence],
    facts: ProjectState,
    now: datetime,
    *,
    only_ci: bool,
) -> Result:
    owner = view.org.ownership.answers_for(entry.outcome)
    id = owner.id if owner else entry.outcome
    shown = owner.name if owner and owner.known else f"{TODO} ({id})"
    if entry.models_only and facts.kind == "baseline":
        return Result(entry, "not applicable", ("the baseline is what is looked at",), shown, id)
    if entry.declared:
        try:
            result = tuple(DECLARED[entry.id](view))
        except NotApplicableError as reason:
            return Result(entry, "not applicable", (str(reason),), shown, id)
        return Result(entry, "failed" if result else "passed", result, shown, id)
    only_by = (owner.email if owner and owner.known else NO_OWNER) if entry.by_hand else ""
    judged = partial(
        judge, entry, evidence, facts.digests, now, library=facts.library, only_by=only_by
    )
    anyone, ci = judged(), view.org.ownership.ci
    by_ci = judged(only_ci=True, proof=ci.proof if ci else "") if only_ci else anyone
    lacks_ci = by_ci.status != "passed" and anyone.status == "passed"
    status: Status = by_ci.status
    return Result(entry, status, (by_ci.why,), shown, id, lacks_ci, record=by_ci.record)


def _waived(view: CheckContext, result: Result) -> Result:
    """Only the accountable of a check's outcome may waive it, and only until a day."""
    if result.status in OK_STATES:
        return result
    outcome = view.org.ownership.outcome(result.entry.outcome)
    errors = []
    for waiver in view.org.waivers:
        if waiver.check == result.entry.id and waiver.expires >= view.today and outcome:
            key = f"governance/waivers.yaml: {waiver.check}"
            if result.entry.no_waiver:
                errors.append(f"{key}: nobody may excuse this")
                continue
            if waiver.expires - view.today > LONGEST:
                errors.append(
                    f"{key}: expires: {waiver.expires} is more than {LONGEST.days} days away"
                )
                continue
            if view.org.ownership.same(waiver.approved_by, outcome.accountable) and view.known(
                waiver.approved_by
            ):
                return replace(result, status="waived", waiver=waiver)
            only = f"only {outcome.accountable} may, once known"
            errors.append(f"{key}: approved_by: {waiver.approved_by}; {only}")
    return replace(result, says=(*result.says, *errors))
