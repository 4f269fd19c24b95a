"""Requests to a service in this process, without server and network."""

import sys
from time import perf_counter
from typing import Any


async def send(service: Any, key: str, body: bytes) -> float:
    """Send a body to /v1/predict and return the seconds; exits if it is not answered with 200."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def answered(message: dict[str, Any]) -> None:
        if message.get("status", 200) != 200:
            sys.exit(f"the response has status {message['status']} instead of 200")

    headers = [
        (b"host", b"127.0.0.1:8000"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"authorization", b"Bearer " + key.encode()),
    ]
    scope = {"type": "http", "method": "POST", "path": "/v1/predict", "headers": headers}
    began = perf_counter()
    await service(scope, receive, answered)
    return perf_counter() - began
