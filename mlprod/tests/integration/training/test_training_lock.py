"""One training at a time runs in a state folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import silent
from seams import binary

from mlprod.locks import LockHeldError
from mlprod.settings import Settings
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import Registry

TRAINING = """
import sys
from pathlib import Path
from seams import binary
from mlprod.settings import Settings
from mlprod.training.governed_training import train_with_governance
def say(line):
    print(line, flush=True)
    if line.startswith("split"):
        sys.stdin.readline()
state, governance = Path(sys.argv[1]), Path(sys.argv[2])
settings = Settings(
    state_dir=state, governance_dir=governance, tracking_uri="", model_name="parcels"
)
train_with_governance(binary, settings, say, kind="baseline")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not support these locks")
@pytest.mark.parametrize("end", ["it ends", "kill -9"])
def test_of_two_trainings_at_once_the_second_is_refused_and_names_the_first(
    empty_state: Path, governance: Path, tmp_path: Path, end: str
) -> None:
    shutil.copy(empty_state / "mlflow.db", tmp_path)
    folders = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    command = [sys.executable, "-c", TRAINING, str(tmp_path), str(governance)]
    own = Settings(
        state_dir=tmp_path, governance_dir=governance, tracking_uri="", model_name="parcels"
    )
    with subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": folders},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdin
        assert first.stdout
        assert "conform to it" in first.stdout.readline()
        parts = (
            rf"the training of a baseline of .+, process {first.pid} on .+ since .+ works with "
            rf"{tmp_path}\. Wait for it"
        )
        with pytest.raises(LockHeldError, match=parts):
            train_with_governance(binary, own, silent, kind="baseline")
        assert Registry(own).versions() == []
        if end == "kill -9":
            first.kill()
        first.communicate("\n")
    assert len(Registry(own).versions()) == (0 if end == "kill -9" else 1)
    assert train_with_governance(binary, own, silent, kind="baseline").version.number == 1
