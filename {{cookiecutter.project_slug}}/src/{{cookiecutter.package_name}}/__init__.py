"""See README.md; the verbs are in cli.py."""

import os

# Both send usage data to their makers unless told not to, so this stands before any import of them:
# ONNX Runtime since 1.29 on Linux (Privacy.md of its repository), MLflow since 3.2 (mlflow.org/docs, "Usage Tracking").
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
