"""Who does something to the model, and why: one line each, for the record."""

from ..display.plain_text import MAX_LENGTH, violation

LONGEST_REASON, LONGEST_NAME = MAX_LENGTH, 200


class MissingReasonError(Exception):
    """Who or why is missing, too long or not one line of visible text; nothing was changed."""


def demand_reason(who: str, why: str, example: str = "it beats the rule") -> None:
    """Raises MissingReasonError for what cannot stand in the history of the model."""
    if errors := violation(why):
        works = (
            f'say why, in 1 to {LONGEST_REASON} characters: --reason "{example}" (make: '
            f'REASON="...")'
        )
        raise MissingReasonError(f"{works}; of what was given, {errors}")
    if errors := violation(who, LONGEST_NAME):
        works = f'say who, in 1 to {LONGEST_NAME} characters: --actor "ann@example.org"'
        raise MissingReasonError(f"{works}; of what was given, {errors}")
