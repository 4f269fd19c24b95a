"""The project that uses this library: its package, and its four files as one value, the seam.

Each file is loaded separately, when it is first needed: the service never loads training code.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..deprecated import read_constant, rename_settings
from ..settings import Settings
from .boosters import BOOSTERS, install_remedy
from .folder import code_of, root_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from ..bundle.code import BundledCode
    from ..bundle.runtime import Scores
    from ..contract.classes import Decide
    from ..contract.model_inputs import Derive, ModelInputs
    from ..contract.schema import Columns, ContractSchema, Task
    from .extension_loader import Extensions


class Load(Protocol):
    """The function load() of data.py."""

    def __call__(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> "ir.Table": ...


@dataclass(frozen=True)
class Seam:
    """The contents of the four files as one value, which a test can replace by its own."""

    terms: "ContractSchema"
    load: Load
    # Takes the fields, and the parameters that `search_space` names.
    build_model: Callable[..., Any]
    runtime: Literal["onnx", "python"]
    baseline: "Callable[[Columns], Scores]"
    decide: "Decide"
    payoff: Callable[[Any, Any, Mapping[str, Any]], float]
    digest: str = ""
    search_space: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    # Whether a model that passed the gates is fitted again on all rows.
    refit: bool = False
    # Whether the rows are those of the example.
    synthetic: bool = False
    # The project's folder.
    root: Path = Path()
    # The project's own export to ONNX, from extensions.py.
    export: Callable[[Any], Any] | None = None
    # The modules that a bundle carries, by name, and the name of their package.
    sources: Mapping[str, str] = field(default_factory=dict)
    package: str = ""
    # derive() of features.py, which is optional.
    derive: "Derive | None" = None
    # SPLIT of data.py, which is optional: ids by part, or a function from an id to its part.
    own_split: Any = None

    @cached_property
    def inputs(self) -> "ModelInputs":
        """What the estimator receives, computed from the fields."""
        from ..contract.model_inputs import ModelInputs

        return ModelInputs(self.terms.fields, self.derive, self.runtime == "python")

    @cached_property
    def code(self) -> "BundledCode | None":
        """The code that a bundle carries; None for a seam that was made without files."""
        from ..bundle.code import BundledCode

        return BundledCode(self.package, self.sources) if self.sources else None

    def task(self) -> "Task":
        """Return the task of the estimator: "binary", "multiclass" or "regression".

        It is "multiclass" if contract.py has CLASSES. With the runtime python the estimator's
        attribute `task` names it. The estimator is built once to find out. Raises ContractError
        if the estimator cannot be trained.
        """
        return self._task

    @cached_property
    def estimator(self) -> Any:
        """The estimator of build_model(), not fitted: it shows the task and the settings."""
        return self.build_model(self.inputs.fields)

    @cached_property
    def _task(self) -> "Task":
        from ..contract.schema import ContractError

        estimator = self.estimator
        if isinstance(estimator, type):
            raise ContractError(
                f"model.py: build_model() returned the class {estimator.__name__}; "
                f"works: return an object of the class: {estimator.__name__}()"
            )
        if not callable(getattr(estimator, "fit", None)):
            raise ContractError(
                f"model.py: build_model() returned {estimator!r}, which has no fit(); "
                f"works: return an estimator, for example HistGradientBoostingClassifier()"
            )
        classes = self.terms.classes
        if self.runtime == "python":
            task = getattr(estimator, "task", None) or ("multiclass" if classes else "binary")
            if task == "multiclass" or classes:
                return _multiclass(type(estimator).__name__, str(task), bool(classes))
            if task not in ("binary", "regression"):
                raise ContractError(
                    f"model.py: task of {type(estimator).__name__} is {task!r}; "
                    f'works: "binary" or "regression"'
                )
            return "binary" if task == "binary" else "regression"
        # This import takes half a second, and few verbs need it.
        from sklearn.base import is_classifier, is_regressor

        if is_classifier(estimator):
            return "multiclass" if classes else "binary"
        if is_regressor(estimator):
            name = type(estimator).__name__
            return _multiclass(name, "regression", True) if classes else "regression"
        raise ContractError(
            f"model.py: build_model() returned {type(estimator).__name__}, neither a "
            f"scikit-learn classifier nor regressor. Works: return one of these, or set "
            f'RUNTIME = "python" for an object of your own with fit(), predict() and task'
        )


def _multiclass(name: str, task: str, declared: bool) -> "Task":
    """Return "multiclass". Raises ContractError unless estimator and contract.py both have it."""
    from ..contract.schema import ContractError

    if not declared:
        raise ContractError(
            f"model.py: task of {name} is 'multiclass', and contract.py has no CLASSES; works: "
            'CLASSES = ("billing", "delivery", "other"), in the order of the scores'
        )
    if task != "multiclass":
        raise ContractError(
            f"contract.py has CLASSES, and {name} of model.py does {task}; works: a classifier for "
            "the classes, or a contract.py without CLASSES"
        )
    return "multiclass"


class Project:
    """A package with the four files contract, data, model and decision."""

    def __init__(self, package: str) -> None:
        """`package` is the name of an importable package; nothing is imported yet."""
        self.package = package

    @cached_property
    def root(self) -> Path:
        """The project's folder: the one with pyproject.toml above src/, or the working folder."""
        return root_of(code_of(self.package))

    @cached_property
    def contract(self) -> ModuleType:
        return self._module("contract")

    @cached_property
    def data(self) -> ModuleType:
        return self._module("data")

    @cached_property
    def model(self) -> ModuleType:
        """The module model.py. Raises ContractError if it uses a booster that is not installed."""
        from ..contract.schema import ContractError

        try:
            return self._module("model")
        except ModuleNotFoundError as error:
            if error.name not in BOOSTERS:
                raise
            raise ContractError(
                f"model.py imports {error.name}, which is not installed; works: "
                f"{install_remedy(error.name)}"
            ) from error

    @cached_property
    def decision(self) -> ModuleType:
        return self._module("decision")

    @cached_property
    def features(self) -> ModuleType | None:
        """The module features.py, which is optional."""
        return self._module("features") if find_spec(f"{self.package}.features") else None

    @cached_property
    def terms(self) -> "ContractSchema":
        """The schema of contract.py. Raises ContractError if the contract cannot be read."""
        from ..contract.schema import read_contract

        return read_contract(self.contract)

    @cached_property
    def extensions(self) -> "Extensions":
        """The functions of extensions.py, which is optional.

        Raises ExtensionError if a function cannot be used.
        """
        from .extension_loader import load_extensions

        return load_extensions(self.package)

    @property
    def name(self) -> str:
        """The name of the model in the registry and of the images, unless a setting changes it."""
        return self.package.replace("_", "-")

    def settings(self) -> Settings:
        """Return the current settings of the environment.

        A relative path is relative to the project's folder.
        """
        rename_settings(os.environ)
        result = Settings()
        if self.root != Path.cwd():
            result = result.in_folder(self.root)
        return result if result.model_name else result.model_copy(update={"model_name": self.name})

    def seam(self) -> Seam:
        """Return the four files as one value.

        Raises ContractError if the contract or RUNTIME is not valid, and ExtensionError if
        extensions.py is not.
        """
        from ..bundle.code_rules import collect_sources
        from ..contract.schema import ContractError

        runtime = getattr(self.model, "RUNTIME", "onnx")
        if runtime not in ("onnx", "python"):
            raise ContractError(f'model.py: RUNTIME: given {runtime!r}; works: "onnx" or "python"')
        refit = getattr(self.model, "REFIT", None)
        if refit not in (None, "all"):
            raise ContractError(
                f'model.py: REFIT: given {refit!r}; works: "all", or None for the model that was '
                "evaluated"
            )
        if refit and self.terms.time is None:
            raise ContractError(
                'model.py: REFIT = "all" needs an EVENT_TIME in contract.py: without it nothing '
                "shows which rows a champion has learned. Works: name the column with the time of "
                "each row, or remove REFIT"
            )
        folder = Path(str(self.decision.__file__)).parent
        modules = [self.contract, self.data, self.model, self.decision]
        carried = ["decision", "model"] if runtime == "python" else ["decision"]
        if features := self.features:
            modules.append(features)
            carried.append("features")
            if not callable(getattr(features, "derive", None)):
                raise ContractError(
                    "features.py has no derive(); works: def derive(columns), which returns a "
                    "dict of numbers, or no file features.py"
                )
        sources = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules]
        return Seam(
            terms=self.terms,
            load=self.data.load,
            build_model=self.model.build_model,
            runtime="python" if runtime == "python" else "onnx",
            baseline=self.decision.baseline,
            decide=self.decision.decide,
            payoff=self.decision.payoff,
            search_space=read_constant(self.model, "SEARCH_SPACE", {}),
            refit=refit == "all",
            synthetic=bool(read_constant(self.data, "SYNTHETIC", False)),
            own_split=getattr(self.data, "SPLIT", None),
            root=self.root,
            export=self.extensions.export,
            sources=collect_sources(partial(_source_in, folder), carried),
            package=self.package,
            derive=features.derive if features else None,
            digest=hashlib.sha256("\0".join(sources).encode()).hexdigest(),
        )

    def seam_if_readable(self) -> Seam | None:
        """Return the four files as one value, or None while the contract cannot be read."""
        from ..contract.schema import ContractError

        try:
            return self.seam()
        except ContractError:
            return None

    def _module(self, name: str) -> ModuleType:
        return import_module(f"{self.package}.{name}")


def _source_in(folder: Path, name: str) -> str | None:
    """Return the text of a module in the package's folder, or None."""
    path = folder / f"{name}.py"
    return path.read_text(encoding="utf-8") if path.is_file() else None
