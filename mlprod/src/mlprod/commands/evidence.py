"""What verbs share that leave evidence: it is printed, and written into the registry."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..governance.check_catalogue import Subject
    from ..governance.evidence import Evidence
    from ..settings import Settings


def tried(
    settings: "Settings", about: "dict[Subject, str]", checks: list[str], drill: "Callable[[], list[Evidence]]"
) -> int:
    """Keep what a drill shows. One that fails is kept as failed too, and raises what it raised."""
    from ..ops.drills import DrillFailed
    from ..training.evidence_store import finding

    try:
        return keep(settings, drill())
    except (DrillFailed, OSError) as error:
        keep(settings, [finding(check, False, about, f"{error}"[:300]) for check in checks])
        raise


def keep(settings: "Settings", records: "list[Evidence]") -> int:
    """Print what was found, and write it into the registry; 1 when something did not pass, or was not kept."""
    from ..plain_text import display
    from ..training.evidence_store import write
    from ..training.registry import Registry

    for record in records:
        limit = f", must be {record.threshold}" if record.threshold else ""
        print(display(f"{'passed' if record.passed else 'FAILED'} {record.check}: {record.value}{limit}"))
    kept = not records or write(Registry(settings), records)
    return 0 if kept and all(record.passed for record in records) else 1
