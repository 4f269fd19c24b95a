"""Checks of the ownership: one accountable person for each outcome, with acceptance and deputy."""

from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatch

from .context import ACTIVE_PERSON, Check, CheckContext, NotApplicableError

FILE = "governance/ownership.yaml"
OUTCOMES = (
    "business_value",
    "model_quality",
    "data_quality",
    "serving",
    "security_and_compliance",
    "adoption",
    "cost",
)
# Outcomes of one person at tier A; a heuristic of practitioners.
MAX_OUTCOMES = 3
# The longest time for which an acceptance counts.
QUARTER = timedelta(days=92)
# A skill counts as covered for so long after its last evidence.
SKILL_DAYS = 180
# Checks whose evidence shows a skill of the person who ran them.
SKILL_CHECKS = {
    "ml": ("beats-baseline",),
    "api": ("served-end-to-end",),
    "sql_and_pipelines": ("contract-holds",),
    "monitoring": ("alert-reaches-owner",),
    "security": ("stop-drilled",),
    "kubernetes": ("rollback-drilled",),
    "containers": ("image-runs",),
    "cloud": ("deployed-by-digest",),
}


def owners_named(context: CheckContext) -> Iterator[str]:
    ownership = context.org.ownership
    for id in OUTCOMES:
        if ownership.outcome(id) is None:
            yield f"{FILE}: outcomes: {id} is missing: nobody is accountable for it"
    for outcome in ownership.outcomes:
        person = ownership.person(outcome.accountable)
        if person is None or not person.is_named:
            yield (
                f"{FILE}: people: {outcome.accountable}: nobody is named who is accountable for "
                f"{outcome.id}"
            )
        elif not person.is_active(context.today):
            reason = (
                f"left on {person.until}"
                if person.until and person.until <= context.today
                else f"starts on {person.from_}"
            )
            successor = f"; name {person.replaced_by}" if person.replaced_by else ""
            yield f"{FILE}: outcomes: {outcome.id}: accountable: {person.name} {reason}{successor}"


def owners_have_deputies(context: CheckContext) -> Iterator[str]:
    for id in _accountable(context):
        person = context.active_person(id)
        if person is None:
            # `owners_named` reports it.
            continue
        deputy = context.active_person(person.deputy)
        if deputy is None or context.org.ownership.is_same_person(person.id, deputy.id):
            reason = f"{person.deputy} cannot deputize" if person.deputy else "nobody"
            yield f"{FILE}: people: {id}: deputy: {reason}; use the id of another active person"


def someone_is_responsible(context: CheckContext) -> Iterator[str]:
    for outcome in context.org.ownership.outcomes:
        if not outcome.responsible:
            yield (
                f"{FILE}: outcomes: {outcome.id}: responsible: nobody; name the people who do the "
                f"work"
            )


def owners_accepted(context: CheckContext) -> Iterator[str]:
    """Outcomes without an acceptance that has evidence and is not older than its review."""
    ownership = context.org.ownership
    for outcome in ownership.outcomes:
        result = [
            a
            for a in ownership.accepted
            if a.outcome == outcome.id and a.person == outcome.accountable
        ]
        key = f"{FILE}: accepted: {outcome.id}"
        if not result:
            yield f"{key}: {outcome.accountable} has not accepted"
            continue
        last = max(result, key=lambda acceptance: acceptance.date)
        if not last.evidence:
            yield (
                f"{key}: evidence: name the merge request in which {outcome.accountable} "
                f"approved this"
            )
        elif last.date > context.today:
            yield f"{key}: date: {last.date} is in the future"
        elif last.review_by < context.today:
            yield f"{key}: review_by: {last.review_by} has passed; ask {outcome.accountable} again"
        elif last.review_by - last.date > QUARTER:
            yield (
                f"{key}: review_by: {last.review_by} is more than a quarter after {last.date}; at "
                f"most {QUARTER.days} days work"
            )


