"""Callers whom the project's authenticate() knows, beside those who have a key. It can add callers, and no more."""

import re
from collections.abc import MutableMapping
from typing import Any, get_args

from starlette.requests import Request

from ..extensions import AuthenticateHook, Caller, ExtensionError, Role
from ..project.extension_loader import FILE
from .api_keys import LOCAL, ApiKeys
from .logs import log

KEY_ONLY: tuple[Role, ...] = ("operate", "smoke")  # the kill switch must not depend on code of the project
GRANTED = tuple(role for role in get_args(Role) if role not in KEY_ONLY)
NAME = re.compile(r"[A-Za-z0-9._@+-]{1,64}")


class OwnCallers:
    """Asks authenticate(). It may wait, so call it on a thread."""

    def __init__(self, hook: AuthenticateHook, keys: ApiKeys) -> None:
        self.hook, self.keys = hook, keys

    def caller(self, scope: MutableMapping[str, Any]) -> Caller | None:
        """Who sends the request of this ASGI scope; None for nobody. Raises ExtensionError for an identity that would
        take a role or a name from the keys, and whatever authenticate() raises: nobody is let in."""
        found: object = self.hook(Request(scope))
        if found is None:
            return None
        problem = self._problem(found)
        if problem or not isinstance(found, Caller):
            message = (
                f'{FILE}: authenticate() {problem}; works: Caller("checkout", {{"predict"}}), with roles of '
                f"{', '.join(GRANTED)}; or None"
            )
            log.error(message)  # of an exception the log has the name and the place alone
            raise ExtensionError(message)
        return Caller(found.name, frozenset(found.roles))

    def _problem(self, found: object) -> str:
        """What an identity would take from the keys; empty for one that can be used."""
        if not isinstance(found, Caller):
            return f"gave a {type(found).__name__}"
        if refused := sorted(set(found.roles) - set(GRANTED)):
            return f"granted {', '.join(refused)}"
        if not isinstance(found.name, str) or not NAME.fullmatch(found.name):
            return f"gave the name {found.name!r}"
        if found.name == LOCAL or found.name in self.keys.names:
            return f"gave the name {found.name!r}, which a key has"
        return ""
