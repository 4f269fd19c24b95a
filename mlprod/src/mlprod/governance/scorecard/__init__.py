"""Formats of the scorecard: terminal, Markdown, JSON and Prometheus."""

from .machine import as_json, prometheus
from .page import markdown
from .steps import MAX_STEPS, next_steps
from .text import terminal

__all__ = ["MAX_STEPS", "as_json", "markdown", "next_steps", "prometheus", "terminal"]
