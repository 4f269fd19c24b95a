"""What alerts.yaml and rule_groups.yaml hold: alerts with their thresholds, and what Prometheus
computes for them.
"""

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
    """A recording rule: what Prometheus computes under a name of its own."""

    comment: str = ""
    expr: Text


class Group(StrictModel):
    """A group of rules, which Prometheus evaluates in order: its recordings, then the alerts that
    name it.
    """

    file: Text
    interval: Duration | None = None
    comment: str = ""
    recordings: dict[Annotated[str, Field(pattern=r"^ml:\w+:\w+$")], Recording] = Field(
        default_factory=dict
    )


class Alerts(StrictModel):
    alerts: dict[Annotated[str, Field(pattern=r"^([A-Z][a-z0-9]+)+$")], Alert] = Field(min_length=1)


class Groups(StrictModel):
    files: dict[Annotated[str, Field(pattern=r"^[a-z]+$")], Text]
    groups: dict[Annotated[str, Field(pattern=r"^ml-[a-z]+$")], Group]


@dataclass(frozen=True)
class AlertSource:
    """Both files. A threshold has one name in all of them."""

    alerts: Mapping[str, Alert]
    files: Mapping[str, str]
    groups: Mapping[str, Group]

    def thresholds(self) -> dict[str, int | float]:
        return {
            name: value
            for alert in self.alerts.values()
            for name, value in alert.thresholds.items()
        }

    def fill(self, text: str) -> str:
        """The text with each ${threshold} as its number, and each ${threshold|percent} in percent."""
        values = self.thresholds()
        return PLACEHOLDER.sub(
            lambda result: (
                f"{values[result[1]] * 100:g} %" if result[2] else f"{values[result[1]]:.15g}"
            ),
            text,
        )
