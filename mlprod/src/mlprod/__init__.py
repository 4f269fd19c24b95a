"""Train, serve and govern a model by four files: contract, data, model, decision.

Everything else is this library.

What stands in `__all__` is public and follows semantic versioning; the rest may change with any
version.
"""

import os

# Both send usage data to their makers by default, so this stands before any import of them:
# ONNX Runtime since 1.29 on Linux (Privacy.md of its repository), MLflow since 3.2
# (mlflow.org/docs, "Usage Tracking").
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

TYPE_CHECKING = False  # as typing's, whose import costs what `help` need not pay
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
    """Loads a public name when it is first asked for: a contract must not pay for a service, nor
    `setup` for either.
    """
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    result = getattr(import_module(HOMES[name]), name)
    globals()[name] = result
    return result
