"""Preconditions of the service: keys if others can reach it, free ports, and file handles."""

import socket
import sys

from ..loopback import is_loopback
from ..settings import Settings
from .api_keys import LOCAL, KeysError
from .connection_limits import MAX_CONNECTIONS

OTHER_HANDLES = 256  # for files, the database and the other port


class PortInUseError(Exception):
    """The service cannot listen on its port. The message names the variable to change."""


def require_keys(settings: Settings) -> None:
    """Raises KeysError if there are no keys, unless the service is local and on loopback."""
    if settings.keys_file:
        return
    works = (
        "ML_KEYS_FILE=keys.json; the verb create-key creates the file: create-key --name checkout "
        "--role predict"
    )
    if settings.environment != LOCAL:
        raise KeysError(
            f"ML_ENVIRONMENT is {settings.environment} and there are no keys. What works: {works}"
        )
    if not is_loopback(settings.host):
        raise KeysError(
            f"ML_HOST is {settings.host}, which other machines may reach, and there are no keys. "
            f"What works: {works}"
        )


def require_free_port(variable: str, host: str, port: int) -> None:
    """Raises PortInUseError if the service cannot listen on this port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise PortInUseError(
            f"{host}:{port}: {error.strerror}; choose another port with {variable}={port + 10}"
        ) from error


def allow_connections() -> int:
    """Return the number of connections for which the process has file handles.

    Raises the limit of the process if it is too low (often 1,024) and may be raised.
    """
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_HANDLES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = max(soft, wanted if hard == resource.RLIM_INFINITY else min(wanted, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return (
        MAX_CONNECTIONS
        if soft == resource.RLIM_INFINITY
        else max(1, min(MAX_CONNECTIONS, soft - OTHER_HANDLES))
    )
