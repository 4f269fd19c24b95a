"""The spans of time that monitoring looks at.

The rules hold them in their names, such as ml:feature_drift:24h.
"""

from datetime import timedelta

DAY = timedelta(hours=24)  # that drift is judged on: an hour is no sample of a day
WEEK = timedelta(days=7)
MONTH = timedelta(days=30)
