"""What comes next: examples of what the next stage asks for, put into the governance files as
comments.
"""

import re
from datetime import date, timedelta
from pathlib import Path

import yaml

from .yaml_loader import GovernanceError

EXAMPLES = Path(__file__).parent / "stages"
DAY = re.compile(r"\bDAY([+-]\d+)")
EXAMPLE = "e.g. "  # begins each text of an example that somebody has to say in their own words
MARK = "# For the {stage} stage. Uncomment a key, delete the one of its name above, and say yours for each 'e.g. '."


def add_examples(folder: Path, stage: str, today: date) -> list[str]:
    """Append to each governance file the commented keys that `stage` needs; gives the names of the
    files changed.

    Nothing that stands there is touched, and a second call changes nothing. In the examples DAY+30
    is a day from `today`.
    """
    changed = []
    for example in sorted((EXAMPLES / stage).glob("*.yaml")):
        path, mark = folder / example.name, MARK.format(stage=stage)
        text = path.read_bytes().decode() if path.is_file() else ""
        if mark in text:
            continue
        dated = DAY.sub(
            lambda result: str(today + timedelta(days=int(result[1]))),
            example.read_text(encoding="utf-8"),
        )
        commented = "".join(f"# {line}".rstrip() + "\n" for line in dated.splitlines())
        path.write_bytes(f"{text.rstrip()}\n\n{mark}\n{commented}".lstrip().encode())
        changed.append(example.name)
    return changed


def set_stage(path: Path, stage: str, today: date) -> None:
    """Write the stage and its first day into ownership.yaml, leaving everything else byte for byte."""
    text = path.read_bytes().decode()  # read_text would change the ends of lines
    system = _entries(yaml.compose(text, yaml.SafeLoader)).get("system")
    message = _entries(system[1]) if system else {}
    if system is None or "stage" not in message:
        raise GovernanceError(
            f"{path}: system.stage is missing. What works: system: {{name: fraud-scoring, stage: {stage}}}"
        )
    changes = {"stage": stage, "since": str(today)}
    if "since" not in message:
        flow = getattr(system[1], "flow_style", False)
        line = ("\r\n" if "\r\n" in text else "\n") + " " * message["stage"][0].start_mark.column
        changes = {"stage": f"{stage}{', ' if flow else line}since: {today}"}
    places = {
        key: (message[key][1].start_mark.index, message[key][1].end_mark.index) for key in changes
    }
    for key, (begin, end) in sorted(places.items(), key=lambda place: -place[1][0]):
        text = text[:begin] + (" " if begin == end else "") + changes[key] + text[end:]
    path.write_bytes(text.encode())


def _entries(node: yaml.Node | None) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """The keys of a mapping, with the nodes of key and value, which know where they stand."""
    return (
        {key.value: (key, value) for key, value in node.value}
        if isinstance(node, yaml.MappingNode)
        else {}
    )
