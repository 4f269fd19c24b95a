from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Registered, Trained, release, sealed
from onnx_models import endless
from seams import binary

from mlprod.bundle import trial
from mlprod.contract.schema import Fields
from mlprod.settings import Settings
from mlprod.training.promotion import NoTargetVersionError, promote, rollback
from mlprod.training.reason import MissingReasonError
from mlprod.training.registry import CHALLENGER, CHAMPION, Registry, RegistryError


def champion(registry: Registry) -> str | None:
    result = registry.get_by_alias(CHAMPION)
    return result.digest if result else None


@pytest.fixture
def chain(registry: Registry, register: Registered) -> Registry:
    """Return a registry with three versions, a, b and c, that were champion in turn."""
    for digest in "abc":
        promote(registry, "you", f"{digest} is better", register(digest).number)
    return registry


def test_challenger_becomes_champion(registry: Registry, register: Registered) -> None:
    registry.set_alias(CHALLENGER, register("a"))
    before, after = promote(registry, "you", "first")
    assert (before, after.digest, champion(registry)) == (None, "a", "a")


def test_named_version_becomes_champion(registry: Registry, register: Registered) -> None:
    registry.set_alias(CHALLENGER, register("a"))
    promote(registry, "you", "known for longer", register("b").number)
    assert champion(registry) == "b"


def test_rollbacks_go_back_to_the_first_champion(chain: Registry) -> None:
    champions = [champion(chain)]
    for _ in range(2):
        rollback(chain, "you", "complaints")
        champions.append(champion(chain))
    assert champions == ["c", "b", "a"]
    with pytest.raises(NoTargetVersionError, match="version 1 was the first champion"):
        rollback(chain, "you", "complaints")
    assert champion(chain) == "a"


def test_version_can_be_promoted_and_rolled_back_again_after_a_rollback(chain: Registry) -> None:
    rollback(chain, "you", "complaints")
    promote(chain, "you", "they were about something else", 3)
    assert champion(chain) == "c"
    rollback(chain, "you", "they were not")
    assert champion(chain) == "b"


def test_rollback_skips_a_version_that_was_left_by_a_rollback(
    chain: Registry, register: Registered
) -> None:
    """b was left by a rollback, so rollbacks go from d to c, and from c to a."""
    promote(chain, "you", "b once more", 2)
    rollback(chain, "you", "b declines everybody")
    promote(chain, "you", "c is better", 3)
    # A registry of an older library has this tag.
    chain.tag(3, "previous", "2")
    promote(chain, "you", "d is better", register("d").number)
    rollback(chain, "you", "d declines everybody")
    assert champion(chain) == "c"
    rollback(chain, "you", "c declines everybody")
    assert champion(chain) == "a"


def test_rollback_of_an_older_project_is_read_from_the_history(
    chain: Registry, register: Registered
) -> None:
    """An older project recorded a rollback in the history alone."""
    chain.tag(3, "compared_with", "2")
    chain.set_alias(CHALLENGER, chain.version(3))
    rollback(chain, "your deputy", "c declines everybody")
    for name in ("at", "by", "why"):
        chain.drop_tag(3, f"rolled_back.{name}")
    with pytest.raises(
        NoTargetVersionError, match=r"rolled back by your deputy .*: c declines everybody\."
    ):
        promote(chain, "you", "it is better")
    promote(chain, "you", "d is better", register("d").number)
    chain.tag(4, "previous", "3")
    chain.tag(3, "previous", "2")
    rollback(chain, "you", "d declines everybody")
    assert champion(chain) == "b"


def test_rollback_to_a_version_above_the_size_limit_is_refused(
    settings: Settings, registry: Registry, trained: Trained, trained_baseline: Trained
) -> None:
    for bundle in (trained.bundle, trained_baseline.bundle):
        release(registry, bundle)
    registry.megabytes = 0
    with pytest.raises(
        NoTargetVersionError, match="would be refused by the service: the bundle of version 1 has"
    ):
        rollback(registry, "you", "complaints", seam=binary, settings=settings)
    registry.megabytes = 128
    rollback(registry, "you", "complaints", seam=binary, settings=settings)


def test_rolled_back_version_has_actor_and_reason(chain: Registry) -> None:
    rollback(chain, "your deputy", "c declines everybody")
    assert chain.version(3).rolled_back.startswith("rolled back by your deputy at 20")
    assert chain.version(3).rolled_back.endswith(": c declines everybody")
    assert chain.version(2).rolled_back == ""


