"""Words that no name, message or page uses, and the width of pages.

CONTRIBUTING.md has the rules.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

PROSE = re.compile(
    r"\b(lack(s|ed|ing)?|mend(s|ed|ing)?|anew|whoever|holes?|told|not said "
    r"yet|licen[c]es?|organis\w+|behaviours?"
    r"|colours?|favours?|normalis\w+|serialis\w+|initialis\w+|recognis\w+|summaris\w+)\b"
    r"|(?<!there )\bis no (?!longer|more\b|such\b|earlier|later)[a-z]",
    re.IGNORECASE,
)
NAMES = set(
    "said told found kept asked each wrong odd lacks about came then way ways mend words "
    "look give take tell".split()
)
IN_NAMES = {"lacks", "mend", "mends", "mended", "anew", "whoever", "hole", "holes", "told"}
WIDTH = 100
TEXT = {".md", ".py", ".yaml", ".yml", ".toml", ".json", ".sh", ""}
# Names that others gave: file names of packages, keys of formats that projects have.
FOREIGN = re.compile(r"\bLICEN[C]E|tool\.licences|[\"` ]licences[\"` ]|people-told|told_on")


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    skipped = (
        "CHANGELOG.md",
        "tests/test_language.py",
        "mlprod/tests/first_version/",
        "templates/licenses/",
    )
    return [
        ROOT / name for name in names if not name.startswith(skipped) and (ROOT / name).is_file()
    ]


def python() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


def parsed(path: Path) -> ast.Module:
    return ast.parse(
        re.sub(
            r"\{\{ ?cookiecutter\.package_name ?\}\}", "package", path.read_text(encoding="utf-8")
        )
    )


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of whatever a module names: functions, classes, arguments, variables,
    attributes.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of what people read in a file: comments and strings of Python, all of another
    file.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            yield from enumerate(token.string.splitlines(), token.start[0])


def test_no_name_is_a_banned_word() -> None:
    wrong_names = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in python()
        for line, name in names(parsed(path))
        if name.strip("_") in NAMES
        or IN_NAMES & set(re.split(r"_+|(?<=[a-z])(?=[A-Z])", name.lower()))
    ]
    assert wrong_names == []


def public_names(tree: ast.Module) -> Iterator[str]:
    """Yield the public classes, functions and type aliases of a module.

    A verb has the name of the function that it calls, and a fixture that of what it gives.
    `main` is what a process starts with.
    """
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = [ast.unparse(call) for call in node.decorator_list]
            is_named_elsewhere = any(
                text.startswith(("verb(", "pytest.fixture")) for text in decorators
            )
            found = [] if is_named_elsewhere or node.name == "main" else [node.name]
        elif isinstance(node, ast.Assign) and "TypeVar(" not in ast.unparse(node.value):
            assigned = [target.id for target in node.targets if isinstance(target, ast.Name)]
            found = [name for name in assigned if not name.isupper() and name[0].isupper()]
        else:
            found = []
        yield from (name for name in found if not name.startswith("_"))


def test_each_public_name_of_the_library_stands_once() -> None:
    library = ROOT / "mlprod" / "src" / "mlprod"
    modules: dict[str, list[str]] = {}
    for path in python():
        if (
            path.is_relative_to(library)
            and not path.name.startswith(("test_", "conftest"))
            and not {"assets", "migrations"} & set(path.parts)
        ):
            for name in public_names(parsed(path)):
                modules.setdefault(name, []).append(path.relative_to(library).as_posix())
    assert modules["Scorecard"] == ["governance/readiness.py"]
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}


def test_no_text_has_a_banned_word() -> None:
    lines = [
        f"{path.relative_to(ROOT)}:{line}: {result[0]}"
        for path in files()
        if path.suffix in TEXT
        and not path.is_relative_to(ROOT / "mlprod" / "tests")
        and path.parent != ROOT / "tests"
        for line, text in prose(path)
        if (result := PROSE.search(FOREIGN.sub("", text)))
    ]
    assert lines == []


@pytest.mark.parametrize(
    "text", ["what lacks", "it is no file", "a known hole", "Licence", "the organisation"]
)
def test_the_list_finds_a_banned_word(text: str) -> None:
    assert PROSE.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "it is no longer there",
        "there is no file",
        "the whole file",
        "a slack channel",
        "the black box",
    ],
)
def test_the_list_leaves_other_words_alone(text: str) -> None:
    assert not PROSE.search(text)


def test_pages_wrap_at_100_columns() -> None:
    """Tables, code and lines that are one link cannot be broken."""
    long = []
    for path in files():
        if path.suffix != ".md" or "reference" in path.parts:
            continue
        fenced = False
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            fenced ^= text.lstrip().startswith("```")
            one_word = " " not in text.strip().removeprefix("- ")
            if len(text) > WIDTH and not (
                fenced or one_word or text.lstrip().startswith(("|", "{%"))
            ):
                long.append(f"{path.relative_to(ROOT)}:{line}: {len(text)}")
    assert long == []
