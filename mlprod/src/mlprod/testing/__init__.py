"""Test helpers for projects: the contract report of a table, and tests for every project."""

import ibis.expr.types as ir

from ..contract.report import CheckReport
from ..contract.validation import check
from ..project.project import Project

__all__ = ["report_of"]


def report_of(package: str, table: ir.Table) -> CheckReport:
    """Check a table against the contract of a package: broken rules and unknown categories."""
    seam = Project(package).seam()
    return check(table, seam.terms, seam.task())