def test_rolled_back_challenger_is_promoted_only_by_its_number(
    chain: Registry,
) -> None:
    """Without this rule `make promote` after `make rollback` would undo the rollback."""
    chain.tag(3, "compared_with", "2")
    chain.set_alias(CHALLENGER, chain.version(3))
    rollback(chain, "your deputy", "c declines everybody")
    with pytest.raises(
        NoTargetVersionError,
        match=r"rolled back by your deputy .*: c declines everybody\. .*VERSION=3",
    ):
        promote(chain, "you", "it is better")
    assert champion(chain) == "b"
    promote(chain, "you", "the complaints were about something else", 3)
    assert (champion(chain), chain.version(3).rolled_back) == ("c", "")


def test_rollback_requires_a_number_if_every_predecessor_was_rolled_back(chain: Registry) -> None:
    promote(chain, "you", "a once more", 1)
    promote(chain, "you", "b once more", 2)
    rollback(chain, "you", "b declines everybody")
    promote(chain, "you", "c once more", 3)
    chain.tag(3, "previous", "2")
    chain.tag(2, "previous", "")
    with pytest.raises(
        NoTargetVersionError,
        match=r"version 2: rolled back by you .*: b declines everybody. .*--version 2",
    ):
        rollback(chain, "you", "c declines everybody")
    assert champion(chain) == "c"
    rollback(chain, "you", "b was less bad", 2)
    assert (champion(chain), chain.version(2).rolled_back) == ("b", "")


def test_rollback_to_a_version_that_was_never_champion_is_refused(
    chain: Registry, register: Registered
) -> None:
    never = register("d").number
    with pytest.raises(NoTargetVersionError, match="version 4 was never champion"):
        rollback(chain, "you", "complaints", never)
    with pytest.raises(NoTargetVersionError, match="version 3 is the champion already"):
        rollback(chain, "you", "complaints", 3)
    with pytest.raises(RegistryError, match="no version 99"):
        rollback(chain, "you", "complaints", 99)
    rollback(chain, "you", "b and c decline everybody", 1)
    assert champion(chain) == "a"


@pytest.mark.parametrize("previous", ["abc", "-1", "99", "3", "\x1b[2J", "9" * 5_000])
def test_rollback_uses_the_history_if_the_tag_names_no_predecessor(
    chain: Registry, previous: str
) -> None:
    """A person can edit the tag in MLflow's own pages."""
    chain.tag(3, "previous", previous)
    rollback(chain, "you", "complaints")
    assert champion(chain) == "b"


def test_rollback_skips_a_deleted_predecessor(chain: Registry) -> None:
    chain.client.delete_model_version(chain.name, "2")
    rollback(chain, "you", "complaints")
    assert champion(chain) == "a"


def test_rollback_of_a_deleted_champion_is_refused(chain: Registry) -> None:
    chain.client.delete_model_version(chain.name, "3")
    with pytest.raises(NoTargetVersionError, match="there is no champion"):
        rollback(chain, "you", "complaints")
    promote(chain, "you", "back to b", 2)
    assert champion(chain) == "b"


def test_rollback_skips_a_predecessor_without_a_bundle(chain: Registry) -> None:
    """A version that was registered by hand has no bundle that a service could load."""
    foreign = chain.client.create_model_version(chain.name, "runs:/none/bundle", run_id=None)
    chain.tag(3, "previous", str(foreign.version))
    chain.tag(int(foreign.version), "previous", "2")
    rollback(chain, "you", "complaints")
    assert champion(chain) == "b"


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"action": "promote"}'])
def test_damaged_event_does_not_stop_promotion_or_rollback(chain: Registry, text: str) -> None:
    chain.tag_model("event.2026-01-01T00:00:00.000000Z", text)
    rollback(chain, "you", "complaints")
    promote(chain, "you", "better", 1)
    assert [event["version"] for event in chain.history()] == [1, 2, 3, 2, 1]


def test_rollback_after_a_move_to_an_older_number_does_not_return(chain: Registry) -> None:
    promote(chain, "you", "b and c are both wrong", 1)
    assert champion(chain) == "a"
    with pytest.raises(NoTargetVersionError, match="version 1 was the first champion"):
        rollback(chain, "you", "complaints")


