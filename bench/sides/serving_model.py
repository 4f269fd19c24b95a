"""Write the input of every serving side: estimator, ONNX model, and rows with expected scores.

Run it with the project's Python after training and promotion.
"""

import json
import pickle
import sys
from pathlib import Path

from mlprod.bundle.loader import open_bundle
from mlprod.contract.encoding import sample_columns
from mlprod.project.project import Project
from mlprod.serving.model_loader import Pointer
from mlprod.training.dataset import load_rows
from mlprod.training.export import export
from mlprod.training.fit import fit
from mlprod.training.split import split

models, folder, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
seam = Project("baked").seam()
bundle = (
    models
    / "versions"
    / Pointer.model_validate_json((models / "champion.json").read_bytes()).digest
)
rows = load_rows(seam)[1]
estimator = fit(seam, rows.subset(split(rows, seam.task()).train))
onnx = (bundle / "model.onnx").read_bytes()
if export(seam, estimator)["model.onnx"] != onnx:
    sys.exit("the estimator for the other sides differs from the one in the bundle")
(folder / "model.onnx").write_bytes(onnx)
(folder / "estimator.pkl").write_bytes(pickle.dumps(estimator))
columns = {
    name: values.tolist()
    for name, values in sample_columns(seam.terms.fields, count, seed=5).items()
}
made_up = [
    {
        name: None if value != value else value for name, value in zip(columns, row, strict=True)
    }  # NaN is not JSON
    for row in zip(*columns.values(), strict=True)
]
_, scores = open_bundle(bundle, seam.terms.fields, seam.baseline).score_rows(made_up)
(folder / "rows.json").write_text(json.dumps({"rows": made_up, "scores": scores.tolist()}))
