"""The serving API of a project as one object: what a server runs, and what the project's routes()
adds to.
"""

from collections.abc import Callable, MutableMapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..deprecated import constant
from ..extensions import ExtensionError
from ..project.extension_loader import FILE
from ..project.project import Project
from ..settings import Settings
from .container import Container
from .exploration import let_through
from .load_shedding import Receive
from .middleware import HEALTH, Send


class Api:
    """An ASGI application.

    Keys, limits and counting stand in front of every route, those of the project included.
    """

    def __init__(self, assembly: Container) -> None:
        self.assembly = assembly

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await self.assembly.service(scope, receive, send)

    def get(
        self, path: str, **described: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Add a route that reads, as FastAPI's decorator of this name does.

        Raises ExtensionError for a path that does not begin with / or has an answer already.
        """
        known = {HEALTH, *(getattr(route, "path", "") for route in self.assembly.routes.routes)}
        if not path.startswith("/"):
            raise ExtensionError(
                f'{FILE}: routes() names the path {path!r}; works: @app.get("/v1/limits")'
            )
        if path in known:
            raise ExtensionError(
                f'{FILE}: routes() names {path}, which has an answer already; works: "/v1/limits"'
            )
        return partial(self._add, path, described)

    def _add(
        self, path: str, described: dict[str, Any], function: Callable[..., Any]
    ) -> Callable[..., Any]:
        shown = {"openapi_extra": {"security": [{"key": []}], "x-role": "any"}} | described
        self.assembly.routes.add_api_route(path, function, methods=["GET"], **shown)
        return function


def create_api(package: str, settings: Settings | None = None) -> Api:
    """The API of the package's contract and decision, by the settings of the environment unless
    others are given.

    Raises ContractError, ExploreError, ExtensionError, KeysError and SpoolError for what cannot be
    used.
    """
    project = Project(package)
    decision, extensions = project.decision, project.extensions
    explored = let_through(constant(decision, "EXPLORATION"))
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
    """The API that is served: `app` of api.py where the package has such a file, or else that of
    create_api().
    """
    if find_spec(f"{package}.api"):
        own: Api = import_module(f"{package}.api").app
        return own
    return create_api(package)
