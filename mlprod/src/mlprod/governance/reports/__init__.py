"""Pages of the governance files, for people who do not read YAML.

The pages do not depend on the day.
"""

from .change_page import change_plan
from .problem_page import problem
from .raci_page import raci
from .risk_page import risks

__all__ = ["change_plan", "problem", "raci", "risks"]
