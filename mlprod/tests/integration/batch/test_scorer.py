import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import Trained, waive
from seams import PARCELS, binary, messages, parcels, regression, text

from mlprod.batch.scorer import Scorer, matrix
from mlprod.bundle.loader import BundleError, open_bundle
from mlprod.contract.encoding import encode, sample_columns
from mlprod.contract.validation import ContractViolationError
from mlprod.project.project import Seam
from mlprod.settings import Settings
from mlprod.training.registry import Registry
from mlprod.training.train import train


def scorer(seam: Seam, bundle: Path, **more: object) -> Scorer:
    return Scorer(bundle, bundle.name, seam.terms, seam.baseline, seam.decide, **more)  # type: ignore[arg-type]


def answers(scorer: Scorer, table: pa.Table, chunk: int = 700) -> pa.Table:
    return pa.Table.from_batches(scorer(table.to_batches(max_chunksize=chunk)))


def broken(rows: int = 50) -> pa.Table:
    """Parcels: the third is too heavy, the fifth has an unknown courier, the seventh no stops."""
    given = parcels(rows).to_pylist()
    given[2]["weight"], given[4]["courier"], given[6]["stops"] = 31.0, "drone", None
    return pa.Table.from_pylist(given, schema=parcels(1).schema)


def test_matrix_equals_the_encoding_of_training_and_serving() -> None:
    columns = sample_columns(PARCELS.fields, 2_000, seed=3)
    rows = pa.RecordBatch.from_pydict(
        {
            name: [None if value != value else value for value in values]
            for name, values in columns.items()
        }
    )
    np.testing.assert_array_equal(matrix(PARCELS.fields, rows), encode(PARCELS.fields, columns))


@pytest.mark.parametrize("workers", [1, 3])
def test_batch_equals_the_service_in_the_order_of_the_rows(trained: Trained, workers: int) -> None:
    rows = parcels(3_000, seed=9)
    result = answers(scorer(binary, trained.bundle, workers=workers), rows)
    bundle = open_bundle(trained.bundle, binary.terms.fields, binary.baseline)
    alone = np.concatenate([bundle.score_rows([row])[1] for row in rows.to_pylist()])
    assert result["parcel"].to_pylist() == rows["parcel"].to_pylist()
    np.testing.assert_allclose(result["score"].to_numpy(), alone, rtol=0, atol=1e-7)
    expected = [binary.decide(score, bundle.manifest.threshold) for score in alone.tolist()]
    assert result["decision"].to_pylist() == expected
    assert len(set(expected)) == 2


def test_invalid_row_has_a_reason_and_the_others_are_scored(
    trained: Trained,
) -> None:
    result = answers(scorer(binary, trained.bundle), broken(), chunk=3).to_pylist()
    reasons = {place: row["refused"] for place, row in enumerate(result) if row["refused"]}
    assert reasons == {
        2: "weight: above 30",
        4: "courier: not one of bike, van",
        6: "stops: missing",
    }
    for place, row in enumerate(result):
        assert (row["score"] is None) == (row["decision"] is None) == (place in reasons)


@pytest.mark.parametrize("decision", [None, float("nan")])
def test_score_without_a_decision_is_an_error(trained: Trained, decision: object) -> None:
    made = replace(scorer(binary, trained.bundle), decide=lambda score, threshold: decision)
    with pytest.raises(ValueError, match=r"decide\(\) returned None or NaN"):
        answers(made, parcels(10))


def test_table_without_a_column_is_refused_by_name(trained: Trained) -> None:
    with pytest.raises(ContractViolationError, match="courier: no such column"):
        answers(scorer(binary, trained.bundle), parcels().drop_columns(["courier"]))


def test_unpickled_scorer_verifies_and_opens_the_bundle(trained: Trained, model: Path) -> None:
    sent = pickle.dumps(scorer(binary, model))
    rows = parcels(100)
    assert answers(pickle.loads(sent), rows).equals(answers(scorer(binary, trained.bundle), rows))
    (model / "model.onnx").write_bytes(b"another model")
    with pytest.raises(BundleError, match="it was changed"):
        answers(pickle.loads(sent), rows)


def test_baseline_regression_and_text_model_are_scored(
    trained_baseline: Trained, settings: Settings, tmp_path: Path
) -> None:
    heavy = answers(scorer(binary, trained_baseline.bundle), parcels(100))
    np.testing.assert_allclose(heavy["score"].to_numpy(), parcels(100)["weight"].to_numpy() / 30)
    waive(settings)
    allowed = settings.model_copy(update={"allow_pickle": True})
    for seam, name in ((regression, "numbers"), (text, "texts")):
        version = train(
            seam, allowed.model_copy(update={"model_name": name}), lambda line: None
        ).version
        folder = Registry(allowed.model_copy(update={"model_name": name})).download(
            version, tmp_path / name
        )
        made = Scorer(
            folder, version.digest, seam.terms, seam.baseline, seam.decide, allow_pickle=True
        )
        table = seam.load().to_pyarrow()
        result = answers(made, table)
        assert result["score"].null_count == 0
        if seam is regression:
            assert result["decision"].to_pylist() == [
                round(score) for score in result["score"].to_pylist()
            ]
            assert np.corrcoef(result["score"].to_numpy(), table["label"].to_numpy())[0, 1] > 0.9
    assert len(result) == len(messages())
