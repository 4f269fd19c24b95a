"""Read the source of the alerts, and check the references between its files.

They refer to groups, thresholds, outcomes and runbooks.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from alert_source import PLACEHOLDER, Alerts, AlertSource, Groups
from mlprod.governance.checks.ownership import OUTCOMES
from mlprod.governance.yaml_loader import GovernanceError, read_yaml

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
    """The source of the alerts cannot be used.

    The message names file and alert, what was given, and what works.
    """


def read_source(assets: Path) -> AlertSource:
    """Read the source below the folder of assets. Raises AlertSourceError if it is not valid."""
    path, groups_path = assets / "alerts.yaml", assets / "rule_groups.yaml"
    try:
        alerts, groups = (
            read_yaml(path, Alerts, EXAMPLE),
            read_yaml(groups_path, Groups, EXAMPLE_GROUPS),
        )
    except GovernanceError as error:
        raise AlertSourceError(str(error)) from error
    source = AlertSource(alerts.alerts, groups.files, groups.groups)
    errors = [f"{path}: {error}" for error in (*_references(source), *_placeholders(source))]
    errors += [
        f"{path}: {error}" for error in _runbooks(source, assets / "project" / "docs" / "runbooks")
    ]
    errors += [
        f"{groups_path}: groups.{name}.file: {group.file!r} is not a key of files; "
        f"works: {', '.join(source.files)}"
        for name, group in source.groups.items()
        if group.file not in source.files
    ]
    if errors:
        raise AlertSourceError("\n".join(errors))
    return source


def _references(source: AlertSource) -> Iterator[str]:
    """Yield errors for unknown or repeated names of groups, outcomes, recordings and thresholds."""
    recordings = [name for group in source.groups.values() for name in group.recordings]
    for name, count in Counter(
        [name for alert in source.alerts.values() for name in alert.thresholds]
    ).items():
        if count > 1:
            where = " and ".join(
                alert for alert, facts in source.alerts.items() if name in facts.thresholds
            )
            yield (
                f"the threshold {name!r} is set in {where}; works: keep one, and write "
                f"${{{name}}} in the other"
            )
    for name, alert in source.alerts.items():
        if alert.group not in source.groups:
            yield (
                f"alerts.{name}.group: {alert.group!r} is not in rule_groups.yaml; "
                f"works: {', '.join(source.groups)}"
            )
        if alert.outcome not in OUTCOMES:
            yield (
                f"alerts.{name}.outcome: {alert.outcome!r} is unknown; works: {', '.join(OUTCOMES)}"
            )
        if "|" in PLACEHOLDER.sub("", alert.fires_when):
            yield (
                f"alerts.{name}.fires_when: it contains |, which ends a column of docs/alerts.md; "
                f"works: a word instead of it"
            )
        for missing in sorted(set(RECORDING.findall(alert.expr)) - set(recordings)):
            yield (
                f"alerts.{name}.expr: {missing} is not a recording of rule_groups.yaml; "
                f"works: {recordings[0]}"
            )


def _placeholders(source: AlertSource) -> Iterator[str]:
    """Yield errors for unknown thresholds, and for thresholds without a rule or a table row."""
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
                yield (
                    f"{key}: {given} is not a threshold; "
                    f"works: ${{{next(iter(known), 'name')}}}, or with |percent"
                )
    in_rules = {
        name for expression in rules.values() for name, _ in PLACEHOLDER.findall(expression)
    }
    for name, alert in source.alerts.items():
        for unused in sorted(set(alert.thresholds) - in_rules):
            yield (
                f"alerts.{name}.thresholds.{unused}: no rule reads it; works: write ${{{unused}}} "
                f"in an expr, or delete it"
            )
        shown = {result for result, _ in PLACEHOLDER.findall(alert.fires_when)}
        for hidden in sorted(set(alert.thresholds) - shown):
            yield (
                f"alerts.{name}.fires_when: the row of docs/alerts.md does not show {hidden}; "
                f"works: write ${{{hidden}}} in it"
            )


def _runbooks(source: AlertSource, folder: Path) -> Iterator[str]:
    """Yield errors for alerts without a section in a runbook, and sections without an alert."""
    sections = {
        heading: f"docs/runbooks/{page.name}#{heading.lower()}"
        for page in sorted(folder.glob("*.md"))
        for heading in re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for name, alert in source.alerts.items():
        if sections.get(name) != alert.runbook:
            section = sections.get(name, "no page has a section for it")
            yield f"alerts.{name}.runbook: given {alert.runbook}, but {section}; {ANCHOR}"
    for heading in sorted(set(sections) - set(source.alerts)):
        yield (
            f"{sections[heading]}: no alert has this section; works: add {heading} to alerts, or "
            f"delete the section"
        )
