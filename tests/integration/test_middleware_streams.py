"""What streams, through every middleware and service that touches bodies: WebSockets of a real server, events as they are sent, bodies
that are encoded already; and regular expressions that could take for ever.
"""
import base64
import contextlib
import os
import threading
import time

import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import get, ok
from routing import balancer, one_route, routed, url  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")
AGAIN = {"attempts": 3, "status": ["500-599"]}
MIDDLEWARES = {
    "basicAuth": {"users": ["bob:{SHA}C+7Hteo/D9vJXQ3UfzxbwnXaijM="]}, "buffering": {}, "circuitBreaker": {"expression": "NetworkErrorRatio() > 0.5"},
    "compress": {"minResponseBodyBytes": 1}, "contentType": {}, "errors": {"status": ["400-599"], "service": "pages"}, "grpcWeb": {"allowOrigins": ["*"]},
    "forwardAuth": {"forwardBody": True, "maxBodySize": 1000}, "headers": {"accessControlAllowOriginList": ["*"], "frameDeny": True},
    "inFlightReq": {"amount": 1}, "rateLimit": {"average": 1, "period": "1h", "burst": 1}, "retry": AGAIN}
SERVICES = {"failover": {"service": "app", "fallback": "pages", "errors": {"status": ["500-599"]}},
            "mirroring": {"service": "app", "mirrors": [{"name": "pages", "percent": 100}]},
            "weighted": {"services": [{"name": "app"}], "sticky": {"cookie": {"name": "c"}}}, "highestRandomWeight": {"services": [{"name": "app"}]}}
BOB = "Authorization: Basic " + base64.b64encode(b"bob:foo").decode()


def others(peer, server):
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            server.requests.append(peer.request())
            peer.send(ok(b"other"))


def through(server, kind, app):
    """Everything to app, through that middleware or service."""
    pages = server(others)
    if kind in SERVICES:
        return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "s"}},
                "services": {"s": {kind: SERVICES[kind]}, "app": balancer(app), "pages": balancer(pages)}}
    options = {**MIDDLEWARES[kind], **({"address": url(pages)} if kind == "forwardAuth" else {})}
    return one_route(app, {"m": {kind: options}}, pages=balancer(pages))


def frame(payload, mask=b"\x11\x22\x33\x44"):
    """Text, as clients send it: masked."""
    size = len(payload)
    head = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big")
    return b"\x81" + head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def text(client):
    first, size = client.exactly(2)
    if size >= 126:
        size = int.from_bytes(client.exactly(2 if size == 126 else 8), "big")
    assert first == 0x81
    return client.exactly(size)


@pytest.mark.parametrize("kind", [*MIDDLEWARES, *SERVICES])
def test_websocket(server, routed, whoami, kind):
    proxied = routed(through(server, kind, whoami("echo").port))
    client = proxied.connect()
    client.send(get("/echo", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Origin: https://a.test", BOB,
                    f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}"))
    assert client.head().status == 101
    for size in (0, 5, 126, 70_000):
        payload = b"x" * size
        client.send(frame(payload))
        assert text(client) == payload


@pytest.mark.parametrize("kind", sorted({*MIDDLEWARES, *SERVICES} - {"buffering"}))
def test_events(server, routed, kind):
    """Each comes before the next is sent; buffering waits for the last. Encoded ones: test_middleware_compress.py."""
    seen = threading.Semaphore(0)

    def says(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(5):
            event = b"data: %d\n\n" % number
            peer.send(b"%x\r\n%s\r\n" % (len(event), event))
            assert seen.acquire(timeout=20)
        peer.send(b"0\r\n\r\n")

    proxied = routed(through(server, kind, server(says)))
    client = proxied.connect()
    client.send(get("/", "Accept: text/event-stream", "Accept-Encoding: identity", BOB))
    head = client.head()
    assert (head.status, head.get("content-type"), head.get("content-encoding")) == (200, "text/event-stream", None)
    for number in range(5):
        assert client.until(b"\n\n").endswith(b"data: %d\n\n" % number)
        seen.release()
    client.until(b"0\r\n\r\n")


@pytest.mark.parametrize("kind", ["compress", "buffering", "contentType", "errors", "grpcWeb", "retry", "mirroring", "failover"])
def test_what_is_encoded_is_nobodys_to_decode(server, routed, kind):
    """A bomb (brotli of gigabytes of one letter is as short) arrives as it came."""
    bomb = bytes.fromhex("5bffffff7f" + "0f" * 59) * 100

    def says(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                peer.request()
                peer.send(ok(bomb, "Content-Encoding: br", "Content-Type: text/html"))
    proxied = routed(through(server, kind, server(says)))
    client = proxied.connect()
    client.send(get("/", "Accept-Encoding: gzip, br", BOB))
    answer = client.response()
    assert (answer.body, answer.get("content-encoding"), answer.get("content-type")) == (bomb, "br", "text/html")


EVIL = r"^(https?://[^/]+)?/(a|aa|a?a)+(b|ab)*$"


@pytest.mark.parametrize("status, middleware", [
    (500, {"redirectRegex": {"regex": EVIL, "replacement": "/found"}}),
    (500, {"replacePathRegex": {"regex": EVIL, "replacement": "/found"}}),
    (500, {"stripPrefixRegex": {"regex": [r"/(a|aa|a?a)+(b|ab)*c"]}}),
    (200, {"headers": {"accessControlAllowOriginListRegex": [EVIL]}})], ids=lambda value: str(value) if isinstance(value, int) else next(iter(value)))
def test_expressions_that_could_take_for_ever(server, routed, status, middleware):
    """What they would have changed does not pass unchanged; an origin is not allowed."""
    app = server(others)
    proxied = routed(one_route(app, {"m": middleware}))
    long = "/" + "a" * 3000 + "!c"
    began = time.monotonic()
    client = proxied.connect()
    client.send(get(long, f"Origin: {long}"))
    answer = client.response()
    assert (answer.status, answer.get("location"), answer.get("access-control-allow-origin")) == (status, None, None)
    assert [r.line for r in app.requests] == ([f"GET {long} HTTP/1.1"] if status == 200 else [])
    if status != 200:
        proxied.router.wait_log("reason=regex_limit")
    assert time.monotonic() - began < 15  # as long as it takes would be years
