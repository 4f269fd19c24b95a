"""Tests that hold for every project whose four files can be trained and served.

The tests of a project import all of them.
"""

import numpy as np
import pytest

from ..commands.cli import VERBS
from ..commands.start import package_here
from ..contract.classes import decide_inputs, outcome_inputs
from ..contract.encoding import encode, sample_columns
from ..contract.validation import check
from ..governance.gates import read_gates
from ..governance.ownership import read_ownership
from ..project.extension_loader import own_commands
from ..project.project import Project, Seam
from ..training.dataset import Dataset, collect
from ..training.evaluation_metrics import NAMES, SLICED
from ..training.fit import require_scores
from ..training.sample import SAMPLE, read_sample
from ..training.sources import describe_absence
from ..training.split import split

__all__ = [
    "made_up",
    "rows",
    "seam",
    "test_every_row_that_the_contract_allows_leads_to_a_decision",
    "test_every_score_leads_to_a_decision_that_is_worth_something",
    "test_rows_are_encoded_unless_they_hold_text",
    "test_the_baseline_gives_every_row_a_finite_score",
    "test_the_baseline_gives_every_row_that_the_contract_allows_a_finite_score",
    "test_the_extensions_can_be_used",
    "test_the_governance_files_can_be_obeyed",
    "test_the_rows_can_be_split",
]


@pytest.fixture(scope="module")
def seam(pytestconfig: pytest.Config) -> Seam:
    return Project(package_here(pytestconfig.rootpath)).seam()


@pytest.fixture(scope="module")
def rows(seam: Seam) -> Dataset:
    """Return the rows of load(), or those of data/sample.parquet if its data is missing.

    Without both, only the tests on synthetic rows run, and the others are skipped.
    """
    try:
        table = seam.load()
        report = check(table, seam.terms, seam.task())
    except Exception as error:
        reason = describe_absence(error)
        if not reason:
            raise
        file = seam.root / SAMPLE
        if not file.is_file():
            pytest.skip(
                f"load() finds no rows here: {reason}. Works: make sample where the rows are, "
                f"then commit {SAMPLE}"
            )
        table = read_sample(file)
        report = check(table, seam.terms, seam.task())
        assert report.ok, f"{SAMPLE} does not fit the contract; run make sample: " + (
            report.describe()
        )
    assert report.ok, report.describe()
    return collect(table, seam.terms)


@pytest.fixture(scope="module")
def made_up(seam: Seam) -> Dataset:
    """Return synthetic rows of the contract, with missing and unknown values and all outcomes."""
    columns = sample_columns(seam.terms.fields, 200, seed=0)
    units = np.array([f"made up {row}" for row in range(200)], dtype=object)
    outcomes = np.arange(200.0) % (len(seam.terms.classes) or 2)
    return Dataset(outcomes, units, None, columns)


def test_the_rows_can_be_split(seam: Seam, rows: Dataset) -> None:
    assert len(split(rows, seam.task()).test)


def test_the_baseline_gives_every_row_a_finite_score(seam: Seam, rows: Dataset) -> None:
    require_finite_scores(seam, rows)


def test_the_baseline_gives_every_row_that_the_contract_allows_a_finite_score(
    seam: Seam, made_up: Dataset
) -> None:
    require_finite_scores(seam, made_up)


def test_every_score_leads_to_a_decision_that_is_worth_something(seam: Seam, rows: Dataset) -> None:
    require_payoffs(seam, rows.subset(np.arange(min(200, len(rows)))))


def test_every_row_that_the_contract_allows_leads_to_a_decision(
    seam: Seam, made_up: Dataset
) -> None:
    require_payoffs(seam, made_up)


def require_finite_scores(seam: Seam, rows: Dataset) -> None:
    scores = np.asarray(seam.baseline(rows.columns))
    if classes := seam.terms.classes:
        require_scores(scores, len(rows), "baseline()", classes)
        return
    assert scores.shape == (len(rows),)
    assert np.isfinite(scores).all()


def require_payoffs(seam: Seam, rows: Dataset) -> None:
    dicts = rows.as_dicts(seam.terms.personal, seam.terms.fields)
    classes, scores = seam.terms.classes, np.asarray(seam.baseline(rows.columns), dtype=np.float64)
    given, outcomes = decide_inputs(classes, scores), outcome_inputs(classes, rows.y)
    for score, outcome, row in zip(given, outcomes, dicts, strict=True):
        decision = seam.decide(score, 0.5)
        if classes:
            assert isinstance(decision, str) or decision in classes
        else:
            assert isinstance(decision, str if seam.task() == "binary" else float | int)
        assert np.isfinite(seam.payoff(decision, outcome, row))


def test_rows_are_encoded_unless_they_hold_text(seam: Seam, made_up: Dataset) -> None:
    if seam.runtime == "python":
        pytest.skip("runtime python uses the columns without encoding")
    assert encode(seam.terms.fields, made_up.columns).shape == (
        len(made_up),
        len(seam.terms.fields),
    )


def test_the_extensions_can_be_used(pytestconfig: pytest.Config) -> None:
    own_commands(package_here(pytestconfig.rootpath), (*VERBS, "help"))


def test_the_governance_files_can_be_obeyed(pytestconfig: pytest.Config) -> None:
    governance = pytestconfig.rootpath / "governance"
    assert read_gates(governance / "gates.yaml", NAMES, SLICED)
    assert read_ownership(governance / "ownership.yaml").accountable("model_quality")
