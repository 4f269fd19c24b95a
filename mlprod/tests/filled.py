"""Invented governance files that are complete: on TODAY every check of them passes.

A test changes one thing in them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlprod.governance.check_catalogue import SUBJECTS, CheckDefinition, Subject, catalogue
from mlprod.governance.check_results import CheckResult, ProjectState
from mlprod.governance.checks import DECLARED
from mlprod.governance.checks.context import CheckContext, Drill, NotApplicableError
from mlprod.governance.ci_identity import RUN_VARIABLES
from mlprod.governance.config import GovernanceConfig, read_governance
from mlprod.governance.evidence import Evidence
from mlprod.governance.ml_test_score import TestScore
from mlprod.governance.ownership import Stage
from mlprod.governance.readiness import Scorecard, assess
from mlprod.settings import Settings

TODAY = date(2026, 6, 1)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
# Proof by the token of a run of the CI.
PROOF = "https://git.example.org org/parcels@main"
ACCEPTED = "date: 2026-05-04, review_by: 2026-07-31, evidence: p/1"
FILES = {
    "ownership.yaml": """\
system: {name: fraud-scoring, domain: payments, stage: poc, since: 2026-05-02}
ci: {issuer: "https://git.example.org", repository: org/parcels}
people:
  - {id: value_owner, name: Ada Invented, email: ada@example.org, handle: ada,
      deputy: adoption_owner}
  - {id: adoption_owner, name: Flo Invented, email: flo@example.org, handle: flo,
      deputy: value_owner}
  - {id: model_owner, name: Bea Invented, email: bea@example.org, handle: bea, deputy: data_owner}
  - {id: author, name: Gil Invented, email: gil@example.org, handle: gil, deputy: model_owner}
  - {id: data_owner, name: Cy Invented, email: cy@example.org, handle: cy, deputy: model_owner}
  - {id: platform_owner, name: Dee Invented, email: dee@example.org, handle: dee, deputy: author}
teams:
  - {id: fraud-team, members: [model_owner, author], channel: "#fraud", on_call: author}
