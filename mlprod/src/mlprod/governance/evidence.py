"""Evidence: what a command found, when, run by whom, and of what. It counts while that is what is here today."""

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, Field

from .check_catalogue import Entry, Subject
from .yaml_loader import Record

Writer = Literal["ci", "local"]
OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
NEVER = "never shown"
CLOCKS = timedelta(minutes=5)  # machines disagree by so much


class Evidence(Record):
    """A command's finding. `digests` say what it is about; `run` is the CI's run, or empty; `proof` is issuer,
    repository and branch of the token that proved it. Without a proof writer, actor and run are declared only."""

    check: str = Field(min_length=1)
    at: AwareDatetime
    writer: Writer
    actor: str = Field(min_length=1)
    run: str = ""
    proof: str = ""
    value: float | str | None = None
    threshold: str | None = None
    passed: bool
    valid_days: int = Field(ge=1, le=366)
    digests: dict[Subject, str] = Field(default_factory=dict)


Status = Literal["passed", "failed", "stale", "unmeasured"]


@dataclass(frozen=True)
class Judged:
    """What the evidence of a check amounts to. `why` tells what is wrong, or of the evidence that counts."""

    status: Status
    why: str
    record: Evidence | None = None


def judge(
    entry: Entry,
    evidence: Iterable[Evidence],
    digests: Mapping[Subject, str],
    now: datetime,
    *,
    only_ci: bool = False,
    only_by: str = "",
    proof: str | None = None,
) -> Judged:
    """The newest record that is sound and about what is here today decides; without one the check is stale or
    unmeasured. `digests` are today's; `only_ci` leaves out what was not written by the CI, `only_by` what another
    address wrote, `proof` what was proven by another token than this names; "" leaves out everything of the CI's."""
    records = sorted((r for r in evidence if r.check == entry.id), key=lambda r: (r.at, not r.passed))
    left_out = ""
    for record in reversed(records):
        if wrong := unsound(entry, record, now):
            left_out = left_out or f"evidence of {record.at:%Y-%m-%d} does not count: {wrong}"
        elif only_ci and record.writer != "ci":
            left_out = (
                left_out or f"was shown on {record.at:%Y-%m-%d} outside the CI; for production the CI's run counts"
            )
        elif only_ci and proof is not None and (not proof or record.proof != proof):
            left_out = left_out or (
                f"was shown on {record.at:%Y-%m-%d} by {record.proof}; governance/ownership.yaml trusts {proof}"
                if proof
                else f"was shown on {record.at:%Y-%m-%d}, but governance/ownership.yaml names no ci that could prove it"
            )
        elif only_by and record.actor.lower() != only_by.lower():
            left_out = left_out or f"{record.actor} said so on {record.at:%Y-%m-%d}; {only_by} must"
        elif other := [name for name in entry.tied_to if record.digests[name] != digests.get(name)]:
            left_out = left_out or f"was shown on {record.at:%Y-%m-%d} of another {', '.join(other)} than today's"
        elif now > record.at + timedelta(days=min(record.valid_days, entry.valid_days)):
            return Judged("stale", f"was last shown on {record.at:%Y-%m-%d}, which is too long ago", record)
        else:
            found = (
                f"{record.value:.6g}"
                if isinstance(record.value, float)
                else record.value or ("done" if record.passed else "it failed")
            )
            wanted = f", must be {entry.needs}" if entry.needs else ""
            where = f"{record.writer} {record.run}".strip() if record.proof else "declared"
            said = f"{found}{wanted} ({record.at:%Y-%m-%d}, {record.actor}, {where})"
            return Judged("passed" if record.passed else "failed", said, record)
    if not records:
        return Judged("unmeasured", NEVER)
    return Judged("stale", left_out)


def unsound(entry: Entry, record: Evidence, now: datetime) -> str:
    """Why a record cannot be what the command wrote; empty when it can."""
    if record.at > now + CLOCKS:
        return "it is dated in the future"
    if missing := [name for name in entry.tied_to if not record.digests.get(name)]:
        return f"it does not say of which {', '.join(missing)}"
    if record.writer == "ci" and not record.run:
        return "it names no run of the CI"
    if record.writer == "ci" and not record.proof:
        return "no token proved that the CI wrote it"
    if entry.needs:
        sign, _, limit = entry.needs.partition(" ")
        if record.passed and not isinstance(record.value, float):
            return f"it says passed with {record.value}, where {entry.needs} is asked"
        if isinstance(record.value, float) and OPERATORS[sign](record.value, float(limit)) != record.passed:
            return (
                f"it says {'passed' if record.passed else 'failed'} with {record.value}, where {entry.needs} is asked"
            )
    return ""


def utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
