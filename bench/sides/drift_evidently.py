"""Detect drift with Evidently's preset for data drift, as in its documentation."""

from pathlib import Path

import pandas as pd
from drift_report import report
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from rules import CATEGORIES, NUMBERS

DEFINITION = DataDefinition(numerical_columns=list(NUMBERS), categorical_columns=list(CATEGORIES))


def drifted(reference: Path, now: Path) -> list[str]:
    later, today = (
        Dataset.from_pandas(pd.read_parquet(path), DEFINITION) for path in (reference, now)
    )
    result = Report([DataDriftPreset()]).run(today, later).dict()
    named = {}
    for metric in result["metrics"]:
        config = metric["config"]
        if "ValueDrift" in config["type"]:
            named[config["column"]] = metric["value"] >= config["threshold"]
    return [name for name, differs in named.items() if differs]


report(drifted)