outcomes:
  - {id: business_value, accountable: value_owner, responsible: [adoption_owner]}
  - {id: model_quality, accountable: model_owner, responsible: [author],
      covers: {paths: [src/*/model.py, src/*/decision.py]}}
  - {id: data_quality, accountable: data_owner, responsible: [author],
      covers: {paths: [src/*/contract]}}
  - {id: serving, accountable: platform_owner, responsible: [platform_owner],
      covers: {paths: [src], alerts: [Late]}}
  - {id: security_and_compliance, accountable: platform_owner, responsible: [platform_owner]}
  - {id: adoption, accountable: adoption_owner, responsible: [adoption_owner]}
  - {id: cost, accountable: value_owner, responsible: [platform_owner]}
consumers:
  - {system: checkout, owner: payments team, via: api, fallback: approve below 50 EUR}
accepted:
  - {person: value_owner, outcome: business_value, ACCEPTED}
  - {person: model_owner, outcome: model_quality, ACCEPTED}
  - {person: data_owner, outcome: data_quality, ACCEPTED}
  - {person: platform_owner, outcome: serving, ACCEPTED}
  - {person: platform_owner, outcome: security_and_compliance, ACCEPTED}
  - {person: adoption_owner, outcome: adoption, ACCEPTED}
  - {person: value_owner, outcome: cost, ACCEPTED}
skills:
  required: [ml, kubernetes]
  covered: {ml: [{person: author, level: practitioner}]}
  gaps:
    - {skill: kubernetes, action: hire, owner: platform_owner, due: 2026-09-30}
""".replace("ACCEPTED", ACCEPTED),
    "problem.yaml": """problem:
  statement: Fraudulent payments settle before anyone looks.
  affected: card holders
  today: {process: a rule, cost: 2 million EUR a year, performance: a third is found}
decision:
  who: the payments desk
  changes_what: approve or decline
  outcome: fraud reported by the bank
alternatives:
  - {option: heuristic, result: a few more are found, why_not: every merchant needs a rule}
value:
  kpi: fraud losses
  unit: EUR a month
  direction: down
  baseline: 175000
  target: 120000
  by: 2026-12-31
  owner: value_owner
  payoff_a_month: 50000
  cost_a_month: 4000
kill_criteria:
  - {when: losses stay above 160000, by: 2026-09-30}
""",
    "risk.yaml": """\
tier_questions: {about_people: true, personal_data: true, acts_without_review: false}
classification: {eu_ai_act: limited, why: a person reviews it; confirmed by counsel}
risks:
  - {id: unfair, harm: honest customers are declined, mitigation: a gate,
      owner: model_owner, review_by: 2026-08-01}
oversight: {stop: [platform_owner], competent_people: [model_owner]}
logging: {retention_days: 365}
""",
    "change_plan.yaml": """stakeholders:
  - {group: payments desk, size: 12, consulted: [{date: 2026-05-05, ref: workshop}]}
workforce_impact:
  answer: "No."
  reviewed_by: works council
  told_on: 2026-05-20
communications:
  - {audience: desk, message: what it cannot do, limits_first: true,
      owner: value_owner, sent: 2026-05-21}
training:
  - {audience: desk, content: limits, intended: 10, completed: 9}
rollout:
  - {mode: shadow, min_days: 14, min_cases: 500}
  - {mode: assist, min_days: 28, min_cases: 900}
  - {mode: automate}
adoption: {intended_users: 12}
""",
    "gates.yaml": """gates:
  - {id: beats-baseline, metric: value, compare: baseline, op: ">", threshold: 0, on: lower,
      why: worth its upkeep}
people: {override_stop: 0.3}
""",
}
DIGESTS: dict[Subject, str] = {subject: f"today's {subject}" for subject in SUBJECTS}
VALUES = {
    "": "done",
    "> 0": 2.0,
    ">= 0": 0.5,
    "<= 60": 9.0,
    "<= 0.00001": 0.0,
    ">= 0.5": 0.9,
    "<= 5": 1.0,
}
WORKFLOWS = "\n".join(
    f"      - run: make {target}"
    for test in catalogue().ml_test_score
    for target in test.repeated_by
)
# Checks that evidence proves, not the files.
SHOWN = tuple(entry for entry in catalogue().checks if not entry.declared)
# The same files are read once.
READ: dict[tuple[tuple[str, bytes], ...], GovernanceConfig] = {}


def entry(check: str) -> CheckDefinition:
    result = catalogue().entry(check)
    assert result, check
    return result


def evidence(check: str, **changes: Any) -> Evidence:
    """Evidence of the CI from yesterday for the subjects of today; passed, unless changed."""
    requested = entry(check)
    facts = {
        "check": check,
        "at": NOW - timedelta(days=1),
        "writer": "ci",
        "run": "17",
        "proof": PROOF,
        "actor": "gil@example.org",
        "value": VALUES[requested.needs],
        "passed": True,
        "valid_days": requested.valid_days,
        "digests": {subject: DIGESTS[subject] for subject in requested.tied_to},
    }
    return Evidence.model_validate(facts | changes)


def by_hand(check: str, **changes: Any) -> Evidence:
    return evidence(check, **{"writer": "local", "run": "", "proof": ""} | changes)


@dataclass(frozen=True)
class Filled:
    """The files of FILES in a folder."""

    folder: Path

    def change(self, file: str, before: str, after: str) -> None:
        """Replace a text that appears once in a file."""
        path = self.folder / file
        text = path.read_text()
        assert text.count(before) == 1, f"{before!r} appears {text.count(before)} times in {file}"
        path.write_text(text.replace(before, after))

    def answer(self, **answers: bool) -> None:
        """Answer the questions that set the tier."""
        before = FILES["risk.yaml"].partition("\n")[0]
        self.change("risk.yaml", before, f"tier_questions: {json.dumps(answers)}")

    def tier(self, tier: str) -> None:
        self.answer(about_people=tier != "C", personal_data=tier == "A", acts_without_review=False)

    @property
    def org(self) -> GovernanceConfig:
        content = tuple(
            sorted(
                (path.name, path.read_bytes()) for path in self.folder.iterdir() if path.is_file()
            )
        )
        if content not in READ:
            READ[content] = read_governance(self.folder)
        return READ[content]

    def view(self, **facts: Any) -> CheckContext:
        known: Mapping[str, Any] = {
            "folders": ("src", "src/parcels/model.py"),
            "alerts": (("Late", ""), ("Drift", "model_quality")),
            "drills": (Drill("gil@example.org", "beats-baseline", TODAY),),
        }
        return CheckContext(self.org, TODAY, **{**known, **facts})

    def failing(self, **facts: Any) -> dict[str, list[str]]:
        """The checks of the files that do not pass, with their messages."""
        view, result = self.view(**facts), {}
        for check, says in DECLARED.items():
            try:
                if lacking := list(says(view)):
                    result[check] = lacking
            except NotApplicableError:
                continue
        return result

    def only(self, check: str, *texts: str, **facts: Any) -> None:
        """Assert that only this check fails, with one message that contains the texts.

        The message begins with the first text, which is file and key.
        """
        result = self.failing(**facts)
        assert list(result) == [check], result
        assert len(result[check]) == 1, result[check]
        assert result[check][0].startswith(texts[0]), result[check]
        for text in texts[1:]:
            assert text in result[check][0]

    @property
    def everything(self) -> list[Evidence]:
        """Evidence for every check that evidence proves."""
        ownership = self.org.ownership
        owners = {
            item.id: ownership.accountable_person(item.outcome) for item in SHOWN if item.by_hand
        }
        return [
            evidence(item.id, actor=owner.email)
            if (owner := owners.get(item.id))
            else evidence(item.id)
            for item in SHOWN
        ]

    def card(
        self,
        shown: Iterable[Evidence] | None = None,
        facts: ProjectState | None = None,
        **view: Any,
    ) -> Scorecard:
        result = self.everything if shown is None else list(shown)
        return assess(self.view(**view), result, facts or ProjectState(DIGESTS, WORKFLOWS), NOW)

    def without(self, *checks: str) -> list[Evidence]:
        return [record for record in self.everything if record.check not in checks]


def gaps(card: Scorecard, stage: Stage) -> set[str]:
    """The checks that a stage requires and that are not met."""
    return {result.entry.id for result in card.gaps(stage)}


def state(card: Scorecard, check: str, stage: Stage = "pilot") -> CheckResult:
    return next(result for result in card.results(stage) if result.entry.id == check)


def points(card: Scorecard, test: str) -> TestScore:
    return next(point for point in card.points if point.test.id == test)


def waive(
    filled: Filled, check: str = "contract-holds", by: str = "data_owner", until: str = "2026-06-01"
) -> None:
    path = filled.folder / "waivers.yaml"
    before = path.read_text() if path.exists() else "waivers:\n"
    facts = f"check: {check}, reason: late, risk: wrong, approved_by: {by}, expires: {until}"
    path.write_text(before + "  - {" + facts + "}\n")


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    folder = tmp_path / "governance"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(content)
    return Filled(folder)


@pytest.fixture
def at_home(filled: Filled, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a project in its own folder, with the complete files, outside the CI."""
    monkeypatch.chdir(filled.folder.parent)
    for name in ("CI", *RUN_VARIABLES, "ML_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ML_GOVERNANCE_DIR", str(filled.folder))
    return settings.model_copy(update={"governance_dir": filled.folder})
