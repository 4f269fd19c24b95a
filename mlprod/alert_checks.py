"""Read the source of the alerts, and check what one file says of another: groups, thresholds,
outcomes, runbooks.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from alert_source import PLACEHOLDER, Alerts, AlertSource, Groups
from mlprod.governance.checks.ownership import OUTCOMES
from mlprod.governance.yaml_loader import GovernanceError, read

RECORDING = re.compile(r"\bml:\w+:\w+")
ANCHOR = (
    "works: runbook: docs/runbooks/service.md#latencyhigh, and there the heading ## LatencyHigh"
)
EXAMPLE = """alerts:
  LatencyHigh:
    group: ml-load
    severity: page
    outcome: serving
    for: 10m
    runbook: docs/runbooks/service.md#latencyhigh
    summary: Predictions take too long
    fires_when: more than ${max_slow_share|percent} of the predictions of 5 minutes took too long
    description: "{{ $value | humanizePercentage }} of predictions take too long."
    thresholds:
      max_slow_share: 0.05
    expr: ml:predict_slow:ratio_rate5m > ${max_slow_share}"""
EXAMPLE_GROUPS = """files:
  service: Alerts on the service
groups:
  ml-load:
    file: service
    interval: 2m
    recordings:
      ml:predictions:rate5m:
        expr: sum by (system, environment, namespace) (rate(ml_predictions_total[5m]))"""


class AlertSourceError(Exception):
    """The source of the alerts cannot be used; the message names file and alert, what was given,
    and what works.
    """


def read_source(assets: Path) -> AlertSource:
    """The source below the folder of assets. Raises AlertSourceError."""
    path, groups_path = assets / "alerts.yaml", assets / "rule_groups.yaml"
    try:
        alerts, groups = read(path, Alerts, EXAMPLE), read(groups_path, Groups, EXAMPLE_GROUPS)
    except GovernanceError as error:
        raise AlertSourceError(str(error)) from error
    source = AlertSource(alerts.alerts, groups.files, groups.groups)
    errors = [f"{path}: {error}" for error in (*_references(source), *_placeholders(source))]
    errors += [
        f"{path}: {error}" for error in _runbooks(source, assets / "project" / "docs" / "runbooks")
    ]
    errors += [
        f"{groups_path}: groups.{name}.file: {group.file!r} is none of files; works: {', '.join(source.files)}"
        for name, group in source.groups.items()
        if group.file not in source.files
    ]
    if errors:
        raise AlertSourceError("\n".join(errors))
    return source


def _references(source: AlertSource) -> Iterator[str]:
    """Names of groups, outcomes, recordings and thresholds that are unknown, or stand twice."""
    recordings = [name for group in source.groups.values() for name in group.recordings]
    for name, count in Counter(
        [name for alert in source.alerts.values() for name in alert.thresholds]
    ).items():
        if count > 1:
            where = " and ".join(
                alert for alert, facts in source.alerts.items() if name in facts.thresholds
            )
            yield f"the threshold {name!r} stands in {where}; keep one, and name it in the other as ${{{name}}}"
    for name, alert in source.alerts.items():
        if alert.group not in source.groups:
            yield f"alerts.{name}.group: {alert.group!r} is not in rule_groups.yaml; works: {', '.join(source.groups)}"
        if alert.outcome not in OUTCOMES:
            yield f"alerts.{name}.outcome: {alert.outcome!r} is unknown; works: {', '.join(OUTCOMES)}"
        if "|" in PLACEHOLDER.sub("", alert.fires_when):
            yield f"alerts.{name}.fires_when: it holds |, which ends a column of docs/alerts.md; write a word for it"
        for missing in sorted(set(RECORDING.findall(alert.expr)) - set(recordings)):
            yield f"alerts.{name}.expr: {missing} is no recording of rule_groups.yaml; works: {recordings[0]}"


def _placeholders(source: AlertSource) -> Iterator[str]:
    """Thresholds that a text names and nobody sets, and those that no rule reads or no row shows."""
    known, rules = source.thresholds(), dict[str, str]()
    texts = {f"files.{name}": text for name, text in source.files.items()}
    for name, group in source.groups.items():
        texts[f"groups.{name}.comment"] = group.comment
        for record, rule in group.recordings.items():
            rules[f"groups.{name}.recordings.{record}.expr"] = rule.expr
            texts[f"groups.{name}.recordings.{record}.comment"] = rule.comment
    for name, alert in source.alerts.items():
        rules[f"alerts.{name}.expr"] = alert.expr
        for key in ("summary", "fires_when", "description", "comment"):
            texts[f"alerts.{name}.{key}"] = getattr(alert, key)
    for key, text in (rules | texts).items():
        for name, form in PLACEHOLDER.findall(text):
            if name not in known or form not in ("", "percent"):
                given = f"${{{name}|{form}}}" if form else f"${{{name}}}"
                yield f"{key}: {given} names no threshold; works: ${{{next(iter(known), 'name')}}}, or with |percent"
    in_rules = {
        name for expression in rules.values() for name, _ in PLACEHOLDER.findall(expression)
    }
    for name, alert in source.alerts.items():
        for unused in sorted(set(alert.thresholds) - in_rules):
            yield f"alerts.{name}.thresholds.{unused}: no rule reads it; write ${{{unused}}} into an expr, or delete it"
        shown = {result for result, _ in PLACEHOLDER.findall(alert.fires_when)}
        for hidden in sorted(set(alert.thresholds) - shown):
            yield f"alerts.{name}.fires_when: the row of docs/alerts.md hides {hidden}; write ${{{hidden}}} into it"


def _runbooks(source: AlertSource, folder: Path) -> Iterator[str]:
    """Alerts without a section of a runbook, and sections without an alert."""
    sections = {
        heading: f"docs/runbooks/{page.name}#{heading.lower()}"
        for page in sorted(folder.glob("*.md"))
        for heading in re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for name, alert in source.alerts.items():
        if sections.get(name) != alert.runbook:
            there = sections.get(name, "no page has a section for it")
            yield f"alerts.{name}.runbook: given {alert.runbook}, but {there}; {ANCHOR}"
    for heading in sorted(set(sections) - set(source.alerts)):
        yield f"{sections[heading]} is a section for no alert; add {heading} to alerts, or delete the section"
