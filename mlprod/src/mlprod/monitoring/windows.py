"""Time windows of monitoring.

The recording rules have them in their names, such as ml:feature_drift:24h.
"""

from datetime import timedelta

# The drift window: one hour does not represent a day.
DAY = timedelta(hours=24)
WEEK = timedelta(days=7)
MONTH = timedelta(days=30)
