"""The process in which a model is tried: either a new one, which reads a task and writes a line of
JSON, or a fork.

Linux holds all limits. Elsewhere the caller's clock ends what does not end, and memory is measured
afterwards.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..contract.encoding import column
from ..contract.schema import Field, Fields
from .limits import MEGABYTE
from .runtime import OnnxRuntime, PythonRuntime, Runtime

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # of Linux
SLACK = (
    64 * MEGABYTE
)  # beyond the limit, so that what is a little too large is measured and not only refused


def try_in_process(task: dict[str, Any], model: bytes, longest: float) -> tuple[bytes, int]:
    """What a new process says, and how it ended. Raises TimeoutError after `longest` seconds."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OPENBLAS_NUM_THREADS": "1",
    }
    with subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        try:
            message, _ = process.communicate(json.dumps(task).encode() + b"\n" + model, longest)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise TimeoutError from error
        except BaseException:
            process.kill()
            raise
    return message, process.returncode


def try_in_fork(task: dict[str, Any], model: bytes, longest: float) -> tuple[bytes, int]:
    """The same in a copy of this process, which has no other thread."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.closerange(
                3, theirs
            )  # among them the lock of the event log, which must end with the service
            os.closerange(theirs + 1, os.sysconf("SC_OPEN_MAX"))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.write(theirs, json.dumps(_try(task, model)).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as result:
        try:
            ended = bool(select.select([result], [], [], longest)[0])
            message = result.read() if ended else b""
        finally:
            os.kill(child, signal.SIGKILL)  # where it has not ended; where it has, nothing happens
            _, status = os.waitpid(child, 0)
    if not ended:
        raise TimeoutError
    return message, os.waitstatus_to_exitcode(status)


def main() -> None:
    """One trial: {"megabytes": n}, or {"stage": "load" or "probe", "kind": of the exception,
    "message": …}.
    """
    with os.fdopen(os.dup(1), "w") as output:
        os.dup2(2, 1)  # what a model prints is no result
        head, _, model = sys.stdin.buffer.read().partition(b"\n")
        json.dump(_try(json.loads(head), model), output)


def _try(task: dict[str, Any], model: bytes) -> dict[str, Any]:
    fields = Fields(
        tuple(Field(**item | {"categories": tuple(item["categories"])}) for item in task["fields"])
    )
    _limit_time(task["seconds"], task["longest"])
    stage, load = "load", OnnxRuntime if task["runtime"] == "onnx" else _pickled
    try:
        first = (
            load(model, fields) if load is _pickled else None
        )  # imports libraries, which are no memory of the model
        before = _begin_measuring()
        _limit_memory(task["megabytes"] * MEGABYTE + SLACK)
        runtime: Runtime = load(model, fields)
        stage = "probe"
        runtime.score({field.name: column(field, task["columns"][field.name]) for field in fields})
        used = _memory("VmHWM") - before + len(model)
        del first  # not before: the second would take its place
    except Exception as error:  # whatever a library or a pickled object raises
        return {"stage": stage, "kind": type(error).__name__, "message": str(error)[:500]}
    return {"megabytes": max(used, 0) / MEGABYTE}


def _pickled(model: bytes, _: Fields) -> Runtime:
    return PythonRuntime(model)


def _limit_time(seconds: int, longest: int) -> None:
    """Seconds of computing, and seconds by the clock."""
    if resource:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        signal.alarm(longest)  # ends this process also when the one that started it is gone


def _limit_memory(more: int) -> None:
    """Bytes on top of what the process has."""
    if resource and STATUS.exists():
        most = _memory("VmData") + more
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _begin_measuring() -> int:
    """Bytes that are resident now; the peak counts from here."""
    with contextlib.suppress(OSError):  # no Linux, or a kernel that does not let it
        CLEAR.write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> int:
    """Bytes: VmRSS is resident, VmHWM its peak, VmData what is allocated."""
    if STATUS.exists():
        result = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(result[name].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if resource else 0  # bytes on macOS


if __name__ == "__main__":
    main()
