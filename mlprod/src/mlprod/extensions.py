"""What a project may replace or add without a change of the library: six functions of its own, each
of them optional.

They stand in `extensions.py` beside the four files, under the names below. A function that is
absent leaves its part as it is; a helper of yours begins with an underscore. docs/library.md has an
example of each.
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
"""Returns why this replica should get no traffic; an empty text while it should."""
Command = Callable[[Sequence[str]], int]
"""Runs a verb with the words that follow it on the command line; returns the exit code."""


class ExtensionError(Exception):
    """The project's extensions.py cannot be used; the message names the function and shows what
    works.
    """


@dataclass(frozen=True)
class Caller:
    """Who sends a request: the name of a system rather than of a person, recorded with everything
    that it sends.
    """

    name: str
    roles: Collection[Role]


class RouteAdder(Protocol):
    """The part of the API that `routes` gets."""

    def get(
        self, path: str, **described: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a function that answers GET `path`; `described` is what FastAPI's decorator of
        this name takes.

        Raises ExtensionError for a path that the library answers itself.
        """
        ...


class MetricsHook(Protocol):
    """`metrics()`: Prometheus collectors of the project, shown on /metrics beside those of the
    service.

    A name does not begin with `ml_`, which is the library's. When one of them fails, a scrape has
    only the service's.
    """

    def __call__(self) -> "Iterable[Collector]": ...


class ExportHook(Protocol):
    """`export(estimator)`: the fitted estimator as an ONNX model, in place of the library's call of
    skl2onnx.

    Returns an onnx.ModelProto or its bytes, with one input float32 [rows, fields]. A classifier has
    an output named `probabilities` [rows, 2]; the first output of a regressor is its number [rows,
    1]. Size, operators and equality with the estimator are checked as before.
    """

    def __call__(self, estimator: Any) -> Any: ...


class AuthenticateHook(Protocol):
    """`authenticate(request)`: who sends a request that shows no key of ML_KEYS_FILE; None for
    nobody.

    It is asked only where keys are needed, and on a thread. It may grant predict, outcomes and
    feedback. The roles operate (the kill switch) and smoke come from a key alone. The body of the
    request cannot be read here.
    """

    def __call__(self, request: "Request") -> Caller | None: ...


class RoutesHook(Protocol):
    """`routes(app)`: adds routes that read.

    Each needs a caller, as every route does; none may write.
    """

    def __call__(self, app: RouteAdder) -> None: ...


class ChecksHook(Protocol):
    """`checks()`: readiness checks by name.

    Each is run every few seconds; a replica is ready while all return "".
    """

    def __call__(self) -> Mapping[str, ReadinessCheck]: ...


class CommandsHook(Protocol):
    """`commands()`: verbs of the project by name; the docstring of a function is its line in
    `help`.
    """

    def __call__(self) -> Mapping[str, Command]: ...
