"""Files for load(): read by the rules of every other command, so that a model learns from what is
scored later.
"""

import shutil
import tempfile
import weakref
from pathlib import Path
from types import ModuleType

import ibis.expr.types as ir

from ..contract.schema import read_terms
from ..project.folder import root_of
from .columns import of_terms
from .read import read


def rows_of(named: str | Path, contract: ModuleType) -> ir.Table:
    """The rows of a file, a folder of parts or a pattern of files: the contract's columns in their
    types.

    A relative path is one in the project's folder. What is made of a CSV lies in a temporary folder
    until nothing uses the table any more. Raises FileError.
    """
    folder = Path(tempfile.mkdtemp(prefix="rows-"))
    try:
        table = read(_in_project(named, contract), of_terms(read_terms(contract)), folder).table
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(table.get_backend(), shutil.rmtree, folder, ignore_errors=True)
    return table


def _in_project(named: str | Path, contract: ModuleType) -> str | Path:
    file = getattr(contract, "__file__", None)  # a contract typed into a notebook has none
    root = root_of(Path(file).resolve().parent) if file else Path.cwd()
    return named if root == Path.cwd() else root / named
