"""The decision modes. This is the only list of them."""

from enum import StrEnum
from typing import Literal

ModeName = Literal["shadow", "assist", "automate"]
"""A mode as plain text in bodies, settings and files. A test compares it with the enum."""


class DecisionMode(StrEnum):
    """How a decision is used, the strictest mode first.

    Shadow is the kill switch: the service records decisions and does not return them.
    """

    SHADOW = "shadow"
    ASSIST = "assist"
    AUTOMATE = "automate"


MODES: tuple[str, ...] = tuple(mode.value for mode in DecisionMode)
SAFEST = MODES[0]
# Modes in which the service returns its decisions.
DECIDING_MODES = MODES[1:]
