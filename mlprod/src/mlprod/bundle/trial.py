"""A model is loaded and scores its probe in a process of its own first: one that never ends, or
that takes all memory, ends that process and not the one that answers.
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
from .errors import BundleError, UnsafeModelError
from .limits import BYTES_A_SECOND, PATIENCE, TRIAL_SECONDS
from .trial_process import try_in_fork, try_in_process

Attempt = Callable[[dict[str, Any], bytes, float], tuple[bytes, int]]
HOLDS_SECONDS = 600.0  # after which a model that failed is tried again
ENDED_BY_TIME = {
    -getattr(signal, name, 0) for name in ("SIGXCPU", "SIGALRM")
}  # exit codes, where there are signals
KILLED = -9
OUT_OF_MEMORY = re.compile("alloc|MemoryError", re.IGNORECASE)
SMALLER = (
    "Make the model smaller (fewer or shallower trees, fewer fields), or raise ML_MODEL_MEGABYTES together with the "
    "memory of whatever loads it (deploy/values/values.yaml has the rule)"
)


@dataclass(frozen=True)
class Exported:
    """What is tried: a model's bytes, how they run, and the rows of its probe, as JSON writes them."""

    runtime: Literal["onnx", "python"]
    model: bytes
    fields: Fields
    columns: Mapping[str, list[Any]]

    def key(self, megabytes: int) -> str:
        """Names this model with this probe, these limits and this version of what runs it."""
        facts = [
            self.runtime,
            sorted(self.columns.items()),
            megabytes,
            onnxruntime.__version__,
            sys.version,
        ]
        return hashlib.sha256(
            json.dumps(facts).encode() + hashlib.sha256(self.model).digest()
        ).hexdigest()


class Trials:
    """What this process tried.

    With `fork` the trial is a copy of this process, which costs milliseconds and not half a second:
    only where the process has no other thread yet, and on Linux.
    """

    _passed: ClassVar[dict[str, float]] = {}
    _failed: ClassVar[dict[str, tuple[float, BundleError]]] = {}

    def __init__(self) -> None:
        self.fork = False

    def run(self, exported: Exported, megabytes: int) -> float:
        """Megabytes of memory that the model takes.

        Raises BundleError when it takes more than `megabytes`, does not end, or cannot be loaded;
        OSError when no process can be started.
        """
        key = exported.key(megabytes)
        if key in self._passed:
            return self._passed[key]
        failed_at, refusal = self._failed.get(key, (-HOLDS_SECONDS, None))
        if refusal and time.monotonic() < failed_at + HOLDS_SECONDS:
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


def _run(exported: Exported, megabytes: int, attempt: Attempt) -> float:
    seconds = TRIAL_SECONDS + len(exported.model) // BYTES_A_SECOND
    task = {
        "runtime": exported.runtime,
        "fields": [asdict(field) for field in exported.fields],
        "columns": dict(exported.columns),
        "megabytes": megabytes,
        "seconds": seconds,
        "longest": seconds * PATIENCE,
    }
    try:
        message, code = attempt(task, exported.model, seconds * PATIENCE)
    except TimeoutError as error:
        raise BundleError("probe", _endless(seconds)) from error
    return _result(message, code, seconds, megabytes)


def _result(text: bytes, code: int, seconds: int, megabytes: int) -> float:
    if not text:
        if code in ENDED_BY_TIME:
            raise BundleError("probe", _endless(seconds))
        if code == KILLED:
            raise BundleError(
                "size", f"there is not enough memory here to load the model. {SMALLER}"
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
            f"the model takes {used:,.0f} MB of memory; the limit is {megabytes} MB. {SMALLER}",
        )
    kind, message = result["kind"], result["message"]
    if OUT_OF_MEMORY.search(f"{kind} {message}"):
        raise BundleError(
            "size",
            f"the model asks for more memory than the limit, {megabytes} MB, allows ({message}). {SMALLER}",
        )
    if kind == UnsafeModelError.__name__:
        raise BundleError("unsafe", f"model.onnx is not loaded: {message}")
    if result["stage"] == "load":
        raise BundleError("runtime", f"the model cannot be loaded: {message}")
    raise BundleError("probe", f"the model does not answer its own probe: {message}")


def _endless(seconds: int) -> str:
    return f"the model did not load and score its probe within {seconds} seconds of computing; does it ever end?"
