"""Handler of POST /v1/mode.

A step down is active in this replica at once, also without the database. A step up needs the
database.
"""

from pydantic_core import to_json

from ..modes import SAFEST
from ..records.errors import EventsRefusedError, StoreUnavailableError
from ..records.mode import ModeSwitch
from .api_keys import Caller
from .mode_follower import ModeFollower
from .mode_state import ModeState
from .problems import ProblemError
from .record_routes import parse_body
from .record_shipper import store_unavailable
from .request_models import MODE, Mode

DATABASE_SECONDS = 2.0  # for the database: to return the mode, or to store a switch


class ModeHandler:
    """Handler of POST /v1/mode. It waits for the database, so call it on a thread."""

    def __init__(self, state: ModeState, follower: ModeFollower, *, free: bool) -> None:
        """`free`: whether callers may step up. Otherwise only a command may, with evidence."""
        self.state, self.follower, self.free = state, follower, free

    def answer(self, body: bytes, caller: Caller, request: str = "") -> bytes:
        """Switch the mode: of this replica at once, of all replicas within seconds.

        Raises ProblemError if the body is invalid or the switch is refused.
        """
        wanted: Mode = parse_body(Mode, body, MODE)
        # this replica may not know yet that the kill switch was used
        if wanted.mode != SAFEST:
            self.state.refresh(DATABASE_SECONDS)
        if self.state.is_step_up(wanted.mode):
            done, stored = self._step_up(wanted, caller, request), True
        else:
            done = self.state.step_down(wanted.mode, caller.name, wanted.reason, request)
            stored = self.state.stored(done, DATABASE_SECONDS)
        since = f"{done.at}Z".replace(" ", "T")
        facts = {
            "by": done.who,
            "reason": done.why,
            "since": since,
            "stored": stored,
            "detail": self._reach(stored),
        }
        return to_json({"mode": self.state.mode, **facts})

    def _step_up(self, wanted: Mode, caller: Caller, request: str) -> ModeSwitch:
        now, works = (
            self.state.mode,
            f'the verb set-mode: set-mode {wanted.mode} --reason "..." (make: MODE=... '
            f'REASON="...")',
        )
        if not self.free:
            raise ProblemError(
                403,
                f"the API does not step up from {now} to {wanted.mode}; what works is {works}",
            )
        if self.state.unsaved and self.state.database_error:
            raise store_unavailable(
                f"{self.state.database_error}; {now} was set in this replica, and a step up from "
                "it needs the database"
            )
        if obstacle := self.state.obstacle(wanted.mode):
            raise ProblemError(
                403,
                f"{wanted.mode} would not be active in this replica: {obstacle}. Change that "
                f"first; nothing was switched",
            )
        try:
            return self.follower.step_up(wanted.mode, caller.name, wanted.reason, request)
        except StoreUnavailableError as error:
            raise store_unavailable(f"{error}; a step up needs it") from error
        except EventsRefusedError as error:
            raise ProblemError(422, f"the database cannot hold this: {error}") from error

    def _reach(self, stored: bool) -> str:
        if stored:
            return "stored in the database; every replica follows within seconds"
        where = f"remembered in {self.state.memory.path}, also over a restart"
        if self.state.memory_error:
            where = (
                f"only in its memory, because the file cannot be written: {self.state.memory_error}"
            )
        cause = self.state.database_error or "it takes long"
        return (
            f"this replica has the mode, {where}. The database does not have it yet ({cause}), so "
            "other replicas do not know it. The service stores it when the database is available. "
            "Until then switch each replica, or use the mode file"
        )
