"""Old names that work for two minor versions more, with a line that prints the new one. Standard library only.

The rule: a verb, an option or a setting that gets another name in version X.Y keeps the old one until X.(Y+2). A test
fails once that version is reached, so that the old name goes in time.
"""

import sys
from collections.abc import MutableMapping, Sequence
from typing import NamedTuple


class Renamed(NamedTuple):
    """The name of today, and the first version that does not know the old one."""

    name: str
    gone_in: tuple[int, int]


VERBS = {"governance": Renamed("generate", (0, 3))}
OPTIONS: dict[tuple[str, str], Renamed] = {}  # by the verb's name of today and the option's old one
SETTINGS = {
    "ML_GOVERNANCE": Renamed("ML_GOVERNANCE_DIR", (0, 3)),
    "ML_MAX_LATE_SECONDS": Renamed("ML_MAX_QUEUE_SECONDS", (0, 3)),
    "ML_MAX_REQUESTS": Renamed("ML_MAX_CONCURRENCY", (0, 3)),
    "ML_OPS_HOST": Renamed("ML_ADMIN_HOST", (0, 3)),
    "ML_OPS_PORT": Renamed("ML_ADMIN_PORT", (0, 3)),
    "ML_SPOOL": Renamed("ML_EVENT_LOG_DIR", (0, 3)),
    "ML_SPOOL_MEGABYTES": Renamed("ML_EVENT_LOG_MAX_MB", (0, 3)),
    "ML_STATE": Renamed("ML_STATE_DIR", (0, 3)),
}


def with_new_names(words: Sequence[str]) -> list[str]:
    """The words of a command line with the names of today; prints a line for each old one to standard error."""
    verb, *rest = [*words] or [""]
    if renamed := VERBS.get(verb):
        _warn("verb", verb, renamed)
        verb = renamed.name
    for place, word in enumerate(rest):
        option, equals, value = word.partition("=")
        if renamed := OPTIONS.get((verb, option)):
            _warn("option", option, renamed)
            rest[place] = f"{renamed.name}{equals}{value}"
    return [verb, *rest] if words else []


def rename_settings(environ: MutableMapping[str, str]) -> None:
    """Give the settings of an environment their names of today; prints a line for each old one to standard error.

    A setting that is given under both names keeps the value under the new one.
    """
    for old, renamed in SETTINGS.items():
        if old not in environ:
            continue
        value = environ.pop(old)
        if environ.get(renamed.name):
            print(f"the setting {old} is ignored, since {renamed.name} is set as well", file=sys.stderr)
        else:
            _warn("setting", old, renamed)
            environ[renamed.name] = value


def _warn(kind: str, old: str, renamed: Renamed) -> None:
    until = ".".join(map(str, renamed.gone_in))
    print(f"the {kind} {old} is now {renamed.name}; the old name works until mlprod {until}", file=sys.stderr)
