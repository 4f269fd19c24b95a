"""From when on something is wrong: the figures of monitoring/prometheus/*.rules.yml, for those who watch without it.

Limits of people's use, of the model's age and of the value stand in governance/, for Prometheus and here alike.
"""

from datetime import timedelta

DAY = timedelta(hours=24)  # that drift is judged on: an hour is no sample of a day
WHOLE = 0.9  # of a day that a bundle must have answered in: what comes in the morning is not what comes at night
DRIFT = 0.05  # a smaller gap is of no use to know, however many rows show it
FEWEST_ROWS = 100  # from fewer, nothing smaller than a fifth of all rows can be told from chance
MISSING = UNKNOWN = 0.1  # more than in the reference
FEWEST_SENT = 50  # rows, for a share of those that miss a value or hold an unknown word
WEEK = timedelta(days=7)
FEWEST_JUDGED = 30  # decisions with feedback, for a rate of those overridden
FEWEST_CASES = 50  # decided with or without the system, for the share that goes around it
FEWEST_BACK = 50  # outcomes in a week, and rows scored, for a rate of those that come back
FALLEN = 0.5  # of the rate of the week before
FEWEST_OUTCOMES = 200  # for a comparison of real cases with the test rows
WORSE = 1.5  # times the upper bound of the mean squared error on the test rows
DEVIATIONS = 3  # and so far beyond what chance does
FEWEST_PAID = 30  # outcomes of a week, for a judgement of the value
FAILED = 0.01  # of the outcomes, for which payoff() gives no number
MONTH = timedelta(days=30)
