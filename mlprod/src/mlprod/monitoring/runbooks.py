"""Where the runbook of an alert stands: a page of docs/runbooks, and on it the alert's own heading."""

PAGES = {
    "service": (
        *("ErrorBudgetBurnsFast", "ErrorBudgetBurnsSlowly", "LatencyHigh", "RequestsShed", "NothingAnswers"),
        *("NoModelAnswers", "KeysFileBroken", "ModeSwitchNotStored", "ModeFileInvalid", "MetricsAbsent"),
    ),
    "records": (
        *("DatabaseAway", "EventsPendingGrow", "EventsPendingHalfFull", "EventLogUnwritable", "EventsLost"),
        *("PredictionsRepeated", "ConflictingPredictions"),
    ),
    "model": (
        *("ModelLoadFailed", "ReplicasDisagree", "ModelStale", "TrainingDataStale", "QualityBelowTest"),
        *("ScoreDrifts", "DriftHurts"),
    ),
    "data": ("ContractViolated", "MissingValues", "UnknownWords", "FieldDrifts", "OutcomesStopped"),
    "people": (
        *("OverrideRateHigh", "OverrideRateLow", "AdoptionLow", "BypassHigh", "ValueBelowTarget", "PayoffFails"),
        "GovernanceOverdue",
    ),
}
_PAGE_OF = {alert: page for page, alerts in PAGES.items() for alert in alerts}


def runbook(alert: str) -> str:
    """The page and anchor of an alert, as the rules name it in runbook_url."""
    return f"docs/runbooks/{_PAGE_OF[alert]}.md#{alert.lower()}"
