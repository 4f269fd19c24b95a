"""Rollback on this machine while the registry is down, and the events that end it."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Client, eventually, release, serve
from fixture_project import main
from seams import PARCEL, binary

from mlprod.bundle.model_dir import LocalRollback, Pointer, read_pointer, read_rollback
from mlprod.serving import model_loader as following
from mlprod.settings import Settings
from mlprod.training.local_rollback import (
    LocalRollbackError,
    roll_back_locally,
    undo_local_rollback,
)
from mlprod.training.promotion import rollback
from mlprod.training.registry import Registry
from mlprod.training.sync import sync

# No process listens at this address.
UNREACHABLE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "CHECK_SECONDS", 0.01)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@dataclass(frozen=True)
class Place:
    """A registry whose champion is version 2, after version 1, and a MODEL_DIR that follows it."""

    settings: Settings
    registry: Registry

    @property
    def models(self) -> Path:
        return self.settings.models

    def sync(self) -> str | None:
        return sync(self.registry, self.models)


@pytest.fixture
def place(settings: Settings, registry: Registry, model: Path, baseline: Path) -> Place:
    made = Place(settings, registry)
    for bundle, kind in ((baseline, "baseline"), (model, "model")):
        release(registry, bundle, kind)
        made.sync()
    return made


@pytest.fixture
def away(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return the place with an environment whose registry does not respond."""
    monkeypatch.setenv("ML_STATE_DIR", str(place.settings.state_dir))
    monkeypatch.setenv("ML_MODEL_NAME", place.settings.model_name)
    monkeypatch.setenv("ML_MODEL_DIR", str(place.models))
    monkeypatch.setenv("ML_TRACKING_URI", UNREACHABLE)
    return place


def version(client: Client) -> str:
    result: str = client.get("/v1/model").json()["model_version"]
    return result


def unsaved(client: Client) -> bool:
    return "ml_rollback_unsaved 1.0" in client.operations.get("/metrics").text


