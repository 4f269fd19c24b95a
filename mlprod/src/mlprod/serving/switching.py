"""POST /v1/mode: a step down holds in this replica at once, whatever happens to the database; a
step up needs it.
"""

from pydantic_core import to_json

from ..modes import SAFEST
from ..records.errors import EventsRefusedError, StoreUnavailableError
from ..records.mode import Mode as Switch
from .api_keys import Caller
from .mode_follower import ModeFollower
from .mode_state import ModeState
from .problems import ProblemError
from .record_routes import read
from .record_shipper import away
from .request_models import MODE, Mode

WAIT = 2.0  # seconds for the database: to say what holds, or to take a switch


class Switching:
    """Answers the route. It waits for the database, so call it on a thread."""

    def __init__(self, state: ModeState, follower: ModeFollower, *, free: bool) -> None:
        """`free`: may a caller step up to the next mode?

        Else that is a command, which asks for evidence.
        """
        self.state, self.follower, self.free = state, follower, free

    def answer(self, body: bytes, caller: Caller, request: str = "") -> bytes:
        """Switch the mode, here at once and everywhere within seconds. Raises ProblemError."""
        wanted: Mode = read(Mode, body, MODE)
        if wanted.mode != SAFEST:  # this replica may not have heard of a stop
            self.state.refresh(WAIT)
        if self.state.is_step_up(wanted.mode):
            done, stored = self._step_up(wanted, caller, request), True
        else:
            done = self.state.step_down(wanted.mode, caller.name, wanted.reason, request)
            stored = self.state.stored(done, WAIT)
        since = f"{done.at}Z".replace(" ", "T")
        facts = {
            "by": done.who,
            "reason": done.why,
            "since": since,
            "stored": stored,
            "detail": self._reached(stored),
        }
        return to_json({"mode": self.state.mode, **facts})

    def _step_up(self, wanted: Mode, caller: Caller, request: str) -> Switch:
        now, works = (
            self.state.mode,
            f'the verb set-mode: set-mode {wanted.mode} --reason "..." (make: MODE=... '
            f'REASON="...")',
        )
        if not self.free:
            raise ProblemError(
                403,
                f"{wanted.mode} is not entered from {now} through the API; what works is {works}",
            )
        if self.state.unsaved and self.state.away:
            raise away(
                f"{self.state.away}; {now} was set here, and a step up from it needs the database"
            )
        if obstacle := self.state.obstacle(wanted.mode):
            raise ProblemError(
                403,
                f"{wanted.mode} would not hold here: {obstacle}. Change that first; "
                f"nothing was switched",
            )
        try:
            return self.follower.step_up(wanted.mode, caller.name, wanted.reason, request)
        except StoreUnavailableError as error:
            raise away(f"{error}; a step up needs it") from error
        except EventsRefusedError as error:
            raise ProblemError(422, f"the database cannot hold this: {error}") from error

    def _reached(self, stored: bool) -> str:
        if stored:
            return "stored in the database; every replica follows within seconds"
        where = f"remembered in {self.state.memory.path}, over a restart"
        if self.state.forgotten:
            where = f"held in memory alone, since it cannot be written down: {self.state.forgotten}"
        why = self.state.away or "it takes long"
        return (
            f"this replica holds it, {where}; it is not in the database yet ({why}), so "
            f"other replicas do not know it. "
            "It is stored there when the database answers; until then switch each replica, "
            "or use the mode file"
        )
