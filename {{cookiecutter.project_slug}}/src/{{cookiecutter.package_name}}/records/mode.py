"""The switch of the mode."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Mode:
    """What holds for decisions, and who said so, why and when; `at` is None where nobody ever did."""

    mode: str
    who: str
    why: str
    at: datetime | None = None
