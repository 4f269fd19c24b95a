"""Files for load(), read by the same rules as in every command.

So training sees the same values as scoring.
"""

import shutil
import tempfile
import weakref
from pathlib import Path
from types import ModuleType

import ibis.expr.types as ir

from ..contract.schema import read_contract
from ..project.folder import root_of
from .columns import columns_of_contract
from .read import read_table


def rows_of(named: str | Path, contract: ModuleType) -> ir.Table:
    """Read the rows of a file, a folder of parts or a pattern of files.

    Returns the contract's columns in their types. A relative path starts in the project's folder. A
    CSV is converted in a temporary folder, which is removed when nothing uses the table any more.
    Raises FileError.
    """
    folder = Path(tempfile.mkdtemp(prefix="rows-"))
    try:
        table = read_table(
            _in_project(named, contract), columns_of_contract(read_contract(contract)), folder
        ).table
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(table.get_backend(), shutil.rmtree, folder, ignore_errors=True)
    return table


def _in_project(named: str | Path, contract: ModuleType) -> str | Path:
    # A contract in a notebook has no file.
    file = getattr(contract, "__file__", None)
    root = root_of(Path(file).resolve().parent) if file else Path.cwd()
    return named if root == Path.cwd() else root / named
