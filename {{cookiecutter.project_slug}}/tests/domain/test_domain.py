"""What holds for every domain. Keep these when you replace the four files."""

from pathlib import Path

import numpy as np
import pytest

from {{cookiecutter.package_name}}.contract.check import check
from {{cookiecutter.package_name}}.contract.encoding import encode, sample
from {{cookiecutter.package_name}}.governance.gates import read_gates
from {{cookiecutter.package_name}}.governance.ownership import read_ownership
from {{cookiecutter.package_name}}.pipeline.evaluate import NAMES, SLICED
from {{cookiecutter.package_name}}.pipeline.rows import Rows, collect
from {{cookiecutter.package_name}}.pipeline.seam import Seam, project_seam
from {{cookiecutter.package_name}}.pipeline.split import split

GOVERNANCE = Path(__file__).parents[2] / "governance"


@pytest.fixture(scope="module")
def seam() -> Seam:
    return project_seam()


@pytest.fixture(scope="module")
def rows(seam: Seam) -> Rows:
    table = seam.load()
    report = check(table, seam.terms, seam.task())
    assert report.ok, report.describe()
    return collect(table, seam.terms)


def test_the_rows_can_be_split(seam: Seam, rows: Rows) -> None:
    assert len(split(rows, seam.task()).test)


def test_the_baseline_gives_every_row_a_finite_score(seam: Seam, rows: Rows) -> None:
    for columns, count in ((rows.columns, len(rows)), (sample(seam.terms.fields, 500, seed=0), 500)):
        scores = np.asarray(seam.baseline(columns))
        assert scores.shape == (count,)
        assert np.isfinite(scores).all()


def test_every_score_leads_to_a_decision_that_is_worth_something(seam: Seam, rows: Rows) -> None:
    some = rows.take(np.arange(min(200, len(rows))))
    for score, outcome, row in zip(seam.baseline(some.columns), some.y, some.as_dicts(), strict=True):
        decision = seam.decide(float(score), 0.5)
        assert isinstance(decision, str if seam.task() == "binary" else float | int)
        assert np.isfinite(seam.payoff(decision, float(outcome), row))


def test_rows_are_encoded_unless_they_hold_text(seam: Seam, rows: Rows) -> None:
    if seam.runtime == "python":
        pytest.skip("runtime python takes the columns as they are")
    assert encode(seam.terms.fields, rows.columns).shape == (len(rows), len(seam.terms.fields))


def test_the_governance_files_can_be_obeyed() -> None:
    assert read_gates(GOVERNANCE / "gates.yaml", NAMES, SLICED)
    assert read_ownership(GOVERNANCE / "ownership.yaml").accountable("model_quality")
