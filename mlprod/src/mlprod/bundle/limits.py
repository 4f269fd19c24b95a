"""What a bundle may cost the process that loads it."""

MEGABYTE = 1_000_000
MODEL_MEGABYTES = (
    128  # of its files, and of the memory that it takes when it is loaded: ML_MODEL_MEGABYTES
)
TRIAL_SECONDS = 10  # of computing, to load a small model and to score its probe
BYTES_A_SECOND = (
    4 * MEGABYTE
)  # a larger model may take longer: a forest of 38 MB loads within one second
PATIENCE = 6  # times as long by the clock, on a machine that is busy with other work
