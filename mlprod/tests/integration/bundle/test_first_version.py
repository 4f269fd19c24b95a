"""Bundles of the first version still load and score.

Then the project's package held the code that is now the library.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fixture_project import LIBRARY, PACKAGE, PROJECT

FIRST = Path(__file__).parents[2] / "first_version"
OPEN = """
import json, sys
from pathlib import Path
from mlprod import Project
from mlprod.bundle.loader import open_bundle
project = Project(sys.argv[1])
fields, baseline = project.terms.fields, project.decision.baseline
bundle = open_bundle(Path(sys.argv[2]), fields, baseline, allow_pickle=True)
print(json.dumps([bundle.manifest.kind, bundle.manifest.runtime, type(bundle.runtime).__name__]))
"""


@pytest.mark.parametrize(
    "bundle",
    sorted(path for path in FIRST.iterdir() if len(path.name) == 64),
    ids=lambda path: path.name[:8],
)
def test_a_bundle_of_the_first_version_loads_and_scores_its_probe(
    bundle: Path, tmp_path: Path
) -> None:
    package = Path(shutil.copytree(PROJECT / "src" / PACKAGE, tmp_path / "src" / PACKAGE))
    shutil.copy(FIRST / "model.py", package)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(package.parent), str(LIBRARY / "src")])
    }
    command = [sys.executable, "-c", OPEN, PACKAGE, str(bundle)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    kind, runtime, loaded = json.loads(done.stdout)
    assert (kind, loaded) in {("baseline", "BaselineRuntime"), ("model", "PythonRuntime")}
    assert runtime == "python"
