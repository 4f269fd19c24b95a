"""Drills against a running service: what they say when it works, and when it does not."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Client, Trained, eventually, point, release, serve
from fixture_project import PACKAGE
from seams import binary

from mlprod.governance.check_catalogue import SUBJECTS, Subject, catalogue
from mlprod.governance.evidence import Evidence, utc_now
from mlprod.ops import drills
from mlprod.ops.demo import _free_port as free_port
from mlprod.ops.demo import serving
from mlprod.ops.drills import (
    DrilledService,
    DrillError,
    reason_to_skip,
    rollback_drill,
    smoke,
    stop_drill,
)
from mlprod.records.store import Store
from mlprod.records.tables import predictions
from mlprod.records.usage_stats import usage
from mlprod.settings import Settings
from mlprod.training.evidence_store import finding, write
from mlprod.training.promotion import NoTargetVersionError
from mlprod.training.registry import CHAMPION, Registry
from mlprod.training.sync import sync

ABOUT: dict[Subject, str] = {subject: f"today's {subject}" for subject in SUBJECTS}


@dataclass(frozen=True)
class InProcess(DrilledService):
    """A service in this process.

    `before` is called before each look at its model, as a follower would act.
    """

    client: Any = None
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def ask(self, route: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        if route in self.answers:
            return self.answers[route]
        message = (
            self.client.get(f"/v1/{route}")
            if content is None
            else self.client.post(f"/v1/{route}", json=content)
        )
        if message.status_code != 200:
            raise DrillError(message.text)
        result: dict[str, Any] = message.json()
        return result


def by_check(records: list[Evidence]) -> dict[str, Evidence]:
    return {record.check: record for record in records}


def test_a_service_that_works_leaves_evidence(client: Client, settings: Settings) -> None:
    shown = by_check(smoke(InProcess("", client=client), binary, ABOUT))
    assert set(shown) == {"served-end-to-end", "feedback-works"}
    assert all(record.passed for record in shown.values()), shown
    for check, record in shown.items():
        entry = catalogue().entry(check)
        assert entry is not None
        assert record.digests.keys() == set(entry.tied_to)
    used = usage(Store(settings.records_url), "assist")
    assert (used.cases, used.judged, used.outcomes) == (0, 0, 0), (
        "what only tries the service is no case"
    )


def test_a_key_that_may_not_try_the_service_is_told_so_before_anything_is_sent(
    client: Client, settings: Settings
) -> None:
    facts = client.get("/v1/model").json() | {
        "caller": "shop",
        "roles": ["feedback", "outcomes", "predict"],
    }
    with pytest.raises(
        DrillError, match=r"'shop' has not the role 'smoke'.*nothing was sent.*--role smoke"
    ):
        smoke(InProcess("", client=client, answers={"model": facts}), binary, ABOUT)
    assert client.assembly.spool.events == 0
    with Store(settings.records_url).connected() as connection:
        assert connection.execute(predictions.select()).all() == []


def test_feedback_that_finds_no_prediction_is_no_working_feedback(client: Client) -> None:
    lost = {"accepted": 1, "repeated": 0, "unknown": 1}
    shown = by_check(smoke(InProcess("", client=client, answers={"feedback": lost}), binary, ABOUT))
    assert shown["served-end-to-end"].passed
    assert not shown["feedback-works"].passed


def test_the_stop_is_timed_and_the_mode_before_comes_back(
    client: Client, settings: Settings
) -> None:
    store = Store(settings.records_url)
    (shown,) = stop_drill(InProcess("", client=client), store, "you", ABOUT)
    assert shown.check == "stop-drilled"
    assert shown.passed
    assert isinstance(shown.value, float)
    assert 0 <= shown.value < 5
    eventually(lambda: client.get("/v1/model").json()["mode"] == "assist")


def test_the_stop_through_the_file_is_drilled_where_there_is_one(
    trained: Trained, settings: Settings, tmp_path: Path
) -> None:
    point(settings.models, trained.bundle, 1)
    store, file = Store(settings.records_url), tmp_path / "mode-file"
    with serve(binary, settings.model_copy(update={"mode_file": file})) as client:
        service = InProcess("", client=client)
        assert stop_drill(service, store, "you", ABOUT, file)[0].passed
        assert not file.exists()
        eventually(lambda: client.get("/v1/model").json()["mode"] == "assist")
        file.write_text("assist")
        with pytest.raises(DrillError, match="in use"):
            stop_drill(service, store, "you", ABOUT, file)
        file.write_text("shadow a real stop")
        eventually(lambda: client.get("/v1/model").json()["mode"] == "shadow")
        with pytest.raises(DrillError, match="nothing to stop"):
            stop_drill(service, store, "you", ABOUT, file)
        assert file.read_text() == "shadow a real stop"


def test_a_service_that_does_not_read_the_file_fails_the_drill(
    client: Client, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drills, "WAIT", 1.0)
    with pytest.raises(DrillError, match="the stop through"):
        stop_drill(
            InProcess("", client=client),
            Store(settings.records_url),
            "you",
            ABOUT,
            tmp_path / "mode-file",
        )
    assert not (tmp_path / "mode-file").exists()


def test_a_mode_that_does_not_come_from_the_database_is_not_drilled(
    client: Client, settings: Settings
) -> None:
    held = InProcess(
        "", client=client, answers={"model": {"mode": "assist", "mode_source": "file"}}
    )
    store = Store(settings.records_url)
    store.set_mode("automate", "you", "a test")
    with pytest.raises(DrillError, match="through the file"):
        stop_drill(held, store, "you", ABOUT)
    now = store.mode()
    assert now
    assert now.mode == "automate"


def test_where_nothing_can_be_stopped_nothing_is_drilled(
    client: Client, settings: Settings
) -> None:
    store = Store(settings.records_url)
    store.set_mode("shadow", "you", "a stop")
    eventually(lambda: client.get("/v1/model").json()["mode"] == "shadow")
    with pytest.raises(DrillError, match="there is nothing to stop"):
        stop_drill(InProcess("", client=client), store, "you", ABOUT)
    now = store.mode()
    assert now
    assert now.why == "a stop"


def test_a_service_on_another_database_is_not_drilled_and_nothing_is_switched(
    client: Client, settings: Settings
) -> None:
    store = Store(settings.records_url)
    store.set_mode("automate", "you", "what this database says")
    elsewhere = InProcess("", client=client, answers={"model": {"mode": "assist"}})
    with pytest.raises(DrillError, match="is this its database"):
        stop_drill(elsewhere, store, "you", ABOUT)
    now = store.mode()
    assert now
    assert (now.mode, now.why) == ("automate", "what this database says")


@dataclass(frozen=True)
class Interrupted(InProcess):
    """While the drill waits, somebody orders a real stop."""

    store: Any = None

    def wait_for(self, holds: Any, what: str, seconds: float = 0.0) -> float:
        took = super().wait_for(holds, what, seconds)
        self.store.set_mode("shadow", "grace", "a real incident")
        return took


def test_a_real_stop_during_the_drill_stays(client: Client, settings: Settings) -> None:
    store = Store(settings.records_url)
    stop_drill(Interrupted("", client=client, store=store), store, "you", ABOUT)
    now = store.mode()
    assert now
    assert (now.mode, now.who) == ("shadow", "grace")


def test_a_service_that_does_not_stop_fails_the_drill_and_goes_on(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drills, "WAIT", 0.2)
    deaf = InProcess("", client=client, answers={"model": {"mode": "assist"}})
    store = Store(settings.records_url)
    with pytest.raises(DrillError, match="the stop did not come to hold"):
        stop_drill(deaf, store, "you", ABOUT)
    now = store.mode()
    assert now
    assert now.mode == "assist"


@dataclass(frozen=True)
class Following(InProcess):
    """It follows the registry at each look at its model."""

    settings: Any = None

    def ask(self, route: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        if route == "model":
            sync(Registry(self.settings), self.settings.models)
        return super().ask(route, content)


def test_the_way_back_is_timed_and_the_champion_answers_again(
    registry: Registry,
    settings: Settings,
    model: Path,
    baseline: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = release(registry, baseline, "baseline"), release(registry, model)
    sync(registry, settings.models)
    with serve(binary, settings) as client:
        (shown,) = rollback_drill(
            Following("", client=client, settings=settings), registry, "you", ABOUT
        )
        assert client.get("/v1/model").json()["model_version"] == str(second.number)
    assert shown.check == "rollback-drilled"
    assert shown.passed
    moves = [(event["action"], event["before"], event["version"]) for event in registry.history()]
    assert moves[-2:] == [
        ("rollback", second.number, first.number),
        ("promote", first.number, second.number),
    ]


def test_a_way_back_that_is_not_followed_fails_and_the_champion_stays(
    client: Client, registry: Registry, model: Path, baseline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drills, "WAIT", 0.2)
    release(registry, baseline, "baseline")
    second = release(registry, model)
    with pytest.raises(DrillError, match="did not come to hold"):
        rollback_drill(
            InProcess("", client=client, answers={"model": {"model_version": "99"}}),
            registry,
            "you",
            ABOUT,
        )
    champion = registry.get_by_alias(CHAMPION)
    assert champion
    assert champion.number == second.number


def test_without_a_version_before_there_is_no_drill(
    client: Client, registry: Registry, model: Path
) -> None:
    release(registry, model)
    with pytest.raises(NoTargetVersionError, match="nothing came before it"):
        rollback_drill(InProcess("", client=client), registry, "you", ABOUT)


def test_unattended_nothing_moves_where_production_follows(
    registry: Registry, model: Path, baseline: Path
) -> None:
    assert "no version yet to go back to" in reason_to_skip(registry, ABOUT)
    release(registry, baseline, "baseline")
    assert "no version yet to go back to" in reason_to_skip(registry, ABOUT)
    release(registry, model)
    registry.mark_environment("staging")
    assert reason_to_skip(registry, ABOUT) == ""
    registry.mark_environment("production")
    assert "production follows this registry too" in reason_to_skip(registry, ABOUT)


def test_unattended_the_same_code_is_drilled_once_a_week_by_the_ci(
    registry: Registry, model: Path, baseline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)  # which may run this test
    release(registry, baseline, "baseline")
    release(registry, model)
    mine: dict[Subject, str] = {
        **ABOUT,
        "project": uuid.uuid4().hex,
    }  # evidence lies beside that of other tests
    shown = finding("rollback-drilled", True, mine, 0.5)
    write(registry, [shown])
    assert reason_to_skip(registry, mine) == "", "what somebody did by hand spares nothing"
    by_ci = shown.model_copy(update={"writer": "ci", "run": "17", "proof": "of a token"})
    write(registry, [by_ci.model_copy(update={"at": utc_now() - timedelta(days=8)})])
    assert reason_to_skip(registry, mine) == ""
    write(registry, [by_ci])
    assert reason_to_skip(registry, mine).startswith("the CI drilled this code already: 0.5")
    assert reason_to_skip(registry, {**mine, "project": "that was merged since"}) == ""
    assert reason_to_skip(registry, {**mine, "mlprod.serving": "of the next version"}) == ""
    assert reason_to_skip(registry, {**mine, "mlprod.governance": "of the next version"}) != ""


def test_nobody_at_the_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drills, "WAIT", 0.2)
    with pytest.raises(
        DrillError, match=r"an answer did not come to hold at http://127\.0\.0\.1:9"
    ):
        DrilledService("http://127.0.0.1:9").wait_for(lambda facts: facts, "an answer")


def test_the_demo_shows_what_a_service_said_that_does_not_come_up(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, port=free_port(), admin_port=free_port())
    shown = rf"(?s)an answer did not come to hold .* last seen: .*The end of {tmp_path}/serve\.log:"
    with pytest.raises(DrillError, match=shown), serving(PACKAGE, settings) as address:
        DrilledService(address).wait_for(lambda facts: False, "an answer", seconds=0.5)