def owners_not_overloaded(context: CheckContext) -> Iterator[str]:
    ownership = context.org.ownership
    if context.org.risk.tier != "A":
        raise NotApplicableError("only tier A limits the number of outcomes of one person")
    for id in dict.fromkeys(_accountable(context)):
        mine = [
            outcome
            for outcome in ownership.outcomes
            if ownership.is_same_person(outcome.accountable, id)
        ]
        if len(mine) > MAX_OUTCOMES and mine[0].accountable == id and context.active_person(id):
            yield (
                f"{FILE}: outcomes: {id} is accountable for {len(mine)} "
                f"({', '.join(outcome.id for outcome in mine)}); at most {MAX_OUTCOMES} work at "
                f"tier A"
            )


def gates_owned_apart(context: CheckContext) -> Iterator[str]:
    """Authors of the model who are accountable for the value, and so approve gates and payoff."""
    ownership = context.org.ownership
    owner, model = ownership.outcome("business_value"), ownership.outcome("model_quality")
    for author in ownership.people_of(model.responsible if model else ()):
        if owner and ownership.is_same_person(owner.accountable, author.id):
            yield (
                f"{FILE}: outcomes: model_quality: responsible: {author.id} makes the model and "
                f"approves its gates, as the person accountable for business_value; another person "
                f"must do one of the two"
            )


def everything_covered(context: CheckContext) -> Iterator[str]:
    """Source folders, alert rules and risks that belong to no outcome."""
    outcomes = context.org.ownership.outcomes
    globs = [glob for outcome in outcomes for glob in outcome.covers.paths]
    for folder in context.folders:
        if not any(fnmatch(folder, glob) or fnmatch(folder, f"{glob}/*") for glob in globs):
            yield f"{FILE}: outcomes: covers.paths: no outcome covers the folder {folder}"
    alerts, ids = (
        {name for outcome in outcomes for name in outcome.covers.alerts},
        {outcome.id for outcome in outcomes},
    )
    for alert, outcome in context.alerts:
        if alert not in alerts and outcome not in ids:
            yield f"{FILE}: outcomes: covers.alerts: no outcome covers the alert {alert}"
    risks = {id for result in outcomes for id in result.covers.risks}
    for risk in context.org.risk.risks:
        if risk.id not in risks and context.org.ownership.person(risk.owner) is None:
            yield (
                f"{FILE}: outcomes: covers.risks: no outcome covers the risk {risk.id}, and the "
                f"risk has no owner"
            )


def skills_covered(context: CheckContext) -> Iterator[str]:
    """Required skills without recent evidence and without an action, its owner and its day."""
    skills = context.org.ownership.skills
    for skill in skills.required:
        if _shown_recently(context, skill):
            continue
        gap = next((gap for gap in skills.gaps if gap.skill == skill), None)
        if gap is None:
            yield (
                f"{FILE}: skills: {skill}: nobody has shown it in {SKILL_DAYS} days; run its "
                f"command, or add an action to gaps"
            )
        elif gap.due < context.today:
            yield (
                f"{FILE}: skills: gaps: {skill}: due: {gap.due} has passed; take the action, or "
                f"set a new day"
            )
        elif context.active_person(gap.owner) is None:
            yield f"{FILE}: skills: gaps: {skill}: owner: {gap.owner}; {ACTIVE_PERSON}"


def _shown_recently(context: CheckContext, skill: str) -> bool:
    """Whether a person listed for a skill recently ran a check that shows it."""
    for item in context.org.ownership.skills.covered.get(skill, ()):
        person = context.active_person(item.person)
        if person and any(
            drill.actor.lower() == person.email.lower()
            and drill.check in SKILL_CHECKS.get(skill, ())
            and (context.today - drill.on).days <= SKILL_DAYS
            for drill in context.drills
        ):
            return True
    return False


def generated_files_agree(context: CheckContext) -> Iterator[str]:
    for name in context.outdated:
        yield f"{name}: differs from what `make generate` writes"


def _accountable(context: CheckContext) -> list[str]:
    return list(dict.fromkeys(outcome.accountable for outcome in context.org.ownership.outcomes))


CHECKS: dict[str, Check] = {
    "owners-named": owners_named,
    "owners-have-deputies": owners_have_deputies,
    "someone-is-responsible": someone_is_responsible,
    "owners-accepted": owners_accepted,
    "owners-not-overloaded": owners_not_overloaded,
    "gates-owned-apart": gates_owned_apart,
    "everything-covered": everything_covered,
    "skills-covered": skills_covered,
    "generated-files-agree": generated_files_agree,
}
