"""The choice of the challenger, also when the champion moves during a training."""

from collections.abc import Callable

import pytest
from conftest import Registered, Trained, release, silent
from seams import binary

from mlprod.settings import Settings
from mlprod.training.governed_training import train_with_governance
from mlprod.training.promotion import NoTargetVersionError, promote, rollback
from mlprod.training.registry import CHALLENGER, Registry


def moving(step: str, move: Callable[[], object]) -> Callable[[str], None]:
    """Return a `say` that calls `move` once, at a step of the training."""
    done: list[object] = []

    def say(line: str) -> None:
        if line.startswith(step) and not done:
            done.append(move())

    return say


def test_baseline_does_not_challenge_a_model_that_was_promoted_meanwhile(
    settings: Settings, registry: Registry, trained: Trained
) -> None:
    train_with_governance(
        binary,
        settings,
        moving("baseline", lambda: release(registry, trained.bundle)),
        kind="baseline",
    )
    assert registry.get_by_alias(CHALLENGER) is None


def test_model_that_was_compared_with_another_champion_is_reported_and_not_promoted(
    settings: Settings, registry: Registry, trained_baseline: Trained
) -> None:
    lines: list[str] = []
    release_it = moving("gate", lambda: release(registry, trained_baseline.bundle))

    def say(line: str) -> None:
        lines.append(line)
        release_it(line)

    version = train_with_governance(binary, settings, say).version
    assert any(
        line.startswith(
            "challenger WARNING: version 2 was compared with no champion, but the champion is 1"
        )
        for line in lines
    )
    with pytest.raises(
        NoTargetVersionError, match="was compared with no champion, but the champion is 1"
    ):
        promote(registry, "you", "better")
    assert version.number == 2


def test_challenger_of_the_current_champion_is_not_replaced_by_one_of_a_former(
    settings: Settings, registry: Registry, trained_baseline: Trained, register: Registered
) -> None:
    rival = register("b" * 64, compared_with="2")

    def move() -> None:
        release(registry, trained_baseline.bundle)
        registry.set_alias(CHALLENGER, rival)

    train_with_governance(binary, settings, moving("gate", move))
    challenger = registry.get_by_alias(CHALLENGER)
    assert challenger
    assert challenger.number == rival.number


def test_training_that_gives_a_rolled_back_bundle_reports_it(
    settings: Settings, registry: Registry, trained_baseline: Trained
) -> None:
    release(registry, trained_baseline.bundle)
    made = train_with_governance(binary, settings, silent).version
    promote(registry, "you", "better")
    rollback(registry, "you", "it declines everybody")
    lines: list[str] = []
    assert train_with_governance(binary, settings, lines.append).version.number == made.number
    assert any(
        "WARNING: the bundle equals that of version 2, rolled back by you" in line for line in lines
    )
    with pytest.raises(NoTargetVersionError, match="it declines everybody"):
        promote(registry, "you", "better")


def test_baseline_does_not_challenge_a_champion(
    settings: Settings, registry: Registry, trained: Trained
) -> None:
    release(registry, trained.bundle)
    train_with_governance(binary, settings, silent, kind="baseline")
    assert registry.get_by_alias(CHALLENGER) is None


def test_baseline_does_not_replace_a_model_as_challenger(settings: Settings) -> None:
    """`make train`, then `make baseline`, before anything was promoted."""
    model = train_with_governance(binary, settings, silent).version
    lines: list[str] = []
    train_with_governance(binary, settings, lines.append, kind="baseline")
    challenger = Registry(settings).get_by_alias(CHALLENGER)
    assert challenger is not None
    assert challenger.number == model.number
    assert any(f"challenger stays version {model.number}, a model" in line for line in lines)
