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
from mlprod.training.evidence_store import digests, read_evidence
from mlprod.training.fit import fit
from mlprod.training.governed_training import train_with_governance
from mlprod.training.registry import Registry
from mlprod.training.split import split
from mlprod.training.training_evidence import field_importance


def evidence_of(settings: Settings) -> dict[str, Evidence]:
    return {record.check: record for record in reversed(read_evidence(Registry(settings)))}


def test_training_writes_evidence_of_its_bundle(settings: Settings) -> None:
    version = train_with_governance(binary, settings, silent).version
    result = evidence_of(settings)
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


def test_training_of_a_baseline_writes_no_evidence_of_a_model(settings: Settings) -> None:
    train_with_governance(binary, settings, silent, kind="baseline")
    assert {"gates-passed", "contract-holds"} <= set(evidence_of(settings))
    assert "beats-baseline" not in evidence_of(settings)


def test_synthetic_rows_and_a_random_split_fail_their_checks(settings: Settings) -> None:
    train_with_governance(replace(regression, synthetic=True), settings, silent)
    result = evidence_of(settings)
    assert not result["data-is-real"].passed
    assert not result["split-by-time"].passed
    assert "no-slice-left-behind" not in result, "without slices there is no evidence about them"


def test_refused_model_writes_no_evidence(settings: Settings) -> None:
    costly = replace(
        binary, payoff=lambda decision, outcome, row: -1000.0 if decision == "call" else 0.0
    )
    with pytest.raises(GateError):
        train_with_governance(costly, settings, silent)
    assert evidence_of(settings) == {}


@pytest.mark.parametrize(
    ("commit", "passed"), [("a" * 40, True), ("a" * 40 + "-dirty", False), ("", False)]
)
def test_uncommitted_files_fail_their_check(
    commit: str, passed: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "provenance", lambda root: {"commit": commit})
    train_with_governance(binary, settings, silent)
    assert evidence_of(settings)["trained-from-a-commit"].passed is passed


def test_only_a_field_that_the_model_uses_has_importance() -> None:
    only_stops = FunctionTransformer(lambda matrix: matrix[:, [1]])
    seam = replace(
        binary, build_model=lambda fields: make_pipeline(only_stops, LogisticRegression())
    )
    _, rows = load_rows(seam)
    parts = split(rows, "binary")
    estimator = fit(seam, rows.subset(parts.train))

    class Runtime:
        def score(self, columns: Columns) -> Scores:
            return np.asarray(
                estimator.predict_proba(encode(seam.terms.fields, columns))[:, 1], dtype=np.float64
            )

    importance = field_importance(
        seam, Candidate("model", Runtime(), {}, 0.5, None), rows.subset(parts.test)
    )
    assert importance["stops"] > 0.01
    assert importance["city"] == importance["weight"] == 0
