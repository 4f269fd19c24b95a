"""The mode switch of the command line.

It switches through the database, or through a folder of this machine while the database is down.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..modes import DecisionMode
from ..records.errors import StoreUnavailableError, TablesMissingError
from ..records.mode import MAX_ACTOR, MAX_REASON, ModeSwitch, new_switch, rank, storable, strictest
from ..records.mode_memory import ModeMemory
from ..records.mode_sources import SwitchFolder, read_mode_file
from ..settings import Settings

if TYPE_CHECKING:
    from ..records.store import Store

OTHER_REPLICAS = "switch each with POST /v1/mode, or all with the mode file (docs/records.md)"


class NotSwitchedError(Exception):
    """The mode was not switched; the message states why and what works."""


@dataclass(frozen=True)
class SwitchedMode:
    """The result of a switch.

    `holds` is the mode in the database; None while the database is down. `reached` lists in
    sentences which services the switch reached.
    """

    holds: ModeSwitch | None
    reached: list[str]
    effective: bool = True


def open_store(settings: Settings) -> "Store":
    """Open the database of records, and create the tables of an embedded one.

    Raises StoreUnavailableError within seconds.
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


def modes_here(settings: Settings) -> list[ModeSwitch]:
    """Return the modes that apply on this machine besides the database.

    They are the mode file, and the switches that the database does not hold yet.
    """
    in_file = read_mode_file(settings.mode_file).mode if settings.mode_file else None
    waiting = [*SwitchFolder(settings.switches).read().values(), *_memory(settings).read()[1]]
    return [in_file, *waiting] if in_file else waiting


def mode_now(settings: Settings, store: "Store") -> ModeSwitch:
    """Return the strictest mode of the database and this machine. Raises StoreUnavailableError."""
    return strictest([store.mode() or _initial_mode(settings), *modes_here(settings)])


def read_mode(settings: Settings, store: "Store") -> ModeSwitch | None:
    """Store the switches of this machine in the database; return the mode that it holds.

    Raises StoreUnavailableError.
    """
    folder = SwitchFolder(settings.switches)
    for path, waiting in folder.read().items():
        if waiting.at:
            store.add_late_switch(waiting, _initial_mode(settings))
            folder.remove(path)
    return store.mode()


def switch_mode(settings: Settings, wanted: str, who: str, why: str) -> SwitchedMode:
    """Switch the mode.

    A step down requires nothing, and works on this machine while the database is down. A step up
    must meet the criteria of the change plan. Raises StoreUnavailableError for a step up without
    the database, NotReadyError if a criterion is not met, and NotSwitchedError.
    """
    who, why = storable(who, MAX_ACTOR), storable(why, MAX_REASON)
    try:
        store = open_store(settings)
        before = read_mode(settings, store) or _initial_mode(settings)
        if rank(wanted) > rank(before.mode) and (
            settings.environment != "local" or settings.database_url
        ):
            from ..records.usage_stats import usage
            from .mode_requirements import require_mode

            require_mode(settings, wanted, before.mode, usage(store, before.mode))
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
            f"{error}. A step up to {wanted} requires the database; nothing was switched"
        ) from error
    try:
        SwitchFolder(settings.switches).add(
            new_switch(wanted, who, why, known.number if known else 0)
        )
    except OSError as problem:
        raise NotSwitchedError(
            f"the database is unavailable ({error}), and {settings.switches} cannot be written "
            f"({problem}). Works: {OTHER_REPLICAS}"
        ) from error
    running = sorted(str(lock.parent) for lock in _locks(settings) if _is_locked(lock))
    reached = [f"the database of records is unavailable: {error}"]
    if running:
        reached.append(
            f"The mode is {wanted} within a second for the service that runs with "
            f"{' and with '.join(running)}."
        )
    else:
        reached.append(
            f"No service runs with {settings.spooled}. A service that starts here begins in "
            f"{wanted}."
        )
    reached.append(
        f"The switch waits in {settings.switches}. The services of this machine store it when "
        f"the database is back."
    )
    reached.append(f"NOT reached: replicas on other machines; {OTHER_REPLICAS}")
    return SwitchedMode(None, reached, effective=bool(running) or not settings.database_url)


def _initial_mode(settings: Settings) -> ModeSwitch:
    return ModeSwitch(settings.first_mode, "settings", "ML_MODE")


def _memory(settings: Settings) -> ModeMemory:
    return ModeMemory(settings.spooled / "mode")


def _locks(settings: Settings) -> set[Path]:
    """Return the lock files of the event logs that services of this machine may use."""
    return {settings.spooled / "lock", *settings.state_dir.glob("*/lock")}


def _is_locked(path: Path) -> bool:
    """Return whether a service uses the event log of this lock file."""
    try:
        import fcntl

        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    return False
