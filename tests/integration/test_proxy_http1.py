"""HTTP/1 through the router: framing, keep-alive, bodies, interim answers, tunnels. Clients and servers are scripted."""
import hashlib
import os
import socket
import threading

import pytest

from conftest import wait_until
from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import FEW, answer_all, get, kernel_takes, ok
from waiting import pass_time, wait_still


def test_keep_alive_on_both_sides(proxy, server):
    up = server()
    client = proxy(up).connect()
    for i in range(3):
        client.send(get(f"/{i}"))
        answer = client.response()
        assert answer.status == 200 and answer.body == b"ok"
        assert answer.get("connection") is None and answer.get("date")
    assert [r.line for r in up.requests] == [f"GET /{i} HTTP/1.1" for i in range(3)]
    assert len(up.peers) == 1


def test_head_has_the_length_and_no_body(proxy, server):
    def handler(peer, _):
        while True:
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
    client = proxy(server(handler)).connect()
    for _ in range(2):
        client.send(get(method="HEAD"))
        answer = client.response("HEAD")
        assert answer.get("content-length") == "1234"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_body(proxy, server, status):
    def handler(peer, _):
        while True:
            peer.request()
            peer.send(f"HTTP/1.1 {status}\r\nEtag: \"x\"\r\n\r\n".encode())
    client = proxy(server(handler)).connect()
    for _ in range(2):
        client.send(get())
        answer = client.response()
        assert answer.line == f"HTTP/1.1 {status}"
        assert answer.get("content-length") is None and answer.get("transfer-encoding") is None


def test_empty_body_with_length_zero(proxy, server):
    client = proxy(server(answer_all(b""))).connect()
    for _ in range(2):
        client.send(get())
        assert client.response().get("content-length") == "0"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"


def test_chunked_response_with_trailers(proxy, server):
    def handler(peer, _):
        while True:
            peer.request()
            peer.send(CHUNKED + b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n")
    client = proxy(server(handler)).connect()
    for _ in range(2):
        client.send(get())
        answer = client.response()
        assert answer.body == b"hello world"
        assert answer.trailers == b"X-Sum: 42\r\n"
        assert answer.get("trailer") == "X-Sum"


def test_chunked_response_byte_by_byte(proxy, server):
    def handler(peer, _):
        peer.request()
        peer.send_slowly(CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n")
        peer.rest()
    client = proxy(server(handler)).connect()
    client.send(get())
    answer = client.response()
    assert answer.body == b"hello world" and answer.trailers == b"X-Sum: 42\r\n"


def test_old_client_gets_no_chunks(proxy, server):
    def handler(peer, _):
        peer.request()
        peer.send(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")
        peer.rest()
    client = proxy(server(handler)).connect()
    client.send(get(version="1.0"))
    answer = client.response()
    assert answer.line == "HTTP/1.0 200 OK"
    assert answer.get("transfer-encoding") is None and answer.body == b"hello"


def test_old_client_may_keep_the_connection(proxy, server):
    client = proxy(server()).connect()
    for _ in range(2):
        client.send(get("/", "Connection: keep-alive", version="1.0"))
        answer = client.response()
        assert answer.line == "HTTP/1.0 200 OK" and answer.get("connection") == "keep-alive" and answer.body == b"ok"
    client.send(get(version="1.0"))
    assert client.response().status == 200 and client.at_end()


def test_close_is_honoured(proxy, server):
    client = proxy(server()).connect()
    client.send(get("/", "Connection: close"))
    assert client.response().get("connection") == "close"
    assert client.at_end()


@pytest.mark.parametrize("line", ["HTTP/1.1 200 OK", "HTTP/1.0 200 OK"])
def test_body_until_close_is_framed_anew(proxy, server, line):
    def handler(peer, _):
        peer.request()
        peer.send(f"{line}\r\n\r\n".encode() + b"until the end")
    client = proxy(server(handler)).connect()
    for _ in range(2):
        client.send(get())
        answer = client.response()
        assert answer.body == b"until the end" and answer.get("transfer-encoding") == "chunked"


def test_server_that_closes_after_each_answer(proxy, server):
    def handler(peer, srv):
        srv.requests.append(peer.request())
        peer.send(ok(b"once", "Connection: close"))
    up = server(handler)
    client = proxy(up).connect()
    for _ in range(3):
        client.send(get())
        answer = client.response()
        assert answer.body == b"once" and answer.get("connection") is None
    assert len(up.peers) == 3


def test_request_with_length(proxy, server):
    up = server()
    client = proxy(up).connect()
    for body in (b"first", b"", b"third" * 1000):
        client.send(get("/", f"Content-Length: {len(body)}", method="POST") + body)
        assert client.response().status == 200
    assert [r.body for r in up.requests] == [b"first", b"", b"third" * 1000]
    assert up.requests[1].get("content-length") == "0"


def test_request_in_chunks_with_trailers(proxy, server):
    up = server()
    client = proxy(up).connect()
    message = get("/", "Transfer-Encoding: chunked", "Trailer: X-Sum", method="POST")
    body = b"3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n"
    client.send(message + body)
    assert client.response().status == 200
    client.send_slowly(message + body)
    assert client.response().status == 200
    for request in up.requests:
        assert request.body == b"abcdefg" and request.trailers == b"X-Sum: 7\r\n"
        assert request.get("trailer") == "X-Sum" and request.get("content-length") is None


def test_requests_in_a_row_without_waiting(proxy, server):
    up = server()
    client = proxy(up).connect()
    post = get("/p", "Content-Length: 3", method="POST") + b"abc"
    chunked = get("/c", "Transfer-Encoding: chunked", method="POST") + b"3\r\nxyz\r\n0\r\n\r\n"
    client.send(get("/1") + post + get("/2") + chunked + get("/3"))
    for _ in range(5):
        assert client.response().body == b"ok"
    assert [r.line.split()[1] for r in up.requests] == ["/1", "/p", "/2", "/c", "/3"]
    assert [r.body for r in up.requests] == [b"", b"abc", b"", b"xyz", b""]


def test_requests_in_a_row_behind_a_large_body(proxy, server):
    up = server()
    client = proxy(up).connect()
    body = os.urandom(300_000)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7777]), body[i:i + 7777]) for i in range(0, len(body), 7777))
    client.send(get("/c", "Transfer-Encoding: chunked", method="POST") + chunks + b"0\r\n\r\n" + get("/after") * 3)
    for _ in range(4):
        assert client.response().body == b"ok"
    assert up.requests[0].body == body
    assert [r.line.split()[1] for r in up.requests[1:]] == ["/after"] * 3


