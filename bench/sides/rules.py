"""The measured contract as plain data: 20 fields, id and label.

Every side derives its own form from it.
"""

NUMBERS = {f"number_{i:02}": (-100.0 * i, 1_000.0 * i) for i in range(1, 17)}
VALUES = [f"word {i}" for i in range(8)]
CATEGORIES = {f"category_{i}": VALUES[: 2 * i] for i in range(1, 5)}
OPTIONAL = {"number_02", "number_07", "number_12", "number_16", "category_3"}
