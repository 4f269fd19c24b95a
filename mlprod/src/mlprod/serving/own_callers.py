"""Callers whom the project's authenticate() knows, beside those who have a key.

It can add callers, and no more.
"""

import re
from collections.abc import MutableMapping
from typing import Any, get_args

from starlette.requests import Request

from ..extensions import AuthenticateHook, Caller, ExtensionError, Role
from ..project.extension_loader import FILE
from .api_keys import LOCAL, ApiKeys
from .logs import log

KEY_ONLY: tuple[Role, ...] = (
    "operate",
    "smoke",
)  # the kill switch must not depend on code of the project
GRANTED = tuple(role for role in get_args(Role) if role not in KEY_ONLY)
NAME = re.compile(r"[A-Za-z0-9._@+-]{1,64}")


class OwnCallers:
    """Asks authenticate(). It may wait, so call it on a thread."""

    def __init__(self, hook: AuthenticateHook, keys: ApiKeys) -> None:
        self.hook, self.keys = hook, keys

    def caller(self, scope: MutableMapping[str, Any]) -> Caller | None:
        """Who sends the request of this ASGI scope; None for nobody.

        Raises ExtensionError for an identity that would take a role or a name from the keys, and
        whatever authenticate() raises: nobody is let in.
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
            log.error(message)  # of an exception the log has the name and the place alone
            raise ExtensionError(message)
        return Caller(result.name, frozenset(result.roles))

    def _problem(self, result: object) -> str:
        """What an identity would take from the keys; empty for one that can be used."""
        if not isinstance(result, Caller):
            return f"gave a {type(result).__name__}"
        if refused := sorted(set(result.roles) - set(GRANTED)):
            return f"granted {', '.join(refused)}"
        if not isinstance(result.name, str) or not NAME.fullmatch(result.name):
            return f"gave the name {result.name!r}"
        if result.name == LOCAL or result.name in self.keys.names:
            return f"gave the name {result.name!r}, which a key has"
        return ""
