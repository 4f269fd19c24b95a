"""The process in which a model is tried: a new process or a fork.

A new process reads a task and writes a line of JSON. On Linux the kernel enforces all limits.
Elsewhere the caller ends a process that takes too long, and the memory is measured afterwards.
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
from ..contract.model_inputs import ModelInputs
from ..contract.schema import Field, Fields
from .code import BundledCode
from .limits import MEGABYTE
from .runtime import OnnxRuntime, PythonRuntime, Runtime

try:
    import resource
except ImportError:
    # Windows has no such module.
    resource = None  # type: ignore[assignment]

# Files of Linux.
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# Bytes beyond the limit, so that a model that is a little too large is measured and not only ended.
SLACK = 64 * MEGABYTE


def try_in_process(task: dict[str, Any], model: bytes, longest: float) -> tuple[bytes, int]:
    """Try a model in a new process; return its output and its exit code.

    Raises TimeoutError after `longest` seconds.
    """
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
    """Try a model in a fork of this process, which has no other thread.

    Returns its output and its exit code. Raises TimeoutError after `longest` seconds.
    """
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            # One of them is the lock of the event log, which must end with the service.
            os.closerange(3, theirs)
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
            # A process that has ended already ignores the signal.
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
    if not ended:
        raise TimeoutError
    return message, os.waitstatus_to_exitcode(status)


def main() -> None:
    """Run one trial and print its result as JSON.

    The result is {"megabytes": n}, or {"stage": "code", "load" or "probe", "kind": name of the
    exception, "message": …}.
    """
    with os.fdopen(os.dup(1), "w") as output:
        # Output that the model prints must not mix with the result.
        os.dup2(2, 1)
        head, _, model = sys.stdin.buffer.read().partition(b"\n")
        json.dump(_try(json.loads(head), model), output)


def _try(task: dict[str, Any], model: bytes) -> dict[str, Any]:
    fields = Fields(
        tuple(Field(**item | {"categories": tuple(item["categories"])}) for item in task["fields"])
    )
    _limit_time(task["seconds"], task["longest"])
    code, stage = BundledCode(*task["code"]) if task["code"] else None, "code"
    pickled = task["runtime"] == "python"

    def load() -> Runtime:
        derive = code.derive if code else None
        if pickled:
            return PythonRuntime(model, code, ModelInputs(fields, derive, texts=True))
        return OnnxRuntime(model, fields, derive)

    try:
        if code:
            # It could run without end, as a model could.
            code.module("decision")
        stage = "load"
        # This imports libraries, whose memory does not count as the model's.
        first = load() if pickled else None
        before = _begin_measuring()
        _limit_memory(task["megabytes"] * MEGABYTE + SLACK)
        runtime = load()
        stage = "probe"
        runtime.score({field.name: column(field, task["columns"][field.name]) for field in fields})
        used = _memory("VmHWM") - before + len(model)
        # Deleted only now: the second model would reuse the memory of the first.
        del first
    except Exception as error:
        # A library or a pickled object may raise any exception.
        return {"stage": stage, "kind": type(error).__name__, "message": str(error)[:500]}
    return {"megabytes": max(used, 0) / MEGABYTE}


def _limit_time(seconds: int, longest: int) -> None:
    """Limit the seconds of CPU time, and the seconds by the clock."""
    if resource:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        # This ends the process also after the end of the process that started it.
        signal.alarm(longest)


def _limit_memory(more: int) -> None:
    """Limit the memory to this many bytes more than the process has."""
    if resource and STATUS.exists():
        most = _memory("VmData") + more
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _begin_measuring() -> int:
    """Reset the peak of the memory; return the bytes that are resident now."""
    # Not possible outside Linux, and on a kernel that forbids it.
    with contextlib.suppress(OSError):
        CLEAR.write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> int:
    """Return bytes: VmRSS is resident memory, VmHWM its peak, VmData allocated memory."""
    if STATUS.exists():
        result = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
        return int(result[name].split()[0]) * 1024
    # In bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if resource else 0


if __name__ == "__main__":
    main()
