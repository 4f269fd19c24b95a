"""Detect drift with SciPy: Kolmogorov-Smirnov for numbers, chi-squared for categories."""

from pathlib import Path

import pandas as pd
from drift_report import report
from scipy.stats import chi2_contingency, ks_2samp

# Minimum statistic. With this many rows, every field has a significant difference.
MIN_STATISTIC = 0.05
ALPHA = 0.001


def drifted(reference: Path, now: Path) -> list[str]:
    later, today = pd.read_parquet(reference), pd.read_parquet(now)
    result = []
    for name in later:
        if pd.api.types.is_numeric_dtype(later[name]):
            test = ks_2samp(later[name].dropna(), today[name].dropna(), method="asymp")
            differs = test.statistic > MIN_STATISTIC and test.pvalue < ALPHA
        else:
            counts = pd.DataFrame(
                {0: later[name].value_counts(), 1: today[name].value_counts()}
            ).fillna(0)
            shares = counts / counts.sum()
            gap = (shares[0].cumsum() - shares[1].cumsum()).abs().max()
            differs = gap > MIN_STATISTIC and chi2_contingency(counts).pvalue < ALPHA
        if differs:
            result.append(str(name))
    return result


report(drifted)
