"""How far a refitted and an evaluated model differ."""

import numpy as np

from mlprod.training.refit import score_difference


def test_difference_is_in_standard_deviations_of_the_scores() -> None:
    scores = np.array([1.0, 3.0])
    assert score_difference(scores, scores + 0.5) == 0.5
    assert score_difference(scores, scores) == 0
    assert score_difference(np.ones(3), np.ones(3)) == 0
    assert score_difference(np.ones(3), np.ones(3) + 1e-9) > 1e300
