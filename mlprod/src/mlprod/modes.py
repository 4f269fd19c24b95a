"""The modes of decisions. The one place that lists them."""

from enum import StrEnum
from typing import Literal

ModeName = Literal["shadow", "assist", "automate"]
"""A mode as bodies, settings and files hold it: plain text. A test compares it with the enum."""


class DecisionMode(StrEnum):
    """What decisions are for, the strictest first.

    Shadow is the kill switch: decisions are recorded and not given.
    """

    SHADOW = "shadow"
    ASSIST = "assist"
    AUTOMATE = "automate"


MODES: tuple[str, ...] = tuple(mode.value for mode in DecisionMode)
SAFEST = MODES[0]
DECIDING_MODES = MODES[1:]  # modes in which decisions leave
