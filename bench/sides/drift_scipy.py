"""The same by SciPy: the two-sample Kolmogorov-Smirnov test of each number, the chi-squared test of
each category.
"""

from pathlib import Path

import pandas as pd
from drift_report import report
from scipy.stats import chi2_contingency, ks_2samp

LEAST = 0.05  # of the statistic: with so many rows every field differs by something
ALPHA = 0.001


def drifted(reference: Path, now: Path) -> list[str]:
    later, today = pd.read_parquet(reference), pd.read_parquet(now)
    result = []
    for name in later:
        if pd.api.types.is_numeric_dtype(later[name]):
            test = ks_2samp(later[name].dropna(), today[name].dropna(), method="asymp")
            differs = test.statistic > LEAST and test.pvalue < ALPHA
        else:
            counts = pd.DataFrame(
                {0: later[name].value_counts(), 1: today[name].value_counts()}
            ).fillna(0)
            shares = counts / counts.sum()
            gap = (shares[0].cumsum() - shares[1].cumsum()).abs().max()
            differs = gap > LEAST and chi2_contingency(counts).pvalue < ALPHA
        if differs:
            result.append(str(name))
    return result


report(drifted)
