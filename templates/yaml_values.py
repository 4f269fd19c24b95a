"""Values of an edited YAML file, in a newer one with other comments."""

import json
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node


def with_values(newest: str, original: str, edited: str) -> str:
    """Return the text of `newest` with each value that `edited` changes in `original`.

    Comments and order are those of `newest`. A value that it does not have is added at the end of
    its mapping, in one line.
    """
    changed = dict(_changes(yaml.safe_load(original), yaml.safe_load(edited), ()))
    for path, value in changed.items():
        newest = _replaced(newest, path, value)
    return newest


def _changes(
    original: Any, edited: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(original, dict) and isinstance(edited, dict):
        for key, value in edited.items():
            yield from _changes(original.get(key), value, (*path, key))
    elif original != edited:
        yield path, edited


def _replaced(text: str, path: tuple[str, ...], value: Any) -> str:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    shown = json.dumps(value, ensure_ascii=False)
    for place, key in enumerate(path):
        child = _child(node, key)
        if child is None:
            for missing in reversed(path[place + 1 :]):
                shown = f"{{{missing}: {shown}}}"
            return _added(text, node, key, shown)
        node = child
    start, end = node.start_mark.index, node.end_mark.index
    if node.start_mark.line != node.end_mark.line:
        end = start + len(_without_comments(text[start:end]))
    return f"{text[:start].rstrip()} {shown}{text[end:]}"


def _without_comments(block: str) -> str:
    """Return a block without the blank lines and comments at its end, which precede the next."""
    lines = block.splitlines(keepends=True)
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    return "".join(lines).rstrip()


def _child(node: Node | None, key: str) -> Node | None:
    if isinstance(node, MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None


def _added(text: str, node: Node | None, key: str, shown: str) -> str:
    column = node.start_mark.column if node else 0
    line = f"{' ' * column}{key}: {shown}\n"
    if not isinstance(node, MappingNode) or node.flow_style:
        return text.rstrip("\n") + f"\n{line}"
    first = node.start_mark.index - column
    return text[:first] + line + text[first:]
