"""Dated exceptions from checks: governance/waivers.yaml."""

from datetime import date
from pathlib import Path

from pydantic import Field

from .yaml_loader import GovernanceError, StrictModel, read_yaml

# Training requires a waiver of this at every stage, if a model has no ONNX form.
PICKLE = "pickle"
EXAMPLE = """waivers:
  - check: pickle
    reason: the model has no ONNX form
    risk: code runs when the model is loaded
    approved_by: model_owner
    expires: 2027-03-31"""


class Waiver(StrictModel):
    """An exception from a check, until a day."""

    check: str = Field(description="Id of the check, or `pickle`.")
    reason: str = Field(min_length=1, description="Why the check cannot pass yet.")
    risk: str = Field(min_length=1, description="What may go wrong because of it.")
    approved_by: str = Field(
        min_length=1, description="Id of the person accountable for the outcome of the check."
    )
    expires: date = Field(description="Last day of the exception, at most 180 days away.")


class Waivers(StrictModel):
    """The whole file."""

    waivers: tuple[Waiver, ...] = Field(default=(), description="The exceptions.")


def read_waivers(path: Path) -> tuple[Waiver, ...]:
    """Read the waivers; none if the file does not exist."""
    return read_yaml(path, Waivers, EXAMPLE).waivers if path.is_file() else ()


def require_waiver(path: Path, check: str, today: date) -> Waiver:
    """Return the waiver of a check that is valid today.

    Raises GovernanceError if there is none or it has expired.
    """
    waivers = [waiver for waiver in read_waivers(path) if waiver.check == check]
    if valid := [waiver for waiver in waivers if waiver.expires >= today]:
        return valid[0]
    state = f"expired on {waivers[0].expires}" if waivers else "does not exist"
    raise GovernanceError(
        f"{path}: a waiver of {check!r} is needed and {state}. What works:\n{EXAMPLE}"
    )
