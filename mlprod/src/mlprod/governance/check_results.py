"""State of each check: by the governance files, by evidence, and by waivers."""

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
from .evidence_status import UNINSTALLED, Status, judge_evidence
from .people import TODO
from .waivers import Waiver

# A text that differs from every address.
NO_OWNER = "the accountable person, once named,"
# The longest time until a waiver expires.
MAX_WAIVER = timedelta(days=180)
State = Literal["passed", "failed", "stale", "unmeasured", "waived", "not applicable"]
OK_STATES: frozenset[State] = frozenset({"passed", "waived", "not applicable"})


@dataclass(frozen=True)
class ProjectState:
    """The project today.

    `digests` are by subject, `workflows` is their text, `assessed` names the model version, and
    `library` is the installed one.
    """

    digests: Mapping[Subject, str]
    workflows: str = ""
    kind: Literal["model", "baseline"] = "model"
    assessed: str = "no model yet"
    library: Library = UNINSTALLED


@dataclass(frozen=True)
class CheckResult:
    """The state of a check.

    `says` has what is missing, with file and key, or a description of the evidence that counts.
    `person` and `owner` are name and id of the accountable person. `only_ci` is true if evidence
    exists and only a run of the CI is missing.
    """

    entry: CheckDefinition
    status: State
    says: tuple[str, ...]
    person: str
    owner: str = ""
    only_ci: bool = False
    waiver: Waiver | None = None
    record: Evidence | None = None

    @property
    def fix(self) -> str:
        """What to do; empty if a file must be edited, which `says` names."""
        entry = self.entry
        if entry.later:
            facts = f"check: {entry.id}, reason: …, risk: …, approved_by: {self.owner}, expires: …"
            return (
                f"no command measures it yet; until then add a waiver to governance/waivers.yaml: "
                f"{{{facts}}}"
            )
        if self.only_ci and entry.by_hand:
            return (
                f"{self.person} starts the task attest of the workflow for {entry.id}, where a "
                f"token proves the account"
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
) -> tuple[CheckResult, ...]:
    """Results of every check of the catalog; with `only_ci` by evidence of the CI."""
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
) -> CheckResult:
    owner = view.org.ownership.accountable_person(entry.outcome)
    id = owner.id if owner else entry.outcome
    shown = owner.name if owner and owner.is_named else f"{TODO} ({id})"
    if entry.models_only and facts.kind == "baseline":
        return CheckResult(
            entry, "not applicable", ("the assessed version is the baseline",), shown, id
        )
    if entry.declared:
        try:
            result = tuple(DECLARED[entry.id](view))
        except NotApplicableError as reason:
            return CheckResult(entry, "not applicable", (str(reason),), shown, id)
        return CheckResult(entry, "failed" if result else "passed", result, shown, id)
    only_by = (owner.email if owner and owner.is_named else NO_OWNER) if entry.by_hand else ""
    judged = partial(
        judge_evidence, entry, evidence, facts.digests, now, library=facts.library, only_by=only_by
    )
    anyone, ci = judged(), view.org.ownership.ci
    by_ci = judged(only_ci=True, proof=ci.proof if ci else "") if only_ci else anyone
    missing_ci = by_ci.status != "passed" and anyone.status == "passed"
    status: Status = by_ci.status
    return CheckResult(entry, status, (by_ci.why,), shown, id, missing_ci, record=by_ci.record)


def _waived(view: CheckContext, result: CheckResult) -> CheckResult:
    """Apply a waiver, if the accountable person of the check's outcome approved it."""
    if result.status in OK_STATES:
        return result
    outcome = view.org.ownership.outcome(result.entry.outcome)
    errors = []
    for waiver in view.org.waivers:
        if waiver.check == result.entry.id and waiver.expires >= view.today and outcome:
            key = f"governance/waivers.yaml: {waiver.check}"
            if result.entry.no_waiver:
                errors.append(f"{key}: this check allows no waiver")
                continue
            if waiver.expires - view.today > MAX_WAIVER:
                errors.append(
                    f"{key}: expires: {waiver.expires} is more than {MAX_WAIVER.days} days away; "
                    f"set an earlier day"
                )
                continue
            if view.org.ownership.is_same_person(
                waiver.approved_by, outcome.accountable
            ) and view.active_person(waiver.approved_by):
                return replace(result, status="waived", waiver=waiver)
            only = f"only {outcome.accountable} may approve it, once named"
            errors.append(f"{key}: approved_by: {waiver.approved_by}; {only}")
    return replace(result, says=(*result.says, *errors))
