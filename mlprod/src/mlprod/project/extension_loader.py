"""The project's extensions.py, loaded when a part first needs it.

Standard library only: `help` lists its verbs.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..extensions import (
    AuthenticateHook,
    ChecksHook,
    Command,
    CommandsHook,
    ExportHook,
    ExtensionError,
    MetricsHook,
    RoutesHook,
)

FILE = "extensions.py"
SIGNATURES = {
    "metrics": (),
    "export": ("estimator",),
    "authenticate": ("request",),
    "routes": ("app",),
    "checks": (),
    "commands": (),
}
VERB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Extensions:
    """The functions that a project has; None for those that it does not have."""

    metrics: MetricsHook | None = None
    export: ExportHook | None = None
    authenticate: AuthenticateHook | None = None
    routes: RoutesHook | None = None
    checks: ChecksHook | None = None
    commands: CommandsHook | None = None

    @property
    def names(self) -> list[str]:
        """The functions that are there."""
        return [field.name for field in fields(self) if getattr(self, field.name)]


def load_extensions(package: str) -> Extensions:
    """The functions of the package's extensions.py; none where the file is absent.

    Raises ExtensionError for a file that cannot be imported, and for a function under another name
    or with other arguments.
    """
    name = f"{package}.extensions"
    spec = find_spec(name)
    if spec is None:
        return Extensions()
    try:
        module = import_module(name)
    except Exception as error:
        raise ExtensionError(_import_failure(str(spec.origin), error)) from error
    for result, value in vars(module).items():
        if result not in SIGNATURES and not result.startswith("_") and _is_function_of(value, name):
            raise ExtensionError(_unknown(result))
    found_hooks = {hook: getattr(module, hook) for hook in SIGNATURES if hasattr(module, hook)}
    for hook, function in found_hooks.items():
        _require_signature(hook, function)
    return Extensions(**found_hooks)


def own_commands(package: str, taken: Collection[str]) -> dict[str, Command]:
    """The verbs of the project, none of which is `taken` by the library. Raises ExtensionError."""
    try:
        commands = load_extensions(package).commands
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        return {}  # nothing is installed yet
    result = call_hook("commands", commands) if commands else {}
    if not isinstance(result, dict):
        raise ExtensionError(
            f"{FILE}: commands() gave {result!r}; it returns a dict, for example "
            f"{{'count-rows': _count}}"
        )
    for verb, command in result.items():
        if not isinstance(verb, str) or not VERB.fullmatch(verb):
            raise ExtensionError(f"{FILE}: commands() names {verb!r}; a verb is like 'count-rows'")
        if verb in taken:
            raise ExtensionError(
                f"{FILE}: commands() names {verb!r}, a verb of the library; choose another name"
            )
        if not callable(command) or not (command.__doc__ or "").strip():
            raise ExtensionError(
                f"{FILE}: commands() gave {command!r} for {verb!r}; works: a function with "
                f"a docstring, which `help` "
                "shows: def _count(words): ..."
            )
    return result


def call_hook(name: str, hook: Callable[..., Any], *arguments: Any) -> Any:
    """What a hook returns. Raises ExtensionError when it fails."""
    try:
        return hook(*arguments)
    except Exception as error:
        raise ExtensionError(f"{FILE}: {name}() failed: {type(error).__name__}: {error}") from error


def _is_function_of(value: object, module: str) -> bool:
    return type(value).__name__ == "function" and getattr(value, "__module__", "") == module


def _import_failure(file: str, error: Exception) -> str:
    line, frame = (
        getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None,
        error.__traceback__,
    )
    while frame:
        if Path(frame.tb_frame.f_code.co_filename) == Path(file):
            line = frame.tb_lineno
        frame = frame.tb_next
    remedy = ""
    if isinstance(error, ModuleNotFoundError):
        remedy = (
            ". The service imports this file too, with the packages of "
            "requirements/serve.txt alone: import what only "
            "training has inside the function that needs it"
        )
    where = f", line {line}" if line else ""
    return f"{FILE}{where}: it cannot be imported: {type(error).__name__}: {error}{remedy}"


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, SIGNATURES, 1)
    meant = f" Did you mean {near[0]}()?" if near else ""
    known = ", ".join(f"{hook}()" for hook in SIGNATURES)
    return (
        f"{FILE}: {name}() is not a function that the library calls; these are: "
        f"{known}.{meant} Call a helper _{name}()"
    )


def _require_signature(name: str, function: object) -> None:
    import inspect

    arguments = SIGNATURES[name]
    works = f"def {name}({', '.join(arguments)}):"
    if not callable(function):
        raise ExtensionError(f"{FILE}: {name} is {function!r}, not a function; works: {works}")
    if inspect.iscoroutinefunction(function):
        raise ExtensionError(
            f"{FILE}: {name}() is async; the library calls it on a thread. Works: {works}"
        )
    given = inspect.signature(function)
    try:
        given.bind(*arguments)
    except TypeError as error:
        raise ExtensionError(
            f"{FILE}: {name}{given} has other arguments: {error}. Works: {works}"
        ) from error
