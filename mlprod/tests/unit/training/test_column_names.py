import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlprod.training.column_names import ColumnNameError, by_position

NAMES = ("weight", "stops", "courier")


def transformer(columns: object) -> ColumnTransformer:
    return ColumnTransformer([("scaled", StandardScaler(), columns)], remainder="passthrough")


@pytest.mark.parametrize(
    ("columns", "positions"),
    [
        (["stops", "weight"], [1, 0]),
        (["stops", 0], [1, 0]),
        (("courier",), [2]),
        ([0, 1], [0, 1]),
        (slice(0, 2), slice(0, 2)),
    ],
)
def test_names_become_positions_and_positions_stay(columns: object, positions: object) -> None:
    (part,) = by_position(transformer(columns), NAMES).transformers
    assert part[2] == positions


def test_a_transformer_inside_a_pipeline_is_found_and_fits_a_matrix() -> None:
    estimator = make_pipeline(transformer(["stops"]), LogisticRegression())
    matrix = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    by_position(estimator, NAMES).fit(matrix, matrix[:, 1] > 0)
    assert estimator.score(matrix, matrix[:, 1] > 0) > 0.9


def test_an_object_that_is_not_of_scikit_learn_is_left_alone() -> None:
    mine = object()
    assert by_position(mine, NAMES) is mine


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        (["stop"], "names the column 'stop' in 'scaled'.* the most similar is 'stops'"),
        ("speed", "names the column 'speed'"),
        (make_column_selector(pattern="s"), "by a function, which needs a data frame"),
    ],
)
def test_a_column_that_is_not_an_input_is_named_with_the_nearest(
    columns: object, part: str
) -> None:
    with pytest.raises(ColumnNameError, match=part):
        by_position(transformer(columns), NAMES)