def test_large_bodies_both_ways(proxy, server):
    payload = os.urandom(6_000_000)

    def handler(peer, srv):
        while True:
            request = peer.request()
            srv.requests.append(hashlib.sha256(request.body).hexdigest())
            peer.send(ok(request.body))
    up = server(handler)
    client = proxy(up).connect()
    sender = threading.Thread(target=client.send,
                              args=(get("/", f"Content-Length: {len(payload)}", method="POST") + payload,))
    sender.start()
    assert client.response().body == payload
    sender.join()
    assert up.requests == [hashlib.sha256(payload).hexdigest()]


def test_slow_client_does_not_fill_the_worker(proxy, server):
    total = 200_000_000
    sent = []

    def handler(peer, _):
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FEW)
        peer.request()
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n".encode())
        block = bytes(1_000_000)
        for _ in range(total // len(block)):
            peer.send(block)
            sent.append(len(block))
    router = proxy(server(handler))
    before = router.resident_kib()
    client = router.connect()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FEW)
    client.send(get())
    client.head()
    assert client.sock.recv(1)
    wait_still("the server, by back-pressure,", lambda: len(sent))
    assert sum(sent) < min(total, kernel_takes())
    assert router.resident_kib() - before < 4096
    got = 1 + len(client.buffer)
    while got < total:
        piece = client.sock.recv(1 << 20)
        assert piece
        got += len(piece)
    assert got == total


