import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pytest
from conftest import Trained, silent
from seams import CLAIMS, PARCELS, TICKETS, binary, dated, given, multiclass, parcels

from mlprod.bundle.loader import Bundle, open_bundle
from mlprod.contract.classes import score_columns
from mlprod.files.errors import FileError
from mlprod.project.project import Seam
from mlprod.settings import Settings
from mlprod.training.dataset import Dataset, load_rows
from mlprod.training.parity import ParityResult, compare_predictions
from mlprod.training.parity_report import describe_parity, parity_table
from mlprod.training.predictions import read_predictions
from mlprod.training.registry import Registry
from mlprod.training.split import split
from mlprod.training.train import train

ROWS = load_rows(binary)[1]


@pytest.fixture(scope="module")
def bundle(trained: Trained) -> Bundle:
    return open_bundle(trained.bundle, PARCELS.fields, binary.baseline)


@pytest.fixture(scope="module")
def test_part() -> Dataset:
    return ROWS.subset(split(ROWS, "binary", PARCELS).test)


def compared(bundle: Bundle, path: Path, rows: Dataset, scores: Any, **more: Any) -> ParityResult:
    """Write predictions as a notebook does, and compare them."""
    file = path / "predictions.csv"
    assert rows.ids is not None
    columns = {"parcel": pa.array(list(rows.ids)), "score": pa.array(scores)}
    columns |= {name: pa.array(values) for name, values in more.items()}
    pc.write_csv(pa.table(columns), file)
    predictions = read_predictions(str(file), PARCELS, "binary")
    return compare_predictions(binary, bundle, predictions)


@pytest.mark.parametrize("seam", [multiclass, dated], ids=["classes", "dates"])
def test_classes_and_dates_are_compared(
    seam: Seam, settings: Settings, registry: Registry, tmp_path: Path
) -> None:
    version = train(seam, settings, silent).version
    folder, terms = registry.download(version, tmp_path / "bundle"), seam.terms
    opened = open_bundle(folder, terms.fields, seam.baseline, digest=version.digest)
    rows = load_rows(seam)[1]
    test = rows.subset(split(rows, seam.task(), terms).test)
    scores = opened.runtime.score(test.columns)
    names = score_columns(terms.classes) or ("score",)
    assert test.ids is not None
    for factor, expected in ((1.0, {"equal"}), (0.5, {"unexplained"})):
        columns = {terms.id: pa.array(list(test.ids))}
        written = factor * scores.reshape(len(test), -1).T
        columns |= {name: pa.array(row) for name, row in zip(names, written, strict=True)}
        columns |= {"happened": pa.array(["2026-01-01"] * len(test))} if terms is CLAIMS else {}
        pc.write_csv(pa.table(columns), tmp_path / "predictions.csv")
        predictions = read_predictions(str(tmp_path / "predictions.csv"), terms, seam.task())
        result = compare_predictions(seam, opened, predictions)
        assert statuses(result) == expected
    if terms is CLAIMS:
        assert re.search("happened 2026-01-01 where load.. has 202[0-9]-", result.rows[0].reason)


def test_file_without_the_probability_of_a_class_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text("ticket,score_billing,score_returns,score_other\nt1,0.2,0.3,0.5\n")
    with pytest.raises(FileError, match="has no column 'score_delivery'"):
        read_predictions(str(file), TICKETS, "multiclass")


def statuses(result: ParityResult) -> set[str]:
    return {row.status for row in result.rows}


def test_same_model_on_the_same_rows_is_equal(
    bundle: Bundle, test_part: Dataset, tmp_path: Path
) -> None:
    result = compared(bundle, tmp_path, test_part, bundle.runtime.score(test_part.columns))
    assert statuses(result) == {"equal"}
    assert {row.part for row in result.rows} == {"test"}
    assert result.passed
    lines = list(describe_parity(result, "version 1"))
    assert lines[0] == f"{len(test_part)} predictions, {len(test_part)} of them compared with " + (
        "version 1"
    )
    assert not any(line.startswith("note") for line in lines)


def test_rounded_scores_are_equal_within_their_last_decimal(
    bundle: Bundle, test_part: Dataset, tmp_path: Path
) -> None:
    scores = np.round(bundle.runtime.score(test_part.columns), 3)
    result = compared(bundle, tmp_path, test_part, scores)
    assert result.passed
    assert any("rounded to 3 decimals" in line for line in describe_parity(result, "version 1"))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("stops", 0.0, "the notebook has stops as 0"),
        ("stops", np.nan, "the notebook has stops missing"),
        ("courier", None, "the notebook has courier missing"),
    ],
)
def test_field_that_the_notebook_left_out_is_named(
    bundle: Bundle, test_part: Dataset, tmp_path: Path, field: str, value: object, reason: str
) -> None:
    values = test_part.columns[field]
    changed = np.full(len(values), value, dtype=values.dtype)
    scores = bundle.runtime.score({**test_part.columns, field: changed})
    result = compared(bundle, tmp_path, test_part, scores)
    assert statuses(result) <= {"equal", "filled in"}
    assert reason in {row.reason for row in result.rows}
    assert result.passed


