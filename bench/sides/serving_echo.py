"""The lower limit: the cost of the server, its protocol and the standard library's JSON."""

import json
import sys
from typing import Any

import uvicorn

HEADERS = [(b"content-type", b"application/json")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    text = json.dumps(json.loads(body)).encode()
    headers = [*HEADERS, (b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


if __name__ == "__main__":
    options: dict[str, Any] = {
        "loop": "uvloop",
        "http": "httptools",
        "access_log": False,
        "log_level": "warning",
    }
    uvicorn.run(app, port=int(sys.argv[1]), lifespan="off", **options)
