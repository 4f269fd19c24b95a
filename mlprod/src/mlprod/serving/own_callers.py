"""Callers that the project's authenticate() knows, in addition to callers with a key.

authenticate() can only add callers.
"""

import re
from collections.abc import MutableMapping
from typing import Any, get_args

from starlette.requests import Request

from ..extensions import AuthenticateHook, Caller, ExtensionError, Role
from ..project.extension_loader import FILE
from .api_keys import LOCAL, ApiKeys
from .logs import log

# Roles of keys only. The kill switch must not depend on code of the project.
KEY_ONLY: tuple[Role, ...] = ("operate", "smoke")
GRANTED = tuple(role for role in get_args(Role) if role not in KEY_ONLY)
NAME = re.compile(r"[A-Za-z0-9._@+-]{1,64}")


class OwnCallers:
    """Calls authenticate(). It may wait, so call it on a thread."""

    def __init__(self, hook: AuthenticateHook, keys: ApiKeys) -> None:
        self.hook, self.keys = hook, keys

    def caller(self, scope: MutableMapping[str, Any]) -> Caller | None:
        """Return the caller of the request of this ASGI scope; None for nobody.

        Raises ExtensionError if the identity has a role or a name that belongs to the keys. An
        exception of authenticate() is raised as well. In both cases the request is refused.
        """
        result: object = self.hook(Request(scope))
        if result is None:
            return None
        problem = self._problem(result)
        if problem or not isinstance(result, Caller):
            message = (
                f'{FILE}: authenticate() {problem}; works: Caller("checkout", '
                f'{{"predict"}}), with roles of '
                f"{', '.join(GRANTED)}; or None"
            )
            # logged here, because the log of an exception has only its type and code places
            log.error(message)
            raise ExtensionError(message)
        return Caller(result.name, frozenset(result.roles))

    def _problem(self, result: object) -> str:
        """Return why an identity cannot be used; empty for a usable one."""
        if not isinstance(result, Caller):
            return f"returned a {type(result).__name__}"
        if refused := sorted(set(result.roles) - set(GRANTED)):
            return f"granted {', '.join(refused)}"
        if not isinstance(result.name, str) or not NAME.fullmatch(result.name):
            return f"returned the name {result.name!r}"
        if result.name == LOCAL or result.name in self.keys.names:
            return f"returned the name {result.name!r}, which a key has"
        return ""
