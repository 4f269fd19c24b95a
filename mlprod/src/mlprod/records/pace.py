"""How much to ask of a database at once."""


class Pace:
    """`size` falls to a quarter of what failed, and grows with each success: twofold up to half of
    what failed last, and an eighth at a time from there on, as TCP does.
    """

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._size = self._doubles_below = float(largest)

    @property
    def size(self) -> int:
        return int(self._size)

    def fail(self, tried: int) -> bool:
        """Ask for less than was tried; False when that was as little as can be."""
        if tried <= 1:
            return False
        self._doubles_below, self._size = max(tried / 2, 1.0), max(tried / 4, 1.0)
        return True

    def succeed(self) -> None:
        slow = self._size >= self._doubles_below
        self._size = min(
            self._size * 9 / 8 if slow else min(self._size * 2, self._doubles_below), self.largest
        )
