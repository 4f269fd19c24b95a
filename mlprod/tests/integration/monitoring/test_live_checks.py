"""Checks of the champion on the records: alerts and evidence."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from champions import DAY, Send, champion, heavier, here, send, store, stored_evidence
from filled import Filled, filled
from fixture_project import main
from past import became, judged
from seams import binary, parcels

from mlprod.governance.alert_thresholds import due_days
from mlprod.monitoring import live_checks, notifier
from mlprod.monitoring.champion import ChampionInfo
from mlprod.monitoring.live_checks import active_alerts, collect_evidence
from mlprod.records.database import now
from mlprod.records.store import Store
from mlprod.settings import Settings

__all__ = ["champion", "filled", "here", "send", "store"]


# make check-alerts


def test_alert_is_sent_until_it_has_ended(
    here: Settings,
    filled: Filled,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    received: list[Mapping[str, Any]] = []
    monkeypatch.setattr(
        notifier,
        "post_message",
        lambda url, message, token: received.append({"url": url, "token": token, **message}),
    )
    monkeypatch.setattr(
        live_checks, "due_days", lambda org: [("a key", datetime(2020, 1, 1).date())]
    )
    monkeypatch.setenv("ML_GOVERNANCE_DIR", str(filled.folder))
    monkeypatch.setenv("ML_WEBHOOK_TOKEN", "of the safe")
    filled.change(
        "ownership.yaml",
        "skills:\n",
        "alerting: {webhook: 'https://hooks.example.org/x'}\nskills:\n",
    )
    assert main(["check-alerts"]) == 1
    assert (
        "GovernanceOverdue: a key was due on 2020-01-01 (business_value: Ada Invented"
        in capsys.readouterr().out
    )
    assert main(["check-alerts", "--url", "http://elsewhere"]) == 1
    monkeypatch.setattr(live_checks, "due_days", lambda org: [])
    assert main(["check-alerts"]) == 0
    assert main(["check-alerts"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "ended: GovernanceOverdue: a key",
        "no alert is active",
    ]
    assert [(one["url"], len(one["wrong"]), len(one["ended"])) for one in received] == [
        ("https://hooks.example.org/x", 1, 0),
        ("http://elsewhere", 1, 0),
        ("https://hooks.example.org/x", 0, 1),
    ]
    assert {one["token"] for one in received} == {"of the safe"}


def test_failed_delivery_exits_two_and_is_repeated(
    here: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        live_checks, "due_days", lambda org: [("a key", datetime(2020, 1, 1).date())]
    )
    assert main(["check-alerts", "--url", "http://127.0.0.1:9/x"]) == 2
    assert "DeliveryError: 127.0.0.1 did not accept the message" in capsys.readouterr().err
    monkeypatch.setattr(live_checks, "due_days", lambda org: [])
    assert main(["check-alerts", "--url", "http://127.0.0.1:9/x"]) == 2
    monkeypatch.setattr(notifier, "post_message", lambda *_: None)
    assert main(["check-alerts", "--url", "http://127.0.0.1:9/x"]) == 0
    assert "ended: GovernanceOverdue: a key" in capsys.readouterr().out


def alerts(filled: Filled, store: Store, champion: ChampionInfo | None) -> list[str]:
    result = active_alerts(filled.org, binary, store, champion, now())
    return sorted(signal.id for signal in result if signal.alert != "GovernanceOverdue")


def test_drift_raises_an_alert_after_a_whole_day_of_rows(
    filled: Filled, send: Send, store: Store, champion: ChampionInfo
) -> None:
    send(heavier(parcels(1_500, seed=4)), hours=20)
    assert not [id for id in alerts(filled, store, champion) if "Drift" in id]
    send(heavier(parcels(1_500, seed=5)), hours=23, prefix="earlier")
    assert "FeatureDrift: weight" in alerts(filled, store, champion)


def test_outcomes_usage_quality_and_age_raise_alerts(
    filled: Filled,
    send: Send,
    store: Store,
    champion: ChampionInfo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert alerts(filled, store, champion) == []
    send(parcels(400, seed=4), hours=24 * 9, prefix="old")
    send(parcels(400, seed=6), hours=24 * 2)
    became(store, {f"old{place}": 0.0 for place in range(100)}, now() - 8 * DAY, monkeypatch)
    assert alerts(filled, store, champion) == ["OutcomesMissing"]
    became(store, {f"c{place}": place % 2 for place in range(300)}, now() - DAY, monkeypatch)
    became(store, {f"around{place}": 1.0 for place in range(60)}, now() - 2 * DAY, monkeypatch)
    judged(store, {f"c{place}": "overridden" for place in range(40)}, now() - DAY, monkeypatch)
    old = replace(champion, trained_at=now() - 91 * DAY)
    result = alerts(filled, store, old)
    assert result == [
        "BypassHigh",
        "ModelStale",
        "OverrideRateHigh",
        "QualityBelowTest",
        "ValueBelowTarget",
    ]
    assert alerts(filled, store, None) == ["ValueBelowTarget"], "this alert needs no champion"
    assert filled.org.watch.model_days == 90


def test_unavailable_database_is_an_alert(
    filled: Filled, champion: ChampionInfo, tmp_path: Path
) -> None:
    assert alerts(filled, Store(f"sqlite:///{tmp_path / 'nothing.db'}"), champion) == [
        "RecordStoreDown"
    ]


def test_every_date_in_governance_is_due(filled: Filled) -> None:
    result = {what: str(day) for what, day in due_days(filled.org)}
    assert result["governance/problem.yaml: value.by"] == "2026-12-31"
    assert result["governance/problem.yaml: kill_criteria[0].by"] == "2026-09-30"
    assert result["governance/risk.yaml: risks[0].review_by (unfair)"] == "2026-08-01"
    assert result["governance/ownership.yaml: accepted: serving: review_by"] == "2026-07-31"
    assert len(result) == 3 + 7


# make collect-evidence


def shown(
    filled: Filled, store: Store, champion: ChampionInfo | None
) -> dict[str, tuple[bool, Any]]:
    return {
        r.check: (r.passed, r.value)
        for r in collect_evidence(filled.org, binary, store, champion, {}, now())
    }


def test_without_cases_only_the_age_is_evidence(
    filled: Filled, store: Store, champion: ChampionInfo
) -> None:
    assert shown(filled, store, None) == {}
    assert shown(filled, store, champion) == {"model-fresh": (True, "0 days old; the limit is 90")}
    assert shown(filled, store, replace(champion, trained_at=None)) == {}
    assert not shown(filled, store, replace(champion, trained_at=now() - 91 * DAY))["model-fresh"][
        0
    ]


def test_payoff_quality_and_use_become_evidence(
    filled: Filled,
    send: Send,
    store: Store,
    champion: ChampionInfo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send(parcels(300, seed=4), hours=48)
    send(parcels(20, seed=4), hours=48, prefix="shadowed", mode="shadow")
    became(store, {f"c{place}": 0.0 for place in range(300)}, now() - DAY, monkeypatch)
    became(store, {f"shadowed{place}": 0.0 for place in range(20)}, now() - DAY, monkeypatch)
    for person in range(9):
        judged(store, {f"c{person}": "accepted"}, now() - DAY, monkeypatch, who=f"p{person}")
    result = shown(filled, store, champion)
    assert result["value-metric"] == (
        True,
        "-150.00 over 300 cases; -10.00 over 20 in shadow mode, not earned",
    )
    if now().day not in (1, 2):  # a pseudonym lasts a calendar month
        assert result["adoption-at-target"] == (
            False,
            "75% of 12 intended users used it in seven days",
        )
    assert "over 320 real cases" in str(result["live-quality-watched"][1])
    agrees, message = result["offline-and-online-agree"]
    figure = champion.manifest.metrics["value"]
    assert f"-0.5 per case over 320 real cases, plus or minus 0.055; {figure.value:.4g}" in str(
        message
    )
    assert agrees == (figure.low - 0.0549 <= -0.5 <= figure.high + 0.0549)


@pytest.mark.parametrize(("cases", "judged"), [(199, False), (200, True)])
def test_too_few_cases_give_no_evidence_of_quality(
    cases: int, judged: bool, filled: Filled, send: Send, store: Store, champion: ChampionInfo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    send(parcels(cases, seed=4), hours=48)
    became(store, {f"c{place}": 0.0 for place in range(cases)}, now() - DAY, monkeypatch)
    result = shown(filled, store, champion)
    assert ("live-quality-watched" in result) is judged
    assert not result.get("live-quality-watched", (False,))[0], (
        "half of them were late by the model"
    )


def test_failing_payoff_fails_the_value_metric(
    filled: Filled,
    send: Send,
    store: Store,
    champion: ChampionInfo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send(parcels(2, seed=4), hours=48)
    became(store, {"c0": 0.0, "c1": 1.0}, now() - DAY, monkeypatch)
    broken = replace(binary, payoff=lambda decision, outcome, row: row["distance"])
    (result,) = (
        r
        for r in collect_evidence(filled.org, broken, store, None, {}, now())
        if r.check == "value-metric"
    )
    assert (result.passed, result.value) == (False, "0.00 over 0 cases; payoff() failed for 2")


def test_collect_evidence_prints_and_records_the_evidence(
    here: Settings, send: Send, store: Store, filled: Filled, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("ML_GOVERNANCE_DIR", str(filled.folder))
    send(parcels(40, seed=4), hours=48)
    became(store, {f"c{place}": 0.0 for place in range(40)}, now() - DAY, monkeypatch)
    assert main(["collect-evidence"]) == 0
    message = capsys.readouterr().out
    assert "passed value-metric: -20.00 over 40 cases" in message
    assert "passed model-fresh" in message
    assert stored_evidence(here, "value-metric")[0].value == "-20.00 over 40 cases"
