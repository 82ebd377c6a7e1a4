"""HTTP/2 to servers of https: chosen by ALPN, one connection for many requests."""
import threading

import pytest

from conftest import wait_until
from h2kit import Http2
from h2server import TlsFront, h2server  # noqa: F401 (a fixture)
from proxying import ask, server  # noqa: F401 (a fixture)
from rawhttp import get, ok
from routing import routed  # noqa: F401 (fixture)
from tlskit import Maker

# ---- over TLS ----

@pytest.fixture
def https(routed, h2server, tmp_path):
    """Weir before a server of https that chooses of `alpn`: (proxy, server, what stands before it)."""
    pair, fronts = Maker(tmp_path).own("localhost", ["DNS:localhost", "IP:127.0.0.1"]), []

    def start(up=None, alpn=("h2", "http/1.1"), **transport):
        up = up or h2server()
        fronts.append(TlsFront(pair, up, alpn))
        return routed({
            "routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}},
            "services": {"all": {"loadBalancer": {"serversTransport": "st",
                                                  "servers": [{"url": f"https://127.0.0.1:{fronts[0].port}"}]}}},
            "serversTransports": {"st": {"rootCAs": [str(pair.crt)], **transport}}}), up, fronts[0]

    yield start
    for front in fronts:
        front.close()


def test_chosen_by_alpn(https):
    router, up, front = https()
    body = b"x" * 300_000
    up.on_stream = lambda stream: stream.answer(stream.body())
    for _ in range(5):
        client = router.connect()
        client.send(get("/", f"Content-Length: {len(body)}", method="POST") + body)
        assert client.response().body == body
    assert front.protocols == ["h2"] and up.requests[0].get(":scheme") == "https"


def test_many_at_once_over_tls(https):
    """Connections that open at the same time: one of them is kept, all requests go over it."""
    gate = threading.Event()
    router, up, front = https()
    up.on_stream = lambda stream: (gate.wait(20), stream.answer())
    client = Http2(router.connect())
    streams = [client.request() for _ in range(10)]
    wait_until("all have come", lambda: len(up.requests) == 10)
    gate.set()
    assert all(client.answer(stream).status == 200 for stream in streams)
    assert ask(router).status == 200
    assert len({stream.connection for stream in up.requests}) == 1


@pytest.mark.parametrize("alpn, transport", [(["http/1.1"], {}), (["h2", "http/1.1"], {"disableHTTP2": True})])
def test_not_chosen(https, server, alpn, transport):
    router, up, front = https(server(), alpn, **transport)
    for _ in range(3):
        assert ask(router).body == b"ok"
    assert "h2" not in front.protocols and up.requests[0].line.endswith("HTTP/1.1")


def test_a_body_that_comes_while_it_is_asked_again(https, server):
    """A kept connection dies when its request is there; the body comes while the next one still shakes hands."""
    died = threading.Event()

    def handler(peer, up):
        while True:
            head = peer.head()
            if head.line.startswith("PUT") and not died.is_set():
                front.gate.clear()
                died.set()
                return
            head.body = peer.body(head)
            up.requests.append(head)
            peer.send(ok(head.body or b"ok"))

    router, up, front = https(server(handler), ["http/1.1"])
    assert ask(router).body == b"ok"
    client = router.connect()
    client.send(get("/", "Content-Length: 200000", method="PUT"))
    assert died.wait(20)
    wait_until("it is asked again", lambda: len(front.peers) == 2)
    client.send(b"b" * 100_000)
    front.gate.set()
    client.send(b"b" * 100_000)
    assert client.response().body == b"b" * 200_000
    assert [r.line.split()[0] for r in up.requests] == ["GET", "PUT"]


def test_websocket_over_tls_is_http1(https, server):
    def handler(peer, up):
        up.requests.append(peer.head())
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        peer.send(peer.exactly(4))

    router, up, front = https(server(handler))
    client = router.connect()
    client.send(get("/", "Connection: Upgrade", "Upgrade: websocket"))
    assert client.head().status == 101
    client.send(b"ping")
    assert client.exactly(4) == b"ping" and front.protocols == ["http/1.1"]
