"""Dated exceptions, as governance/waivers.yaml says."""

from datetime import date
from pathlib import Path

from pydantic import Field

from .yaml_loader import GovernanceError, StrictModel, read

PICKLE = "pickle"  # asked for by the pipeline itself, at every stage
EXAMPLE = """waivers:
  - {check: pickle, reason: no ONNX form, risk: code runs at load, approved_by: model_owner, expires: 2027-03-31}"""


class Waiver(StrictModel):
    check: str
    reason: str = Field(min_length=1)
    risk: str = Field(min_length=1)
    approved_by: str = Field(min_length=1)
    expires: date


class Waivers(StrictModel):
    waivers: tuple[Waiver, ...] = ()


def read_waivers(path: Path) -> tuple[Waiver, ...]:
    """The waivers of the file; none when there is no file."""
    return read(path, Waivers, EXAMPLE).waivers if path.is_file() else ()


def demand_waiver(path: Path, check: str, today: date) -> Waiver:
    """The waiver of a check that is valid today.

    Raises GovernanceError when there is none or it has expired.
    """
    waivers = [waiver for waiver in read_waivers(path) if waiver.check == check]
    if valid := [waiver for waiver in waivers if waiver.expires >= today]:
        return valid[0]
    state = f"expired on {waivers[0].expires}" if waivers else "does not exist"
    raise GovernanceError(
        f"{path}: a waiver of {check!r} is needed and {state}. What works:\n{EXAMPLE}"
    )
