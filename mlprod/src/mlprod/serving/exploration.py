"""Exploration: a small random share of cases gets a fixed decision, whatever their score.

A decision hides the outcome that another decision would have had. Nobody learns whether a declined
payment was good. The explored share shows it, at a price that EXPLORATION in decision.py sets. Its
predictions have the arm "explored".
"""

import hashlib
from dataclasses import dataclass
from typing import Any

MAX_SHARE = 0.2  # of all cases; a larger share is more than a sample
EXAMPLE = 'EXPLORATION = ("approve", 0.01)'


class ExplorationError(ValueError):
    """EXPLORATION of decision.py is not a decision and a share."""


@dataclass(frozen=True)
class Exploration:
    """The decision for explored cases, and their share of all cases (0 to MAX_SHARE)."""

    decision: str
    share: float

    def includes(self, id: str, salt: bytes) -> bool:
        """Return whether a case is explored.

        The result is the same for the same id, and nobody can predict it without the salt.
        """
        drawn = hashlib.blake2b(id.encode(), key=salt, digest_size=8, person=b"explored").digest()
        return int.from_bytes(drawn) < self.share * 2**64


def read_exploration(value: Any) -> Exploration | None:
    """Return the exploration of EXPLORATION in decision.py; None without one.

    Raises ExplorationError if the value is not a decision and a share from 0 to MAX_SHARE.
    """
    if value is None:
        return None
    if not isinstance(value, tuple) or len(value) != 2 or not isinstance(value[0], str):
        raise ExplorationError(
            f"decision.py: EXPLORATION must be a decision and a share, as in {EXAMPLE}; "
            f"got {value!r}"
        )
    decision, share = value
    if not isinstance(share, float | int) or not 0 <= share <= MAX_SHARE:
        raise ExplorationError(
            f"decision.py: EXPLORATION must have a share from 0 to {MAX_SHARE}, as in {EXAMPLE}; "
            f"got {share!r}"
        )
    return Exploration(decision, float(share)) if share else None
