"""A stand-in for a git host's token issuer, on loopback: real signatures, real discovery."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Issuer(ThreadingHTTPServer):
    """Signs tokens with its key, publishes the public half, and gives a token to a job that shows
    `bearer`.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.bearer, self.claims = "of the job", dict[str, Any]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def token(self, key: Any = None, **claims: Any) -> str:
        now = int(time.time())
        usual = {
            "iss": self.url,
            "sub": "repo:org/parcels:ref:refs/heads/main",
            "aud": "ml-evidence",
            "iat": now,
            "exp": now + 300,
            "repository": "org/parcels",
            "ref": "refs/heads/main",
            "ref_type": "branch",
            "actor": "ada",
            "run_id": "4711",
        }
        given = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(given, key or self.key, algorithm="RS256", headers={"kid": "one"})

    def document(self, path: str, bearer: str) -> dict[str, Any] | None:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            return {"keys": [public | {"kid": "one", "use": "sig", "alg": "RS256"}]}
        if path == "/token?job=1&audience=ml-evidence" and bearer == f"Bearer {self.bearer}":
            return {"value": self.token(**self.claims)}
        return None


class _Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        result = self.server.document(self.path, self.headers.get("authorization", ""))
        body = json.dumps(result or {}).encode()
        self.send_response(200 if result else 403)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def issuer() -> Iterator[Issuer]:
    with Issuer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
