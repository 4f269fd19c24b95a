"""A small random share of cases that is let through whatever the score says.

What is acted upon hides what would have been: a payment that was declined is never known to have
been good. The share shows it, at a price that decision.py sets with EXPLORATION. Its predictions
are of the arm "explored".
"""

import hashlib
from dataclasses import dataclass
from typing import Any

MOST = 0.2  # of all cases; more is no sample
WORKS = 'EXPLORATION = ("approve", 0.01)'


class ExploreError(ValueError):
    """decision.py says something else than a decision and a share."""


@dataclass(frozen=True)
class Exploration:
    decision: str
    share: float

    def takes(self, id: str, salt: bytes) -> bool:
        """Whether the case is in the share: the same answer for the same id, and none can be told
        without the salt.
        """
        drawn = hashlib.blake2b(id.encode(), key=salt, digest_size=8, person=b"explored").digest()
        return int.from_bytes(drawn) < self.share * 2**64


def let_through(said: Any) -> Exploration | None:
    """What EXPLORATION says; None for none. Raises ExploreError."""
    if said is None:
        return None
    if not isinstance(said, tuple) or len(said) != 2 or not isinstance(said[0], str):
        raise ExploreError(
            f"decision.py: EXPLORATION is a decision and a share, as in {WORKS}; got {said!r}"
        )
    if not isinstance(said[1], float | int) or not 0 <= said[1] <= MOST:
        raise ExploreError(
            f"decision.py: EXPLORATION: a share from 0 to {MOST}, as in {WORKS}; got {said[1]!r}"
        )
    return Exploration(said[0], float(said[1])) if said[1] else None
