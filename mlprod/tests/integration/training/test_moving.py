import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from conftest import Registered

from mlprod.settings import Settings
from mlprod.training import moving
from mlprod.training.moving import INTENT_PREFIX, ConcurrentPromotionError
from mlprod.training.promotion import promote, rollback
from mlprod.training.registry import CHAMPION, Registry, Version


@pytest.fixture(params=["file lock", "tags"])
def shared(request: pytest.FixtureRequest, settings: Settings) -> Registry:
    """Return a registry of this machine, or one with an address, as a server has."""
    address = "" if request.param == "file lock" else f"sqlite:///{settings.database.resolve()}"
    result = Registry(settings.model_copy(update={"tracking_uri": address}))
    run = result.log_run({}, {}, {}, None)
    for digest in "abcdef":
        result.register(run, digest * 64, {"kind": "model"})
    promote(result, "ann", "first", 1)
    promote(result, "ann", "second", 2)
    return result


def champion(registry: Registry) -> int | None:
    result = registry.get_by_alias(CHAMPION)
    return result.number if result else None


def calling(action: Callable[[Registry], object], registry: Registry) -> Callable[[Version], None]:
    def meanwhile(_: Version) -> None:
        action(registry)

    return meanwhile


MEANWHILE: dict[str, Callable[[Registry], object]] = {
    "a rollback": lambda registry: rollback(registry, "on-call", "version 2 declines everybody"),
    "a promotion": lambda registry: promote(registry, "eve", "fourth", 4),
    "there and back again": lambda registry: [
        rollback(registry, "on-call", "is it version 2?"),
        promote(registry, "on-call", "it is not", 2),
    ],
    "the same promotion, and a rollback from it": lambda registry: [
        promote(registry, "eve", "third", 3),
        rollback(registry, "on-call", "version 3 declines everybody"),
    ],
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_promotion_does_not_undo_a_move_during_its_checks(shared: Registry, what: str) -> None:
    with pytest.raises(ConcurrentPromotionError, match="when this began and is version"):
        promote(shared, "bob", "third", 3, ready=calling(MEANWHILE[what], shared))
    assert champion(shared) == {"a rollback": 1, "a promotion": 4}.get(what, 2)
    assert shared.history()[-1]["who"] != "bob"
    assert "promote.at" not in shared.version(3).tags or what.startswith("the same")


def test_two_rollbacks_at_once_go_one_step_back(
    shared: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(shared, "ann", "third", 3)
    position = moving.champion_position

    def slow(registry: Registry) -> moving.Position:
        result = position(registry)
        monkeypatch.setattr("mlprod.training.promotion.champion_position", position)
        rollback(registry, "on-call", "version 3 declines everybody")
        return result

    monkeypatch.setattr("mlprod.training.promotion.champion_position", slow)
    with pytest.raises(
        ConcurrentPromotionError, match=r"rollback by on-call at .*: version 3 declines everybody"
    ):
        rollback(shared, "bob", "version 3 declines everybody")
    assert champion(shared) == 2


def test_each_of_many_movers_moves_from_the_position_that_it_read_or_is_refused(
    shared: Registry, settings: Settings
) -> None:
    """Each mover has its own client, as on other machines."""
    start, refused = threading.Barrier(4), []

    def move(number: int) -> None:
        own = Registry(
            settings.model_copy(update={"tracking_uri": "" if shared.folder else shared.uri})
        )
        start.wait(60)
        try:
            promote(own, f"mover-{number}", "mine", number)
        except ConcurrentPromotionError:
            refused.append(number)

    threads = [threading.Thread(target=move, args=(number,)) for number in (3, 4, 5, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    moves = [(event["before"], event["version"]) for event in shared.history()]
    assert len(moves) == 6 - len(refused)
    assert [before for before, _ in moves[1:]] == [version for _, version in moves[:-1]]
    assert champion(shared) == moves[-1][1]
    assert not [name for name in shared.model_tags() if name.startswith(INTENT_PREFIX)]


def intent(seconds_ago: float) -> str:
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return json.dumps({"who": "grace\x1b[2J", "at": at.isoformat()})


@pytest.fixture
def server(settings: Settings) -> Registry:
    address = f"sqlite:///{settings.database.resolve()}"
    result = Registry(settings.model_copy(update={"tracking_uri": address}))
    result.register(result.log_run({}, {}, {}, None), "a" * 64, {"kind": "model"})
    return result


def test_mover_waits_for_another_machine_and_then_names_it(
    server: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "WAIT_SECONDS", 0.3)
    server.tag_model(f"{INTENT_PREFIX}other", intent(3))
    with pytest.raises(
        ConcurrentPromotionError,
        match=r"somebody else is moving the champion: .*grace.*Nothing was moved",
    ):
        promote(server, "bob", "first", 1)
    assert champion(server) is None
    assert [name for name in server.model_tags() if name.startswith(INTENT_PREFIX)] == [
        f"{INTENT_PREFIX}other"
    ]
    threading.Timer(0.2, server.drop_model_tag, (f"{INTENT_PREFIX}other",)).start()
    monkeypatch.setattr(moving, "WAIT_SECONDS", 60.0)
    promote(server, "bob", "first", 1)
    assert champion(server) == 1


@pytest.mark.parametrize(
    "left",
    [intent(3_600), intent(-3_600), "", "{", "[]", '{"at": 7}', "[" * 90_000],
    ids=["old", "in the future", "empty", "cut off", "a list", "at 7", "too deep"],
)
def test_stale_or_invalid_announcement_does_not_delay_a_move(server: Registry, left: str) -> None:
    server.tag_model(f"{INTENT_PREFIX}other", left)
    promote(server, "bob", "first", 1)
    assert champion(server) == 1
    assert not [name for name in server.model_tags() if name.startswith(INTENT_PREFIX)]


def test_move_that_somebody_overwrites_at_once_is_an_error(
    server: Registry, register: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person can do this in MLflow's own pages."""
    other = server.register(server.log_run({}, {}, {}, None), "b" * 64, {"kind": "model"})
    record = server.record

    def overwritten(action: str, **facts: object) -> None:
        record(action, **facts)
        server.set_alias(CHAMPION, other)

    monkeypatch.setattr(server, "record", overwritten)
    with pytest.raises(
        ConcurrentPromotionError, match="at once somebody else changed the champion to version 2"
    ):
        promote(server, "bob", "first", 1)
