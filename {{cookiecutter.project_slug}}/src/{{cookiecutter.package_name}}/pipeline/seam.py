"""The four files of the domain as one value, so that every step says what it needs and tests can bring their own."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import ibis.expr.types as ir

from ..bundle.runtime import Scores
from ..contract.terms import Columns, ContractError, Task, Terms, read_terms
from .tables import Load, loaded


@dataclass(frozen=True)
class Seam:
    terms: Terms
    load: Load
    build_model: Callable[..., Any]  # of the fields, and of what `space` names
    runtime: Literal["onnx", "python"]
    baseline: Callable[[Columns], Scores]
    decide: Callable[[float, float], Any]
    payoff: Callable[[Any, float, Mapping[str, Any]], float]
    digest: str = ""
    space: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    made_up: bool = False  # are the rows those of the example?

    def table(self, since: datetime | None = None, until: datetime | None = None) -> ir.Table:
        """The rows of load(). Raises ContractError when it gives anything but an Ibis table."""
        return loaded(self.load, since, until)

    def task(self) -> Task:
        """What the estimator does. For runtime python the attribute `task` says so: "binary" or "regression".

        Raises ContractError for anything that cannot be trained.
        """
        estimator = self.build_model(self.terms.fields)
        if isinstance(estimator, type):
            raise ContractError(
                f"domain/model.py: build_model() gave the class {estimator.__name__}; it must give an object of it: "
                f"{estimator.__name__}()"
            )
        if not callable(getattr(estimator, "fit", None)):
            raise ContractError(
                f"domain/model.py: build_model() gave {estimator!r}, which has no fit(); it must return an estimator, "
                "for example return HistGradientBoostingClassifier()"
            )
        if self.runtime == "python":
            task = getattr(estimator, "task", None) or "binary"
            if task not in ("binary", "regression"):
                raise ContractError(
                    f'domain/model.py: task of {type(estimator).__name__} is {task!r}; it must be "binary" or '
                    '"regression"'
                )
            return "binary" if task == "binary" else "regression"
        from sklearn.base import is_classifier, is_regressor  # half a second, which few verbs need

        if is_classifier(estimator):
            return "binary"
        if is_regressor(estimator):
            return "regression"
        raise ContractError(
            f"domain/model.py: build_model() gave {type(estimator).__name__}, neither a scikit-learn classifier nor "
            'regressor. Return one of these, or set RUNTIME = "python" for an object of your own with fit(), predict() '
            "and task"
        )


def project_seam() -> Seam:
    """The seam of this project. Raises ContractError when the contract cannot be read."""
    from ..domain import contract, data, decision, model

    runtime = getattr(model, "RUNTIME", "onnx")
    if runtime not in ("onnx", "python"):
        raise ContractError(f'domain/model.py: RUNTIME is "onnx" or "python", not {runtime!r}')
    sources = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in (contract, data, model, decision)]
    return Seam(
        terms=read_terms(contract),
        load=data.load,
        build_model=model.build_model,
        runtime="python" if runtime == "python" else "onnx",
        baseline=decision.baseline,
        decide=decision.decide,
        payoff=decision.payoff,
        space=getattr(model, "SPACE", {}),
        made_up=bool(getattr(data, "MADE_UP", False)),
        digest=hashlib.sha256("\0".join(sources).encode()).hexdigest(),
    )