def test_version_that_the_service_would_refuse_is_not_promoted_or_rolled_back_to(
    settings: Settings, registry: Registry, trained: Trained, trained_baseline: Trained
) -> None:
    first, second = release(registry, trained_baseline.bundle), release(registry, trained.bundle)
    fields = Fields(tuple(field for field in binary.terms.fields if field.name != "express"))
    narrower = replace(binary, terms=replace(binary.terms, fields=fields, slices=()))
    with pytest.raises(
        NoTargetVersionError,
        match=r"version 1 .* would be refused by the service: .*'express', which is gone",
    ):
        rollback(registry, "you", "complaints", seam=narrower, settings=settings)
    with pytest.raises(NoTargetVersionError, match="Nothing moved"):
        promote(registry, "you", "back", first.number, seam=narrower, settings=settings)
    assert champion(registry) == second.digest
    rollback(registry, "you", "complaints", seam=binary, settings=settings)
    assert champion(registry) == first.digest


def test_model_that_never_ends_is_not_promoted(
    settings: Settings, registry: Registry, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TRIAL_SECONDS", 1)
    made = sealed(model, endless())
    version = registry.register(registry.log_run({}, {}, {}, made), made.name, {"kind": "model"})
    with pytest.raises(
        NoTargetVersionError, match=r"would be refused by the service: .* does it ever end"
    ):
        promote(registry, "you", "better", version.number, seam=binary, settings=settings)
    assert champion(registry) is None


def test_history_has_actor_time_and_reason(chain: Registry) -> None:
    rollback(chain, "your deputy", "complaints")
    events = [
        (event["action"], event["before"], event["version"], event["who"])
        for event in chain.history()
    ]
    assert events == [
        ("promote", None, 1, "you"),
        ("promote", 1, 2, "you"),
        ("promote", 2, 3, "you"),
        ("rollback", 3, 2, "your deputy"),
    ]
    last = chain.history()[-1]
    assert last["why"] == "complaints"
    assert datetime.fromisoformat(last["at"]).date() == datetime.now(UTC).date()


def test_version_has_the_reason_of_its_promotion(chain: Registry) -> None:
    tags = chain.version(2).tags
    assert (tags["promote.by"], tags["promote.why"], tags["previous"]) == (
        "you",
        "b is better",
        "1",
    )


@pytest.mark.parametrize("why", ["", "  ", "x" * 501, "fine\x1b[2J", "two\nlines", "\u202eturned"])
def test_move_without_a_usable_reason_is_refused(chain: Registry, why: str) -> None:
    with pytest.raises(MissingReasonError, match='--reason "'):
        promote(chain, "you", why, 1)
    with pytest.raises(MissingReasonError, match='--reason "'):
        rollback(chain, "you", why)
    assert champion(chain) == "c"


@pytest.mark.parametrize("who", ["", "x" * 201, "ann\x1b]8;;http://evil.test\x07"])
def test_move_without_a_usable_actor_is_refused(chain: Registry, who: str) -> None:
    with pytest.raises(MissingReasonError, match='--actor "'):
        promote(chain, who, "better", 1)
    with pytest.raises(MissingReasonError, match='--actor "'):
        rollback(chain, who, "complaints")
    assert champion(chain) == "c"


def test_promotion_without_a_challenger_is_refused(chain: Registry) -> None:
    with pytest.raises(NoTargetVersionError, match="no challenger to promote; `train` makes one"):
        promote(chain, "you", "why not")


def test_rollback_without_a_champion_is_refused(registry: Registry, register: Registered) -> None:
    register("a")
    with pytest.raises(NoTargetVersionError, match="no champion"):
        rollback(registry, "you", "why not")


def test_promotion_of_the_champion_is_refused(chain: Registry) -> None:
    with pytest.raises(NoTargetVersionError, match="version 3 is the champion already"):
        promote(chain, "you", "why not", 3)


def test_promotion_of_an_unknown_version_is_refused(chain: Registry) -> None:
    with pytest.raises(RegistryError, match="no version 9"):
        promote(chain, "you", "why not", 9)
    assert champion(chain) == "c"


def test_challenger_that_was_compared_with_another_champion_is_refused(
    chain: Registry, register: Registered
) -> None:
    chain.set_alias(CHALLENGER, register("d", compared_with="2"))
    with pytest.raises(
        NoTargetVersionError,
        match="version 4 was compared with champion 2, but the champion is 3; train",
    ):
        promote(chain, "you", "it looked good")
    assert champion(chain) == "c"


def test_challenger_that_was_compared_with_this_champion_is_promoted(
    chain: Registry, register: Registered
) -> None:
    chain.set_alias(CHALLENGER, register("d", compared_with="3"))
    promote(chain, "you", "it beats c")
    assert champion(chain) == "d"
