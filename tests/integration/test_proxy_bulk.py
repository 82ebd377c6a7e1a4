"""Large answers of known length on plain connections, whose bytes never enter the worker's memory: the ends of such a body."""
import hashlib
import os

import pytest

from conftest import wait_until
from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import get, ok

BODY = os.urandom(3_000_001)
HEAD = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()


def whole(client):
    return hashlib.sha256(client.response().body).digest() == hashlib.sha256(BODY).digest()


@pytest.mark.parametrize("client_fields", [(), ("Connection: close",)])
def test_kept_connections_go_on_behind_it(proxy, server, client_fields):
    def handler(peer, srv):
        while True:
            srv.requests.append(peer.request())
            peer.send(ok(BODY) if len(srv.requests) % 2 else ok(b"small"))
    up = server(handler)
    router = proxy(up)
    client = router.connect()
    client.send(get("/1") + get("/2") + get("/3", *client_fields))
    assert whole(client)
    assert client.response().body == b"small"
    assert whole(client)
    assert len(up.peers) == 1
    if client_fields:
        assert client.at_end()


def test_bytes_behind_it_reach_nobody(proxy, server):
    """What a server sends behind its answer is not the next one: its connection is not used again."""
    def handler(peer, srv):
        srv.requests.append(peer.request())
        peer.send(HEAD + BODY + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        peer.rest()
    up = server(handler)
    client = proxy(up).connect()
    for _ in range(3):
        client.send(get())
        assert whole(client)
    assert len(up.peers) == 3


def test_a_body_that_is_cut_ends_as_cut(proxy, server):
    def handler(peer, srv):
        peer.request()
        peer.send(HEAD + BODY[:2_000_000])
        peer.close()
    client = proxy(server(handler)).connect()
    client.send(get())
    client.head()
    assert client.rest() == BODY[:2_000_000]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_in_the_middle(proxy, server, how):
    """The server's connection, in the middle of an answer, ends with it."""
    gone = []

    def handler(peer, _):
        peer.request()
        try:
            peer.send(HEAD.replace(b"3000001", b"300000100"))
            for _ in range(100):
                peer.send(BODY)
        except OSError:
            gone.append(True)
    router = proxy(server(handler))
    client = router.connect()
    client.send(get())
    client.head()
    client.exactly(200_000)
    getattr(client, how)()
    wait_until("the server's connection ended", lambda: gone)
    other = router.connect()
    other.send(get("/nope"))
    assert other.response().status == 404


def test_a_head_that_came_with_the_first_bytes_stands_before_them(proxy, server):
    """Head and much of the body in one read, an interim answer before: the client gets everything in order."""
    def handler(peer, srv):
        peer.request()
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + HEAD + BODY)
        peer.rest()
    client = proxy(server(handler)).connect()
    client.send(get())
    answer = client.response()
    assert [interim.status for interim in answer.interim] == [103]
    assert answer.body == BODY
