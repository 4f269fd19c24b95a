"""The serving API of a project as one object: what a server runs, and where a project adds routes of its own."""

from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any

from ..project import Project
from ..settings import Settings
from .container import Assembly
from .exploration import let_through
from .load_shedding import Receive
from .middleware import Send


class Api:
    """An ASGI application. Keys, limits and counting stand in front of every route, those of the project included."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await self.assembly.service(scope, receive, send)

    def get(self, path: str, **described: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Add a route that reads, as FastAPI's decorator of this name does."""
        return partial(self._add, path, described)

    def _add(self, path: str, described: dict[str, Any], function: Callable[..., Any]) -> Callable[..., Any]:
        self.assembly.routes.add_api_route(path, function, methods=["GET"], **described)
        return function


def create_api(package: str, settings: Settings | None = None) -> Api:
    """The API of the package's contract and decision, by the settings of the environment unless others are given.

    Raises ContractError, ExploreError, KeysError and SpoolError for what cannot be used.
    """
    project = Project(package)
    decision = project.decision
    explored = let_through(getattr(decision, "LET_THROUGH", None))
    known = settings or project.settings()
    return Api(Assembly(project.terms, decision.baseline, decision.decide, decision.payoff, known, explored))
