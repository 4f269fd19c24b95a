"""The size of the batches that are sent to a database."""


class Pace:
    """An adaptive batch size, as in TCP's congestion control.

    After a failure `size` is a quarter of the failed size. With each success it doubles up to half
    of the failed size, and grows by an eighth from there on.
    """

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._size = self._doubles_below = float(largest)

    @property
    def size(self) -> int:
        return int(self._size)

    def fail(self, tried: int) -> bool:
        """Reduce the size after a failure; return False if the failed size was already 1."""
        if tried <= 1:
            return False
        self._doubles_below, self._size = max(tried / 2, 1.0), max(tried / 4, 1.0)
        return True

    def succeed(self) -> None:
        """Increase the size after a success."""
        slow = self._size >= self._doubles_below
        self._size = min(
            self._size * 9 / 8 if slow else min(self._size * 2, self._doubles_below), self.largest
        )