def test_slow_server_does_not_fill_the_worker(proxy, server):
    total = 100_000_000
    go = threading.Event()

    def handler(peer, _):
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FEW)
        peer.head()
        go.wait(20)
        left = total - len(peer.buffer)
        peer.buffer = b""
        while left > 0:
            left -= len(peer.sock.recv(1 << 20))
        peer.send(ok(b"taken"))
        peer.rest()
    router = proxy(server(handler))
    before = router.resident_kib()
    client = router.connect()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FEW)
    client.send(get("/", f"Content-Length: {total}", method="POST"))
    sent = []

    def feed():
        block = bytes(1_000_000)
        for _ in range(total // len(block)):
            client.sock.sendall(block)
            sent.append(len(block))
    feeder = threading.Thread(target=feed)
    feeder.start()
    wait_still("the client, by back-pressure,", lambda: len(sent))
    assert sum(sent) < min(total, kernel_takes())
    assert router.resident_kib() - before < 4096
    go.set()
    feeder.join()
    assert client.response().body == b"taken"


def test_expected_continue_comes_from_the_server(proxy, server):
    def handler(peer, srv):
        while True:
            head = peer.head()
            assert head.get("expect") == "100-continue"
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            srv.requests.append(peer.body(head))
            peer.send(ok())
    up = server(handler)
    client = proxy(up).connect()
    for _ in range(2):
        client.send(get("/", "Content-Length: 4", "Expect: 100-continue", method="PUT"))
        assert client.response(interim=True).line == "HTTP/1.1 100 Continue"
        client.send(b"body")
        assert client.response().status == 200
    assert up.requests == [b"body"] * 2


def test_expected_continue_is_given_to_the_patient(proxy, server):
    """A server that says nothing: after a second the body may come all the same."""
    up = server()
    client = proxy(up).connect()
    client.send(get("/", "Content-Length: 4", "Expect: 100-continue", method="PUT"))
    assert client.response(interim=True).status == 100
    client.send(b"body")
    assert client.response().status == 200
    assert up.requests[0].body == b"body"


def test_final_answer_instead_of_continue(proxy, server):
    def handler(peer, _):
        peer.head()
        peer.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
        peer.rest()
    client = proxy(server(handler)).connect()
    client.send(get("/", "Content-Length: 4", "Expect: 100-continue", method="PUT"))
    answer = client.response()
    assert answer.status == 417 and answer.body == b"no" and not answer.interim
    assert answer.get("connection") == "close"
    assert client.at_end()


def test_interim_answers_are_passed_on(proxy, server):
    def handler(peer, _):
        while True:
            peer.request()
            peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
            peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </b.css>\r\n\r\n" + ok())
    client = proxy(server(handler)).connect()
    for _ in range(2):
        client.send(get())
        answer = client.response()
        assert [(i.status, i.get("link")) for i in answer.interim] == [(103, "</a.css>"), (103, "</b.css>")]
        assert answer.body == b"ok"


def test_early_answer_ends_an_upload(proxy, server):
    """The server answers and closes while the body still comes: the client gets the answer."""
    def handler(peer, _):
        peer.head()
        peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        peer.end()
        peer.rest()
    client = proxy(server(handler)).connect()
    client.send(get("/", "Content-Length: 50000000", method="POST") + bytes(100_000))
    answer = client.response()
    assert answer.status == 413 and answer.body == b"big"
    client.close()


def test_answer_and_body_at_the_same_time(proxy, server):
    """A server that echoes while it reads: neither side waits for the other's end."""
    def handler(peer, _):
        head = peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(int(head.get("content-length")) // 4):
            peer.send(b"4\r\n" + peer.exactly(4) + b"\r\n")
        peer.send(b"0\r\n\r\n")
        peer.rest()
    client = proxy(server(handler)).connect()
    client.send(get("/", "Content-Length: 12", method="POST"))
    head = client.head()
    assert head.status == 200
    for part in (b"abcd", b"efgh", b"ijkl"):
        client.send(part)
        assert client.until(b"\r\n") == b"4\r\n" and client.exactly(6) == part + b"\r\n"
    assert client.exactly(5) == b"0\r\n\r\n"
    client.send(get(method="HEAD"))  # the connection is still in order


def test_kept_connection_after_an_early_answer_with_a_small_rest(proxy, server):
    def handler(peer, _):
        head = peer.head()
        peer.send(ok(b"early"))
        if int(head.get("content-length", "0")) == 0:
            peer.rest()
    client = proxy(server(handler)).connect()
    client.send(get("/", "Content-Length: 10", method="POST") + b"12345")
    assert client.response().body == b"early"
    client.send(b"67890" + get())
    assert client.response().body == b"early"


def test_client_that_half_closes_is_answered(proxy, server):
    def handler(peer, _):
        peer.request()
        pass_time("a slow server", 0.5)
        peer.send(ok(b"late"))
        peer.rest()
    client = proxy(server(handler)).connect()
    client.send(get())
    client.end()
    assert client.response().body == b"late"
    assert client.at_end()


def test_half_closed_requests_in_a_row_are_all_answered(proxy, server):
    client = proxy(server()).connect()
    client.send(get("/1") + get("/2") + get("/3"))
    client.end()
    for _ in range(3):
        assert client.response().body == b"ok"
    assert client.at_end()


UPGRADE = get("/chat", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
              "Sec-WebSocket-Version: 13")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Tunnel: 1\r\n\r\n"


def echo(peer, srv):
    srv.requests.append(peer.head())
    peer.send(SWITCH + b"welcome")
    while True:
        data = peer.buffer or peer.sock.recv(65536)
        peer.buffer = b""
        if not data:
            break
        peer.send(data)
    peer.send(b"bye")


def test_websocket(proxy, server):
    up = server(echo)
    router = proxy(up)
    idle = router.descriptors()
    client = router.connect()
    client.send(UPGRADE + b"early")
    head = client.head()
    assert head.status == 101 and head.get("upgrade") == "websocket" and head.get("connection") == "Upgrade"
    assert head.get("x-tunnel") == "1"
    assert client.exactly(12) == b"welcomeearly"
    request = up.requests[0]
    assert request.get("connection") == "Upgrade" and request.get("upgrade") == "websocket"
    assert request.get("x-forwarded-proto") == "ws" and request.get("sec-websocket-key")
    for size in (1, 1000, 500_000):
        data = os.urandom(size)
        sender = threading.Thread(target=client.send, args=(data,))
        sender.start()
        assert client.exactly(size) == data
        sender.join()
    client.end()
    assert client.rest() == b"bye"
    client.close()
    router.settled(idle)


def test_websocket_ended_by_the_server(proxy, server):
    def handler(peer, srv):
        peer.head()
        peer.send(SWITCH)
        peer.send(b"last words")
        peer.end()
        srv.requests.append(peer.rest())
    up = server(handler)
    router = proxy(up)
    idle = router.descriptors()
    client = router.connect()
    client.send(UPGRADE)
    assert client.head().status == 101
    assert client.rest() == b"last words"
    client.send(b"still heard")
    client.close()
    router.settled(idle)
    wait_until("the server has read to the end", lambda: up.requests == [b"still heard"])


def test_refused_upgrade_stays_http(proxy, server):
    client = proxy(server()).connect()
    for _ in range(2):
        client.send(UPGRADE)
        assert client.response().body == b"ok"


@pytest.mark.parametrize("switch", [
    SWITCH.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    SWITCH.replace(b"Upgrade: websocket\r\n", b""),
    SWITCH.replace(b"Connection: Upgrade\r\n", b""),
])
def test_wrong_switch_is_refused(proxy, server, switch):
    def handler(peer, _):
        peer.head()
        peer.send(switch)
        peer.rest()
    client = proxy(server(handler)).connect()
    client.send(UPGRADE)
    assert client.response().status == 502


@pytest.mark.parametrize("protocols", ["h2c", "H2C", "websocket, h2c", "TLS/1.2, HTTP/1.1", "HTTP/2.0"])
def test_no_tunnel_for_requests_that_nobody_would_look_at(proxy, server, protocols):
    """Whoever may ask for one path would have all of them."""
    up = server()
    client = proxy(up).connect()
    for _ in range(2):
        client.send(get("/", "Connection: Upgrade", f"Upgrade: {protocols}", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"))
        assert client.response().body == b"ok"
    assert [(r.get("upgrade"), r.get("connection")) for r in up.requests] == [(None, None)] * 2


def test_switch_that_nobody_asked_for(proxy, server):
    def handler(peer, _):
        peer.head()
        peer.send(SWITCH)
        peer.rest()
    client = proxy(server(handler)).connect()
    client.send(get())
    assert client.response().status == 502


def test_max_requests_on_a_connection(proxy, server):
    client = proxy(server(), max_requests=3).connect()
    for expected in (None, None, "close"):
        client.send(get())
        assert client.response().get("connection") == expected
    assert client.at_end()
