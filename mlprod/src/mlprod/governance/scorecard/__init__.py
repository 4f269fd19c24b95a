"""The scorecard for eyes (terminal, Markdown) and for machines (JSON, Prometheus)."""

from .machine import as_json, prometheus
from .page import markdown
from .steps import MOST, next_steps
from .text import terminal

__all__ = ["MOST", "as_json", "markdown", "next_steps", "prometheus", "terminal"]
