"""Scores of whole tables, as the service gives them: by the verb `score`, and by `open_scorer` in a
job of your own.
"""

from .scorer import Scorer, open_scorer

__all__ = ["Scorer", "open_scorer"]
