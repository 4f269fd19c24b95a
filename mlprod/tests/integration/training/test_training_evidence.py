from dataclasses import replace

import numpy as np
import pytest
from conftest import silent
from seams import binary, regression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mlprod.bundle.runtime import Scores
from mlprod.contract.encoding import encode
from mlprod.contract.schema import Columns
from mlprod.governance.evidence import Evidence
from mlprod.governance.gates import GateError
from mlprod.settings import Settings
from mlprod.training import train as training
from mlprod.training.bundle_builder import Candidate
from mlprod.training.dataset import load_rows
from mlprod.training.evidence_store import digests, read
from mlprod.training.fit import fit
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import Registry
from mlprod.training.split import split
from mlprod.training.training_evidence import worth_of_fields


def shown(settings: Settings) -> dict[str, Evidence]:
    return {record.check: record for record in reversed(read(Registry(settings)))}


def test_a_training_leaves_evidence_of_its_bundle(settings: Settings) -> None:
    version = train_with_governance(binary, settings, silent).version
    result = shown(settings)
    subject = digests(settings, binary, version)
    for check in (
        "gates-passed",
        "beats-baseline",
        "no-slice-left-behind",
        "simpler-model-not-better",
        "same-features-in-serving",
        "split-by-time",
    ):
        assert result[check].passed, result[check]
        assert result[check].digests["bundle"] == version.digest
    assert result["gates-passed"].digests["gates"] == subject["gates"]
    assert result["contract-holds"].digests == {
        "contract": subject["contract"],
        "domain": "of the tests",
    }
    assert isinstance(result["beats-baseline"].value, float)
    assert result["beats-baseline"].value > 0
    assert not result["card-complete"].passed
    assert "governance/problem.yaml problem.statement" in str(result["card-complete"].value)


def test_a_baseline_says_nothing_of_a_model(settings: Settings) -> None:
    train_with_governance(binary, settings, silent, kind="baseline")
    assert {"gates-passed", "contract-holds"} <= set(shown(settings))
    assert "beats-baseline" not in shown(settings)


def test_made_up_rows_and_a_random_split_are_told(settings: Settings) -> None:
    train_with_governance(replace(regression, made_up=True), settings, silent)
    result = shown(settings)
    assert not result["data-is-real"].passed
    assert not result["split-by-time"].passed
    assert "no-slice-left-behind" not in result, "without slices nothing was shown of any"


def test_a_refused_model_leaves_no_evidence(settings: Settings) -> None:
    worse = replace(
        binary, payoff=lambda decision, outcome, row: -1000.0 if decision == "call" else 0.0
    )
    with pytest.raises(GateError):
        train_with_governance(worse, settings, silent)
    assert shown(settings) == {}


@pytest.mark.parametrize(
    ("commit", "passed"), [("a" * 40, True), ("a" * 40 + "-dirty", False), ("", False)]
)
def test_files_that_are_not_committed_are_told(
    commit: str, passed: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "provenance", lambda root: {"commit": commit})
    train_with_governance(binary, settings, silent)
    assert shown(settings)["trained-from-a-commit"].passed is passed


def test_a_field_that_the_model_needs_is_worth_something_and_one_that_it_ignores_is_not() -> None:
    only_stops = FunctionTransformer(lambda matrix: matrix[:, [1]])
    seam = replace(
        binary, build_model=lambda fields: make_pipeline(only_stops, LogisticRegression())
    )
    _, rows = load_rows(seam)
    parts = split(rows, "binary")
    estimator = fit(seam, rows.take(parts.train))

    class Runtime:
        def score(self, columns: Columns) -> Scores:
            return np.asarray(
                estimator.predict_proba(encode(seam.terms.fields, columns))[:, 1], dtype=np.float64
            )

    worth = worth_of_fields(
        seam, Candidate("model", Runtime(), {}, 0.5, None), rows.take(parts.test)
    )
    assert worth["stops"] > 0.01
    assert worth["city"] == worth["weight"] == 0
