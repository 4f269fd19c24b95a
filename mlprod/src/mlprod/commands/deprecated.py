"""Old names that work for two minor versions more, with a line that prints the new one. Standard library only.

The rule: a verb, an option or a setting that gets another name in version X.Y keeps the old one until X.(Y+2). A test
fails once that version is reached, so that the old name goes in time.
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple


class Renamed(NamedTuple):
    """The name of today, and the first version that does not know the old one."""

    name: str
    gone_in: tuple[int, int]


VERBS = {"governance": Renamed("generate", (0, 3))}


def with_new_names(words: Sequence[str]) -> list[str]:
    """The words of a command line with the verb's name of today; prints a line for an old one to standard error."""
    if not words or words[0] not in VERBS:
        return list(words)
    renamed = VERBS[words[0]]
    until = ".".join(map(str, renamed.gone_in))
    print(f"the verb {words[0]} is now {renamed.name}; the old name works until mlprod {until}", file=sys.stderr)
    return [renamed.name, *words[1:]]
