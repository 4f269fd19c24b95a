"""Words of an open set as label values: the first few are themselves, any further one is "(other)"."""

MAX_WORDS = 20
MAX_LENGTH = 64  # characters; a longer word is no label
OTHER = "(other)"


class LabelWords:
    """Safe for threads: two that add at once may exceed the limit by one."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def label(self, word: str) -> str:
        """The word itself, if it is known or there is room for it; else OTHER."""
        if word in self._known:
            return word
        if len(self._known) >= MAX_WORDS or len(word) > MAX_LENGTH:
            return OTHER
        self._known.add(word)
        return word
