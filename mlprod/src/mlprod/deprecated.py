"""Old names that still work for two minor versions; using one prints the new name.

Standard library only.

The rule: a verb, an option, a constant or a setting that gets another name in version X.Y keeps the
old one until X.(Y+2). A test fails once that version is reached, so that the old name is removed in
time.
"""

import sys
from collections.abc import MutableMapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple


class Renamed(NamedTuple):
    """The current name, and the first version that does not accept the old one."""

    name: str
    removed_in: tuple[int, int]


VERBS = {
    "contract": Renamed("validate", (0, 3)),
    "deployed": Renamed("verify-deploy", (0, 3)),
    "faults": Renamed("chaos-test", (0, 3)),
    "forget": Renamed("purge-records", (0, 3)),
    "governance": Renamed("generate", (0, 3)),
    "image-drill": Renamed("test-image", (0, 3)),
    "key": Renamed("create-key", (0, 3)),
    "licences": Renamed("check-licenses", (0, 3)),
    "mode": Renamed("set-mode", (0, 3)),
    "observe": Renamed("collect-evidence", (0, 3)),
    "secrets": Renamed("scan-secrets", (0, 3)),
    "smoke": Renamed("smoke-test", (0, 3)),
    "soak": Renamed("load-test", (0, 3)),
    "stage": Renamed("advance-stage", (0, 3)),
    "stop-drill": Renamed("kill-switch-drill", (0, 3)),
    "sync": Renamed("fetch-model", (0, 3)),
    "upstream": Renamed("check-source", (0, 3)),
    "versions": Renamed("list-versions", (0, 3)),
    "watch": Renamed("check-alerts", (0, 3)),
}
# By the verb's current name and the option's old one.
OPTIONS = {
    ("alert-drill", "--hold"): Renamed("--duration", (0, 3)),
    ("attest", "--why"): Renamed("--reason", (0, 3)),
    ("drift", "--table"): Renamed("--input", (0, 3)),
    ("promote", "--unchecked"): Renamed("--skip-load-check", (0, 3)),
    ("promote", "--who"): Renamed("--actor", (0, 3)),
    ("promote", "--why"): Renamed("--reason", (0, 3)),
    ("retrain", "--because"): Renamed("--trigger", (0, 3)),
    ("retrain", "--who"): Renamed("--actor", (0, 3)),
    ("retrain", "--why"): Renamed("--reason", (0, 3)),
    ("rollback", "--unchecked"): Renamed("--skip-load-check", (0, 3)),
    ("rollback", "--who"): Renamed("--actor", (0, 3)),
    ("rollback", "--why"): Renamed("--reason", (0, 3)),
    ("score", "--table"): Renamed("--input", (0, 3)),
    ("score", "--to"): Renamed("--output", (0, 3)),
    ("score", "--trial"): Renamed("--dry-run", (0, 3)),
    ("set-mode", "--who"): Renamed("--actor", (0, 3)),
    ("set-mode", "--why"): Renamed("--reason", (0, 3)),
    ("validate", "--table"): Renamed("--input", (0, 3)),
}
# Constants of the project's four files.
CONSTANTS = {
    "LET_THROUGH": Renamed("EXPLORATION", (0, 3)),
    "MADE_UP": Renamed("SYNTHETIC", (0, 3)),
    "PERSONAL": Renamed("PII", (0, 3)),
    "SPACE": Renamed("SEARCH_SPACE", (0, 3)),
    "TIME": Renamed("EVENT_TIME", (0, 3)),
    "UNIT": Renamed("GROUP", (0, 3)),
}
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


def with_new_names(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command line with the current names.

    Prints a line to standard error for each old name.
    """
    verb, *rest = [*arguments] or [""]
    if renamed := VERBS.get(verb):
        _warn("verb", verb, renamed)
        verb = renamed.name
    for place, argument in enumerate(rest):
        option, equals, value = argument.partition("=")
        if renamed := OPTIONS.get((verb, option)):
            _warn("option", option, renamed)
            rest[place] = f"{renamed.name}{equals}{value}"
    return [verb, *rest] if arguments else []


def read_constant(module: ModuleType, name: str, default: Any = None) -> Any:
    """Return a constant of one of the four files, also if it has its old name.

    Prints a line to standard error for the old name.
    """
    old = next((old for old, renamed in CONSTANTS.items() if renamed.name == name), "")
    if not hasattr(module, old):
        return getattr(module, name, default)
    if hasattr(module, name):
        _print_once(f"{module.__name__}: {old} is ignored, since {name} is set as well")
        return getattr(module, name)
    _print_once(_message("constant", old, CONSTANTS[old]))
    return getattr(module, old)


def rename_settings(environ: MutableMapping[str, str]) -> None:
    """Rename the settings of an environment to their current names, in place.

    Prints a line to standard error for each old name. A setting with both names keeps the value of
    the new one.
    """
    for old, renamed in SETTINGS.items():
        if old not in environ:
            continue
        value = environ.pop(old)
        if environ.get(renamed.name):
            print(
                f"the setting {old} is ignored, since {renamed.name} is set as well",
                file=sys.stderr,
            )
        else:
            _warn("setting", old, renamed)
            environ[renamed.name] = value


def _warn(kind: str, old: str, renamed: Renamed) -> None:
    print(_message(kind, old, renamed), file=sys.stderr)


def _message(kind: str, old: str, renamed: Renamed) -> str:
    until = ".".join(map(str, renamed.removed_in))
    return f"the {kind} {old} is now {renamed.name}; the old name works until mlprod {until}"


@cache
def _print_once(message: str) -> None:
    print(message, file=sys.stderr)
