"""The request line and the headers of a request: how long they are, and how they are written again."""

from .problems import ProblemError

MAX_HEAD_BYTES = (
    32_768  # of the request line and all headers; as many again may follow a body as trailers
)
MAX_HEADERS = 100
Headers = list[tuple[bytes, bytes]]


def head_bytes(url: bytes, headers: Headers) -> int:
    """About as many bytes as came."""
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)


def plain_head(method: bytes, url: bytes, version: str, headers: Headers) -> bytes:
    """The head of a request that no longer asks for another protocol."""
    lines = b"".join(b"%s: %s\r\n" % header for header in headers if header[0] != b"upgrade")
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, url, version.encode(), lines)


def too_large() -> ProblemError:
    return ProblemError(
        431,
        f"the request line and its headers are too large; {MAX_HEAD_BYTES:,} bytes and {MAX_HEADERS} headers are read",
    )
