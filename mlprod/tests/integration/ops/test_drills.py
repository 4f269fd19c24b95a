"""Drills on a running service: what they report when it works, and when it does not."""

import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Client, Trained, eventually, point, release, serve
from fixture_project import PACKAGE
from seams import binary, given, parcels

from mlprod.governance.check_catalogue import SUBJECTS, Subject, catalogue
from mlprod.governance.evidence import Evidence, utc_now
from mlprod.ops import drills
from mlprod.ops.demo import _free_port as free_port
from mlprod.ops.demo import service_process
from mlprod.ops.drills import (
    DrilledService,
    DrillError,
    KeyRefusedError,
    kill_switch_drill,
    reason_to_skip,
    rollback_drill,
    smoke_test,
)
from mlprod.records.store import Store
from mlprod.records.tables import predictions
from mlprod.records.usage_stats import usage
from mlprod.serving.api_keys import add_key
from mlprod.settings import Settings
from mlprod.training.evidence_store import finding, write_evidence
from mlprod.training.promotion import NoTargetVersionError
from mlprod.training.registry import CHAMPION, Registry
from mlprod.training.sync import sync

DIGESTS: dict[Subject, str] = {subject: f"today's {subject}" for subject in SUBJECTS}


@dataclass(frozen=True)
class InProcess(DrilledService):
    """A service in this process; `answers` replaces its responses by route."""

    client: Any = None
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def call(self, route: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
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


def test_smoke_test_of_a_working_service_leaves_evidence(
    client: Client, settings: Settings
) -> None:
    shown = by_check(smoke_test(InProcess("", client=client), binary, DIGESTS))
    assert set(shown) == {"served-end-to-end", "feedback-works"}
    assert all(record.passed for record in shown.values()), shown
    for check, record in shown.items():
        entry = catalogue().entry(check)
        assert entry is not None
        assert record.digests.keys() == set(entry.tied_to)
    used = usage(Store(settings.records_url), "assist")
    assert (used.cases, used.judged, used.outcomes) == (0, 0, 0), (
        "a smoke test does not count as a case"
    )


def test_smoke_test_with_a_key_without_the_role_sends_nothing(
    client: Client, settings: Settings
) -> None:
    facts = client.get("/v1/model").json() | {
        "caller": "shop",
        "roles": ["feedback", "outcomes", "predict"],
    }
    with pytest.raises(
        DrillError, match=r"'shop' does not have the role 'smoke'.*nothing was sent.*--role smoke"
    ):
        smoke_test(InProcess("", client=client, answers={"model": facts}), binary, DIGESTS)
    assert client.assembly.spool.events == 0
    with Store(settings.records_url).connected() as connection:
        assert connection.execute(predictions.select()).all() == []


def test_feedback_without_its_prediction_fails_the_smoke_test(client: Client) -> None:
    lost = {"accepted": 1, "repeated": 0, "unknown": 1}
    shown = by_check(
        smoke_test(InProcess("", client=client, answers={"feedback": lost}), binary, DIGESTS)
    )
    assert shown["served-end-to-end"].passed
    assert not shown["feedback-works"].passed


def test_kill_switch_drill_is_timed_and_restores_the_mode(
    client: Client, settings: Settings
) -> None:
    store = Store(settings.records_url)
    (shown,) = kill_switch_drill(InProcess("", client=client), store, "you", DIGESTS)
    assert shown.check == "stop-drilled"
    assert shown.passed
    assert isinstance(shown.value, float)
    assert 0 <= shown.value < 5
    eventually(lambda: client.get("/v1/model").json()["mode"] == "assist")


def test_kill_switch_drill_includes_the_mode_file_if_given(
    trained: Trained, settings: Settings, tmp_path: Path
) -> None:
    point(settings.models, trained.bundle, 1)
    store, file = Store(settings.records_url), tmp_path / "mode-file"
    with serve(binary, settings.model_copy(update={"mode_file": file})) as client:
        service = InProcess("", client=client)
        assert kill_switch_drill(service, store, "you", DIGESTS, file)[0].passed
        assert not file.exists()
        eventually(lambda: client.get("/v1/model").json()["mode"] == "assist")
        file.write_text("assist")
        with pytest.raises(DrillError, match="in use"):
            kill_switch_drill(service, store, "you", DIGESTS, file)
        file.write_text("shadow a real stop")
        eventually(lambda: client.get("/v1/model").json()["mode"] == "shadow")
        with pytest.raises(DrillError, match="kill switch would change nothing"):
            kill_switch_drill(service, store, "you", DIGESTS, file)
        assert file.read_text() == "shadow a real stop"


def test_kill_switch_drill_fails_if_the_service_ignores_the_mode_file(
    client: Client, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drills, "DRILL_TIMEOUT", 1.0)
    with pytest.raises(DrillError, match="did not reach shadow mode through"):
        kill_switch_drill(
            InProcess("", client=client),
            Store(settings.records_url),
            "you",
            DIGESTS,
            tmp_path / "mode-file",
        )
    assert not (tmp_path / "mode-file").exists()


def test_kill_switch_drill_is_refused_if_a_file_sets_the_mode(
    client: Client, settings: Settings
) -> None:
    held = InProcess(
        "", client=client, answers={"model": {"mode": "assist", "mode_source": "file"}}
    )
    store = Store(settings.records_url)
    store.set_mode("automate", "you", "a test")
    with pytest.raises(DrillError, match="the file, not the database, sets the mode"):
        kill_switch_drill(held, store, "you", DIGESTS)
    now = store.mode()
    assert now
    assert now.mode == "automate"


def test_kill_switch_drill_in_shadow_mode_is_refused(client: Client, settings: Settings) -> None:
    store = Store(settings.records_url)
    store.set_mode("shadow", "you", "a stop")
    eventually(lambda: client.get("/v1/model").json()["mode"] == "shadow")
    with pytest.raises(DrillError, match="the service is in shadow mode"):
        kill_switch_drill(InProcess("", client=client), store, "you", DIGESTS)
    now = store.mode()
    assert now
    assert now.why == "a stop"


def test_kill_switch_drill_on_another_database_switches_nothing(
    client: Client, settings: Settings
) -> None:
    store = Store(settings.records_url)
    store.set_mode("automate", "you", "what this database says")
    elsewhere = InProcess("", client=client, answers={"model": {"mode": "assist"}})
    with pytest.raises(DrillError, match="Does the service use another database"):
        kill_switch_drill(elsewhere, store, "you", DIGESTS)
    now = store.mode()
    assert now
    assert (now.mode, now.why) == ("automate", "what this database says")


@dataclass(frozen=True)
class Interrupted(InProcess):
    """While the drill waits, somebody uses the kill switch in a real incident."""

    store: Any = None

    def wait_for(self, holds: Any, what: str, seconds: float = 0.0) -> float:
        took = super().wait_for(holds, what, seconds)
        self.store.set_mode("shadow", "grace", "a real incident")
        return took


def test_real_kill_switch_during_the_drill_stays(client: Client, settings: Settings) -> None:
    store = Store(settings.records_url)
    kill_switch_drill(Interrupted("", client=client, store=store), store, "you", DIGESTS)
    now = store.mode()
    assert now
    assert (now.mode, now.who) == ("shadow", "grace")


def test_kill_switch_drill_fails_and_restores_the_mode_if_the_service_ignores_it(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drills, "DRILL_TIMEOUT", 0.2)
    deaf = InProcess("", client=client, answers={"model": {"mode": "assist"}})
    store = Store(settings.records_url)
    with pytest.raises(DrillError, match="did not reach shadow mode within"):
        kill_switch_drill(deaf, store, "you", DIGESTS)
    now = store.mode()
    assert now
    assert now.mode == "assist"


@dataclass(frozen=True)
class Following(InProcess):
    """It follows the registry at each request for its model."""

    settings: Any = None

    def call(self, route: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        if route == "model":
            sync(Registry(self.settings), self.settings.models)
        return super().call(route, content)


def test_rollback_drill_is_timed_and_the_champion_serves_again(
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
            Following("", client=client, settings=settings), registry, "you", DIGESTS
        )
        assert client.get("/v1/model").json()["model_version"] == str(second.number)
    assert shown.check == "rollback-drilled"
    assert shown.passed
    moves = [(event["action"], event["before"], event["version"]) for event in registry.history()]
    assert moves[-2:] == [
        ("rollback", second.number, first.number),
        ("promote", first.number, second.number),
    ]


def test_rollback_drill_fails_and_restores_the_champion_if_not_followed(
    client: Client, registry: Registry, model: Path, baseline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drills, "DRILL_TIMEOUT", 0.2)
    release(registry, baseline, "baseline")
    second = release(registry, model)
    with pytest.raises(DrillError, match="did not reach version"):
        rollback_drill(
            InProcess("", client=client, answers={"model": {"model_version": "99"}}),
            registry,
            "you",
            DIGESTS,
        )
    champion = registry.get_by_alias(CHAMPION)
    assert champion
    assert champion.number == second.number


def test_rollback_drill_without_a_predecessor_is_refused(
    client: Client, registry: Registry, model: Path
) -> None:
    release(registry, model)
    with pytest.raises(NoTargetVersionError, match="there is no predecessor"):
        rollback_drill(InProcess("", client=client), registry, "you", DIGESTS)


def test_unattended_drill_is_skipped_if_production_follows(
    registry: Registry, model: Path, baseline: Path
) -> None:
    assert "no earlier version exists to roll back to" in reason_to_skip(registry, DIGESTS)
    release(registry, baseline, "baseline")
    assert "no earlier version exists to roll back to" in reason_to_skip(registry, DIGESTS)
    release(registry, model)
    registry.mark_environment("staging")
    assert reason_to_skip(registry, DIGESTS) == ""
    registry.mark_environment("production")
    assert "production follows this registry too" in reason_to_skip(registry, DIGESTS)


def test_unattended_drill_is_skipped_if_the_ci_ran_it_within_a_week(
    registry: Registry, model: Path, baseline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)  # which may run this test
    release(registry, baseline, "baseline")
    release(registry, model)
    mine: dict[Subject, str] = {
        **DIGESTS,
        "project": uuid.uuid4().hex,
    }  # evidence lies beside that of other tests
    shown = finding("rollback-drilled", True, mine, 0.5)
    write_evidence(registry, [shown])
    assert reason_to_skip(registry, mine) == "", "a drill by hand does not replace one of the CI"
    by_ci = shown.model_copy(update={"writer": "ci", "run": "17", "proof": "of a token"})
    write_evidence(registry, [by_ci.model_copy(update={"at": utc_now() - timedelta(days=8)})])
    assert reason_to_skip(registry, mine) == ""
    write_evidence(registry, [by_ci])
    assert reason_to_skip(registry, mine).startswith(
        "the CI already ran the drill with this code: 0.5"
    )
    assert reason_to_skip(registry, {**mine, "project": "that was merged since"}) == ""
    assert reason_to_skip(registry, {**mine, "mlprod.serving": "of the next version"}) == ""
    assert reason_to_skip(registry, {**mine, "mlprod.governance": "of the next version"}) != ""


def test_unreachable_service_is_named_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drills, "DRILL_TIMEOUT", 0.2)
    with pytest.raises(DrillError, match=r"http://127\.0\.0\.1:9 did not reach a response within"):
        DrilledService("http://127.0.0.1:9").wait_for(lambda facts: facts, "a response")


def test_smoke_test_sends_whole_numbers_of_a_csv_as_integers(
    client: Client, settings: Settings
) -> None:
    table = parcels()
    place = table.column_names.index("stops")
    floats = table.set_column(place, "stops", table["stops"].cast("float64"))
    shown = by_check(
        smoke_test(InProcess("", client=client), replace(binary, load=given(floats)), DIGESTS)
    )
    assert shown["served-end-to-end"].passed


def test_refused_key_ends_the_wait_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_key(tmp_path / "keys.json", "checkout", ["predict"])
    monkeypatch.setenv("ML_KEYS_FILE", str(tmp_path / "keys.json"))
    settings = Settings(state_dir=tmp_path, port=free_port(), admin_port=free_port())
    with (
        service_process(PACKAGE, settings) as address,
        pytest.raises(KeyRefusedError, match="responded with 401"),
    ):
        DrilledService(address, "of nobody").wait_for(lambda facts: True, "it", seconds=30)


def test_failed_drill_shows_the_end_of_the_service_log(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, port=free_port(), admin_port=free_port())
    shown = rf"(?s)did not reach a response .* last seen: .*The end of {tmp_path}/serve\.log:"
    with pytest.raises(DrillError, match=shown), service_process(PACKAGE, settings) as address:
        DrilledService(address).wait_for(lambda facts: False, "a response", seconds=0.5)
