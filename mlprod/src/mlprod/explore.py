"""Rows for a notebook: checked, and with the part of the split that each row belongs to.

`from mlprod.explore import rows`, in a notebook anywhere in the project's folder.
"""

import sys
from contextlib import chdir
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .contract.validation import ContractViolationError, check, prepare
from .project.project import Project
from .training.dataset import collect
from .training.own_split import split_rows
from .training.sources import load_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ProjectNotFoundError", "rows"]
# The column with the part of each row. No field can have the name, because of the underscore.
SPLIT_COLUMN = "_split"


class ProjectNotFoundError(Exception):
    """There is no project in the working folder or above it."""


def rows(since: datetime | None = None, until: datetime | None = None) -> "pd.DataFrame":
    """Return the rows of load() as a pandas frame, ordered by time and id.

    It has the contract's columns and `_split`: "train", "validation" or "test" as `make train`
    would split these rows, and an empty text for rows that it leaves out, such as those without a
    label. Raises ProjectNotFoundError, ContractViolationError if a row breaks the contract, and
    SplitError if the rows cannot be split.
    """
    project = _project()
    with chdir(project.root):
        seam = project.seam()
        table, terms = load_table(seam.load, since, until), seam.terms
        report = check(table, terms, seam.task())
        if not report.ok:
            raise ContractViolationError(report)
        dataset = collect(table, terms)
        parts = split_rows(seam, dataset)
        ids = dataset.ids if dataset.ids is not None else dataset.units
        part_of = {ids[place]: name for name, part in vars(parts).items() for place in part}
        named = [terms.id, terms.unit, terms.time, *terms.fields.names, terms.label]
        table = prepare(table, terms).select(*(name for name in named if name))
        frame = table.order_by(*(name for name in (terms.time, terms.id) if name)).to_pandas()
    frame[SPLIT_COLUMN] = [part_of.get(str(id), "") for id in frame[terms.id]]
    return frame


def _project() -> Project:
    """Find the project of the working folder, and make its package importable."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        packages = sorted(path.parent for path in folder.glob("src/*/__main__.py"))
        if len(packages) == 1:
            # First, since the environment may have been made for another copy of the project.
            sys.path.insert(0, str(packages[0].parent))
            return Project(packages[0].name)
    raise ProjectNotFoundError(
        f"no project in {here} or above it: none has a file src/<package>/__main__.py. Works: open "
        "the notebook in the project's folder, for example in notebooks/"
    )
