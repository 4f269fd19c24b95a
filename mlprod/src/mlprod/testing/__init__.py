"""For the tests of projects: what holds for every one of them, and a look at rows through the
contract.
"""

import ibis.expr.types as ir

from ..contract.report import CheckReport
from ..contract.validation import check
from ..project.project import Project

__all__ = ["report_of"]


def report_of(package: str, table: ir.Table) -> CheckReport:
    """What the contract of a package says of rows: rules broken, words that it does not know."""
    seam = Project(package).seam()
    return check(table, seam.terms, seam.task())
