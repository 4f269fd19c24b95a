"""Status of a check by its evidence: whether the evidence counts, and whether the check passed."""

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ..installation.installed import Library
from .check_catalogue import ROOMS, CheckDefinition, Subject
from .evidence import Evidence

OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
NO_EVIDENCE = "no evidence yet"
UNINSTALLED = Library()
# The clocks of machines differ by so much.
CLOCK_TOLERANCE = timedelta(minutes=5)
Status = Literal["passed", "failed", "stale", "unmeasured"]


@dataclass(frozen=True)
class EvidenceStatus:
    """The status of a check by its evidence.

    `why` has the reason, or a description of the evidence that counts.
    """

    status: Status
    why: str
    record: Evidence | None = None


def judge_evidence(
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
    """Judge a check by its newest record that is sound and about the subjects of today.

    Without such a record the check is stale or unmeasured. `digests` and `library` are today's.
    `only_ci` leaves out records that the CI did not write, `only_by` those of another address,
    `proof` those that another token proved; "" leaves out every record of the CI.
    """
    records = sorted(
        (r for r in evidence if r.check == entry.id), key=lambda r: (r.at, not r.passed)
    )
    left_out = ""
    for record in reversed(records):
        if errors := reason_unsound(entry, record, now):
            left_out = left_out or f"evidence of {record.at:%Y-%m-%d} does not count: {errors}"
        elif only_ci and record.writer != "ci":
            left_out = left_out or (
                f"{'was shown' if record.passed else 'failed'} on {record.at:%Y-%m-%d} outside the "
                f"CI; for production only a run of the CI counts"
            )
        elif only_ci and proof is not None and (not proof or record.proof != proof):
            left_out = left_out or (
                f"was shown on {record.at:%Y-%m-%d} by {record.proof}; governance/ownership.yaml "
                f"trusts {proof}"
                if proof
                else f"was shown on {record.at:%Y-%m-%d}, but governance/ownership.yaml names no "
                f"ci that could prove it"
            )
        elif only_by and record.actor.lower() != only_by.lower():
            left_out = left_out or (
                f"{record.actor} attested it on {record.at:%Y-%m-%d}; {only_by} must attest it"
            )
        elif changed := _changed(entry, record, digests, library):
            left_out = left_out or f"was shown on {record.at:%Y-%m-%d}{changed}"
        elif now > record.at + timedelta(days=min(record.valid_days, entry.valid_days)):
            return EvidenceStatus(
                "stale", f"was last shown on {record.at:%Y-%m-%d}, too long ago", record
            )
        else:
            result = (
                f"{record.value:.6g}"
                if isinstance(record.value, float)
                else record.value or ("done" if record.passed else "failed")
            )
            wanted = f", must be {entry.needs}" if entry.needs else ""
            where = f"{record.writer} {record.run}".strip() if record.proof else "declared"
            message = f"{result}{wanted} ({record.at:%Y-%m-%d}, {record.actor}, {where})"
            if patched := _differing(entry, record, digests):
                message += (
                    f"; since then mlprod {library.version} changed {_joined(patched)} and passed "
                    f"{library.count_passed(entry.verified_by)} tests of it"
                )
            return EvidenceStatus("passed" if record.passed else "failed", message, record)
    if not records:
        return EvidenceStatus("unmeasured", NO_EVIDENCE)
    return EvidenceStatus("stale", left_out)


def _differing(
    entry: CheckDefinition, record: Evidence, digests: Mapping[Subject, str]
) -> list[Subject]:
    return [name for name in entry.tied_to if record.digests[name] != digests.get(name)]


def _joined(names: Sequence[str]) -> str:
    """The names as text: `a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _changed(
    entry: CheckDefinition, record: Evidence, digests: Mapping[Subject, str], library: Library
) -> str:
    """The subjects that changed since a record, as the end of a sentence.

    Empty if none changed, or if a patch release has proved the check for the packages that it
    changed.
    """
    different = _differing(entry, record, digests)
    rooms = [name for name in different if name in ROOMS]
    if others := [name for name in different if name not in rooms]:
        if library.refusal and "code" in others:
            return f", which no longer counts: {library.refusal}"
        return f" for another {', '.join(others)} than today's"
    if not rooms or _proved_again(entry, record, digests, library):
        return ""
    if library.refusal:
        return f", which no longer counts: {library.refusal}"
    return f"; {_joined(rooms)} {'has' if len(rooms) == 1 else 'have'} changed since"


def _proved_again(
    entry: CheckDefinition, record: Evidence, digests: Mapping[Subject, str], library: Library
) -> bool:
    """Whether a patch release passed the tests of this check with the packages of today."""
    same = all(
        library.passed_with.get(name) == digests.get(name)
        for name in entry.tied_to
        if name in ROOMS
    )
    tested = bool(entry.verified_by) and library.count_passed(entry.verified_by) > 0
    return not library.refusal and library.is_patch_of(record.library) and same and tested


def reason_unsound(entry: CheckDefinition, record: Evidence, now: datetime) -> str:
    """Why a record cannot be the output of its command; empty if it can."""
    if record.at > now + CLOCK_TOLERANCE:
        return "it is dated in the future"
    missing = [name for name in entry.tied_to if not record.digests.get(name)]
    if rooms := [name for name in missing if name in ROOMS]:
        return f"an older mlprod wrote it and did not record the code of {_joined(rooms)}"
    if missing:
        return f"it does not name its {', '.join(missing)}"
    if record.writer == "ci" and not record.run:
        return "it names no run of the CI"
    if record.writer == "ci" and not record.proof:
        return "no token proved that the CI wrote it"
    if entry.needs:
        sign, _, limit = entry.needs.partition(" ")
        if record.passed and not isinstance(record.value, float):
            return f"it claims passed with {record.value}, but {entry.needs} is required"
        if (
            isinstance(record.value, float)
            and OPERATORS[sign](record.value, float(limit)) != record.passed
        ):
            claim = "passed" if record.passed else "failed"
            return f"it claims {claim} with {record.value}, but {entry.needs} is required"
    return ""
