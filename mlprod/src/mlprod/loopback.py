"""Addresses of this machine are reached directly: a proxy would look for them on a machine of its
own.
"""

import ipaddress
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.request import (  # at run time only where something is asked: it costs 40 ms
        BaseHandler,
        Request,
    )

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1", "[::1]")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def is_loopback(host: str) -> bool:
    """Whether a name or an address means this machine."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def bypass_proxies() -> None:
    """Keep this process, its libraries and the processes that it starts from asking a proxy for
    this machine.

    Without a proxy in the environment nothing is changed: `no_proxy` alone would switch off the
    proxies of the system.
    """
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in PROXIES):
        return
    given = os.environ.get("no_proxy") or os.environ.get(
        "NO_PROXY", ""
    )  # as urllib and curl prefer them
    listed = [host.strip() for host in given.split(",") if host.strip()]
    if "*" not in listed:
        joined = ",".join([*listed, *(host for host in LOCAL_HOSTS if host not in listed)])
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = joined


def open_address(request: "Request", seconds: float, *handlers: "type[BaseHandler]") -> Any:
    """The response to a request. Raises what urllib raises: OSError, HTTPException, ValueError."""
    from urllib.request import ProxyHandler, build_opener

    direct = [ProxyHandler({})] if is_loopback(urlsplit(request.full_url).hostname or "") else []
    return build_opener(*direct, *handlers).open(request, timeout=seconds)


def proxy_of(address: str) -> str:
    """Through which proxy an address is asked, as a part of a message; empty when it is asked
    directly.
    """
    from urllib.request import getproxies, proxy_bypass

    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    proxy = getproxies().get(parts.scheme, "")
    direct = not proxy or is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc)
    return (
        ""
        if direct
        else f", asked through the proxy {proxy} ({parts.scheme}_proxy, unless no_proxy names "
        f"the host)"
    )
