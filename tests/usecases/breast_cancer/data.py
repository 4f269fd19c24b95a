"""The Wisconsin diagnostic data that scikit-learn ships: 569 aspirates."""

from datetime import datetime

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from sklearn.datasets import load_breast_cancer


def load(since: datetime | None = None, until: datetime | None = None) -> ir.Table:
    """All aspirates; they carry no time."""
    bunch = load_breast_cancer()
    measured = {
        str(name).replace(" ", "_"): column
        for name, column in zip(bunch.feature_names, bunch.data.T, strict=True)
    }
    ids = [f"a{number:04d}" for number in range(len(bunch.target))]
    return ibis.memtable(pa.table({"aspirate_id": ids, "malignant": 1 - bunch.target, **measured}))
