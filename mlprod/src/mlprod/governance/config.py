"""The content of all governance files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from . import problem as problem_file
from . import risk as risk_file
from .change_plan import ChangePlan, read_change_plan
from .gates import AgeLimits, UsageLimits, read_gates_file
from .ownership import Ownership, read_ownership
from .problem import Problem
from .risk import Risks
from .waivers import Waiver, read_waivers
from .yaml_loader import GovernanceError, Model, read_yaml

Content = TypeVar("Content")


@dataclass(frozen=True)
class GovernanceConfig:
    """The content of all governance files."""

    ownership: Ownership
    problem: Problem
    risk: Risks
    change_plan: ChangePlan
    usage_limits: UsageLimits
    watch: AgeLimits
    waivers: tuple[Waiver, ...]


def read_governance(folder: Path) -> GovernanceConfig:
    """Read the files of a folder.

    ownership.yaml and gates.yaml are required. Another missing file counts as empty.

    Raises GovernanceError with the errors of all files.
    """
    errors: list[str] = []

    def collected(reader: Callable[[], Content]) -> Content | None:
        try:
            return reader()
        except GovernanceError as error:
            errors.append(str(error))
            return None

    def optional(name: str, model: type[Model], example: str) -> Callable[[], Model]:
        path = folder / name
        return lambda: read_yaml(path, model, example) if path.is_file() else model()

    ownership = collected(lambda: read_ownership(folder / "ownership.yaml"))
    problem = collected(optional("problem.yaml", Problem, problem_file.EXAMPLE))
    risk = collected(optional("risk.yaml", Risks, risk_file.EXAMPLE))
    plan = collected(lambda: read_change_plan(folder / "change_plan.yaml"))
    gates = collected(lambda: read_gates_file(folder / "gates.yaml"))
    waivers = collected(lambda: read_waivers(folder / "waivers.yaml"))
    if (
        ownership is None
        or problem is None
        or risk is None
        or plan is None
        or gates is None
        or waivers is None
    ):
        raise GovernanceError("\n".join(errors))
    return GovernanceConfig(ownership, problem, risk, plan, gates.people, gates.watch, waivers)
