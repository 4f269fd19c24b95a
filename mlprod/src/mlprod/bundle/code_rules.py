"""What the code of a bundle may import and call."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping


class CodeError(ValueError):
    """The project's code cannot be part of a bundle; the message names file, line and remedy."""


# Modules that every service has, and that neither read files nor use a network.
ALLOWED_IMPORTS = {"mlprod", "numpy", "pydantic"} | {
    *("__future__", "abc", "bisect", "collections", "dataclasses", "datetime", "decimal", "enum"),
    *("fractions", "functools", "itertools", "math", "operator", "re", "statistics", "string"),
    *("typing", "unicodedata"),
}
# Built-in functions that run other code, read files, or wait for a person.
FORBIDDEN_CALLS = {
    *("__import__", "breakpoint", "compile", "eval", "exec", "globals", "input", "open"),
}


def collect_sources(read: Callable[[str], str | None], names: Iterable[str]) -> dict[str, str]:
    """Return the sources of modules of a package, with those that they import from the package.

    `read` returns the text of a module, or None if the package has no such module. Raises
    SyntaxError.
    """
    result: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        source = None if name in result else read(name)
        if source is not None:
            result[name] = source
            waiting += [module for _, module in _relative_imports(ast.parse(source))]
    return dict(sorted(result.items()))


def code_violations(
    sources: Mapping[str, str], package: str, *, any_import: bool = False
) -> Iterator[str]:
    """Yield what these modules do that the code of a bundle may not do, with file and line.

    `package` is the name of the project's package. With `any_import` other installed packages may
    be imported, as the runtime python allows.

    The rules prevent answers that depend on more than the bundle. They are no sandbox: a person
    who may write to the registry can run code in the service.
    """
    for name, source in sources.items():
        tree = ast.parse(source)
        for line, module in _relative_imports(tree):
            if module not in sources:
                yield (
                    f"{name}.py:{line} imports .{module}, which is not a module beside it; works: "
                    f"functions of {name}.py, or of another file in the same folder"
                )
        for line, module in _absolute_imports(tree):
            first = module.partition(".")[0]
            if first == package:
                yield (
                    f"{name}.py:{line} imports {package} by its name, which is another version of "
                    f"the code later; works: from .contract import ..."
                )
            elif not any_import and (
                first not in ALLOWED_IMPORTS or (first == "mlprod" and module != "mlprod")
            ):
                yield (
                    f"{name}.py:{line} imports {module}, which the service does not have, or which "
                    f"reads more than the request; works: numpy, math, datetime, re, collections, "
                    f"functools and the like; what needs a file or a network belongs to the caller"
                )
        for call in ast.walk(tree):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id in FORBIDDEN_CALLS
            ):
                yield (
                    f"{name}.py:{call.lineno} calls {call.func.id}(), so that an answer would "
                    f"depend on more than the bundle and the request; works: constants in the file"
                )


def _relative_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the module of each relative import: contract of `from .contract import`.

    A module outside the package is named by its dots.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            dots = "." * (node.level - 1)
            for module in [node.module] if node.module else [item.name for item in node.names]:
                yield node.lineno, dots + module


def _absolute_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the module of each absolute import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                yield node.lineno, item.name
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.lineno, node.module
