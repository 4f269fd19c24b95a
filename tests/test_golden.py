"""What people and programs see of a baked project, word for word: the verbs, the API, the metrics, the demo. Slow."""

import json
import re
import urllib.request
from pathlib import Path

import pytest
from test_baked_life import Project, environment, project, wait_for_version

__all__ = ["environment", "project"]  # fixtures
pytestmark = pytest.mark.slow
GOLDEN = Path(__file__).parent / "golden"


def compare(name: str, found: str, folder: Path) -> None:
    """To accept a change: copy the file that the message names over the golden one, and read its diff."""
    actual = folder.parent / name
    actual.write_text(found, encoding="utf-8")
    assert found.splitlines() == (GOLDEN / name).read_text(encoding="utf-8").splitlines(), f"cp {actual} {GOLDEN}"


def masked(demo: str) -> str:
    """The lines of the demo without what differs from run to run and from machine to machine."""
    lines = demo[demo.index("\n1  ") + 1 :].splitlines()
    text = "\n".join(line.rstrip() for line in lines if not line.startswith("make"))
    text = re.sub(r"\b[0-9a-f]{12,32}\b", "<hex>", text)
    text = re.sub(r"\d+(,\d{3})*(\.\d+)?(e-?\d+)?", "<n>", text)
    return re.sub(r" +", " ", text) + "\n"


def test_the_help_of_every_verb(project: Project, tmp_path: Path) -> None:
    project.makes("setup")
    environment = {"COLUMNS": "120"}
    listed = project.run("help", **environment).stdout
    verbs = re.findall(r"^    ([a-z-]+) ", listed, re.MULTILINE)
    assert len(verbs) > 40
    helps = [project.run(verb, "--help", **environment).stdout for verb in verbs if verb != "help"]
    compare("help.txt", "\n".join([listed, *helps]), tmp_path)


def test_the_api_and_the_metrics(project: Project, tmp_path: Path) -> None:
    project.makes("baseline")
    project.makes("promote", WHY="something must answer")
    with project.serving() as address:
        wait_for_version(address, "1")
        with urllib.request.urlopen(f"{address}/openapi.json", timeout=5) as response:  # noqa: S310 - our own address
            openapi = json.load(response)
        with urllib.request.urlopen(f"http://127.0.0.1:{project.operations}/metrics", timeout=5) as response:
            metrics = response.read().decode()
    kinds = [line.removeprefix("# TYPE ") for line in metrics.splitlines() if line.startswith("# TYPE ")]
    labels = {re.sub(r'="[^"]*"', "", line.rpartition(" ")[0]) for line in metrics.splitlines() if line[:1] not in "#"}
    found = {
        "openapi.json": json.dumps(openapi, indent=1, ensure_ascii=False) + "\n",
        "metrics.txt": "\n".join([*sorted(kinds), "", *sorted(labels)]) + "\n",
    }
    for name, text in found.items():
        (tmp_path.parent / name).write_text(text, encoding="utf-8")
    for name, text in found.items():
        compare(name, text, tmp_path)


def test_the_demo_line_by_line(project: Project, tmp_path: Path) -> None:
    compare("demo.txt", masked(project.makes("demo")), tmp_path)
