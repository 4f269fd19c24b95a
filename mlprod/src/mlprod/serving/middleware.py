"""Middleware of every route: keys, limits, request ids, counting, logging.

It also calls the handler of POST /v1/predict without the framework.
"""

import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from time import perf_counter
from types import SimpleNamespace
from typing import Any

from .api_keys import ApiKeys, Caller, Role
from .load_shedding import LoadLimits, Receive
from .logs import AccessLog, log
from .metrics import Metrics
from .own_callers import OwnCallers
from .predict_handler import PredictHandler
from .problems import ProblemError
from .readiness import Readiness
from .request_head import Headers
from .same_origin import SameOrigin

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
PREDICT, MODE_ROUTE = "/v1/predict", "/v1/mode"
HEALTH = "/healthz"  # for load balancers, which have no key and reach only the API port
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# the attributes by which a framework names the route of a request
PREDICT_ROUTE = SimpleNamespace(path=PREDICT, path_format=PREDICT)
JSON: Headers = [(b"content-type", b"application/json")]
CLOSE = (b"connection", b"close")
# Any other route requires any key.
REQUIRED_ROLES: dict[str, Role] = {
    PREDICT: "predict",
    "/v1/explain": "predict",
    "/v1/outcomes": "outcomes",
    "/v1/feedback": "feedback",
    MODE_ROUTE: "operate",
}
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
ANONYMOUS = Caller("-", ())
INTERNAL_ERROR = ProblemError(
    500, "the service failed and did nothing; its log has the cause under the request's id"
)


class GatewayApp:
    """ASGI application that a server runs.

    `routes` has every route and the documentation. POST /v1/predict bypasses it, because a request
    of the framework costs more than the prediction.
    """

    def __init__(
        self,
        routes: App,
        predict: PredictHandler,
        keys: ApiKeys,
        limits: LoadLimits,
        metrics: Metrics,
        access: AccessLog,
        readiness: Readiness,
        origin: SameOrigin | None,
        own_callers: OwnCallers | None = None,
    ) -> None:
        self.routes, self.predict, self.keys = routes, predict, keys
        self.limits, self.metrics, self.access = limits, metrics, access
        self.readiness, self.origin, self.own_callers = readiness, origin, own_callers
        self.draining = False  # while True, every answer closes its connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.routes(scope, receive, send)
            return
        began, path, headers = perf_counter(), scope["path"], dict(scope["headers"])
        sent = headers.get(b"x-request-id", b"")
        request = sent.decode() if REQUEST_ID.fullmatch(sent) else os.urandom(16).hex()
        response, caller, predicts = (
            ResponseSender(send, request.encode(), self.draining),
            ANONYMOUS,
            path == PREDICT and scope["method"] == "POST",
        )
        # neither counted nor logged, as on the admin port
        if path == HEALTH and scope["method"] in ("GET", "HEAD"):
            status = self.readiness.state()[0]
            await response.send(
                status, JSON, b'{"status": "%s"}' % (b"ready" if status == 200 else b"not ready")
            )
            return
        if predicts:
            scope["route"] = PREDICT_ROUTE
        self.limits.in_flight += 1
        try:
            if self.origin:
                self.origin.check(scope["method"], headers)
            authorization = headers.get(b"authorization", b"")
            caller = self.keys.caller(authorization) or await self._without_key(scope)
            require_role(caller, scope["method"], path)
            scope.setdefault("state", {})["caller"] = caller
            if path != MODE_ROUTE:  # the kill switch must work under every load
                self.limits.admit()
            if predicts:
                body = await self.limits.body(receive, headers.get(b"content-length", b"0"))
                if self.predict.slow:
                    message = await self.limits.run_in_thread(
                        self.predict.answer, body, self.keys.salt, caller, request
                    )
                else:
                    message = self.predict.answer(body, self.keys.salt, caller, request)
                await response.send(200, JSON, message)
            else:
                scope.setdefault("state", {}).update(caller=caller, request=request)
                await self.routes(scope, receive, response)
        except ProblemError as problem:
            self.metrics.count_shed(problem)
            await response.send(problem.status, problem.headers, problem.body)
        except Exception:
            # A defect of the service. The answer has no details; they are in the log.
            log.exception(
                "failed", extra={"facts": {"request": request, "path": path if predicts else "-"}}
            )
            if not response.status:
                await response.send(500, INTERNAL_ERROR.headers, INTERNAL_ERROR.body)
        finally:
            self.limits.in_flight -= 1
            route: str = getattr(scope.get("route"), "path", None) or (
                path if path in REQUIRED_ROLES else "unknown"
            )
            seconds = perf_counter() - began
            self.metrics.count_request(route, response.status, seconds)
            self.access.add(_now(), request, route, response.status, seconds, caller.name)

    async def _without_key(self, scope: Scope) -> Caller:
        """Return the caller that the project's authenticate() knows.

        authenticate() is not called for the kill switch, nor while no key is valid: then nobody
        could stop the callers that it accepts. Raises ProblemError if nobody knows the caller.
        """
        if self.keys.ended:
            raise ProblemError(
                503,
                "the service cannot read its keys, so no key is valid; "
                "report this to the operator of the service",
                shed="keys",
            )
        caller = None
        if self.own_callers and scope["path"] != MODE_ROUTE:
            self.limits.admit()
            caller = await self.limits.run_in_thread(self.own_callers.caller, scope)
        if caller is None:
            raise ProblemError(
                401,
                "the key is missing, unknown or expired; send a valid key as "
                "Authorization: Bearer <key>",
            )
        return caller


class ResponseSender:
    """Sends a response and stores its status. Every response has the id of its request."""

    __slots__ = ("_headers", "_send", "status")

    def __init__(self, send: Send, request: bytes, last: bool) -> None:
        self._send, self.status = send, 0
        self._headers = (
            [(b"x-request-id", request), CLOSE] if last else [(b"x-request-id", request)]
        )

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self._headers]
        await self._send(message)

    async def send(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response."""
        self.status = status
        length = (b"content-length", b"%d" % len(body))
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, length, *self._headers],
            }
        )
        await self._send({"type": "http.response.body", "body": body})


def require_role(caller: Caller, method: str, path: str) -> None:
    """Raises ProblemError: 403 without the role of the path, 404 for any other path that writes.

    The comparison is exact. Routes of a framework may match more paths, so only the listed paths
    accept POST.
    """
    role = REQUIRED_ROLES.get(path)
    if role is None and (method not in SAFE_METHODS or not path.isprintable()):
        raise ProblemError(404, "this route does not exist; the documentation lists the routes")
    if role and role not in caller.roles:
        raise ProblemError(
            403,
            f"the key {caller.name!r} does not have the role {role!r}; "
            "request the role from the operator of the service",
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
