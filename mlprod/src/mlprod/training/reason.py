"""Actor and reason of a change of the model: one line each, for the history."""

from ..display.plain_text import MAX_LENGTH, text_violation

MAX_REASON_LENGTH, MAX_ACTOR_LENGTH = MAX_LENGTH, 200


class MissingReasonError(Exception):
    """Actor or reason is missing, too long or not one line of visible text; nothing was changed."""


def require_reason(who: str, why: str, example: str = "it beats the rule") -> None:
    """Check actor and reason before they go into the history of the model.

    Raises MissingReasonError if one is missing, too long or not one line of visible text.
    """
    if errors := text_violation(why):
        remedy = (
            f'give a reason of 1 to {MAX_REASON_LENGTH} characters: --reason "{example}" '
            '(make: REASON="...")'
        )
        raise MissingReasonError(f"the reason is not usable: {errors}; {remedy}")
    if errors := text_violation(who, MAX_ACTOR_LENGTH):
        remedy = f'give a name of 1 to {MAX_ACTOR_LENGTH} characters: --actor "ann@example.org"'
        raise MissingReasonError(f"the actor is not usable: {errors}; {remedy}")
