"""The rules of ownership: one accountable person for each outcome, who is there, has agreed and can
be replaced.
"""

from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatch

from .context import Check, CheckContext, NotApplicableError

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
MOST = 3  # outcomes that one person can answer for at tier A; a practitioners' heuristic
QUARTER = timedelta(days=92)  # after which an acceptance is asked for again
SKILL_DAYS = 180  # covered means done lately
SKILL_CHECKS = {  # what shows a skill: a command that was run, and left evidence of who ran it
    "ml": ("beats-baseline",),
    "api": ("served-end-to-end",),
    "sql_and_pipelines": ("contract-holds",),
    "monitoring": ("alert-reaches-owner",),
    "security": ("stop-drilled",),
    "kubernetes": ("rollback-drilled",),
    "containers": ("image-runs",),
    "cloud": ("deployed-by-digest",),
}


def named(view: CheckContext) -> Iterator[str]:
    ownership = view.org.ownership
    for id in OUTCOMES:
        if ownership.outcome(id) is None:
            yield f"{FILE}: outcomes: {id} is missing: nobody answers for it"
    for outcome in ownership.outcomes:
        person = ownership.person(outcome.accountable)
        if person is None or not person.known:
            yield (
                f"{FILE}: people: {outcome.accountable}: nobody is named who answers for "
                f"{outcome.id}"
            )
        elif not person.there(view.today):
            gone = (
                f"left on {person.until}"
                if person.until and person.until <= view.today
                else f"comes {person.from_}"
            )
            heir = f"; name {person.replaced_by}" if person.replaced_by else ""
            yield f"{FILE}: outcomes: {outcome.id}: accountable: {person.name} {gone}{heir}"


def replaceable(view: CheckContext) -> Iterator[str]:
    for id in _accountable(view):
        person = view.known(id)
        if person is None:
            continue  # said by `named`
        deputy = view.known(person.deputy)
        if deputy is None or view.org.ownership.same(person.id, deputy.id):
            has = f"{person.deputy} cannot stand in" if person.deputy else "has no deputy"
            yield f"{FILE}: people: {id}: deputy: {has}; name another known person's id"


def responsible(view: CheckContext) -> Iterator[str]:
    for outcome in view.org.ownership.outcomes:
        if not outcome.responsible:
            yield f"{FILE}: outcomes: {outcome.id}: responsible: nobody does the work"


def accepted(view: CheckContext) -> Iterator[str]:
    """Named is not accepted; accepted without evidence, or longer ago than its review, is not
    either.
    """
    ownership = view.org.ownership
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
        elif last.date > view.today:
            yield f"{key}: date: {last.date} is still to come"
        elif last.review_by < view.today:
            yield f"{key}: review_by: {last.review_by} has passed; ask again"
        elif last.review_by - last.date > QUARTER:
            yield f"{key}: review_by: {last.review_by} is more than a quarter after {last.date}"


def not_overloaded(view: CheckContext) -> Iterator[str]:
    ownership = view.org.ownership
    if view.org.risk.tier != "A":
        raise NotApplicableError("only tier A limits how many outcomes one person answers for")
    for id in dict.fromkeys(_accountable(view)):
        mine = [
            outcome.id for outcome in ownership.outcomes if ownership.same(outcome.accountable, id)
        ]
        first = next(o.accountable for o in ownership.outcomes if ownership.same(o.accountable, id))
        if len(mine) > MOST and first == id and view.known(id):
            yield (
                f"{FILE}: outcomes: {id} answers for {len(mine)} ({', '.join(mine)}); {MOST} "
                f"at most at tier A"
            )


def gates_apart(view: CheckContext) -> Iterator[str]:
    """Who approves gates and payoff (accountable for the value) is not who makes the model."""
    ownership = view.org.ownership
    owner, model = ownership.outcome("business_value"), ownership.outcome("model_quality")
    for author in ownership.people_of(model.responsible if model else ()):
        if owner and ownership.same(owner.accountable, author.id):
            yield (
                f"{FILE}: outcomes: model_quality: responsible: {author.id} makes the "
                f"model and, as accountable for "
                "business_value, approves its gates; another person must"
            )


def covered(view: CheckContext) -> Iterator[str]:
    """Every source folder, alert rule and risk belongs to an outcome."""
    outcomes = view.org.ownership.outcomes
    globs = [glob for outcome in outcomes for glob in outcome.covers.paths]
    for folder in view.folders:
        if not any(fnmatch(folder, glob) or fnmatch(folder, f"{glob}/*") for glob in globs):
            yield f"{FILE}: outcomes: covers.paths: no outcome covers the folder {folder}"
    alerts, ids = (
        {name for outcome in outcomes for name in outcome.covers.alerts},
        {outcome.id for outcome in outcomes},
    )
    for alert, outcome in view.alerts:
        if alert not in alerts and outcome not in ids:
            yield f"{FILE}: outcomes: covers.alerts: no outcome covers the alert {alert}"
    risks = {id for result in outcomes for id in result.covers.risks}
    for risk in view.org.risk.risks:
        if risk.id not in risks and view.org.ownership.person(risk.owner) is None:
            yield (
                f"{FILE}: outcomes: covers.risks: no outcome covers the risk {risk.id}, and it "
                f"has no owner"
            )


def skilled(view: CheckContext) -> Iterator[str]:
    """Covered is what somebody did lately, or what has an action, an owner and a day."""
    skills = view.org.ownership.skills
    for skill in skills.required:
        if _practised(view, skill):
            continue
        gap = next((gap for gap in skills.gaps if gap.skill == skill), None)
        if gap is None:
            yield (
                f"{FILE}: skills: {skill}: nobody has shown it in {SKILL_DAYS} days, and gaps "
                f"has no action for it"
            )
        elif gap.due < view.today:
            yield f"{FILE}: skills: gaps: {skill}: due {gap.due} has passed"
        elif view.known(gap.owner) is None:
            yield (
                f"{FILE}: skills: gaps: {skill}: owner: {gap.owner} is no known person who is there"
            )


def _practised(view: CheckContext, skill: str) -> list[str]:
    """Names of the people listed for a skill who did lately what shows it."""
    result = []
    for item in view.org.ownership.skills.covered.get(skill, ()):
        person = view.known(item.person)
        shown = person and [
            drill
            for drill in view.drills
            if drill.actor.lower() == person.email.lower()
            and drill.check in SKILL_CHECKS.get(skill, ())
            and (view.today - drill.on).days <= SKILL_DAYS
        ]
        if person and shown:
            result.append(person.name)
    return result


def up_to_date(view: CheckContext) -> Iterator[str]:
    for name in view.outdated:
        yield f"{name}: differs from what `make generate` writes"


def _accountable(view: CheckContext) -> list[str]:
    return list(dict.fromkeys(outcome.accountable for outcome in view.org.ownership.outcomes))


CHECKS: dict[str, Check] = {
    "owners-named": named,
    "owners-have-deputies": replaceable,
    "someone-is-responsible": responsible,
    "owners-accepted": accepted,
    "owners-not-overloaded": not_overloaded,
    "gates-owned-apart": gates_apart,
    "everything-covered": covered,
    "skills-covered": skilled,
    "generated-files-agree": up_to_date,
}
