"""Generate rule files, the table of docs/alerts.md and monitoring/thresholds.py from alerts.yaml.

`make alerts` runs it, and a test compares the committed files. The hook copies the rule files into
a project and has no packages, so the files are generated here.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from alert_checks import AlertSourceError, read_source
from alert_source import Alert, AlertSource

PACKAGE = Path("src/mlprod")
RULES = "assets/project/monitoring/prometheus/{}.rules.yml"
PAGE = "assets/project/docs/alerts.md"
THRESHOLDS = "monitoring/thresholds.py"
BEGIN, END = "<!-- alerts: the library writes this table -->", "<!-- end of the alerts -->"
COLUMNS = ("alert", "fires when", "for", "severity", "outcome", "`make check-alerts`")


def generate(package: Path) -> dict[str, str]:
    """Return the text of each generated file by its path below the package's folder.

    Raises AlertSourceError if the source is not valid.
    """
    source = read_source(package / "assets")
    files = {RULES.format(name): rule_file(source, name) for name in source.files}
    return files | {PAGE: page(source, package / PAGE), THRESHOLDS: thresholds(source)}


def rule_file(source: AlertSource, file: str) -> str:
    """Return a file of rules for Prometheus."""
    lines = [*_comment(source, source.files[file], ""), "groups:"]
    for name, group in source.groups.items():
        if group.file != file:
            continue
        lines += [*_comment(source, group.comment, "  "), f"  - name: {name}"]
        lines += [f"    interval: {group.interval}"] if group.interval else []
        lines.append("    rules:")
        for record, recording in group.recordings.items():
            lines += [*_comment(source, recording.comment, "      "), f"      - record: {record}"]
            lines += _expression(source, recording.expr)
        for alert, facts in source.alerts.items():
            if facts.group == name:
                lines += [
                    *_comment(source, facts.comment, "      "),
                    f"      - alert: {alert}",
                    *_alert(source, facts),
                ]
    return "\n".join(lines) + "\n"


def page(source: AlertSource, path: Path) -> str:
    """Return the page on alerts with the table between its marks.

    Raises AlertSourceError if a mark is missing.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not (begin and end):
        raise AlertSourceError(
            f"{path}: a mark of the table is missing; works: these two lines around the table:\n"
            f"{BEGIN}\n{END}"
        )
    rows = [
        COLUMNS,
        ("---",) * len(COLUMNS),
        *(_row(source, name, alert) for name, alert in source.alerts.items()),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{before}{begin}\n{table}\n\n{end}{after}"


def thresholds(source: AlertSource) -> str:
    """Return a module with thresholds and outcomes of the alerts of `make check-alerts`."""
    watched = {name: alert for name, alert in source.alerts.items() if alert.watch}
    figures = [
        f"{name.upper()} = {value!r}"
        for alert in watched.values()
        for name, value in alert.thresholds.items()
    ]
    outcomes = [f'    "{name}": "{alert.outcome}",' for name, alert in watched.items()]
    runbooks = [f'    "{name}": "{alert.runbook}",' for name, alert in watched.items()]
    head = '''"""Thresholds of `make check-alerts`. Generated from alerts.yaml by `make alerts`.

alerts.yaml explains them, with units. The limits of use, age and payoff are in a project's
governance/, for Prometheus too.
"""'''
    tables = ["OUTCOMES = {", *outcomes, "}", "RUNBOOKS = {", *runbooks, "}"]
    return "\n".join([head, "", *figures, *tables]) + "\n"


def _alert(source: AlertSource, alert: Alert) -> Iterator[str]:
    """Yield the keys of a rule below its name."""
    yield from _expression(source, alert.expr)
    if alert.duration:
        yield f"        for: {alert.duration}"
    yield f"        labels: {{severity: {alert.severity}, outcome: {alert.outcome}}}"
    yield "        annotations:"
    yield f"          summary: {_plain(source.fill(alert.summary))}"
    yield f"          description: {json.dumps(source.fill(alert.description), ensure_ascii=False)}"
    yield f"          runbook_url: {alert.runbook}"


def _row(source: AlertSource, name: str, alert: Alert) -> tuple[str, ...]:
    link = f"[{name}]({alert.runbook.removeprefix('docs/')})"
    duration, outcome = alert.duration or "at once", alert.outcome.replace("_", " ")
    return (
        link,
        source.fill(alert.fires_when),
        duration,
        alert.severity,
        outcome,
        "yes" if alert.watch else "no",
    )


def _expression(source: AlertSource, text: str) -> Iterator[str]:
    """Yield the expression: a block of lines as in the source, or one line."""
    first, *lines = source.fill(text).split("\n")
    if not lines:
        yield f"        expr: {_plain(first)}"
        return
    yield "        expr: |"
    yield from (f"          {line}" for line in (first, *lines[:-1]))


def _comment(source: AlertSource, text: str, indent: str) -> Iterator[str]:
    yield from (f"{indent}# {line}".rstrip() for line in source.fill(text).splitlines())


def _plain(text: str) -> str:
    """Return a text for YAML, with quotes only if they are needed."""
    try:
        plain = yaml.safe_load(f"text: {text}") == {"text": text}
    except yaml.YAMLError:
        plain = False
    return text if plain else json.dumps(text, ensure_ascii=False)


def main(package: Path) -> int:
    """Write the files that differ, and print their names; return the exit code."""
    try:
        files = generate(package)
    except AlertSourceError as error:
        print(error, file=sys.stderr)
        return 1
    for name, text in files.items():
        path = package / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"{path} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent / PACKAGE))
