"""What the evidence of a check amounts to today: does it count, and did the check pass?"""

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ..installation.installed import Library
from .check_catalogue import ROOMS, CheckDefinition, Subject
from .evidence import Evidence

OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
NEVER = "never shown"
UNINSTALLED = Library()
CLOCKS = timedelta(minutes=5)  # machines disagree by so much
Status = Literal["passed", "failed", "stale", "unmeasured"]


@dataclass(frozen=True)
class EvidenceStatus:
    """What the evidence of a check amounts to.

    `why` tells what is wrong, or of the evidence that counts.
    """

    status: Status
    why: str
    record: Evidence | None = None


def judge(
    entry: CheckDefinition,
    evidence: Iterable[Evidence],
    digests: Mapping[Subject, str],
    now: datetime,
    *,
    library: Library = UNINSTALLED,
    only_ci: bool = False,
    only_by: str = "",
    proof: str | None = None,
) -> EvidenceStatus:
    """The newest record that is sound and about what is here today decides; without one the check
    is stale or unmeasured. `digests` and `library` are today's. `only_ci` leaves out what was not
    written by the CI, `only_by` what another address wrote, `proof` what another token than this
    one proved; "" leaves out everything of the CI's.
    """
    records = sorted(
        (r for r in evidence if r.check == entry.id), key=lambda r: (r.at, not r.passed)
    )
    left_out = ""
    for record in reversed(records):
        if errors := unsound(entry, record, now):
            left_out = left_out or f"evidence of {record.at:%Y-%m-%d} does not count: {errors}"
        elif only_ci and record.writer != "ci":
            left_out = (
                left_out
                or f"was shown on {record.at:%Y-%m-%d} outside the CI; for production the CI's run counts"
            )
        elif only_ci and proof is not None and (not proof or record.proof != proof):
            left_out = left_out or (
                f"was shown on {record.at:%Y-%m-%d} by {record.proof}; governance/ownership.yaml trusts {proof}"
                if proof
                else f"was shown on {record.at:%Y-%m-%d}, but governance/ownership.yaml names no ci that could prove it"
            )
        elif only_by and record.actor.lower() != only_by.lower():
            left_out = left_out or f"{record.actor} said so on {record.at:%Y-%m-%d}; {only_by} must"
        elif changed := _changed(entry, record, digests, library):
            left_out = left_out or f"was shown on {record.at:%Y-%m-%d}{changed}"
        elif now > record.at + timedelta(days=min(record.valid_days, entry.valid_days)):
            return EvidenceStatus(
                "stale", f"was last shown on {record.at:%Y-%m-%d}, which is too long ago", record
            )
        else:
            result = (
                f"{record.value:.6g}"
                if isinstance(record.value, float)
                else record.value or ("done" if record.passed else "it failed")
            )
            wanted = f", must be {entry.needs}" if entry.needs else ""
            where = f"{record.writer} {record.run}".strip() if record.proof else "declared"
            message = f"{result}{wanted} ({record.at:%Y-%m-%d}, {record.actor}, {where})"
            if patched := _differing(entry, record, digests):
                message += (
                    f"; {_named(patched)} changed since, by mlprod {library.version}, with which "
                    f"{library.count_passed(entry.verified_by)} tests of the same passed"
                )
            return EvidenceStatus("passed" if record.passed else "failed", message, record)
    if not records:
        return EvidenceStatus("unmeasured", NEVER)
    return EvidenceStatus("stale", left_out)


def _differing(
    entry: CheckDefinition, record: Evidence, digests: Mapping[Subject, str]
) -> list[Subject]:
    return [name for name in entry.tied_to if record.digests[name] != digests.get(name)]


def _named(rooms: Sequence[str]) -> str:
    """In words: `a`, `a and b`, `a, b and c`."""
    *first, last = rooms
    return f"{', '.join(first)} and {last}" if first else last


def _changed(
    entry: CheckDefinition, record: Evidence, digests: Mapping[Subject, str], library: Library
) -> str:
    """What of today is not what a record is about, as the end of a sentence; empty when nothing is,
    and when a patch release has proved the check of the rooms that it changed.
    """
    different = _differing(entry, record, digests)
    rooms = [name for name in different if name in ROOMS]
    if others := [name for name in different if name not in rooms]:
        if library.refusal and "code" in others:
            return f", which counts no more: {library.refusal}"
        return f" of another {', '.join(others)} than today's"
    if not rooms or _proved_again(entry, record, digests, library):
        return ""
    if library.refusal:
        return f", which counts no more: {library.refusal}"
    return f"; {_named(rooms)} {'has' if len(rooms) == 1 else 'have'} changed since"


def _proved_again(
    entry: CheckDefinition, record: Evidence, digests: Mapping[Subject, str], library: Library
) -> bool:
    """Has a patch release passed the tests of this check, with the very rooms that are here today?"""
    same = all(
        library.passed_with.get(name) == digests.get(name)
        for name in entry.tied_to
        if name in ROOMS
    )
    tested = bool(entry.verified_by) and library.count_passed(entry.verified_by) > 0
    return not library.refusal and library.is_patch_of(record.library) and same and tested


def unsound(entry: CheckDefinition, record: Evidence, now: datetime) -> str:
    """Why a record cannot be what the command wrote; empty when it can."""
    if record.at > now + CLOCKS:
        return "it is dated in the future"
    missing = [name for name in entry.tied_to if not record.digests.get(name)]
    if rooms := [name for name in missing if name in ROOMS]:
        return f"an older mlprod wrote it, which did not record the code of {_named(rooms)}"
    if missing:
        return f"it does not say of which {', '.join(missing)}"
    if record.writer == "ci" and not record.run:
        return "it names no run of the CI"
    if record.writer == "ci" and not record.proof:
        return "no token proved that the CI wrote it"
    if entry.needs:
        sign, _, limit = entry.needs.partition(" ")
        if record.passed and not isinstance(record.value, float):
            return f"it says passed with {record.value}, where {entry.needs} is asked"
        if (
            isinstance(record.value, float)
            and OPERATORS[sign](record.value, float(limit)) != record.passed
        ):
            return f"it says {'passed' if record.passed else 'failed'} with {record.value}, where {entry.needs} is asked"
    return ""
