"""The project that uses this library: its package, and its four files as one value, the seam.

Each file is loaded when it is first needed, and apart from the others: the service never loads what
trains.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..deprecated import constant, rename_settings
from ..settings import Settings
from .folder import code_of, root_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from ..bundle.runtime import Scores
    from ..contract.schema import Columns, ContractSchema, Task
    from .extension_loader import Extensions


class Load(Protocol):
    """load() of data.py."""

    def __call__(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> "ir.Table": ...


@dataclass(frozen=True)
class Seam:
    """The four files as one value, so that every step says what it needs and tests can bring their
    own.
    """

    terms: "ContractSchema"
    load: Load
    build_model: Callable[..., Any]  # of the fields, and of what `space` names
    runtime: Literal["onnx", "python"]
    baseline: "Callable[[Columns], Scores]"
    decide: Callable[[float, float], Any]
    payoff: Callable[[Any, float, Mapping[str, Any]], float]
    digest: str = ""
    space: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    made_up: bool = False  # are the rows those of the example?
    root: Path = Path()  # the project's folder
    export: Callable[[Any], Any] | None = None  # the project's own way to ONNX, of extensions.py

    def task(self) -> "Task":
        """What the estimator does.

        For runtime python the attribute `task` says so: "binary" or "regression".

        The estimator is built for it once. Raises ContractError for anything that cannot be
        trained.
        """
        return self._task

    @cached_property
    def _task(self) -> "Task":
        from ..contract.schema import ContractError

        estimator = self.build_model(self.terms.fields)
        if isinstance(estimator, type):
            raise ContractError(
                f"model.py: build_model() gave the class {estimator.__name__}; it must "
                f"give an object of it: "
                f"{estimator.__name__}()"
            )
        if not callable(getattr(estimator, "fit", None)):
            raise ContractError(
                f"model.py: build_model() gave {estimator!r}, which has no fit(); it must "
                f"return an estimator, "
                "for example return HistGradientBoostingClassifier()"
            )
        if self.runtime == "python":
            task = getattr(estimator, "task", None) or "binary"
            if task not in ("binary", "regression"):
                raise ContractError(
                    f"model.py: task of {type(estimator).__name__} is {task!r}; it must be "
                    f'"binary" or "regression"'
                )
            return "binary" if task == "binary" else "regression"
        from sklearn.base import is_classifier, is_regressor  # half a second, which few verbs need

        if is_classifier(estimator):
            return "binary"
        if is_regressor(estimator):
            return "regression"
        raise ContractError(
            f"model.py: build_model() gave {type(estimator).__name__}, neither a "
            f"scikit-learn classifier nor "
            'regressor. Return one of these, or set RUNTIME = "python" for an object of '
            "your own with fit(), predict() "
            "and task"
        )


class Project:
    """A package with the four files contract, data, model and decision."""

    def __init__(self, package: str) -> None:
        self.package = package

    @cached_property
    def root(self) -> Path:
        """The project's folder: the one with pyproject.toml above src/, or the working folder where
        there is none.
        """
        return root_of(code_of(self.package))

    @cached_property
    def contract(self) -> ModuleType:
        return self._module("contract")

    @cached_property
    def data(self) -> ModuleType:
        return self._module("data")

    @cached_property
    def model(self) -> ModuleType:
        return self._module("model")

    @cached_property
    def decision(self) -> ModuleType:
        return self._module("decision")

    @cached_property
    def terms(self) -> "ContractSchema":
        """Raises ContractError when the contract cannot be read."""
        from ..contract.schema import read_terms

        return read_terms(self.contract)

    @cached_property
    def extensions(self) -> "Extensions":
        """The functions of extensions.py, which is optional.

        Raises ExtensionError when they cannot be used.
        """
        from .extension_loader import load_extensions

        return load_extensions(self.package)

    @property
    def name(self) -> str:
        """Of the model in the registry and of the images, unless a setting says another."""
        return self.package.replace("_", "-")

    def settings(self) -> Settings:
        """What the environment says now. A relative path is one in the project's folder."""
        rename_settings(os.environ)
        result = Settings()
        if self.root != Path.cwd():
            result = result.in_folder(self.root)
        return result if result.model_name else result.model_copy(update={"model_name": self.name})

    def seam(self) -> Seam:
        """The four files.

        Raises ContractError when the contract cannot be read, ExtensionError for extensions.py.
        """
        from ..contract.schema import ContractError

        runtime = getattr(self.model, "RUNTIME", "onnx")
        if runtime not in ("onnx", "python"):
            raise ContractError(f'model.py: RUNTIME is "onnx" or "python", not {runtime!r}')
        modules = (self.contract, self.data, self.model, self.decision)
        sources = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules]
        return Seam(
            terms=self.terms,
            load=self.data.load,
            build_model=self.model.build_model,
            runtime="python" if runtime == "python" else "onnx",
            baseline=self.decision.baseline,
            decide=self.decision.decide,
            payoff=self.decision.payoff,
            space=constant(self.model, "SEARCH_SPACE", {}),
            made_up=bool(constant(self.data, "SYNTHETIC", False)),
            root=self.root,
            export=self.extensions.export,
            digest=hashlib.sha256("\0".join(sources).encode()).hexdigest(),
        )

    def seam_if_readable(self) -> Seam | None:
        """The four files; None while the contract cannot be read."""
        from ..contract.schema import ContractError

        try:
            return self.seam()
        except ContractError:
            return None

    def _module(self, name: str) -> ModuleType:
        return import_module(f"{self.package}.{name}")
