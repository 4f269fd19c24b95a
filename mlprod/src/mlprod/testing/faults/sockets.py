"""Raw connections to the service, for requests that no HTTP client would send."""

import contextlib
import socket

from .service import HOST, ServiceProcess


def head(length: object, *lines: str, route: str = "/v1/predict") -> bytes:
    message = [f"POST {route} HTTP/1.1", "host: localhost", "content-type: application/json"]
    return "\r\n".join(
        [*message, *([f"content-length: {length}"] if length is not None else []), *lines, "", ""]
    ).encode()


def request(body: bytes, *lines: str, route: str = "/v1/predict") -> bytes:
    return head(len(body), *lines, route=route) + body


def connected(
    service: ServiceProcess, content: bytes = b"", receive_buffer: int = 0
) -> socket.socket:
    """Open a raw connection and send `content` on it."""
    made = socket.socket()
    if receive_buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.settimeout(30)
    made.connect((HOST, service.port))
    with contextlib.suppress(OSError):
        made.sendall(content)
    return made


def statuses_of(made: socket.socket) -> list[int]:
    """Return the status of every response until the connection closes or times out."""
    # Longer than any response takes.
    made.settimeout(7)
    content = b""
    with contextlib.suppress(OSError):
        while part := made.recv(65_536):
            content += part
    made.close()
    parts = content.split(b"HTTP/1.1 ")
    return [int(part[:3]) for part in parts[1:]]


def answer_of(made: socket.socket) -> bytes:
    content = b""
    while not content.endswith(b"}"):
        part = made.recv(65_536)
        assert part, content
        content += part
    return content


def sent(made: socket.socket, content: bytes | memoryview) -> int:
    try:
        return made.send(content)
    except OSError:
        return 0


def is_open(made: socket.socket, most: int = 65_536) -> bool:
    """Return False once the connection is closed."""
    try:
        return bool(made.recv(most))
    except BlockingIOError:
        return True
    except OSError:
        return False
