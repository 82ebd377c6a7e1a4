"""HTTP/2 from clients: requests and answers, windows, bounds, the end of connections, and what is refused."""
import contextlib
import hashlib
import os
import re
import signal
import socket
import subprocess
import threading

import pytest
from hyperframe.frame import (ContinuationFrame, DataFrame, HeadersFrame, PingFrame, PriorityFrame, RstStreamFrame,
                              SettingsFrame, WindowUpdateFrame)

from conftest import wait_until
from h2kit import ENHANCE_YOUR_CALM, NO_ERROR, PROTOCOL_ERROR, Answer, Http2
from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import answer_all, ok
from tlskit import Maker, hello

DEADLINE = 20


@pytest.fixture
def h2(proxy, server):
    """h2(handler or server, settings=..., **options): a client, with .server and .proxy."""
    def start(handler=None, settings=None, **options):
        up = server(handler) if callable(handler) or handler is None else handler
        router = proxy(up, **options)
        client = Http2(router.connect(), settings)
        client.server, client.proxy = up, router
        return client
    return start


def echo(peer, web):
    """Answers with the body, chunked and with a trailer when it came so."""
    while True:
        request = peer.request()
        web.requests.append(request)
        peer.send(ok(request.body))


def test_a_request_as_the_server_sees_it(h2):
    client = h2()
    answer = client.get("/a/b?c=d", ("x-some-name", "v"), ("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"))
    assert answer.status == 200 and answer.body == b"ok" and answer.fields["content-length"] == "2" and answer.fields["date"]
    seen = client.server.requests[0]
    assert seen.line == "GET /a/b?c=d HTTP/1.1"
    assert seen.get("host") == "a.test" and seen.get("cookie") == "a=1; b=2" and seen.get("te") == "trailers"
    assert seen.get("x-forwarded-proto") == "http" and seen.get("transfer-encoding") is None


