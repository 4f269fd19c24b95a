"""Protection of a port without keys from web pages; only the service's own pages may use it.

A browser on this machine sends any request of any page. Origin or Sec-Fetch-Site show a page of
another site. Host shows a page whose own name was changed to point at this machine (DNS rebinding).
"""

from collections.abc import Mapping
from functools import lru_cache

from ..loopback import is_loopback
from .problems import ProblemError

MAX_HEADER_LENGTH = 80  # characters of a header that a message repeats
# Types that any page can send to any site without a preflight request.
PAGE_CONTENT_TYPES = (
    b"text/plain",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data",
)


class SameOrigin:
    """Origin check of a port on `address`, a loopback address. Only such ports may have no keys."""

    def __init__(self, address: str) -> None:
        self.address = address.lower()

    def check(self, method: str, headers: Mapping[bytes, bytes]) -> None:
        """Raises ProblemError: 403 for another host or page, 415 for a body of any page."""
        host = headers.get(b"host", b"").lower()
        if host and not _is_local(host, self.address):
            raise ProblemError(
                403,
                f"the host is {_shown(host)}; this port serves only localhost or 127.0.0.1 as host",
            )
        origin = headers.get(b"origin")
        if origin is not None and origin.lower().partition(b"://")[2] != host:
            raise ProblemError(
                403,
                f"a page of {_shown(origin)} may not use this service; use the page at /docs "
                f"or a program",
            )
        if headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and not _follows_link(
            method, headers
        ):
            raise ProblemError(
                403,
                "a page of another site may not use this service; use the page at /docs or a "
                "program",
            )
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if method == "POST" and kind in PAGE_CONTENT_TYPES:
            raise ProblemError(
                415,
                f"the body must be application/json, given {_shown(kind)}; send content-type: "
                f"application/json",
            )


def origin_rule(address: str) -> SameOrigin | None:
    """Return the origin check of a port without keys; None if other machines may reach the port."""
    return SameOrigin(address) if is_loopback(address) else None


@lru_cache(64)
def _is_local(host: bytes, address: str) -> bool:
    name = host.decode("latin-1")
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return name == address or is_loopback(name)


def _follows_link(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a person opens a page; the page with the link cannot read its content."""
    opens = (
        headers.get(b"sec-fetch-mode") == b"navigate"
        and headers.get(b"sec-fetch-dest") == b"document"
    )
    return opens and method == "GET"


def _shown(given: bytes) -> str:
    return repr(given.decode("latin-1")[:MAX_HEADER_LENGTH])
