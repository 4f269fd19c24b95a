"""Trials: a model is first loaded and scores its probe in a process of its own.

A model that never ends, or that uses all memory, ends that process and not the service.
"""

import hashlib
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import onnxruntime

from ..contract.schema import Fields
from .code import BundledCode
from .errors import BundleError, UnsafeModelError
from .limits import BYTES_PER_SECOND, TRIAL_SECONDS, WALL_CLOCK_FACTOR
from .trial_process import try_in_fork, try_in_process

Attempt = Callable[[dict[str, Any], bytes, float], tuple[bytes, int]]
# After this time a model that failed is tried again.
FAILURE_VALID_SECONDS = 600.0
# Exit codes of a process that a time limit ended, on systems with signals.
ENDED_BY_TIME = {-getattr(signal, name, 0) for name in ("SIGXCPU", "SIGALRM")}
KILLED = -9
OUT_OF_MEMORY = re.compile("alloc|MemoryError", re.IGNORECASE)
SMALLER_MODEL = (
    "Works: make the model smaller (fewer or shallower trees, fewer fields), or raise "
    "ML_MODEL_MEGABYTES together with the memory of the processes that load the model "
    "(deploy/values/values.yaml has the rule)"
)


@dataclass(frozen=True)
class ExportedModel:
    """A model to try: its bytes, their runtime, and the rows of its probe as JSON values.

    `code` has the classes of a pickle.
    """

    runtime: Literal["onnx", "python"]
    model: bytes
    fields: Fields
    columns: Mapping[str, list[Any]]
    code: BundledCode | None = None

    def key(self, megabytes: int) -> str:
        """Return a digest of the model, its probe, the limit and the versions of the runtime."""
        facts = [
            self.runtime,
            sorted(self.columns.items()),
            self.code and [self.code.package, self.code.private_package],
            megabytes,
            onnxruntime.__version__,
            sys.version,
        ]
        return hashlib.sha256(
            json.dumps(facts).encode() + hashlib.sha256(self.model).digest()
        ).hexdigest()


class Trials:
    """The trials of this process and their results.

    With `fork` a trial runs in a copy of this process, which takes milliseconds and not half a
    second. It works only on Linux, and only while the process has no other thread.
    """

    _passed: ClassVar[dict[str, float]] = {}
    _failed: ClassVar[dict[str, tuple[float, BundleError]]] = {}

    def __init__(self) -> None:
        self.fork = False

    def run(self, exported: ExportedModel, megabytes: int) -> float:
        """Try a model once; return the megabytes of memory that it uses.

        Raises BundleError if the model uses more than `megabytes`, does not end, or cannot be
        loaded. Raises OSError if no process can be started.
        """
        key = exported.key(megabytes)
        if key in self._passed:
            return self._passed[key]
        failed_at, refusal = self._failed.get(key, (-FAILURE_VALID_SECONDS, None))
        if refusal and time.monotonic() < failed_at + FAILURE_VALID_SECONDS:
            raise refusal
        may_fork = self.fork and sys.platform == "linux" and threading.active_count() == 1
        try:
            self._passed[key] = _run(
                exported, megabytes, try_in_fork if may_fork else try_in_process
            )
        except BundleError as error:
            self._failed[key] = time.monotonic(), error
            raise
        return self._passed[key]


def _run(exported: ExportedModel, megabytes: int, attempt: Attempt) -> float:
    seconds = TRIAL_SECONDS + len(exported.model) // BYTES_PER_SECOND
    task = {
        "runtime": exported.runtime,
        "fields": [asdict(field) for field in exported.fields],
        "columns": dict(exported.columns),
        "code": exported.code and [exported.code.package, dict(exported.code.sources)],
        "megabytes": megabytes,
        "seconds": seconds,
        "longest": seconds * WALL_CLOCK_FACTOR,
    }
    try:
        message, code = attempt(task, exported.model, seconds * WALL_CLOCK_FACTOR)
    except TimeoutError as error:
        raise BundleError("probe", _endless(seconds)) from error
    return _result(message, code, seconds, megabytes)


def _result(text: bytes, code: int, seconds: int, megabytes: int) -> float:
    if not text:
        if code in ENDED_BY_TIME:
            raise BundleError("probe", _endless(seconds))
        if code == KILLED:
            raise BundleError(
                "size", f"this machine has too little memory to load the model. {SMALLER_MODEL}"
            )
        raise BundleError(
            "runtime", f"the process that tried the model ended with code {code} and no message"
        )
    result: dict[str, Any] = json.loads(text)
    if "megabytes" in result:
        if (used := float(result["megabytes"])) <= megabytes:
            return used
        raise BundleError(
            "size",
            f"the model uses {used:,.0f} MB of memory; the limit is {megabytes} MB. "
            f"{SMALLER_MODEL}",
        )
    kind, message = result["kind"], result["message"]
    if OUT_OF_MEMORY.search(f"{kind} {message}"):
        raise BundleError(
            "size",
            f"the model needs more memory than the limit of {megabytes} MB ({message}). "
            f"{SMALLER_MODEL}",
        )
    if kind == UnsafeModelError.__name__:
        raise BundleError("unsafe", f"model.onnx is not loaded: {message}")
    if result["stage"] == "code":
        raise BundleError("code", f"the bundle's code cannot be imported: {kind}: {message}")
    if result["stage"] == "load":
        raise BundleError("runtime", f"the model cannot be loaded: {message}")
    raise BundleError("probe", f"the model cannot score its own probe: {message}")


def _endless(seconds: int) -> str:
    return (
        f"the model did not load and score its probe within {seconds} seconds of CPU time; "
        f"does it ever end?"
    )
