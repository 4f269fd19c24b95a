import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlprod.locks import LockHeldError, locked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
HOLDER = """
import sys, time
from pathlib import Path
from mlprod.locks import locked
with locked(Path(sys.argv[1]), "the training of a model", "grace\\x1b[2J", "Wait for it"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "deep" / "lock")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait(30)


def held(path: Path, wait: float = 0.0) -> str:
    with pytest.raises(LockHeldError) as error, locked(path, "tune", "ada", "Wait for it", wait):
        pass
    return str(error.value)


def test_the_holder_is_named_with_process_and_time(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    message = held(tmp_path / "deep" / "lock", 0.2)
    assert message.startswith(f"the training of a model of grace\\x1b[2J, process {holder.pid} on ")
    assert message.endswith(f" UTC, works with {tmp_path / 'deep'}. Wait for it")


def test_a_holder_that_is_killed_leaves_nothing_behind(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(30)
    with locked(tmp_path / "deep" / "lock", "tune", "ada", "Wait for it"):
        assert "process" in held(tmp_path / "deep" / "lock")


def test_the_lock_is_released_after_the_body_and_after_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            pytest.raises(ZeroDivisionError),
            locked(tmp_path / "lock", "tune", "ada", "Wait for it"),
        ):
            raise ZeroDivisionError
    assert (tmp_path / "lock").read_bytes() == b""


def test_a_lock_is_waited_for_until_its_holder_ends(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    subprocess.Popen(
        [sys.executable, "-c", f"import os, time; time.sleep(0.5); os.kill({holder.pid}, 9)"]
    ).wait(30)
    with locked(tmp_path / "deep" / "lock", "tune", "ada", "Wait for it", 30):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_holder_without_a_name_holds_the_lock_too(tmp_path: Path, content: str) -> None:
    with locked(tmp_path / "lock", "tune", "ada", "Wait for it"):
        (tmp_path / "lock").write_text(content)
        assert held(tmp_path / "lock").startswith("another process works with ")


def test_a_folder_where_nothing_can_be_written_needs_no_lock(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with locked(Path("/proc/none/lock"), "tune", "ada", "Wait for it"):
        pass
