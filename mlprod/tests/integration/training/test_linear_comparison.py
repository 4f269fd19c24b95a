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
from mlprod.training.evidence_store import read
from mlprod.training.governed_training import train_with_governance
from mlprod.training.linear_comparison import more_than_simple
from mlprod.training.registry import Registry
from mlprod.training.split import split


def more(seam: Seam) -> Any:
    rows = load_rows(seam)[1]
    parts = split(rows, seam.task())
    return more_than_simple(seam, rows, parts, make_model(seam, rows, parts))


def test_where_the_world_is_linear_trees_are_not_surely_worth_more() -> None:
    result = more(binary)
    assert result.low <= 0 <= result.high


def test_a_model_that_a_linear_one_surely_beats_is_found_out(settings: Settings) -> None:
    two_questions = DecisionTreeClassifier(max_depth=2)
    poor = replace(binary, load=given(parcels(20_000)), build_model=lambda fields: two_questions)
    assert more(poor).high < 0
    train_with_governance(poor, settings, silent)
    shown: list[Evidence] = [
        item for item in read(Registry(settings)) if item.check == "simpler-model-not-better"
    ]
    assert not shown[0].passed
    assert shown[0].value == more(poor).high


def test_of_text_a_constant_is_what_is_simpler() -> None:
    assert more(text).low > 0, "words tell an angry message"


def test_a_regression_is_compared_in_its_own_money() -> None:
    result = more(regression)
    assert result.n == len(split(load_rows(regression)[1], "regression").test)
    assert np.isfinite([result.low, result.value, result.high]).all()
    assert result.value == pytest.approx((result.low + result.high) / 2, abs=20)
