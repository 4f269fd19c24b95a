from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import silent
from seams import binary, given, parcels, regression, text
from sklearn.tree import DecisionTreeClassifier

from mlprod.governance.evidence import Evidence
from mlprod.project.project import Seam
from mlprod.settings import Settings
from mlprod.training.candidates import make_model
from mlprod.training.dataset import load_rows
from mlprod.training.evidence_store import read_evidence
from mlprod.training.governed_training import train_with_governance
from mlprod.training.linear_comparison import gain_over_linear
from mlprod.training.registry import Registry
from mlprod.training.split import split


def gain(seam: Seam) -> Any:
    rows = load_rows(seam)[1]
    parts = split(rows, seam.task())
    return gain_over_linear(seam, rows, parts, make_model(seam, rows, parts))


def test_trees_have_no_sure_gain_if_the_relation_is_linear() -> None:
    result = gain(binary)
    assert result.low <= 0 <= result.high


def test_model_that_a_linear_one_surely_beats_fails_the_check(settings: Settings) -> None:
    two_questions = DecisionTreeClassifier(max_depth=2)
    poor = replace(binary, load=given(parcels(20_000)), build_model=lambda fields: two_questions)
    assert gain(poor).high < 0
    train_with_governance(poor, settings, silent)
    records: list[Evidence] = [
        item
        for item in read_evidence(Registry(settings))
        if item.check == "simpler-model-not-better"
    ]
    assert not records[0].passed
    assert records[0].value == gain(poor).high


def test_model_of_text_is_compared_with_a_constant() -> None:
    assert gain(text).low > 0, "the words of a message predict the label"


def test_regression_is_compared_by_its_payoff() -> None:
    result = gain(regression)
    assert result.n == len(split(load_rows(regression)[1], "regression").test)
    assert np.isfinite([result.low, result.value, result.high]).all()
    assert result.value == pytest.approx((result.low + result.high) / 2, abs=20)
