"""The wine data that scikit-learn ships: 178 bottles of three cultivars."""

from datetime import datetime

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from sklearn.datasets import load_wine

from .contract import CLASSES


def load(since: datetime | None = None, until: datetime | None = None) -> ir.Table:
    """All bottles; they carry no time."""
    bunch = load_wine()
    measured = {
        str(name).replace("od280/od315_of_diluted_wines", "od280_od315"): column
        for name, column in zip(bunch.feature_names, bunch.data.T, strict=True)
    }
    ids = [f"W{number:03d}" for number in range(len(bunch.target))]
    cultivar = [CLASSES[target] for target in bunch.target]
    return ibis.memtable(pa.table({"bottle": ids, "cultivar": cultivar, **measured}))