def test_curl_nghttp_and_h2load(proxy, server, tmp_path):
    port = proxy(server(answer_all(b"x" * 100000))).port
    run = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-w", "%{http_version} %{size_download}", "-o", "/dev/null",
                          f"http://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=DEADLINE)
    assert run.stdout == "2 100000"
    run = subprocess.run(["nghttp", "-nv", f"http://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=DEADLINE)
    assert ":status: 200" in run.stdout
    run = subprocess.run(["h2load", "-n", "1600", "-c", "10", "-m", "16", f"http://127.0.0.1:{port}/"], capture_output=True,
                         text=True, timeout=3 * DEADLINE)
    assert "1600 succeeded, 0 failed" in run.stdout, run.stdout


def test_by_alpn(weir, server, tmp_path):
    pair = Maker(tmp_path).own("a.test", ["DNS:a.test"])
    up = server()
    dynamic = tmp_path / "dynamic.yml"
    dynamic.write_text("http:\n  routers:\n    r: {rule: \"PathPrefix(`/`)\", service: s, tls: {}}\n  services:\n"
                       f"    s: {{loadBalancer: {{servers: [{{url: \"http://127.0.0.1:{up.port}\"}}]}}}}\n"
                       f"tls:\n  certificates:\n    - {{certFile: {pair.crt}, keyFile: {pair.key}}}\n")
    router = weir(f"--providers.file.filename={dynamic}")
    peer = hello(router.ports["web"], "a.test", alpn=["h2", "http/1.1"])
    assert peer.sock.selected_alpn_protocol() == "h2"
    client = Http2(peer)
    assert [client.get(f"/{i}").status for i in range(3)] == [200] * 3
    assert up.requests[0].get("x-forwarded-proto") == "https"
    run = subprocess.run(["curl", "-sk", "--http2", "-w", "%{http_version}", "-o", "/dev/null",
                          f"https://127.0.0.1:{router.ports['web']}/"], capture_output=True, text=True, timeout=DEADLINE)
    assert run.stdout == "2"
    url = f"https://127.0.0.1:{router.ports['web']}/"
    run = subprocess.run(["nghttp", "-nv", "--no-verify-peer", url], capture_output=True, text=True, timeout=DEADLINE)
    assert "The negotiated protocol: h2" in run.stdout and ":status: 200" in run.stdout, run.stdout + run.stderr
    run = subprocess.run(["h2load", "-n", "400", "-c", "5", "-m", "16", url], capture_output=True, text=True, timeout=3 * DEADLINE)
    assert "400 succeeded, 0 failed" in run.stdout, run.stdout
    assert hello(router.ports["web"], "a.test").get("a.test")[0] == 200  # no ALPN: HTTP/1.1


def test_the_preface_in_any_cuts_and_methods_that_begin_like_it(proxy, server):
    router = proxy(server())
    peer = router.connect()
    peer.send_slowly(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    client = Http2(peer, say=False)
    client.send(SettingsFrame(0))
    assert client.get().status == 200
    peer = router.connect()
    peer.send_slowly(b"PRINT / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert peer.response().status == 200


def test_many_streams_answered_in_any_order(h2):
    gates = {f"/{i}": threading.Event() for i in range(4)}

    def handler(peer, web):
        while True:
            path = peer.request().line.split()[1]
            gates[path].wait(DEADLINE)
            peer.send(ok(path.encode()))
    client = h2(handler)
    streams = [client.request(f"/{i}") for i in range(4)]
    for i in reversed(range(4)):
        gates[f"/{i}"].set()
        assert client.answer(streams[i]).body == f"/{i}".encode()


def test_bodies_of_both_kinds_and_head(h2):
    client = h2(echo)
    body = os.urandom(60000)
    for fields in ((), (("content-length", str(len(body))),)):
        stream = client.request("/", *fields, method="POST", end=False)
        for at in range(0, len(body), 10000):
            client.data(stream, body[at:at + 10000], end=at + 10000 == len(body))
        answer = client.answer(stream)
        assert answer.status == 200 and hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()
    answer = client.get(method="HEAD")
    assert answer.body == b"" and answer.fields["content-length"] == "0"


def test_trailers_both_ways(h2):
    def handler(peer, web):
        web.requests.append(peer.until(b"0\r\nX-Sum: 1\r\n\r\n"))
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Back\r\n\r\n3\r\nabc\r\n0\r\nX-Back: 2\r\n\r\n")
    client = h2(handler)
    stream = client.request("/", ("trailer", "x-sum"), method="POST", end=False)
    client.data(stream, b"hello")
    client.send(client.headers([("x-sum", "1"), ("content-length", "5")], stream))
    answer = client.answer(stream)
    assert answer.body == b"abc" and dict(answer.heads[-1]) == {"x-back": "2"}
    assert b"content-length" not in client.server.requests[0].lower()


def test_100_continue(h2):
    client = h2(echo)
    stream = client.request("/", ("expect", "100-continue"), ("content-length", "3"), method="POST", end=False)
    client.until(lambda: client.streams[stream].heads)
    assert dict(client.streams[stream].heads[0])[":status"] == "100"
    client.data(stream, b"abc", end=True)
    assert client.answer(stream).body == b"abc"


def test_early_answer_resets_the_rest_of_the_request(h2, server):
    def handler(peer, web):
        peer.until(b"\r\n\r\n")
        peer.send(ok(b"no"))
    client = h2(handler)
    stream = client.request("/", method="POST", end=False)
    client.data(stream, b"x")
    assert client.answer(stream).body == b"no"
    client.until(lambda: client.streams[stream].reset is not None)
    assert client.streams[stream].reset == NO_ERROR
    assert client.get("/").status == 200


def test_an_answer_that_is_cut_is_reset(h2):
    def handler(peer, web):
        peer.until(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    client = h2(handler)
    answer = client.get()
    assert answer.reset and not answer.ended


def test_a_client_that_opens_no_window_holds_the_server_back(h2):
    size, sent = 64 << 20, []

    def handler(peer, web):
        peer.until(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 16):
            peer.send(bytes(65536))
            sent.append(1)
    client = h2(handler)
    client.window = False
    before = client.proxy.resident_kib()
    stream = client.request()
    client.until(lambda: len(client.streams[stream].body) == 65535)
    assert client.proxy.resident_kib() - before < 4096 and len(sent) < size >> 17
    client.window = True
    client.send(WindowUpdateFrame(0, window_increment=65535), WindowUpdateFrame(stream, window_increment=1 << 20))
    client.until(lambda: len(client.streams[stream].body) > 300000)
    client.send(RstStreamFrame(stream, error_code=8))
    assert client.proxy.connect()


def test_many_slow_streams_take_little(h2):
    def handler(peer, web):
        peer.until(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 20))
        try:
            peer.send(bytes(1 << 20))
            peer.rest()
        except OSError:
            pass
    client = h2(handler, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
    client.frame()
    before = client.proxy.resident_kib()
    streams = [client.request() for _ in range(100)]
    client.until(lambda: all(client.streams[stream].heads for stream in streams))
    assert client.proxy.resident_kib() - before < 24 * 1024
    assert not any(client.streams[stream].body for stream in streams)


def test_a_stream_that_is_cancelled_ends_its_server_s_connection(h2):
    begun, over = threading.Event(), threading.Event()

    def handler(peer, web):
        peer.request()
        begun.set()
        peer.rest()
        over.set()
    client = h2(handler)
    stream = client.request()
    assert begun.wait(DEADLINE)
    client.send(RstStreamFrame(stream, error_code=8))
    assert over.wait(DEADLINE)
    client.send(PingFrame(0, b"12345678"))
    while not isinstance(client.frame(), PingFrame):
        pass


def test_a_server_that_takes_nothing_holds_the_client_back(h2):
    gate = threading.Event()

    def handler(peer, web):
        peer.until(b"\r\n\r\n")
        gate.wait(DEADLINE)
        peer.until(b"0\r\n\r\n")
        peer.send(ok(b"all"))
    client = h2(handler)
    stream, piece = client.request("/", method="POST", end=False), bytes(16384)
    window = {0: 65535, stream: 65535}

    def frame():
        got = client.frame()
        if isinstance(got, SettingsFrame) and "ACK" not in got.flags:
            window[stream] += got.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, 65535) - 65535
        if isinstance(got, WindowUpdateFrame):
            window[got.stream_id] += got.window_increment
    sent = 0
    client.peer.sock.settimeout(1)
    try:
        while sent < 128 << 20:
            while min(window.values()) < len(piece):
                frame()
            client.data(stream, piece)
            sent += len(piece)
            window[0] -= len(piece)
            window[stream] -= len(piece)
    except TimeoutError:
        pass
    assert sent < 64 << 20  # what kernel and window hold
    client.peer.sock.settimeout(DEADLINE)
    gate.set()
    while window[0] < 1 or window[stream] < 1:
        frame()
    client.data(stream, end=True)
    assert client.answer(stream).body == b"all"


def test_settings_follow_the_options(weir, proxy, server):
    client = Http2(proxy(server(), streams=7, decoder_table=1000).connect())
    frame = client.frame()
    assert frame.settings[SettingsFrame.MAX_CONCURRENT_STREAMS] == 7 and frame.settings[SettingsFrame.HEADER_TABLE_SIZE] == 1000


def test_no_more_streams_than_the_option_says(h2):
    gate = threading.Event()

    def handler(peer, web):
        peer.request()
        gate.wait(DEADLINE)
        peer.send(ok())
    client = h2(handler, streams=2)
    client.frame()
    for _ in range(3):
        client.request()
    assert client.code() == PROTOCOL_ERROR
    gate.set()


def test_a_head_over_the_bound(h2):
    client = h2(max_header_bytes=8192)
    answer = client.get("/", *[(f"x-{i}", "v" * 1000) for i in range(14)])
    assert answer.status == 431
    assert client.get().status == 200


def test_keep_alive_bounds_end_with_goaway(h2):
    client = h2(max_requests=2)
    assert client.get().status == 200
    assert client.get().status == 200
    assert client.code() == NO_ERROR
    assert client.goaways[0].last_stream_id == 2 ** 31 - 1 and client.goaways[-1].last_stream_id == 3


def test_idle_timeout(h2):
    client = h2(idle_timeout="2s")
    assert client.get().status == 200
    assert client.code() == NO_ERROR


def test_read_timeout_of_a_body(h2):
    client = h2(echo, read_timeout="2s")
    stream = client.request("/", ("content-length", "5"), method="POST", end=False)
    client.until(lambda: client.streams[stream].heads or client.streams[stream].reset is not None)
    assert client.streams[stream].status == 408


def test_a_head_that_never_ends_ends_the_connection(h2):
    client = h2(read_timeout="2s")
    frame = client.headers([(":method", "GET"), (":scheme", "http"), (":authority", "a.test"), (":path", "/")])
    frame.flags.discard("END_HEADERS")
    client.send(frame)
    client.code()  # returns at the end


def test_write_timeout_resets(h2):
    def handler(peer, web):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        peer.rest()
    client = h2(handler, write_timeout="2s")
    assert client.get().reset is not None


def refused(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_streams_finish_when_weir_stops(h2):
    gate, begun = threading.Event(), threading.Event()

    def handler(peer, web):
        peer.request()
        begun.set()
        gate.wait(DEADLINE)
        peer.send(ok(b"last"))
    client = h2(handler)
    stream = client.request()
    assert begun.wait(DEADLINE)
    client.proxy.router.process.send_signal(signal.SIGTERM)
    wait_until("nothing new is accepted", lambda: refused(client.proxy.port))
    gate.set()
    assert client.answer(stream).body == b"last"
    assert client.code() in (NO_ERROR, None)


def test_idle_connections_are_told_when_weir_stops(h2, server):
    """By GOAWAY, and soon: nobody waits for the end of the grace."""
    asked = h2(grace="600s")
    assert asked.get().status == 200
    silent = Http2(asked.proxy.connect())
    silent.frame()
    asked.proxy.router.process.send_signal(signal.SIGTERM)
    assert (asked.code(), silent.code()) == (NO_ERROR, NO_ERROR)
    assert asked.proxy.router.wait() == 0


def test_a_generation_switch_with_streams_open(h2, tmp_path):
    gate = threading.Event()

    def handler(peer, web):
        while True:
            request = peer.request()
            if request.line.split()[1] == "/slow":
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
                gate.wait(DEADLINE)
                peer.send(b"def")
            else:
                peer.send(ok())
    client = h2(handler)
    stream = client.request("/slow")
    client.until(lambda: client.streams[stream].body == b"abc")
    dynamic = tmp_path / "dynamic.yml"
    dynamic.write_text(re.sub(r"rule: .*", "rule: \"PathPrefix(`/new`) || PathPrefix(`/slow`)\"", dynamic.read_text()))
    wait_until("the new rule holds", lambda: client.get("/").status == 404)
    assert client.get("/new").status == 200
    gate.set()
    assert client.answer(stream).body == b"abcdef"


# ---- what is refused ----

GOOD = [(":method", "GET"), (":scheme", "http"), (":authority", "a.test"), (":path", "/")]


def without(name):
    return [field for field in GOOD if field[0] != name]


@pytest.mark.parametrize("fields", [
    [*GOOD, ("transfer-encoding", "chunked")], [*GOOD, ("connection", "x-a")], [*GOOD, ("upgrade", "h2c")],
    [*GOOD, ("keep-alive", "1")], [*GOOD, ("te", "gzip")], [*GOOD, ("X-Upper", "1")], [*GOOD, ("x-a", "1\r\nx-b: 2")],
    [*GOOD, ("x-a", "1\n2")], [*GOOD, ("x-a", "1\0")], [*GOOD, ("x a", "1")], [*GOOD, ("x:a", "1")], [*GOOD, ("host", "other.test")],
    without(":path"), without(":method"), without(":scheme"), [*without(":path"), (":path", "nothing")],
    [*without(":path"), (":path", "")], [*without(":path"), (":path", "/a b")], [*without(":path"), (":path", "/\r\nx: y")],
    [*GOOD, (":path", "/again")], [*GOOD, (":unknown", "x")], [("x-first", "1"), *GOOD], [*without(":method"), (":method", "G T")],
    [*GOOD, ("content-length", "5")], [*GOOD, ("content-length", "5"), ("content-length", "6")], without(":authority"),
    [*without(":authority"), (":authority", "a\r\nb")],
    [(":method", "GET"), (":scheme", "other"), (":authority", "a.test"), (":path", "http://b.test/")],
], ids=lambda fields: ",".join(f"{name}={value!r}" for name, value in fields if (name, value) not in GOOD) or f"{len(fields)}")
def test_smuggling(h2, fields):
    client = h2()
    stream = client.next
    client.send(client.headers(fields))
    assert client.answer(stream).reset == PROTOCOL_ERROR
    assert client.get("/after").status == 200
    assert [request.line for request in client.server.requests] == ["GET /after HTTP/1.1"]


def test_a_body_shorter_or_longer_than_it_says(h2):
    client = h2(echo)
    for body in (b"abc", b"abcdefgh"):
        stream = client.request("/", ("content-length", "5"), method="POST", end=False)
        client.data(stream, body, end=True)
        answer = client.answer(stream)
        assert answer.reset == PROTOCOL_ERROR and not answer.heads


def test_connect_is_not_served(h2):
    client = h2()
    stream = client.next
    client.send(client.headers([(":method", "CONNECT"), (":authority", "a.test:443")], end=False))
    answer = client.answer(stream)
    assert answer.reset is not None or answer.status >= 400
    assert client.server.requests == []


def flood(client, *frames, times=20000):
    data = b"".join(frame.serialize() for frame in frames)
    try:
        for _ in range(times // 200):
            client.raw(data * 200)
    except ConnectionError:
        pass
    return client.code()


@pytest.mark.parametrize("frame", [
    PingFrame(0, b"12345678"), SettingsFrame(0, settings={3: 100}), WindowUpdateFrame(0, window_increment=1),
    PriorityFrame(1, depends_on=3, stream_weight=1),
], ids=["ping", "settings", "window_update", "priority"])
def test_floods(h2, frame):
    client = h2()
    assert client.get().status == 200
    assert flood(client, frame) in (ENHANCE_YOUR_CALM, None)  # None: the end came before the word
    assert Http2(client.proxy.connect()).get().status == 200


def test_flood_of_empty_data(h2):
    client = h2(echo)
    stream = client.request("/", method="POST", end=False)
    assert flood(client, DataFrame(stream)) in (ENHANCE_YOUR_CALM, None)


def test_rapid_reset(h2):
    client = h2()
    client.get()
    data = b""
    for _ in range(3000):
        frame = client.headers(GOOD)
        data += frame.serialize() + RstStreamFrame(frame.stream_id, error_code=8).serialize()
    try:
        client.raw(data)
    except ConnectionError:
        pass
    assert client.code() in (ENHANCE_YOUR_CALM, None)
    assert Http2(client.proxy.connect()).get().status == 200


@pytest.mark.parametrize("wrong", [
    lambda client, stream: DataFrame(stream, b"x"),  # more than its length says
    lambda client, stream: HeadersFrame(stream, client.encoder.encode([("x", "y")]), flags=["END_HEADERS"]),
    lambda client, stream: WindowUpdateFrame(stream, window_increment=2 ** 31 - 1),
], ids=["length", "trailers", "window"])
def test_resets_that_a_client_has_weir_make(h2, wrong):
    """They end a request as its own would, and are bounded like these."""
    client = h2()
    with contextlib.suppress(EOFError, ConnectionError):
        for _ in range(100):
            for _ in range(30):
                frame = client.headers([*GOOD, ("content-length", "0")], end=False)
                client.send(frame, wrong(client, frame.stream_id))
            assert client.get().status == 200
        pytest.fail("nobody minded")
    assert client.code() in (ENHANCE_YOUR_CALM, None)
    assert Http2(client.proxy.connect()).get().status == 200


def test_continuation_flood(h2):
    client = h2()
    frame = client.headers(GOOD)
    frame.flags.discard("END_HEADERS")
    client.send(frame)
    try:
        for i in range(2000):
            client.send(ContinuationFrame(frame.stream_id, b"\x00\x01a\x01b" * 1000))
    except ConnectionError:
        pass
    assert client.code() in (ENHANCE_YOUR_CALM, None)
    assert Http2(client.proxy.connect()).get().status == 200


def test_hpack_bomb(h2):
    """One large entry of the table, named again and again by a byte."""
    client = h2()
    client.frame()
    before = client.proxy.resident_kib()
    for _ in range(10):
        stream = client.next
        block = client.encoder.encode(GOOD) + client.encoder.encode([("x-bomb", "b" * 3000)]) + b"\xbe" * 12000
        client.next += 2
        client.streams[stream] = Answer()
        client.send(HeadersFrame(stream, block, flags=["END_HEADERS", "END_STREAM"]))
        assert client.answer(stream).status == 431
    assert client.proxy.resident_kib() - before < 32 * 1024
