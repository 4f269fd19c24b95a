"""The governance files as pages, for people who do not read YAML.

Nothing here depends on the day.
"""

from .change_page import change_plan
from .problem_page import problem
from .raci_page import raci
from .risk_page import risks

__all__ = ["change_plan", "problem", "raci", "risks"]
