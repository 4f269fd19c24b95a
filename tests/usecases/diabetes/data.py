"""The diabetes data that scikit-learn ships: 442 patients."""

from datetime import datetime

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from sklearn.datasets import load_diabetes


def load(since: datetime | None = None, until: datetime | None = None) -> ir.Table:
    """All patients; they carry no time."""
    bunch = load_diabetes(scaled=False)
    measured = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    measured["sex"] = measured["sex"].astype(int)
    ids = [f"p{number:04d}" for number in range(len(bunch.target))]
    return ibis.memtable(pa.table({"patient_id": ids, "progression": bunch.target, **measured}))
