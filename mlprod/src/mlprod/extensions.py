"""Types of the six optional functions by which a project extends the library.

The functions are in `extensions.py` beside the four files, under the names below. Without a
function the library's own part applies. The name of a helper begins with an underscore.
docs/library.md has an example of each function.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from prometheus_client.registry import Collector
    from starlette.requests import Request

__all__ = [
    "AuthenticateHook",
    "Caller",
    "ChecksHook",
    "Command",
    "CommandsHook",
    "ExportHook",
    "ExtensionError",
    "MetricsHook",
    "ReadinessCheck",
    "Role",
    "RouteAdder",
    "RoutesHook",
]

Role = Literal["predict", "outcomes", "feedback", "operate", "smoke"]
ReadinessCheck = Callable[[], str]
"""Returns the reason why this replica should get no traffic, or an empty text."""
Command = Callable[[Sequence[str]], int]
"""Runs a verb with the arguments that follow it on the command line; returns the exit code."""


class ExtensionError(Exception):
    """The project's extensions.py cannot be used.

    The message names the function and shows what works.
    """


@dataclass(frozen=True)
class Caller:
    """The sender of a request. The service records the name with everything that it sends.

    `name` is the name of a system rather than of a person.
    """

    name: str
    roles: Collection[Role]


class RouteAdder(Protocol):
    """The part of the API that the function `routes` receives."""

    def get(
        self, path: str, **described: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a function that serves GET `path`.

        `described` are the arguments of FastAPI's decorator of this name. Raises ExtensionError if
        the library serves the path already.
        """
        ...


class MetricsHook(Protocol):
    """`metrics()`: returns Prometheus collectors, which /metrics shows beside the service's own.

    A name must not begin with `ml_`, the library's prefix. If a collector fails, the scrape holds
    the service's metrics only.
    """

    def __call__(self) -> "Iterable[Collector]": ...


class ExportHook(Protocol):
    """`export(estimator)`: returns the fitted estimator as ONNX, instead of the library's skl2onnx.

    Returns an onnx.ModelProto or its bytes, with one input float32 [rows, fields]. A classifier has
    an output named `probabilities` [rows, 2]. The first output of a regressor is its number
    [rows, 1]. The library checks size, operators and equality with the estimator as before.
    """

    def __call__(self, estimator: Any) -> Any: ...


class AuthenticateHook(Protocol):
    """`authenticate(request)`: returns the caller of a request without a key of ML_KEYS_FILE.

    Returns None if the caller is unknown. The service calls it only where keys are required, and on
    a thread. It may grant the roles predict, outcomes and feedback. Only a key grants the roles
    operate (the kill switch) and smoke. The function cannot read the body of the request.
    """

    def __call__(self, request: "Request") -> Caller | None: ...


class RoutesHook(Protocol):
    """`routes(app)`: adds routes that read data.

    Each route requires a caller, as every route does. None may write.
    """

    def __call__(self, app: RouteAdder) -> None: ...


class ChecksHook(Protocol):
    """`checks()`: returns readiness checks by name.

    The service runs each every few seconds. A replica is ready while all of them return "".
    """

    def __call__(self) -> Mapping[str, ReadinessCheck]: ...


class CommandsHook(Protocol):
    """`commands()`: returns verbs of the project by name.

    The docstring of a function is its line in `help`.
    """

    def __call__(self) -> Mapping[str, Command]: ...
