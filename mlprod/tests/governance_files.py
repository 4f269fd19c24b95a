"""A folder governance/ for tests: gates, an owner, and a waiver if a test requires one."""

from datetime import date
from pathlib import Path

import pytest

from mlprod.governance.gates import GateVerdict
from mlprod.settings import Settings

GATES = """gates:
  - {id: beats-baseline, metric: value, compare: baseline, op: ">", threshold: 0, on: lower,
      why: worth its upkeep}
  - {id: holds-champion, metric: value, compare: champion, op: ">=", threshold: 0, on: upper,
      why: not surely worse}
  - {id: slices, metric: value, slice: "*", compare: baseline, op: ">=", threshold: 0, on: upper,
      why: for everyone}
  - {id: no-copy-of-the-label, metric: single_field_power, slice: "*", op: "<=", threshold: 0.99,
      why: known too late}
  - {id: exact-export, metric: parity_difference, op: "<=", threshold: 0.01,
      why: the service must serve what was measured}
"""
OWNERSHIP = """system: {name: parcels, stage: poc}
people:
  - {id: model_owner, name: Your Name, email: you@example.org}
outcomes:
  - {id: model_quality, accountable: model_owner}
"""


@pytest.fixture(scope="session")
def governance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("governance")
    (folder / "gates.yaml").write_text(GATES)
    (folder / "ownership.yaml").write_text(OWNERSHIP)
    return folder


def waive(settings: Settings, expires: date = date.max) -> None:
    """Allow runtime python until a day."""
    facts = f"reason: words, risk: code runs at load, approved_by: model_owner, expires: {expires}"
    (settings.governance_dir / "waivers.yaml").write_text(
        "waivers:\n  - {check: pickle, " + facts + "}\n"
    )


def verdict(verdicts: list[GateVerdict], gate: str) -> GateVerdict:
    return next(verdict for verdict in verdicts if verdict.gate.id == gate)