def test_rollback_without_the_registry_reaches_the_service_of_this_folder_and_survives_its_restart(
    away: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(binary, away.settings) as client:
        assert (version(client), unsaved(client)) == ("2", False)
        assert main(["rollback", "--reason", "it declines everybody", "--actor", "grace"]) == 0
        message = capsys.readouterr().out
        for part in (
            "the registry is unavailable",
            "change from version 2 to 1 within seconds",
            "NOT reached",
            "still names version 2",
        ):
            assert part in message
        eventually(lambda: version(client) == "1")
        assert client.post("/v1/predict", json={"rows": [PARCEL]}).json()["model_version"] == "1"
        made_here = client.get("/v1/model").json()["rollback"]
        assert (made_here["left"]["version"], made_here["who"]) == (2, "grace")
        assert unsaved(client)
    with serve(binary, away.settings) as client:
        assert version(client) == "1"


def test_follower_does_not_undo_the_rollback_if_the_registry_is_back_with_the_same_champion(
    away: Place,
) -> None:
    with serve(binary, away.settings) as client:
        assert main(["rollback", "--reason", "it declines everybody", "--actor", "grace"]) == 0
        eventually(lambda: version(client) == "1")
        for _ in range(2):
            away.sync()
        shutil.rmtree(away.models / "versions" / str(away.registry.version(2).digest))
        assert away.sync(), "the champion's bundle was damaged here, and is fetched again"
        client.assembly.models.reload_if_changed()
        assert version(client) == "1"
        assert read_rollback(away.models)


def test_rollback_ends_if_a_person_rolls_back_in_the_registry(
    away: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(binary, away.settings) as client:
        assert main(["rollback", "--reason", "it declines everybody", "--actor", "grace"]) == 0
        eventually(lambda: version(client) == "1")
        monkeypatch.delenv("ML_TRACKING_URI")
        assert (
            main(
                [
                    "rollback",
                    "--reason",
                    "as on the service",
                    "--actor",
                    "grace",
                    "--skip-load-check",
                ]
            )
            == 0
        )
        away.sync()
        eventually(lambda: not unsaved(client))
        assert version(client) == "1"
        assert read_rollback(away.models) is None


def test_rollback_ends_if_the_same_version_is_made_champion_again_later(away: Place) -> None:
    with serve(binary, away.settings) as client:
        assert main(["rollback", "--reason", "it declines everybody", "--actor", "grace"]) == 0
        eventually(lambda: version(client) == "1")
        (saved := away.models / "saved").write_bytes((away.models / "rollback.json").read_bytes())
        rollback(away.registry, "you", "back to version 1")
        # As a promotion at least a second later sets it.
        away.registry.tag(2, "promote.at", "2999-01-01T00:00:00+00:00")
        away.registry.set_alias("champion", away.registry.version(2))
        away.sync()
        # The rollback file is ignored even if it could not be removed.
        saved.replace(away.models / "rollback.json")
        eventually(lambda: version(client) == "2")
        assert not unsaved(client)


def test_rollback_can_be_undone(away: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(binary, away.settings) as client:
        assert main(["rollback", "--reason", "it declines everybody", "--actor", "grace"]) == 0
        eventually(lambda: version(client) == "1")
        assert (
            main(["rollback", "--undo", "--reason", "it was something else", "--actor", "grace"])
            == 0
        )
        assert "serve version 2 again" in capsys.readouterr().out
        eventually(lambda: version(client) == "2")
        assert main(["rollback", "--undo", "--reason", "again", "--actor", "grace"]) == 1
        assert "none to undo" in capsys.readouterr().err


def test_missing_embedded_registry_is_not_created_by_a_rollback(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_STATE_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("ML_MODEL_DIR", str(place.models))
    assert main(["rollback", "--reason", "it declines everybody", "--actor", "grace"]) == 0
    assert read_rollback(place.models)
    assert not (tmp_path / "var" / "mlflow.db").exists()


def test_registry_that_responds_with_an_error_causes_no_local_rollback(
    away: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ML_TRACKING_URI")
    assert (
        main(
            ["rollback", "--version", "99", "--reason", "it declines everybody", "--actor", "grace"]
        )
        == 1
    )
    assert "has no version 99" in capsys.readouterr().err
    assert read_rollback(away.models) is None


def test_reason_is_required_without_the_registry_too(
    away: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollback"]) == 1
    assert "MissingReasonError" in capsys.readouterr().err
    assert read_rollback(away.models) is None


def test_repeated_rollback_goes_no_further_back(place: Place) -> None:
    first = roll_back_locally(place.models, "grace", "it declines everybody")
    assert roll_back_locally(place.models, "somebody", "again") == first


def test_version_that_was_left_by_a_rollback_is_not_a_target(place: Place) -> None:
    rollback(place.registry, "you", "version 2 is bad")
    place.sync()
    pointer = read_pointer(place.models)
    assert pointer
    assert [item.version for item in pointer.previous] == [2]
    with pytest.raises(
        LocalRollbackError, match="no complete bundle of a predecessor of version 1; it holds 2"
    ):
        roll_back_locally(place.models, "you", "version 1 is bad too")
    assert roll_back_locally(place.models, "you", "a person names it", 2).to.version == 2


def test_new_replica_holds_the_bundle_of_the_predecessor(place: Place, tmp_path: Path) -> None:
    models = tmp_path / "new"
    assert sync(place.registry, models)
    assert roll_back_locally(models, "you", "it declines everybody").to.version == 1
    assert len(list((models / "versions").iterdir())) == 2


def test_predecessor_that_cannot_be_fetched_does_not_delay_the_champion(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.registry.local_artifacts
    shutil.rmtree(place.registry.local_artifacts / place.registry.version(1).run)
    models = tmp_path / "new"
    assert sync(place.registry, models) == place.registry.version(2).digest
    assert "no rollback is possible without the registry" in capsys.readouterr().out
    assert sync(place.registry, models, verify=False) is None


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_incomplete_bundle_is_not_a_target(place: Place, damage: str) -> None:
    folder = place.models / "versions" / place.registry.version(1).digest
    (folder / "card.md").write_text("other") if damage == "changed" else shutil.rmtree(folder)
    with pytest.raises(LocalRollbackError, match="kill switch: set-mode shadow"):
        roll_back_locally(place.models, "you", "it declines everybody")
    assert read_rollback(place.models) is None


@pytest.mark.parametrize("content", [None, "", "{"])
def test_rollback_without_a_readable_champion_is_refused(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "champion.json").write_text(content)
    with pytest.raises(LocalRollbackError):
        roll_back_locally(tmp_path, "you", "a test")
    with pytest.raises(LocalRollbackError):
        undo_local_rollback(tmp_path)


def test_pointer_of_an_older_follower_is_read(place: Place) -> None:
    pointer = json.loads((place.models / "champion.json").read_text())
    for name in ("since", "back"):
        del pointer[name]
    (place.models / "champion.json").write_text(json.dumps(pointer))
    assert roll_back_locally(place.models, "you", "it declines everybody").to.version == 1
    place.sync()
    renewed = read_pointer(place.models)
    assert renewed
    assert renewed.back == (1,)


def test_restarted_service_does_not_serve_the_left_champion_instead_of_a_damaged_predecessor(
    place: Place,
) -> None:
    done = roll_back_locally(place.models, "you", "it declines everybody")
    (place.models / "versions" / done.to.digest / "card.md").write_text("damaged since")
    with serve(binary, place.settings) as client:
        assert client.operations.get("/readyz").status_code == 503
        assert "version 1 was refused" in client.operations.get("/readyz").json()["detail"]


def test_unreadable_rollback_file_changes_nothing(place: Place) -> None:
    with serve(binary, place.settings) as client:
        roll_back_locally(place.models, "you", "it declines everybody")
        eventually(lambda: version(client) == "1")
        (place.models / "rollback.json").write_text("{")
        eventually(lambda: client.get("/v1/model").json()["refused"])
        client.assembly.models.reload_if_changed()
        assert version(client) == "1"


def test_rollback_of_another_move_does_not_apply() -> None:
    pointer = Pointer(digest="b", version=2, since="2026-01-01T00:00:00+00:00")
    facts = {"to": {"digest": "a", "version": 1}, "who": "you", "why": "a test", "at": "now"}
    left = {"digest": "b", "version": 2}
    assert LocalRollback.model_validate(facts | {"left": left, "since": pointer.since}).applies(
        pointer
    )
    for other in (
        {"left": left, "since": ""},
        {"left": left | {"digest": "c"}, "since": pointer.since},
    ):
        assert not LocalRollback.model_validate(facts | other).applies(pointer)
