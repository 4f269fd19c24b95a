"""Checks of what the governance files declare.

The models of these files stand beside this folder and know no check.
"""

from . import change_plan, own_words, ownership, problem, risk
from .context import Check

DECLARED: dict[str, Check] = (
    ownership.CHECKS | risk.CHECKS | change_plan.CHECKS | problem.CHECKS | own_words.CHECKS
)
