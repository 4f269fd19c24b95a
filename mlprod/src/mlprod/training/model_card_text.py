"""What only people can say of a model: the words of its card, and what of them is missing."""

from dataclasses import dataclass

from ..governance.config import GovernanceConfig
from ..governance.ownership import TODO

SAID_IN = {  # attribute of ModelCardText → file and key in governance/
    "statement": ("problem.yaml", "problem.statement"),
    "decision": ("problem.yaml", "decision.who"),
    "out_of_scope": ("problem.yaml", "decision.out_of_scope"),
    "risks": ("risk.yaml", "risks"),
    "contact": ("ownership.yaml", "people"),
    "authors": ("ownership.yaml", "people"),
    "tier": ("risk.yaml", "tier_questions"),
}
COMPLETE = (
    "statement",
    "decision",
    "out_of_scope",
    "risks",
    "contact",
)  # what a card cannot do without


@dataclass(frozen=True)
class ModelCardText:
    """What only people can say.

    `risks` are pairs of harm and mitigation, `contact` is "Name <address>" or TODO.
    """

    statement: str = ""
    decision: str = ""
    out_of_scope: tuple[str, ...] = ()
    risks: tuple[tuple[str, str], ...] = ()
    authors: tuple[str, ...] = ()
    contact: str = TODO
    tier: str = ""
    name: str = ""


NOT_FILLED_IN = ModelCardText()


def card_text_of(org: GovernanceConfig) -> ModelCardText:
    """The model card's words from people; what is empty is shown as not said yet, with the file to
    say it in.
    """
    model = org.ownership.outcome("model_quality")
    authors = [
        p
        for id in (model.responsible if model else ())
        if (p := org.ownership.person(id)) and p.known
    ]
    return ModelCardText(
        statement=org.problem.problem.statement,
        decision=org.problem.decision.who,
        out_of_scope=org.problem.decision.out_of_scope,
        risks=tuple((risk.harm, risk.mitigation) for risk in org.risk.risks),
        authors=tuple(author.shown for author in authors),
        contact=org.ownership.accountable("model_quality"),
        tier=org.risk.tier,
        name=org.ownership.system.name,
    )


def missing(purpose: ModelCardText) -> list[str]:
    """File and key of everything that a complete card needs and nobody has said yet."""
    return [
        "governance/{} {}".format(*SAID_IN[name]) for name in COMPLETE if not is_said(purpose, name)
    ]


def is_said(purpose: ModelCardText, name: str) -> bool:
    return getattr(purpose, name) not in ("", (), TODO)


def not_said(name: str) -> str:
    return "not said yet: {}, {}".format(*SAID_IN[name])
