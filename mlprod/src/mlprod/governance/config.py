"""All governance files as one value."""

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
from .yaml_loader import GovernanceError, Model, read

Found = TypeVar("Found")


@dataclass(frozen=True)
class GovernanceConfig:
    ownership: Ownership
    problem: Problem
    risk: Risks
    change_plan: ChangePlan
    people_figures: UsageLimits
    watch: AgeLimits
    waivers: tuple[Waiver, ...]


def read_organisation(folder: Path) -> GovernanceConfig:
    """The files of governance/.

    One that is not there says nothing, but ownership.yaml and gates.yaml are needed.

    Raises GovernanceError with the errors of all files together.
    """
    errors: list[str] = []

    def held(reader: Callable[[], Found]) -> Found | None:
        try:
            return reader()
        except GovernanceError as error:
            errors.append(str(error))
            return None

    def optional(name: str, model: type[Model], example: str) -> Callable[[], Model]:
        path = folder / name
        return lambda: read(path, model, example) if path.is_file() else model()

    ownership = held(lambda: read_ownership(folder / "ownership.yaml"))
    problem = held(optional("problem.yaml", Problem, problem_file.EXAMPLE))
    risk = held(optional("risk.yaml", Risks, risk_file.EXAMPLE))
    plan = held(lambda: read_change_plan(folder / "change_plan.yaml"))
    gates = held(lambda: read_gates_file(folder / "gates.yaml"))
    waivers = held(lambda: read_waivers(folder / "waivers.yaml"))
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