def test_values_of_the_file_that_explain_the_score_are_shown_unless_personal(
    bundle: Bundle, test_part: Dataset, tmp_path: Path
) -> None:
    # No substitute of the other test: a value of its own for each row.
    stops = np.where(test_part.columns["stops"] < 25, 43.0, 7.0)
    scores = bundle.runtime.score({**test_part.columns, "stops": stops})
    result = compared(bundle, tmp_path, test_part, scores, stops=stops)
    assert statuses(result) <= {"equal", "other value"}
    assert any("stops 43 where load() has" in row.reason for row in result.rows)
    personal = np.full(len(test_part), 77.0)
    scores = np.clip(bundle.runtime.score(test_part.columns) + 0.003, 0, 1)
    hidden = compared(bundle, tmp_path, test_part, scores, distance=personal)
    text = parity_table(hidden, "parcel").decode()
    assert "another distance (personal, not shown)" in text
    assert "77" not in {row.reason for row in hidden.rows}


def test_another_model_is_unexplained_except_on_rows_that_the_project_learned(
    bundle: Bundle, tmp_path: Path
) -> None:
    scores = np.clip(0.97 * bundle.runtime.score(ROWS.columns) + 0.0137, 0, 1)
    result = compared(bundle, tmp_path, ROWS, scores)
    assert not result.passed
    assert {row.part for row in result.rows if row.status == "learned"} == {"train"}
    assert "test" in {row.part for row in result.rows if row.status == "unexplained"}
    text = "\n".join(describe_parity(result, "version 1"))
    assert "unexplained: nothing that was tried explains the score" in text


def test_file_with_learned_rows_alone_shows_nothing_and_fails(
    bundle: Bundle, tmp_path: Path
) -> None:
    learned = ROWS.subset(split(ROWS, "binary", PARCELS).train)
    scores = np.clip(0.97 * bundle.runtime.score(learned.columns) + 0.0137, 0, 1)
    result = compared(bundle, tmp_path, learned, scores)
    only = replace(result, rows=[row for row in result.rows if row.status == "learned"])
    assert only.rows
    assert not only.passed
    assert "nothing was shown" in "\n".join(describe_parity(only, "version 1"))


def test_unknown_id_and_broken_contract_are_reasons(bundle: Bundle, tmp_path: Path) -> None:
    table = parcels()
    weights = table["weight"].to_pylist()
    broken = table.set_column(3, "weight", pa.array([99.0, *weights[1:]]))
    file = tmp_path / "predictions.csv"
    file.write_text("parcel,score\np00000,0.51234567\np00001,0.41234567\nq1,0.31234567\n")
    predictions = read_predictions(str(file), PARCELS, "binary")
    result = compare_predictions(replace(binary, load=given(broken)), bundle, predictions)
    first, _, unknown = result.rows
    assert (first.status, first.reason) == (
        "contract violation",
        "breaks the contract: weight: above 30",
    )
    assert (unknown.status, unknown.ours) == ("unknown id", None)


def test_table_has_a_line_for_each_prediction_in_the_order_of_the_file(
    bundle: Bundle, test_part: Dataset, tmp_path: Path
) -> None:
    result = compared(bundle, tmp_path, test_part, bundle.runtime.score(test_part.columns))
    lines = list(csv.DictReader(parity_table(result, "parcel").decode().splitlines()))
    assert test_part.ids is not None
    assert [line["parcel"] for line in lines] == list(test_part.ids)
    assert {(line["status"], line["decision"], line["part"]) for line in lines} == {
        ("equal", "same", "test")
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parcel,score\na,0.5\na,0.6\n", "parcel 'a' is in more than one row"),
        ("parcel,score\na,0.5\nb,\n", "1 rows have no finite score, for example parcel 'b'"),
        ("parcel,score\na,0.5\nb,42\n", r"score 42 of parcel 'b' is not a probability; works: mo"),
        ("parcel,score\na,0\nb,1\n", "they are classes; works: model.predict_proba"),
        ("parcel,p\na,0\nb,1\n", "it has no column 'score'"),
    ],
)
def test_file_that_holds_no_predictions_is_refused_with_what_works(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text(text)
    with pytest.raises(FileError, match=message):
        read_predictions(str(file), PARCELS, "binary")
