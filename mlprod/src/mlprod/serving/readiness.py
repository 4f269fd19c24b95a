"""Whether this replica should get traffic: for the cluster on the second port, for load balancers
on the first.
"""

from collections.abc import Callable

from ..records.event_log import EventLog
from .api_keys import ApiKeys
from .mode_state import ModeState
from .model_loader import ModelLoader
from .own_checks import OwnChecks
from .problems import ProblemError


class Readiness:
    """A replica is ready while it can answer: it has a model, knows its mode, can write predictions
    down and can tell who asks, and it is not about to end.
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
        """`own`: checks of the project, beside these."""
        self.models, self.mode_state, self.spool, self.keys = models, mode_state, spool, keys
        self.is_draining, self.own = is_draining, own

    def state(self) -> tuple[int, dict[str, object]]:
        """A status and the reason."""
        try:
            version = self.models.required().version
        except ProblemError as problem:
            return 503, {"status": "no model", "detail": problem.detail}
        if not self.mode_state.looked:
            return 503, {"status": "starting", "detail": "the mode was not looked up yet"}
        if self.spool.refuses:
            return 503, {"status": "no event log", "detail": self.spool.refuses}
        if self.keys.ended:
            return 503, {"status": "no keys", "detail": self.keys.error}
        if self.own and (reason := self.own.problem):
            return 503, {"status": "own check", "detail": reason}
        if self.is_draining():
            return 503, {"status": "ending"}
        state = self.mode_state
        holds = {"mode": state.mode, "mode_source": state.source, "mode_unsaved": state.unsaved}
        return 200, {"status": "ready", "model_version": version, **holds}
