"""Direct requests to addresses of this machine, without a proxy.

A proxy would resolve such an address to its own machine.
"""

import ipaddress
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    # At run time only where a request is sent: this import takes 40 ms.
    from urllib.request import BaseHandler, Request

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1", "[::1]")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def is_loopback(host: str) -> bool:
    """Return whether a name or an address means this machine."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def bypass_proxies() -> None:
    """Make this process, its libraries and its child processes reach this machine without a proxy.

    Without a proxy in the environment nothing changes: `no_proxy` alone would switch off the
    proxies of the system.
    """
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in PROXIES):
        return
    # In the order of preference of urllib and curl.
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    listed = [host.strip() for host in given.split(",") if host.strip()]
    if "*" not in listed:
        joined = ",".join([*listed, *(host for host in LOCAL_HOSTS if host not in listed)])
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = joined


def open_address(request: "Request", seconds: float, *handlers: "type[BaseHandler]") -> Any:
    """Send a request and return its response.

    Raises OSError, HTTPException or ValueError, as urllib does.
    """
    from urllib.request import ProxyHandler, build_opener

    direct = [ProxyHandler({})] if is_loopback(urlsplit(request.full_url).hostname or "") else []
    return build_opener(*direct, *handlers).open(request, timeout=seconds)


def describe_proxy(address: str) -> str:
    """Return a part of a message that names the proxy of an address; empty without a proxy."""
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
        else f", requested through the proxy {proxy} ({parts.scheme}_proxy, unless no_proxy names "
        f"the host)"
    )
