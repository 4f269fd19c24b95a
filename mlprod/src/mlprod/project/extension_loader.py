"""Load the project's extensions.py when a part of the library first needs it.

Standard library only, since the verb `help` lists the project's verbs.
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
    """The functions of a project's extensions.py; None for those that it does not have."""

    metrics: MetricsHook | None = None
    export: ExportHook | None = None
    authenticate: AuthenticateHook | None = None
    routes: RoutesHook | None = None
    checks: ChecksHook | None = None
    commands: CommandsHook | None = None

    @property
    def names(self) -> list[str]:
        """The names of the functions that the project has."""
        return [field.name for field in fields(self) if getattr(self, field.name)]


def load_extensions(package: str) -> Extensions:
    """Load the functions of the package's extensions.py; without the file there are none.

    Raises ExtensionError if the file cannot be imported, or if a function has another name or other
    arguments.
    """
    name = f"{package}.extensions"
    spec = find_spec(name)
    if spec is None:
        return Extensions()
    try:
        module = import_module(name)
    except Exception as error:
        raise ExtensionError(_import_failure(str(spec.origin), error)) from error
    for key, value in vars(module).items():
        if key not in SIGNATURES and not key.startswith("_") and _is_function_of(value, name):
            raise ExtensionError(_unknown(key))
    hooks = {hook: getattr(module, hook) for hook in SIGNATURES if hasattr(module, hook)}
    for hook, function in hooks.items():
        _require_signature(hook, function)
    return Extensions(**hooks)


def own_commands(package: str, taken: Collection[str]) -> dict[str, Command]:
    """Return the verbs of the project by name.

    Raises ExtensionError if a verb cannot be used, or if its name is among `taken`, the verbs of
    the library.
    """
    try:
        commands = load_extensions(package).commands
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        # The project is not installed yet.
        return {}
    result = call_hook("commands", commands) if commands else {}
    if not isinstance(result, dict):
        raise ExtensionError(
            f"{FILE}: commands() returned {result!r}; it must return a dict; "
            f"works: {{'count-rows': _count}}"
        )
    for verb, command in result.items():
        if not isinstance(verb, str) or not VERB.fullmatch(verb):
            raise ExtensionError(
                f"{FILE}: commands() names {verb!r}, which is not a verb; "
                f"works: lower-case letters, digits and hyphens, such as 'count-rows'"
            )
        if verb in taken:
            raise ExtensionError(
                f"{FILE}: commands() names {verb!r}, a verb of the library; works: another name"
            )
        if not callable(command) or not (command.__doc__ or "").strip():
            raise ExtensionError(
                f"{FILE}: commands() returned {command!r} for {verb!r}; works: a function with "
                f"a docstring, which `help` shows: def _count(arguments): ..."
            )
    return result


def call_hook(name: str, hook: Callable[..., Any], *arguments: Any) -> Any:
    """Call a hook and return its result. Raises ExtensionError if it fails."""
    try:
        return hook(*arguments)
    except Exception as error:
        raise ExtensionError(f"{FILE}: {name}() failed: {type(error).__name__}: {error}") from error


def _is_function_of(value: object, module: str) -> bool:
    return type(value).__name__ == "function" and getattr(value, "__module__", "") == module


def _import_failure(file: str, error: Exception) -> str:
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    frame = error.__traceback__
    while frame:
        if Path(frame.tb_frame.f_code.co_filename) == Path(file):
            line = frame.tb_lineno
        frame = frame.tb_next
    remedy = ""
    if isinstance(error, ModuleNotFoundError):
        remedy = (
            ". The service imports this file too, with the packages of requirements/serve.txt "
            "alone. Works: import a package of training inside the function that needs it"
        )
    where = f", line {line}" if line else ""
    return f"{FILE}{where}: it cannot be imported: {type(error).__name__}: {error}{remedy}"


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, SIGNATURES, 1)
    meant = f" Did you mean {near[0]}()?" if near else ""
    known = ", ".join(f"{hook}()" for hook in SIGNATURES)
    return (
        f"{FILE}: the library calls no function {name}(); works: {known}.{meant} "
        f"Name a helper _{name}()"
    )


def _require_signature(name: str, function: object) -> None:
    import inspect

    arguments = SIGNATURES[name]
    works = f"def {name}({', '.join(arguments)}):"
    if not callable(function):
        raise ExtensionError(f"{FILE}: {name} is {function!r}, not a function; works: {works}")
    if inspect.iscoroutinefunction(function):
        raise ExtensionError(
            f"{FILE}: {name}() is async, but the library calls it on a thread. Works: {works}"
        )
    given = inspect.signature(function)
    try:
        given.bind(*arguments)
    except TypeError as error:
        raise ExtensionError(
            f"{FILE}: {name}{given} has wrong arguments: {error}. Works: {works}"
        ) from error
