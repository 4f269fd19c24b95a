"""The public names and signatures equal a committed list, and a project may use no others."""

import ast
import inspect
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from fixture_project import PACKAGE, PROJECT

import mlprod

SURFACE = Path(__file__).parent / "public_surface.txt"
PUBLIC = (
    "mlprod",
    "mlprod.batch",
    "mlprod.client",
    "mlprod.explore",
    "mlprod.extensions",
    "mlprod.testing",
    "mlprod.testing.seam_tests",
)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def surface() -> Iterator[str]:
    """Yield a line for each public name, and below it one for each public attribute of a class."""
    for module in PUBLIC:
        for name in sorted(import_module(module).__all__):
            if name in (values := assigned(module)):
                yield f"{module}.{name} = {values[name]}"
            else:
                yield from described(f"{module}.{name}", getattr(import_module(module), name))


def assigned(module: str) -> dict[str, str]:
    """Return the names that a module assigns with `=`, such as an alias of a type."""
    body = ast.parse(inspect.getsource(import_module(module))).body
    return {
        ast.unparse(node.targets[0]): ast.unparse(node.value)
        for node in body
        if isinstance(node, ast.Assign)
    }


def described(name: str, value: Any) -> Iterator[str]:
    """Describe a name from its source, since each Python version prints annotations differently."""
    if not getattr(value, "__module__", "mlprod").startswith("mlprod"):
        yield f"{name} = {value.__module__.partition('.')[0]}.{value.__qualname__}"
        return
    # The function of a pytest fixture.
    function = getattr(value, "_get_wrapped_function", None)
    (node,) = ast.parse(inspect.getsource(function() if function else value)).body
    if isinstance(node, DEFINITIONS):
        yield signature(name, node)
        return
    assert isinstance(node, ast.ClassDef)
    yield f"{name}({', '.join(map(ast.unparse, node.bases))})"
    for member in node.body:
        if isinstance(member, DEFINITIONS) and (
            not member.name.startswith("_") or member.name in ("__init__", "__call__")
        ):
            yield "  " + signature(member.name, member)
        elif isinstance(member, ast.AnnAssign) and not ast.unparse(member.target).startswith("_"):
            yield f"  {ast.unparse(member)}"


def signature(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    attribute = any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
    arguments = "" if attribute else f"({ast.unparse(node.args)})"
    return f"{name}{arguments}" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")


def test_the_public_names_and_signatures_are_those_of_the_list(tmp_path: Path) -> None:
    """To accept a change, copy the file of the message over public_surface.txt, and read its diff.

    A name that is removed, or that gets other arguments, needs two minor versions of warning and a
    line in the changelog.
    """
    actual = tmp_path.parent / SURFACE.name
    actual.write_text("".join(f"{line}\n" for line in surface()), encoding="utf-8")
    listed = SURFACE.read_text(encoding="utf-8").splitlines()
    assert actual.read_text(encoding="utf-8").splitlines() == listed, f"cp {actual} {SURFACE}"


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_module_lists_its_public_names(module: str) -> None:
    names = import_module(module).__all__
    assert names == sorted(set(names))
    assert [name for name in names if name.startswith("_")] == []
    assert (import_module(module).__doc__ or "").strip()


def test_a_project_may_import_public_modules_and_no_others() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]
    (contract,) = settings["contracts"]
    assert contract["forbidden_modules"] == ["mlprod.*"]
    opened = [line.removeprefix(f"{PACKAGE}.** -> ") for line in contract["ignore_imports"]]
    assert opened == [module for module in PUBLIC if module.count(".") == 1]


def test_every_public_name_of_the_package_is_loaded_lazily() -> None:
    assert sorted(mlprod.HOMES) == mlprod.__all__
