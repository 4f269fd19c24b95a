"""Limits of memory and time for the process that loads a bundle."""

MEGABYTE = 1_000_000
# Megabytes of a model's files, and of the memory that the loaded model uses: ML_MODEL_MEGABYTES.
MODEL_MEGABYTES = 128
# Seconds of CPU time to load a small model and to score its probe.
TRIAL_SECONDS = 10
# A larger model gets a second more for each of these bytes. A forest of 38 MB loads within one
# second.
BYTES_PER_SECOND = 4 * MEGABYTE
# The limit by the clock is so many times the CPU time, since the machine may be busy.
WALL_CLOCK_FACTOR = 6
