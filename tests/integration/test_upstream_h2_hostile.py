"""Servers of HTTP/2 that misbehave: what they get is a 502 or a reset, and their connection is given up."""
import pytest

from h2kit import Http2
from h2server import Connection
from hyperframe.frame import (ContinuationFrame, DataFrame, GoAwayFrame, HeadersFrame, PingFrame, PushPromiseFrame, SettingsFrame,
                              WindowUpdateFrame)
from proxying import ask, proxy, server  # noqa: F401 (fixtures too)

# ---- servers that misbehave ----

def scripted(server, play):
    """A server of raw frames: play(connection, stream number) after the first request's head."""
    def handler(peer, up):
        up.settings, up.window, up.on_stream = {}, True, lambda stream: play(stream.connection, stream.number)
        connection = Connection(up, peer)
        up.connections = getattr(up, "connections", []) + [connection]
        connection.serve()

    return server(handler)


@pytest.fixture
def hostile(proxy, server):
    def start(play, **options):
        up = scripted(server, play)
        return proxy(up, scheme="h2c", **options), up

    return start


BAD_HEADS = [
    [("x-no", "status")],
    [(":status", "abc")],
    [(":status", "99")],
    [(":status", "101")],
    [(":status", "200"), (":path", "/")],
    [(":status", "200"), ("X-Upper", "1")],
    [(":status", "200"), ("x-line", "a\r\nb: c")],
    [(":status", "200"), ("x bad", "1")],
    [(":status", "200"), ("connection", "close")],
    [(":status", "200"), ("transfer-encoding", "chunked")],
    [(":status", "200"), ("content-length", "1"), ("content-length", "2")],
    [(":status", "200"), ("content-length", "x")],
]


@pytest.mark.parametrize("fields", BAD_HEADS, ids=lambda fields: str(fields[-1]))
def test_bad_heads(hostile, fields):
    router, up = hostile(lambda connection, stream: connection.headers(stream, fields, True))
    answer = ask(router)
    assert (answer.status, answer.body) == (502, b"Bad Gateway")
    assert ask(router).status == 502


def lies_about_length(connection, stream):
    connection.headers(stream, [(":status", "200"), ("content-length", "10")])
    connection.send(DataFrame(stream, b"short", flags=["END_STREAM"]))


def test_length_that_is_not_kept(hostile):
    router, _ = hostile(lies_about_length)
    client = Http2(router.connect())
    assert client.answer(client.request()).reset is not None


def many_fields(connection, stream):
    connection.headers(stream, [(":status", "200")] + [(f"x-{i}", "1") for i in range(1100)], True)


def hpack_bomb(connection, stream):
    block = connection.encoder.encode([(":status", "200"), ("x-bomb", "b" * 3000)]) + b"\xbe" * 12000
    connection.send(HeadersFrame(stream, block, flags=["END_HEADERS", "END_STREAM"]))


@pytest.mark.parametrize("play", [many_fields, hpack_bomb])
def test_heads_over_their_bound(hostile, play):
    router, up = hostile(play)
    assert ask(router).status == 502
    before = router.resident_kib()
    for _ in range(10):
        assert ask(router).status == 502
    assert router.resident_kib() - before < 16 * 1024


def frames_for_ever(frame):
    def play(connection, stream):
        try:
            while not connection.ended.is_set():
                connection.raw(frame(stream).serialize() * 200)
        except OSError:
            pass
    return play


FLOODS = {
    "ping": lambda stream: PingFrame(0, b"12345678"),
    "settings": lambda stream: SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 70000}),
    "window": lambda stream: WindowUpdateFrame(0, window_increment=1),
    "empty data": lambda stream: DataFrame(stream, b""),
    "goaway": lambda stream: GoAwayFrame(0, last_stream_id=stream),
}


@pytest.mark.parametrize("leaving", [False, True], ids=["staying", "leaving"])
@pytest.mark.parametrize("name", FLOODS)
def test_floods(hostile, name, leaving):
    """One who said that it leaves may not send more for nobody than others."""
    def play(connection, stream):
        if leaving:
            connection.goaway(stream)
        if name == "empty data":
            connection.headers(stream, [(":status", "200")])
        frames_for_ever(FLOODS[name])(connection, stream)

    router, up = hostile(play)
    client = Http2(router.connect())
    answer = client.answer(client.request())
    assert answer.reset is not None or answer.status == 502
    assert up.connections[0].ended.wait(20)


def test_interim_answers_for_ever(hostile):
    def play(connection, stream):
        for _ in range(50):
            connection.headers(stream, [(":status", "103")])

    router, _ = hostile(play)
    assert ask(router).status == 502


def test_continuation_flood(hostile):
    def play(connection, stream):
        try:
            connection.send(HeadersFrame(stream, connection.encoder.encode([(":status", "200")])))
            while not connection.ended.is_set():
                connection.send(ContinuationFrame(stream, b"\x00\x01a\x01b" * 1000))
        except OSError:
            pass

    router, up = hostile(play)
    assert ask(router).status == 502
    assert up.connections[0].ended.wait(20)


@pytest.mark.parametrize("bytes_", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 100, b"\xff" * 100])
def test_not_http2(proxy, server, bytes_):
    def handler(peer, up):
        peer.until(b"SM\r\n\r\n")
        peer.send(bytes_)
        peer.rest()

    router = proxy(server(handler), scheme="h2c")
    assert ask(router).status == 502


def test_push_is_refused(hostile):
    def play(connection, stream):
        connection.send(PushPromiseFrame(stream, 2, connection.encoder.encode([(":method", "GET"), (":path", "/")]),
                                         flags=["END_HEADERS"]))

    router, _ = hostile(play)
    assert ask(router).status == 502
