"""Scorecard as JSON, and as text for Prometheus."""

import json
from typing import Any

from ...display.plain_text import display_json
from ..check_results import OK_STATES, CheckResult
from ..ml_test_score import SCORE_SECTIONS
from ..ownership import STAGES, Stage
from ..readiness import Scorecard
from .steps import next_steps


def as_json(card: Scorecard, stage: Stage) -> str:
    """The scorecard as one JSON document, such as for a dashboard of many systems."""
    tier = card.org.risk.tier
    document: dict[str, Any] = {
        "system": card.org.ownership.system.name,
        "stage": card.org.ownership.system.stage,
        "days_at_stage": card.days,
        "tier": tier,
        "looked_at": card.assessed,
        "asked_for": stage,
        "reached": {item: card.reached(item) for item in STAGES},
        "ml_test_score": {
            "score": card.score,
            **{section: card.sum_of(section) for section in SCORE_SECTIONS},
        },
        "ml_tests": [
            {"id": p.test.id, "title": p.test.title, "points": p.points, "why": p.why}
            for p in card.points
        ],
        "ml_test_score_missing": {
            section: remedies for section in SCORE_SECTIONS if (remedies := card.remedies(section))
        },
        "maturity": card.maturity,
        "payoff": "assumed" if card.assumed else "accepted",
        "break_even": card.break_even() or None,
        "stops_every_stage": list(card.alarms),
        "missing": list(card.missing(stage)),
        "next_steps": [
            {"who": who, "does": what, "why": why} for who, what, why in next_steps(card, stage)
        ],
        "checks": [_row(result, stage, tier) for result in card.results(stage)],
    }
    return display_json(document) + "\n"


def prometheus(card: Scorecard) -> str:
    """The scorecard as text for a node exporter's textfile collector, or for a push.

    Many projects may share either.
    """
    system = f"system={json.dumps(card.org.ownership.system.name, ensure_ascii=False)}"
    lines = [
        "# HELP ml_readiness_checks Checks that a stage requires, by their status.",
        "# TYPE ml_readiness_checks gauge",
    ]
    for stage in STAGES[1:]:
        result = [
            r.status for r in card.results(stage) if r.entry.demanded(stage, card.org.risk.tier)
        ]
        for status in (*sorted(OK_STATES), "failed", "stale", "unmeasured"):
            label = status.replace(" ", "_")
            lines.append(
                f'ml_readiness_checks{{{system},stage="{stage}",status="{label}"}} '
                f"{result.count(status)}"
            )
    lines += ["# HELP ml_test_score Points of 7 (Breck et al. 2017).", "# TYPE ml_test_score gauge"]
    lines += [
        f'ml_test_score{{{system},section="{section.lower()}"}} {card.sum_of(section):g}'
        for section in SCORE_SECTIONS
    ]
    if card.days is not None:
        lines += [
            "# HELP ml_readiness_stage_days Days at this stage.",
            "# TYPE ml_readiness_stage_days gauge",
        ]
        lines.append(
            f'ml_readiness_stage_days{{{system},stage="{card.org.ownership.system.stage}"}} '
            f"{card.days}"
        )
    return "\n".join(lines) + "\n"


def _row(result: CheckResult, stage: Stage, tier: str) -> dict[str, Any]:
    entry, record = result.entry, result.record
    return {
        "id": entry.id,
        "section": entry.section,
        "title": entry.title,
        "demanded": entry.demanded(stage, tier),
        "status": result.status,
        "evidence": "declared" if entry.declared or entry.by_hand else "observed",
        "value": record.value if record else None,
        "threshold": (record.threshold if record else None) or entry.needs or None,
        "source": entry.by or "governance/",
        "run": record.run if record else None,
        "at": record.at.isoformat() if record else None,
        "valid_days": entry.valid_days,
        "says": list(result.says),
        "accountable": result.person,
        "fix": result.fix,
        "waived_until": result.waiver.expires.isoformat() if result.waiver else None,
        "maps_to": list(entry.maps_to),
    }
