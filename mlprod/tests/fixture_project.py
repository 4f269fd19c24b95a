"""A real bake of the template with its default answers: the project that the tests run in.

Each worker has a copy.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from mlprod.commands.cli import run

LIBRARY = Path(__file__).resolve().parent.parent
TEMPLATE = LIBRARY.parent
PACKAGE = "fraud_scoring"
main = partial(run, PACKAGE)


def baked() -> Path:
    """The project's folder.

    Cookiecutter is the template's own, and need not be installed beside the library.
    """
    folder = tempfile.mkdtemp(prefix="fixture-project-")
    if "FIXTURE_PROJECT" in os.environ:  # made by the process that started this worker
        return Path(
            shutil.copytree(
                os.environ["FIXTURE_PROJECT"], Path(folder, "fraud-scoring"), symlinks=True
            )
        )
    python = os.environ.get("TEMPLATE_PYTHON", sys.executable)
    command = [
        python,
        "-m",
        "cookiecutter",
        "--no-input",
        "--default-config",
        "-o",
        folder,
        str(TEMPLATE),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    os.environ["FIXTURE_PROJECT"] = str(Path(folder, "fraud-scoring"))
    return Path(os.environ["FIXTURE_PROJECT"])


PROJECT = baked()
SOURCES = (str(LIBRARY / "src"), str(PROJECT / "src"))
os.environ["PYTHONPATH"] = os.pathsep.join(SOURCES)
sys.path[:0] = [path for path in SOURCES if path not in sys.path]
