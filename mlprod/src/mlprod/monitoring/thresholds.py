"""Thresholds of `make check-alerts`. Generated from alerts.yaml by `make alerts`.

alerts.yaml explains them, with units. The limits of use, age and payoff are in a project's
governance/, for Prometheus too.
"""

DRIFT_GAP = 0.05
CHANCE_COEFFICIENT = 1.95
WHOLE_DAY_SHARE = 0.9
MAX_MISSING_INCREASE = 0.1
MIN_INPUT_ROWS = 50
MAX_UNKNOWN_INCREASE = 0.1
MAX_MSE_RATIO = 1.5
MIN_SIGMAS = 3
MIN_QUALITY_OUTCOMES = 200
MIN_OUTCOME_RATIO = 0.5
MIN_WEEKLY_OUTCOMES = 50
MIN_JUDGED_DECISIONS = 30
MIN_CASES = 50
MIN_PAID_OUTCOMES = 30
MAX_PAYOFF_FAILURE_SHARE = 0.01
OUTCOMES = {
    "RecordStoreDown": "serving",
    "FeatureDrift": "model_quality",
    "PredictionDrift": "model_quality",
    "MissingValues": "data_quality",
    "UnknownCategories": "data_quality",
    "ModelStale": "model_quality",
    "QualityBelowTest": "model_quality",
    "OutcomesMissing": "data_quality",
    "OverrideRateHigh": "adoption",
    "BypassHigh": "adoption",
    "ValueBelowTarget": "business_value",
    "PayoffErrors": "model_quality",
    "GovernanceOverdue": "business_value",
}
RUNBOOKS = {
    "RecordStoreDown": "docs/runbooks/records.md#recordstoredown",
    "FeatureDrift": "docs/runbooks/data.md#featuredrift",
    "PredictionDrift": "docs/runbooks/model.md#predictiondrift",
    "MissingValues": "docs/runbooks/data.md#missingvalues",
    "UnknownCategories": "docs/runbooks/data.md#unknowncategories",
    "ModelStale": "docs/runbooks/model.md#modelstale",
    "QualityBelowTest": "docs/runbooks/model.md#qualitybelowtest",
    "OutcomesMissing": "docs/runbooks/data.md#outcomesmissing",
    "OverrideRateHigh": "docs/runbooks/people.md#overrideratehigh",
    "BypassHigh": "docs/runbooks/people.md#bypasshigh",
    "ValueBelowTarget": "docs/runbooks/people.md#valuebelowtarget",
    "PayoffErrors": "docs/runbooks/people.md#payofferrors",
    "GovernanceOverdue": "docs/runbooks/people.md#governanceoverdue",
}
