"""The models of alerts.yaml and rule_groups.yaml: alerts, thresholds and recording rules."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from mlprod.governance.yaml_loader import StrictModel

PLACEHOLDER = re.compile(r"\$\{([^}|]*)(?:\|([^}]*))?\}")
Text = Annotated[str, Field(min_length=1)]
Duration = Annotated[str, Field(pattern=r"^[1-9]\d*[smhdw]$")]


class Alert(StrictModel):
    """An alert; the head of alerts.yaml explains the keys."""

    group: Text
    severity: Literal["page", "ticket", "info"]
    outcome: Text
    duration: Duration | None = Field(default=None, alias="for")
    watch: bool = False
    runbook: Text
    summary: Text
    fires_when: Text
    description: Text
    thresholds: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], int | float] = Field(
        default_factory=dict
    )
    comment: str = ""
    expr: Text


class Recording(StrictModel):
    """A recording rule: a series that Prometheus computes and stores under a new name."""

    comment: str = ""
    expr: Text


class Group(StrictModel):
    """A group of rules, which Prometheus evaluates in order.

    Its recordings come first, then the alerts that name the group.
    """

    file: Text
    interval: Duration | None = None
    comment: str = ""
    recordings: dict[Annotated[str, Field(pattern=r"^ml:\w+:\w+$")], Recording] = Field(
        default_factory=dict
    )


class Alerts(StrictModel):
    """The content of alerts.yaml."""

    alerts: dict[Annotated[str, Field(pattern=r"^([A-Z][a-z0-9]+)+$")], Alert] = Field(min_length=1)


class Groups(StrictModel):
    """The content of rule_groups.yaml."""

    files: dict[Annotated[str, Field(pattern=r"^[a-z]+$")], Text]
    groups: dict[Annotated[str, Field(pattern=r"^ml-[a-z]+$")], Group]


@dataclass(frozen=True)
class AlertSource:
    """The content of both files. A threshold's name is unique among all alerts."""

    alerts: Mapping[str, Alert]
    files: Mapping[str, str]
    groups: Mapping[str, Group]

    def thresholds(self) -> dict[str, int | float]:
        """Return the thresholds of all alerts by name."""
        return {
            name: value
            for alert in self.alerts.values()
            for name, value in alert.thresholds.items()
        }

    def fill(self, text: str) -> str:
        """Return the text with numbers for ${threshold}, and percent for ${threshold|percent}."""
        values = self.thresholds()
        return PLACEHOLDER.sub(
            lambda result: (
                f"{values[result[1]] * 100:g} %" if result[2] else f"{values[result[1]]:.15g}"
            ),
            text,
        )
