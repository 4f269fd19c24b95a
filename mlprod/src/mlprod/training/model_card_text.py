"""Text of the model card that only people can write, and its missing entries."""

from dataclasses import dataclass

from ..governance.config import GovernanceConfig
from ..governance.ownership import TODO

# Attribute of ModelCardText → file and key in governance/.
SOURCES = {
    "statement": ("problem.yaml", "problem.statement"),
    "decision": ("problem.yaml", "decision.who"),
    "out_of_scope": ("problem.yaml", "decision.out_of_scope"),
    "risks": ("risk.yaml", "risks"),
    "contact": ("ownership.yaml", "people"),
    "authors": ("ownership.yaml", "people"),
    "tier": ("risk.yaml", "tier_questions"),
}
# The entries that a complete card needs.
REQUIRED_FIELDS = ("statement", "decision", "out_of_scope", "risks", "contact")


@dataclass(frozen=True)
class ModelCardText:
    """Text of a model card that people write in governance/.

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
    """Read the text of the model card from governance/.

    The card shows an empty entry as not filled in yet, with its file and key.
    """
    model = org.ownership.outcome("model_quality")
    authors = [
        p
        for id in (model.responsible if model else ())
        if (p := org.ownership.person(id)) and p.is_named
    ]
    return ModelCardText(
        statement=org.problem.problem.statement,
        decision=org.problem.decision.who,
        out_of_scope=org.problem.decision.out_of_scope,
        risks=tuple((risk.harm, risk.mitigation) for risk in org.risk.risks),
        authors=tuple(author.display_name for author in authors),
        contact=org.ownership.accountable("model_quality"),
        tier=org.risk.tier,
        name=org.ownership.system.name,
    )


def missing_entries(card_text: ModelCardText) -> list[str]:
    """Return file and key of each entry that a complete card needs and that is not filled in."""
    return [
        "governance/{} {}".format(*SOURCES[name])
        for name in REQUIRED_FIELDS
        if not is_filled_in(card_text, name)
    ]


def is_filled_in(card_text: ModelCardText, name: str) -> bool:
    """Return whether an entry of the card has a text."""
    return getattr(card_text, name) not in ("", (), TODO)


def not_filled_in(name: str) -> str:
    """Return the placeholder of an entry, with its file and key."""
    return "not filled in yet: {}, {}".format(*SOURCES[name])
