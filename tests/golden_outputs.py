"""Exact outputs of a baked project: help of the verbs, API, metrics and demo."""

import json
import re
import time
import urllib.request
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from test_baked_life import Project

GOLDEN = Path(__file__).parent / "golden"


def compare(name: str, received: str, folder: Path) -> None:
    """Compare a text with a golden file.

    To accept a change, run the command of the message and review the diff.
    """
    actual = folder / name
    actual.write_text(received, encoding="utf-8")
    expected = (GOLDEN / name).read_text(encoding="utf-8")
    difference = unified_diff(expected.splitlines(), received.splitlines(), lineterm="", n=0)
    if changed := "\n".join(difference):
        raise AssertionError(f"{changed}\ncp {actual} {GOLDEN}")


def compare_demo(printed: str, folder: Path) -> None:
    """Compare the output of the demo, without values that differ between runs and machines."""
    lines = printed[printed.index("\n1  ") + 1 :].splitlines()
    text = "\n".join(line.rstrip() for line in lines if not line.startswith("make"))
    text = re.sub(r"\b[0-9a-f]{12,32}\b", "<hex>", text)
    text = re.sub(r"\d+(,\d{3})*(\.\d+)?(e-?\d+)?", "<n>", text)
    compare("demo.txt", re.sub(r" +", " ", text) + "\n", folder)


def compare_help(project: "Project", folder: Path) -> None:
    """Compare the list of the verbs, and the help of each verb."""
    environment = {"COLUMNS": "120"}
    listed = project.run("help", **environment).stdout
    verbs = re.findall(r"^  ([a-z-]+) +[A-Z]", listed, re.MULTILINE)
    assert len(verbs) > 40
    helps = [project.run(verb, "--help", **environment).stdout for verb in verbs if verb != "help"]
    compare("help.txt", "\n".join([listed, *helps]), folder)


def read_metrics(address: str, seconds: int = 60) -> str:
    """Return the metrics after the service has counted records: then each series exists."""
    for _ in range(seconds * 10):
        with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310 - our own
            metrics = str(response.read().decode())
        if "\nml_decision_feedback_total{" in metrics:
            return metrics
        time.sleep(0.1)
    raise AssertionError(f"the service counted no records within {seconds} s")


def compare_api(project: "Project", address: str, folder: Path) -> None:
    """Compare the OpenAPI document and the metrics with their labels of a new service."""
    with urllib.request.urlopen(f"{address}/openapi.json", timeout=5) as response:  # noqa: S310
        openapi = json.load(response)
    metrics = read_metrics(f"http://127.0.0.1:{project.operations}/metrics")
    kinds = [
        line.removeprefix("# TYPE ") for line in metrics.splitlines() if line.startswith("# TYPE ")
    ]
    labels = {
        re.sub(r'="[^"]*"', "", line.rpartition(" ")[0])
        for line in metrics.splitlines()
        if line[:1] not in "#"
    }
    compare("openapi.json", json.dumps(openapi, indent=1, ensure_ascii=False) + "\n", folder)
    compare("metrics.txt", "\n".join([*sorted(kinds), "", *sorted(labels)]) + "\n", folder)
