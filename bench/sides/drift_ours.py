"""Detect drift with the baked project, by Ibis on DuckDB and the reference of a bundle."""

from pathlib import Path

import ibis
from drift_report import report
from mlprod.bundle.reference_profile import Reference
from mlprod.contract.schema import Field, Fields
from mlprod.monitoring.drift import compare_distributions
from mlprod.monitoring.drift_counts import count_features
from rules import CATEGORIES, NUMBERS

FIELDS = Fields(
    (
        *(Field(name, "number", optional=True) for name in NUMBERS),
        *(
            Field(name, "category", categories=tuple(parts), open=True)
            for name, parts in CATEGORIES.items()
        ),
    )
)


def drifted(reference: Path, now: Path) -> list[str]:
    learnt = Reference.model_validate_json((reference.parent / "reference.json").read_bytes())
    counts = count_features(ibis.duckdb.connect().read_parquet(now), FIELDS, learnt)
    return [item.name for item in compare_distributions(learnt, counts) if item.verdict == "drifts"]


report(drifted)
