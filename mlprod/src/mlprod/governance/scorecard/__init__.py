"""Formats of the scorecard: terminal, Markdown, JSON and Prometheus."""

from typing import Literal

from ..ownership import Stage
from ..readiness import Scorecard
from .machine import as_json, prometheus
from .page import markdown
from .steps import MAX_STEPS, next_steps
from .text import terminal

__all__ = ["MAX_STEPS", "as_json", "markdown", "next_steps", "prometheus", "render", "terminal"]


def render(
    card: Scorecard,
    stage: Stage,
    format: Literal["terminal", "json", "markdown", "prometheus"],
    *,
    whole: bool,
) -> str:
    """Return the scorecard as text that ends with a line break.

    `whole` shows all that `stage` requires in the terminal, not the next steps alone.
    """
    if format == "terminal":
        return terminal(card, stage, whole=whole) + "\n"
    if format == "json":
        return as_json(card, stage)
    return markdown(card, stage) if format == "markdown" else prometheus(card)
