"""The serving API of a project as one ASGI application.

A server runs it. The project's routes() adds routes to it.
"""

from collections.abc import Callable, MutableMapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..deprecated import read_constant
from ..extensions import ExtensionError
from ..project.extension_loader import FILE
from ..project.project import Project
from ..settings import Settings
from .container import Container
from .exploration import read_exploration
from .load_shedding import Receive
from .middleware import HEALTH, Send


class Api:
    """ASGI application of a project.

    Keys, limits and counting apply to every route, also to the routes of the project.
    """

    def __init__(self, assembly: Container) -> None:
        self.assembly = assembly

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await self.assembly.service(scope, receive, send)

    def get(
        self, path: str, **described: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Add a GET route, with the arguments of FastAPI's decorator `get`.

        Raises ExtensionError if the path does not begin with / or already has a route.
        """
        known = {HEALTH, *(getattr(route, "path", "") for route in self.assembly.routes.routes)}
        if not path.startswith("/"):
            raise ExtensionError(
                f"{FILE}: routes() adds the path {path!r}, which does not begin with /; "
                'what works: @app.get("/v1/limits")'
            )
        if path in known:
            raise ExtensionError(
                f"{FILE}: routes() adds {path}, which already has a route; "
                'what works: a new path, for example "/v1/limits"'
            )
        return partial(self._add, path, described)

    def _add(
        self, path: str, described: dict[str, Any], function: Callable[..., Any]
    ) -> Callable[..., Any]:
        shown = {"openapi_extra": {"security": [{"key": []}], "x-role": "any"}} | described
        self.assembly.routes.add_api_route(path, function, methods=["GET"], **shown)
        return function


def create_api(package: str, settings: Settings | None = None) -> Api:
    """Create the API from the contract and the decision of a package.

    The settings come from the environment unless `settings` is given. Raises ContractError,
    ExplorationError, ExtensionError, KeysError or EventLogError if a part cannot be used.
    """
    project = Project(package)
    decision, extensions = project.decision, project.extensions
    explored = read_exploration(read_constant(decision, "EXPLORATION"))
    known = settings or project.settings()
    parts = (
        project.terms,
        decision.baseline,
        decision.decide,
        decision.payoff,
        known,
        explored,
        extensions,
    )
    api = Api(Container(*parts))
    if extensions.routes:
        extensions.routes(api)
    return api


def read_api(package: str) -> Api:
    """Return the API to serve: `app` of the package's api.py, or create_api() without that file."""
    if find_spec(f"{package}.api"):
        own: Api = import_module(f"{package}.api").app
        return own
    return create_api(package)
