"""Train, serve and govern a model defined by four files: contract, data, model, decision.

This library does everything else. The names in `__all__` are public and follow semantic
versioning. All other names may change with any version.
"""

import os

# Both libraries send usage data to their makers by default, so these lines come before any import
# of them. ONNX Runtime: since 1.29 on Linux (Privacy.md of its repository). MLflow: since 3.2
# (mlflow.org/docs, "Usage Tracking").
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

# Not imported from typing: the import would slow down the verb `help`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pydantic import Field

    from .commands.start import main
    from .contract.schema import Contract, Fields
    from .files.for_load import rows_of
    from .project.project import Project
    from .serving.api import create_api

__all__ = ["Contract", "Field", "Fields", "Project", "create_api", "main", "rows_of"]
HOMES = {
    "Contract": "mlprod.contract.schema",
    "Field": "pydantic",
    "Fields": "mlprod.contract.schema",
    "Project": "mlprod.project.project",
    "create_api": "mlprod.serving.api",
    "main": "mlprod.commands.start",
    "rows_of": "mlprod.files.for_load",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used.

    A contract must not import a service, and `setup` must import neither.
    """
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    result = getattr(import_module(HOMES[name]), name)
    globals()[name] = result
    return result
