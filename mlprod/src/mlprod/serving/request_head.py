"""Head of a request, its request line and headers: its size, and its text."""

from .problems import ProblemError

# Of the request line and all headers. Trailers after a body may have as many bytes again.
MAX_HEAD_BYTES = 32_768
MAX_HEADERS = 100
Headers = list[tuple[bytes, bytes]]


def head_bytes(url: bytes, headers: Headers) -> int:
    """Return the approximate number of received bytes."""
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)


def plain_head(method: bytes, url: bytes, version: str, headers: Headers) -> bytes:
    """Return the head of a request without the header that asks for another protocol."""
    lines = b"".join(b"%s: %s\r\n" % header for header in headers if header[0] != b"upgrade")
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, url, version.encode(), lines)


def too_large() -> ProblemError:
    """Return the problem of a head that is too large."""
    return ProblemError(
        431,
        f"the request line and its headers are too large; the service reads up to "
        f"{MAX_HEAD_BYTES:,} bytes and {MAX_HEADERS} headers",
    )
