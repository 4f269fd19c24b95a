"""Examples of the entries that a stage requires, as comments in the governance files."""

import re
from datetime import date, timedelta
from pathlib import Path

import yaml

from .yaml_loader import GovernanceError

EXAMPLE_DIR = Path(__file__).parent / "stages"
DAY_OFFSET = re.compile(r"\bDAY([+-]\d+)")
# Begins each text of an example that somebody must replace.
EXAMPLE_PREFIX = "e.g. "
# A file that has this line has the examples already.
MARK = "# For the {stage} stage."
STEPS = """# Uncomment a key, and delete the key of the same name above.
# Replace each value that begins with 'e.g. ' by your own."""


def add_examples(folder: Path, stage: str, today: date) -> list[str]:
    """Append the keys that `stage` requires to each governance file, as comments.

    Returns the names of the changed files. The content above stays as it is, and a second call
    changes nothing. In the examples DAY+30 is 30 days after `today`.
    """
    changed = []
    for example in sorted((EXAMPLE_DIR / stage).glob("*.yaml")):
        path, mark = folder / example.name, MARK.format(stage=stage)
        text = path.read_bytes().decode() if path.is_file() else ""
        if mark in text:
            continue
        dated = DAY_OFFSET.sub(
            lambda result: str(today + timedelta(days=int(result[1]))),
            example.read_text(encoding="utf-8"),
        )
        commented = "".join(f"# {line}".rstrip() + "\n" for line in dated.splitlines())
        path.write_bytes(f"{text.rstrip()}\n\n{mark}\n{STEPS}\n{commented}".lstrip().encode())
        changed.append(example.name)
    return changed


def set_stage(path: Path, stage: str, today: date) -> None:
    """Write the stage and its first day into ownership.yaml. Every other byte stays the same."""
    # read_text would change the line ends.
    text = path.read_bytes().decode()
    system = _entries(yaml.compose(text, yaml.SafeLoader)).get("system")
    keys = _entries(system[1]) if system else {}
    if system is None or "stage" not in keys:
        raise GovernanceError(
            f"{path}: system.stage is missing. What works:\nsystem:\n  name: fraud-scoring\n"
            f"  stage: {stage}"
        )
    changes = {"stage": stage, "since": str(today)}
    if "since" not in keys:
        flow = getattr(system[1], "flow_style", False)
        line = ("\r\n" if "\r\n" in text else "\n") + " " * keys["stage"][0].start_mark.column
        changes = {"stage": f"{stage}{', ' if flow else line}since: {today}"}
    places = {key: (keys[key][1].start_mark.index, keys[key][1].end_mark.index) for key in changes}
    for key, (begin, end) in sorted(places.items(), key=lambda place: -place[1][0]):
        text = text[:begin] + (" " if begin == end else "") + changes[key] + text[end:]
    path.write_bytes(text.encode())


def _entries(node: yaml.Node | None) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """The keys of a mapping → the nodes of key and value, which have their positions."""
    return (
        {key.value: (key, value) for key, value in node.value}
        if isinstance(node, yaml.MappingNode)
        else {}
    )
