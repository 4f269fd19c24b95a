"""Values of an open set as metric labels: the first few stay, any further value is "(other)"."""

from collections.abc import Iterable

MAX_VALUES = 20
MAX_LENGTH = 64  # characters of a label; a longer value is "(other)"
OTHER = "(other)"


class LabelValues:
    """Known values of one label.

    Safe for threads. Two that add at the same time may exceed the limit by one.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._reserved: frozenset[str] = frozenset()

    def reserve(self, values: Iterable[str]) -> None:
        """Let these values be shown beyond the limit, such as the classes of the model."""
        self._reserved = frozenset(values)

    def label(self, value: str) -> str:
        """Return the value itself if it is known or there is room for it, else OTHER."""
        if value in self._known or value in self._reserved:
            return value
        if len(self._known) >= MAX_VALUES or len(value) > MAX_LENGTH:
            return OTHER
        self._known.add(value)
        return value
