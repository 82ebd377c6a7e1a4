"""Servers that take nothing of a request's body: after sendTimeout the client has its answer, and whoever does take some is safe."""
import contextlib
import socket
import threading

import pytest
from hyperframe.frame import WindowUpdateFrame

from h2server import h2server  # noqa: F401 (fixture)
from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import get, ok
from waiting import pass_time

LONG = 64 << 20


def upload(client, length=LONG, fields=()):
    """The head at once, the body from a thread: whoever stops reading holds up nobody but that."""
    def push():
        with contextlib.suppress(OSError):
            client.send(b"x" * length)
    client.send(get("/long", f"Content-Length: {length}", *fields, method="POST"))
    threading.Thread(target=push, daemon=True).start()


def is_refused(router, client):
    answer = client.response()
    assert answer.status == 504
    router.router.wait_log(r"POST a\.test/long: 504, .* reason=response_timeout")
    client.close()


def test_a_server_that_reads_no_body(proxy, server):
    gone = threading.Event()

    def handler(peer, _):
        peer.head()
        gone.wait(20)
    router = proxy(server(handler), send_timeout="700ms")
    client = router.connect()
    upload(client)
    is_refused(router, client)
    gone.set()


def test_a_server_that_reads_slowly(proxy, server):
    """Every piece is well within the time, the whole takes longer."""
    def handler(peer, _):
        head, left = peer.head(), LONG // 8
        while left:
            piece = min(left, 1 << 20)
            peer.exactly(piece)
            left -= piece
            pass_time("of a slow server", 0.45)
        assert head.get("content-length") == str(LONG // 8)
        peer.send(ok(b"all"))
    router = proxy(server(handler), send_timeout="3s")
    client = router.connect()
    upload(client, LONG // 8)
    assert client.response().body == b"all"


def test_a_stream_that_gets_no_window(proxy, h2server):
    """Those beside it on the connection are not concerned."""
    def on_stream(stream):
        if stream.get(":path") != "/long":
            stream.answer(b"short")
    up = h2server(on_stream, window=False)
    router = proxy(up, scheme="h2c", send_timeout="700ms")
    client, other = router.connect(), router.connect()
    upload(client)
    is_refused(router, client)
    other.send(get())
    assert other.response().body == b"short"
    assert len(up.connections) == 1


def test_a_connection_of_http2_that_is_not_read(proxy, h2server):
    """Whoever is on it has an answer, not only whose bytes wait."""
    beside, freed = threading.Event(), threading.Event()

    def on_stream(stream):
        if stream.get(":path") == "/beside":
            beside.set()
        elif stream.get(":path") == "/long":
            stream.connection.frame = lambda: freed.wait(20) and None
            stream.connection.send(*[WindowUpdateFrame(at, window_increment=1 << 30) for at in (0, stream.number)])
        else:
            stream.answer(b"short")
    up = h2server(on_stream, window=False)
    router = proxy(up, scheme="h2c", send_timeout="700ms")
    clients = [router.connect() for _ in range(3)]
    clients[0].send(get("/beside"))
    assert beside.wait(20)
    upload(clients[1])
    is_refused(router, clients[1])
    assert clients[0].response().status == 504
    clients[2].send(get())
    assert clients[2].response().body == b"short"
    assert len(up.connections) == 2
    freed.set()


@pytest.mark.long
def test_a_connection_of_http2_that_is_read_slowly(proxy, h2server):
    """For longer than sendTimeout nothing more fits into the kernel's buffer; but the server takes of what is in it."""
    def on_stream(stream):
        connection, ordinary, counts = stream.connection, stream.connection.frame, {"frames": 0}

        def frame():
            ordinary()
            counts["frames"] += 1
            if 300 <= counts["frames"] < 380:
                pass_time("of a slow server", 0.1)
        connection.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 19)
        connection.frame = frame
        connection.send(*[WindowUpdateFrame(at, window_increment=1 << 30) for at in (0, stream.number)])
        stream.answer(str(len(stream.body())).encode())
    router = proxy(h2server(on_stream), scheme="h2c", send_timeout="4s")
    client = router.connect()
    upload(client, LONG // 4)
    assert client.response().body == str(LONG // 4).encode()
