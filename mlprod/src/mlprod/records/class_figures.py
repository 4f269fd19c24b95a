"""The figures of one outcome of a label with classes."""

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from .outcome_stats import BINS, OutcomeFigures, Payoff, try_payoff

# The smallest probability that enters a logarithm, as in training.
MIN_PROBABILITY = math.ulp(1.0)


def compute_class_figures(
    scores: Mapping[str, float],
    decision: str,
    outcome: str,
    row: Mapping[str, Any],
    payoff: Payoff,
    classes: Mapping[str, Any],
) -> OutcomeFigures:
    """Compute the figures of one outcome from the recorded probabilities by class.

    `decision` and `outcome` are text, as recorded. `classes` maps this text to the class, a word or
    an integer, which payoff() receives. The squared error is half the sum over the classes, as in
    training. A class that the model did not know has the probability 0.
    """
    top = max(scores, key=scores.__getitem__)
    own = scores.get(outcome, 0.0)
    error = (math.fsum(share * share for share in scores.values()) - 2 * own + 1) / 2
    money, failure = try_payoff(
        lambda: payoff(classes.get(decision, decision), classes.get(outcome, outcome), row)
    )
    return OutcomeFigures(
        scores[top],
        float(top == outcome),
        decision,
        outcome,
        error,
        BINS[min(bisect_left(BINS, scores[top]), len(BINS) - 1)],
        money,
        failure,
        -math.log(max(own, MIN_PROBABILITY)),
    )
