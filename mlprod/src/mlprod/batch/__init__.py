"""Scoring of whole tables: with the verb `score`, or with `open_scorer` in a job of your own."""

from .scorer import Scorer, open_scorer

__all__ = ["Scorer", "open_scorer"]
