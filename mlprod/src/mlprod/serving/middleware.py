"""What stands in front of every route: keys, limits, request ids, counting, logging; and the short
way to predict.
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
from .same_origin import SameOrigin

Scope = MutableMapping[str, Any]
Headers = list[tuple[bytes, bytes]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
PREDICT, STOP = "/v1/predict", "/v1/mode"
HEALTH = "/healthz"  # for load balancers, which bring no key and know the serving port alone
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
PREDICT_ROUTE = SimpleNamespace(
    path=PREDICT, path_format=PREDICT
)  # as a framework names the route of a request
JSON: Headers = [(b"content-type", b"application/json")]
CLOSE = (b"connection", b"close")
REQUIRED_ROLES: dict[str, Role] = {
    PREDICT: "predict",
    "/v1/explain": "predict",
    "/v1/outcomes": "outcomes",
    "/v1/feedback": "feedback",
    STOP: "operate",
}  # any other route needs any key
GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
ANONYMOUS = Caller("-", ())
INTERNAL_ERROR = ProblemError(
    500, "the service failed and answered nothing; its log says why under the request's id"
)


class GatewayApp:
    """The application that a server runs.

    `surface` has every route and the documentation; POST /v1/predict does not go through it, since
    a framework's request costs more than the prediction.
    """

    def __init__(
        self,
        surface: App,
        predict: PredictHandler,
        keys: ApiKeys,
        limits: LoadLimits,
        metrics: Metrics,
        access: AccessLog,
        readiness: Readiness,
        origin: SameOrigin | None,
        own_callers: OwnCallers | None = None,
    ) -> None:
        self.surface, self.predict, self.keys = surface, predict, keys
        self.limits, self.metrics, self.access = limits, metrics, access
        self.readiness, self.origin, self.own_callers = readiness, origin, own_callers
        self.draining = False  # asks every caller to come back by another connection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.surface(scope, receive, send)
            return
        began, path, given = perf_counter(), scope["path"], dict(scope["headers"])
        sent = given.get(b"x-request-id", b"")
        request = sent.decode() if GIVEN_ID.fullmatch(sent) else os.urandom(16).hex()
        answer, caller, short = (
            ResponseSender(send, request.encode(), self.draining),
            ANONYMOUS,
            path == PREDICT and scope["method"] == "POST",
        )
        if path == HEALTH and scope["method"] in (
            "GET",
            "HEAD",
        ):  # neither counted nor logged, as on the second port
            status = self.readiness.state()[0]
            await answer.give(
                status, JSON, b'{"status": "%s"}' % (b"ready" if status == 200 else b"not ready")
            )
            return
        if short:
            scope["route"] = PREDICT_ROUTE
        self.limits.in_flight += 1
        try:
            if self.origin:
                self.origin.check(scope["method"], given)
            caller = self.keys.caller(given.get(b"authorization", b"")) or await self._without_key(
                scope
            )
            allow(caller, scope["method"], path)
            scope.setdefault("state", {})["caller"] = caller
            if path != STOP:  # which must get through when nothing else does
                self.limits.admit()
            if short:
                body = await self.limits.body(receive, given.get(b"content-length", b"0"))
                if self.predict.slow:
                    message = await self.limits.run_in_thread(
                        self.predict.answer, body, self.keys.salt, caller, request
                    )
                else:
                    message = self.predict.answer(body, self.keys.salt, caller, request)
                await answer.give(200, JSON, message)
            else:
                scope.setdefault("state", {}).update(caller=caller, request=request)
                await self.surface(scope, receive, answer)
        except ProblemError as problem:
            self.metrics.refused(problem)
            await answer.give(problem.status, problem.headers, problem.body)
        except Exception:  # a defect: told without its details, which stand in the log
            log.exception(
                "failed", extra={"facts": {"request": request, "path": path if short else "-"}}
            )
            if not answer.status:
                await answer.give(500, INTERNAL_ERROR.headers, INTERNAL_ERROR.body)
        finally:
            self.limits.in_flight -= 1
            route: str = getattr(scope.get("route"), "path", None) or (
                path if path in REQUIRED_ROLES else "unknown"
            )
            seconds = perf_counter() - began
            self.metrics.answered(route, answer.status, seconds)
            self.access.add(_now(), request, route, answer.status, seconds, caller.name)

    async def _without_key(self, scope: Scope) -> Caller:
        """Whom the project's authenticate() knows.

        It is not asked for the kill switch, nor while no key holds: then nobody could stop what it
        lets in. Raises ProblemError.
        """
        if self.keys.ended:
            raise ProblemError(
                503,
                "the keys cannot be read, so none is known; ask who runs this service",
                shed="keys",
            )
        caller = None
        if self.own_callers and scope["path"] != STOP:
            self.limits.admit()
            caller = await self.limits.run_in_thread(self.own_callers.caller, scope)
        if caller is None:
            raise ProblemError(
                401, "a key is needed that is known and holds today: Authorization: Bearer <key>"
            )
        return caller


class ResponseSender:
    """Sends, and remembers the status; every answer carries the id of its request."""

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

    async def give(self, status: int, headers: Headers, body: bytes) -> None:
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


def allow(caller: Caller, method: str, path: str) -> None:
    """Raises ProblemError: 403 when the caller has not the role that the path needs, 404 for
    whatever else would write.

    The comparison is exact, and a framework's routes may be more generous: none is reached by POST
    but those listed.
    """
    role = REQUIRED_ROLES.get(path)
    if role is None and (method not in SAFE_METHODS or not path.isprintable()):
        raise ProblemError(404, "there is no such route; the documentation lists what there is")
    if role and role not in caller.roles:
        raise ProblemError(
            403, f"the key {caller.name!r} has not the role {role!r}; ask who runs this service"
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
