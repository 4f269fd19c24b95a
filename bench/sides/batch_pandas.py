"""A typical script with pandas: read the table, encode, score, decide and write it."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from rules import CATEGORIES, NUMBERS

# Decisions are not compared, so any threshold works.
THRESHOLD = 0.5
folder, rows, to = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
# The benchmark wrote this file in the same run.
estimator = pickle.loads((folder / "estimator.pkl").read_bytes())  # noqa: S301
frame = pd.read_parquet(folder / f"rows-{rows}.parquet")
coded = [
    frame[name].map({word: code for code, word in enumerate(parts)})
    for name, parts in CATEGORIES.items()
]
matrix = pd.concat([frame[list(NUMBERS)], *coded], axis=1).to_numpy("float32")
scores = estimator.predict_proba(matrix)[:, 1]
decisions = np.where(scores >= THRESHOLD, "no", "yes")
pd.DataFrame({"id": frame["id"], "score": scores, "decision": decisions}).to_parquet(
    to, index=False
)
