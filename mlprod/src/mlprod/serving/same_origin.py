"""What web pages may ask of a port that needs no key: nothing, but for the service's own pages.

A browser on this machine sends what any page tells it to. A page of another site shows by Origin or
Sec-Fetch-Site; one whose own name was made to point at this machine (DNS rebinding) shows by Host.
"""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache

from .problems import ProblemError

LENGTH = 80  # characters of a header that a message repeats
SENT_UNASKED = (
    b"text/plain",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data",
)  # by a page, anywhere


class SameOrigin:
    """For a port of `address`, a loopback one: others see no keyless port."""

    def __init__(self, address: str) -> None:
        self.address = address.lower()

    def check(self, method: str, headers: Mapping[bytes, bytes]) -> None:
        """Raises ProblemError: 403 for another host or page, 415 for a body that any page could
        send.
        """
        host = headers.get(b"host", b"").lower()
        if host and not _is_local(host, self.address):
            raise ProblemError(
                403, f"this port answers to localhost or 127.0.0.1 as host, not to {_shown(host)}"
            )
        origin = headers.get(b"origin")
        if origin is not None and origin.lower().partition(b"://")[2] != host:
            raise ProblemError(
                403,
                f"a page of {_shown(origin)} may ask nothing here; use the page at /docs "
                f"or a program",
            )
        if headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and not _follows_link(
            method, headers
        ):
            raise ProblemError(
                403,
                "a page of another site may ask nothing here; use the page at /docs or a program",
            )
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if method == "POST" and kind in SENT_UNASKED:
            raise ProblemError(
                415,
                f"a body is application/json, given {_shown(kind)}; send content-type: "
                f"application/json",
            )


def same_origin(address: str) -> SameOrigin | None:
    """The rule for a keyless port of an address; None where the port is for other machines, under
    any name.
    """
    return SameOrigin(address) if is_loopback(address) else None


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


@lru_cache(64)
def _is_local(host: bytes, address: str) -> bool:
    name = host.decode("latin-1")
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return name == address or is_loopback(name)


def _follows_link(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a person opens an address as a page, whose content the page before it cannot read."""
    opens = (
        headers.get(b"sec-fetch-mode") == b"navigate"
        and headers.get(b"sec-fetch-dest") == b"document"
    )
    return opens and method == "GET"


def _shown(given: bytes) -> str:
    return repr(given.decode("latin-1")[:LENGTH])
