"""Checks of the content of the governance files.

The models of these files are beside this folder and import no check.
"""

from . import change_plan, own_words, ownership, problem, risk
from .context import Check

DECLARED: dict[str, Check] = (
    ownership.CHECKS | risk.CHECKS | change_plan.CHECKS | problem.CHECKS | own_words.CHECKS
)
