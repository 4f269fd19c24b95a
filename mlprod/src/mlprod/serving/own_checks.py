"""The project's readiness checks. They run on a thread, so that a slow check delays no request."""

import threading
import time

from ..extensions import ChecksHook, ExtensionError, ReadinessCheck
from ..project.extension_loader import FILE, call_hook
from .logs import log

CHECK_SECONDS = 5.0  # between two runs of all checks
LATE_SECONDS = 30.0  # for one check; after that the replica is not ready


class OwnChecks:
    """Checks of checks(). `problem` is the result of the last run; empty means ready."""

    def __init__(self, hook: ChecksHook) -> None:
        """Raises ExtensionError unless checks() returns a dict of functions by name."""
        result = call_hook("checks", hook)
        if not isinstance(result, dict) or not all(
            isinstance(name, str) and callable(result[name]) for name in result
        ):
            raise ExtensionError(
                f"{FILE}: checks() returned {result!r}; it must return a dict, for example "
                f"{{'limits': _limits}}"
            )
        self.checks: dict[str, ReadinessCheck] = result
        self._problem = "the checks of the project have not run yet" if result else ""
        self._running, self._since = "", time.monotonic()

    @property
    def problem(self) -> str:
        """Why this replica is not ready; empty while it is."""
        running = self._running
        if running and time.monotonic() - self._since > LATE_SECONDS:
            return f"check {running} has not returned for {LATE_SECONDS:g} seconds"
        return self._problem

    def watch(self, stop: threading.Event) -> None:
        """Run the checks now and every CHECK_SECONDS, until `stop` is set."""
        while True:
            problem = self.run_once()
            if problem != self._problem:
                log.warning(f"not ready: {problem}") if problem else log.info(
                    "the checks of the project pass"
                )
            self._problem = problem
            if stop.wait(CHECK_SECONDS):
                return

    def run_once(self) -> str:
        """Return the first problem that a check reports; "" without one.

        A check that raises, or does not return a text, is a problem too.
        """
        for name, check in self.checks.items():
            self._since, self._running = time.monotonic(), name
            try:
                result: object = check()
            except Exception as error:
                result = f"it failed: {type(error).__name__}: {error}"
            finally:
                self._running = ""
            if not isinstance(result, str):
                result = (
                    f"it returned {result!r}; a check must return why the replica is not ready, "
                    'or ""'
                )
            if result:
                return f"check {name}: {result}"
        return ""
