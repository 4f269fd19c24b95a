"""Invalid requests: the service rejects each one and does not delay other callers."""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..waiting import eventually
from .bodies import LIMIT, body_of
from .callers import CallerLoad
from .service import ServiceProcess, running
from .sockets import connected, head, request, statuses_of

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals"),
]
DEFECTS = 'ml_requests_total{route="/v1/predict",status="500"}'
HOSTILE: dict[str, bytes] = {
    "10 MB": request(b'{"rows":[' + b" " * 10_000_000 + b"]}"),
    "10 MB unannounced": head(None, "transfer-encoding: chunked")
    + (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 160,
    "100,000 rows": request(b'{"rows":[' + b",".join([b"{}"] * 100_000) + b"]}"),
    "maximum number of unknown fields": request(
        b'{"rows":[{' + b",".join(b'"%d":0' % number for number in range(LIMIT // 11)) + b"}]}"
    ),
    "deep lists": request(b'{"rows":' + b"[" * (LIMIT // 3) + b"]" * (LIMIT // 3) + b"}"),
    "deep objects": request(
        b'{"rows":' + b'{"a":' * (LIMIT // 7) + b"1" + b"}" * (LIMIT // 7) + b"}"
    ),
    "invalid UTF-8": request(b'{"rows":[{"id":"\xff\xfe\xc3\x28"}]}'),
    "half a character": request(b'{"rows":[{"id":"\\ud800"}]}'),
    "a long number": request(b'{"rows":[{"id":' + b"9" * (LIMIT // 2) + b"}]}"),
    "no body": head(0),
    "a length that is not a number": head("many"),
    "a negative length": head(-1),
    "a huge length": head("9" * 30),
    "two lengths": head(2, "content-length: 3") + b"{}",
    "length and chunks": head(2, "transfer-encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
    "a chunk without a size": head(None, "transfer-encoding: chunked") + b"zz\r\n{}\r\n",
    "a huge chunk": head(None, "transfer-encoding: chunked") + b"ffffffffffffffff\r\n{}\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nx: " + b"y" * 2_000_000,
    "100,000 headers": b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 100_000 + b"\r\n",
    "a long path": b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a path that is not ASCII": b"GET /\xff\xfe\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "an escaped path": b"GET /%ff%00%0d%0a..%2f..%2f HTTP/1.1\r\nhost: localhost\r\nconnection: "
    b"close\r\n\r\n",
    "a path with a host": b"GET http://[::1 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "an unknown verb": b"BREW /v1/predict HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a CONNECT tunnel": b"CONNECT here:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\nhost: localhost\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: "
    b"upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "zeroes": bytes(100_000),
    "empty lines": b"\r\n" * 50_000,
}


@pytest.fixture(scope="module")
def sturdy(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("sturdy")
    with running(folder, models, f"sqlite:///{folder / 'records.db'}") as service:
        yield service


def test_invalid_request_is_rejected_or_disconnected(sturdy: ServiceProcess) -> None:
    with ThreadPoolExecutor(len(HOSTILE)) as pool:
        answers = pool.map(
            lambda content: statuses_of(connected(sturdy, content)), HOSTILE.values()
        )
        given = dict(zip(HOSTILE, answers, strict=True))
    refused = {
        name: [status for status in message if status != 503] for name, message in given.items()
    }
    assert not {
        name: text
        for name, text in refused.items()
        if not all(400 <= status < 500 for status in text)
    }
    assert sturdy.metric(DEFECTS) == 0
    assert sturdy.is_serving()
    print(
        f"\n{len(HOSTILE)} invalid requests: "
        f"{Counter(status for output in given.values() for status in output or [0])}"
    )


@pytest.mark.parametrize(
    "name",
    ["10 MB", "100,000 rows", "maximum number of unknown fields", "deep lists", "a long number"],
)
def test_invalid_body_delays_other_callers_by_less_than_a_second(
    sturdy: ServiceProcess, name: str
) -> None:
    with CallerLoad(sturdy, callers=1, pause=0.005) as load:
        eventually(lambda: len(load.times) > 20)
        made = connected(
            sturdy, HOSTILE[name].replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
        )
        assert [status for status in statuses_of(made) if not 400 <= status < 500] == []
    assert not load.errors
    assert len(load.reasons) <= 3, load.reasons
    longest = max(seconds for _, seconds in load.times)
    print(f"\n{name}: others waited {longest * 1_000:.0f} ms at most, {len(load.reasons)} rejected")
    assert longest < 1


def test_pipelined_requests_get_responses_in_order(sturdy: ServiceProcess) -> None:
    good, bad, no = (
        request(body_of(3)),
        request(b"{"),
        b"GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    assert statuses_of(connected(sturdy, (good + bad + no) * 20)) == [200, 400, 404] * 20


def test_connection_closed_within_a_body_does_not_block_the_service(sturdy: ServiceProcess) -> None:
    for length in (1, 100, 100_000):
        for _ in range(50):
            connected(sturdy, head(length) + b'{"rows"'[: length - 1]).close()
    assert sturdy.is_serving()
