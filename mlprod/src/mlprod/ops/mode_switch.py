"""Switch the mode by a command: through the database, and while that is away through the folder of
this machine.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..modes import DecisionMode
from ..records.errors import StoreUnavailableError, TablesMissingError
from ..records.mode import MAX_ACTOR, MAX_REASON, Mode, new_switch, rank, storable, strictest
from ..records.mode_memory import ModeMemory
from ..records.mode_sources import SwitchFolder, read_mode_file
from ..settings import Settings

if TYPE_CHECKING:
    from ..records.store import Store

ELSEWHERE = "switch each with POST /v1/mode, or all with the mode file (docs/records.md)"


class NotSwitchedError(Exception):
    """The mode is as it was; the message says why and what works."""


@dataclass(frozen=True)
class SwitchedMode:
    """`holds` is what the database says now, None while it is away; `reached` says in words whom
    the switch reached.
    """

    holds: Mode | None
    reached: list[str]
    effective: bool = True


def open_store(settings: Settings) -> "Store":
    """The database of records, which answers within seconds or raises StoreUnavailableError.

    The embedded one gets its tables.
    """
    from ..records.store import Store

    store = Store(settings.records_url)
    try:
        store.mode()
    except TablesMissingError:
        if settings.database_url:
            raise
        from .migrate import migrate

        migrate(settings.records_url)
    return store


def modes_here(settings: Settings) -> list[Mode]:
    """What counts on this machine beside the database: the mode file, and switches that are not
    stored there yet.
    """
    in_file = read_mode_file(settings.mode_file).mode if settings.mode_file else None
    waiting = [*SwitchFolder(settings.switches).read().values(), *_memory(settings).read()[1]]
    return [in_file, *waiting] if in_file else waiting


def mode_now(settings: Settings, store: "Store") -> Mode:
    """The strictest of the database and of what counts here. Raises StoreUnavailableError."""
    return strictest([store.mode() or _first(settings), *modes_here(settings)])


def read_mode(settings: Settings, store: "Store") -> Mode | None:
    """What the database says, once it has the switches of this machine.

    Raises StoreUnavailableError.
    """
    folder = SwitchFolder(settings.switches)
    for path, switch in folder.read().items():
        if switch.at:
            store.add_late_switch(switch, _first(settings))
            folder.remove(path)
    return store.mode()


def switch(settings: Settings, wanted: str, who: str, why: str) -> SwitchedMode:
    """A step down asks nothing, and is taken here while the database is away.

    A step up must be earned.

    Raises StoreUnavailableError for a step up without the database, NotReadyError for one that is
    not earned, and NotSwitchedError.
    """
    who, why = storable(who, MAX_ACTOR), storable(why, MAX_REASON)
    try:
        store = open_store(settings)
        before = read_mode(settings, store) or _first(settings)
        if rank(wanted) > rank(before.mode) and (
            settings.environment != "local" or settings.database_url
        ):
            from ..records.usage_stats import usage
            from .readiness_report import demand_mode

            demand_mode(settings, wanted, before.mode, usage(store, before.mode))
        return SwitchedMode(store.set_mode(wanted, who, why), [])
    except StoreUnavailableError as error:
        return _switch_here(settings, wanted, who, why, error)


def _switch_here(
    settings: Settings, wanted: str, who: str, why: str, error: StoreUnavailableError
) -> SwitchedMode:
    known = _memory(settings).read()[0]
    holds = [*([known] if known else []), *modes_here(settings)]
    if rank(wanted) > (rank(strictest(holds).mode) if holds else rank(DecisionMode.ASSIST)):
        raise StoreUnavailableError(
            f"{error}. A step up to {wanted} needs the database; nothing was switched"
        ) from error
    try:
        SwitchFolder(settings.switches).add(
            new_switch(wanted, who, why, known.number if known else 0)
        )
    except OSError as problem:
        raise NotSwitchedError(
            f"the database does not answer ({error}), and {settings.switches} cannot be "
            f"written ({problem}). "
            f"What works: {ELSEWHERE}"
        ) from error
    running = sorted(str(lock.parent) for lock in _locks(settings) if _is_locked(lock))
    reached = [f"the database of records does not answer: {error}"]
    if running:
        reached.append(
            f"{wanted} holds within a second for the service that runs with "
            f"{' and with '.join(running)}."
        )
    else:
        reached.append(
            f"No service runs with {settings.spooled}: a service that starts here begins "
            f"in {wanted}."
        )
    reached.append(
        f"It waits in {settings.switches}: services of this machine store it when the "
        f"database is back."
    )
    reached.append(f"NOT reached: replicas elsewhere; {ELSEWHERE}")
    return SwitchedMode(None, reached, effective=bool(running) or not settings.database_url)


def _first(settings: Settings) -> Mode:
    return Mode(settings.first_mode, "settings", "ML_MODE")


def _memory(settings: Settings) -> ModeMemory:
    return ModeMemory(settings.spooled / "mode")


def _locks(settings: Settings) -> set[Path]:
    """Of the event logs that services of this machine may use."""
    return {settings.spooled / "lock", *settings.state_dir.glob("*/lock")}


def _is_locked(path: Path) -> bool:
    """Whether a service has the event log that this file belongs to."""
    try:
        import fcntl

        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    return False
