"""Readiness of this replica for traffic.

The cluster reads it on the admin port, load balancers on the API port.
"""

from collections.abc import Callable

from ..records.event_log import EventLog
from .api_keys import ApiKeys
from .mode_state import ModeState
from .model_loader import ModelLoader
from .own_checks import OwnChecks
from .problems import ProblemError


class Readiness:
    """Readiness check of this replica.

    A replica is ready while it has a model, knows its mode, can record predictions, has valid keys
    and is not about to end.
    """

    def __init__(
        self,
        models: ModelLoader,
        mode_state: ModeState,
        spool: EventLog,
        keys: ApiKeys,
        is_draining: Callable[[], bool],
        own: OwnChecks | None = None,
    ) -> None:
        """`own`: additional checks of the project."""
        self.models, self.mode_state, self.spool, self.keys = models, mode_state, spool, keys
        self.is_draining, self.own = is_draining, own

    def state(self) -> tuple[int, dict[str, object]]:
        """Return an HTTP status, and the state with its reason."""
        try:
            version = self.models.get_or_503().version
        except ProblemError as problem:
            return 503, {"status": "no model", "detail": problem.detail}
        if not self.mode_state.checked:
            return 503, {"status": "starting", "detail": "the mode was not read yet"}
        if self.spool.refusal_reason:
            return 503, {"status": "no event log", "detail": self.spool.refusal_reason}
        if self.keys.ended:
            return 503, {"status": "no keys", "detail": self.keys.error}
        if self.own and (reason := self.own.problem):
            return 503, {"status": "own check", "detail": reason}
        if self.is_draining():
            return 503, {"status": "ending"}
        state = self.mode_state
        holds = {"mode": state.mode, "mode_source": state.source, "mode_unsaved": state.unsaved}
        return 200, {"status": "ready", "model_version": version, **holds}
