"""What a server says on a kept connection before it is asked is never the answer to whoever is the next to ask there."""
import os
import signal
import socket
import threading

import pytest
from hpack import Encoder
from hyperframe.frame import DataFrame, HeadersFrame

from h2server import H2Server
from processes import freeze
from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import get, ok

CROWD = 80  # more than the kernel tells of in one turn


@pytest.mark.parametrize("turns", ["one", "several"])
def test_an_unasked_answer_is_nobodys(proxy, server, turns):
    """Also when it is told only behind the requests of a crowd, in a later turn than the one in which it would be believed."""
    speak, spoken = threading.Event(), threading.Event()

    def handler(peer, srv):
        kept = len(srv.peers) == 1
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else it waits here until the frozen side takes note
        while True:
            srv.requests.append(peer.request())
            peer.send(ok(b"asked"))
            if kept and len(srv.requests) == len(clients):
                assert speak.wait(20)
                peer.send(ok(b"unasked"))
                spoken.set()
    up = server(handler)
    router = proxy(up)
    clients = [router.connect() for _ in range(CROWD if turns == "several" else 1)]
    for client in clients:
        client.send(get())
        assert client.response().body == b"asked"
    assert len(up.peers) == 1
    worker = router.pids[0]
    freeze(worker)
    try:
        for client in clients:
            client.send(get())
        speak.set()
        assert spoken.wait(20)
    finally:
        os.kill(worker, signal.SIGCONT)
    assert [client.response().body for client in clients] == [b"asked"] * len(clients)
    assert len(up.requests) == 2 * len(clients)


@pytest.mark.parametrize("when", ["before any", "beside another"])
def test_a_stream_that_was_not_opened(proxy, when):
    """Over HTTP/2 every answer has the number of its request: one of no request ends the connection, and nobody gets it."""
    def unasked(connection, number):
        block = Encoder().encode([(":status", "200"), ("content-length", "7")])
        connection.send(HeadersFrame(number, block, flags=["END_HEADERS"]), DataFrame(number, b"unasked", flags=["END_STREAM"]))

    def on_stream(stream):
        first = len(up.connections) == 1
        if first and when == "beside another":
            unasked(stream.connection, stream.number + 2)
        stream.answer(b"asked")
        if first and when == "before any":
            unasked(stream.connection, stream.number + 2)

    up = H2Server(on_stream)
    try:
        router = proxy(up, scheme="h2c")
        for turn in range(3):
            client = router.connect()
            client.send(get())
            answer = client.response()
            if when == "beside another" and turn == 0:
                assert answer.status == 502
            else:
                assert (answer.status, answer.body) == (200, b"asked")
            if turn == 0:
                assert up.connections[0].ended.wait(20)
        assert len(up.connections) == 2
        assert up.connections[0].goaways[0].error_code == 1
    finally:
        up.close()
