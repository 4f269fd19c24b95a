from dataclasses import replace
from typing import Any

import pytest
from seams import binary, regression, text
from sklearn.ensemble import HistGradientBoostingClassifier

from mlprod.project.project import Seam
from mlprod.training.dataset import load_rows
from mlprod.training.split import split
from mlprod.training.tune import EmptySearchSpaceError, TrialResult, tune


def tried(seam: Seam, trials: int = 20) -> list[TrialResult]:
    return list(tune(seam, load_rows(seam)[1], trials))


def trees(fields: Any, trees: int = 20, rate: float = 0.1) -> Any:
    return HistGradientBoostingClassifier(max_iter=trees, learning_rate=rate, random_state=0)


def test_only_a_setting_that_is_surely_better_counts_as_better() -> None:
    poor = replace(
        binary, build_model=lambda fields, n=1: trees(fields, n), search_space={"n": (1, 20, 21)}
    )
    same, better, equal = tried(poor)
    assert (same.gain.value, same.better) == (0, False)
    assert (better.better, better.description) == (True, "n=20")
    assert equal.better
    good = tried(replace(poor, build_model=lambda fields, n=20: trees(fields, n)))
    assert [item.better for item in good] == [False] * 3
    assert good[0].gain.high < 0, "one tree is surely worse"


def test_tuning_does_not_depend_on_the_test_rows() -> None:
    rows = load_rows(binary)[1]
    seam = replace(binary, build_model=trees, search_space={"trees": [5, 20]})
    before = [item.error for item in tune(seam, rows)]
    held_back, y = split(rows, seam.task()).test, rows.y.copy()
    y[held_back] = 1 - y[held_back]
    assert [item.error for item in tune(seam, replace(rows, y=y))] == before


def test_large_space_is_sampled_up_to_the_limit_and_always_the_same() -> None:
    seam = replace(
        binary, build_model=trees, search_space={"trees": [2, 3, 4, 5], "rate": [0.1, 0.2, 0.3]}
    )
    first, again = ([item.settings for item in tried(seam, 3)] for _ in range(2))
    assert first == again
    assert len({str(settings) for settings in first}) == 3


def test_regression_and_model_of_text_can_be_tuned() -> None:
    low = replace(
        regression,
        build_model=lambda fields, n=60: regression.build_model(fields).set_params(max_iter=n),
    )
    assert [item.better for item in tried(replace(low, search_space={"n": [1, 60]}))] == [
        False,
        False,
    ]
    with pytest.raises(EmptySearchSpaceError, match="no setting in SEARCH_SPACE changes a score"):
        tried(
            replace(
                text,
                build_model=lambda fields, n=1: text.build_model(fields),
                search_space={"n": [1, 2]},
            )
        )


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "names no SEARCH_SPACE of settings to try; what works: SEARCH_SPACE ="),
        ({"depth": [1, 2]}, "has 'depth', which is not an argument of build_model"),
        ({"trees": [20]}, r"'trees' needs a list of two values or more, not \[20\]"),
        ({"trees": 20}, "'trees' needs a list of two values or more, not 20"),
    ],
)
def test_invalid_search_space_is_refused_with_an_example(space: Any, message: str) -> None:
    with pytest.raises(EmptySearchSpaceError, match=message):
        tried(replace(binary, build_model=trees, search_space=space))
