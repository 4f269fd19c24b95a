from typing import get_args

import pytest

from mlprod.modes import DECIDING_MODES, MODES, SAFEST, DecisionMode, ModeName
from mlprod.records.mode import rank


def test_every_mode_is_a_mode_of_bodies_settings_and_files() -> None:
    assert get_args(ModeName) == MODES == tuple(DecisionMode)
    assert all(type(mode) is str for mode in (*MODES, *DECIDING_MODES, SAFEST)), (
        "they are written to JSON and the database"
    )


def test_only_shadow_gives_no_decisions() -> None:
    assert set(MODES) - set(DECIDING_MODES) == {DecisionMode.SHADOW}
    assert SAFEST == DecisionMode.SHADOW


@pytest.mark.parametrize(
    ("mode", "expected"), [("shadow", 0), ("assist", 1), ("automate", 2), ("Automate", 0), ("", 0)]
)
def test_a_text_that_is_not_a_mode_ranks_with_the_strictest(mode: str, expected: int) -> None:
    assert rank(mode) == expected
