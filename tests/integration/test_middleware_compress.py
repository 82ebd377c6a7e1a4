"""compress: which answers are compressed, by what, and that what a server sent reaches the client at once."""
import contextlib
import random
import socket
import subprocess
import threading
import zlib

import brotli
import pytest
import zstandard

from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_all, answer_each, get, ok
from routing import balancer, one_route, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")

TEXT = b"".join(b"line %d of a text that repeats itself\n" % i for i in range(2000))
ALL = "gzip, br, zstd"


def decode(encoding, body):
    if encoding == "gzip":
        decoder = zlib.decompressobj(31)
        text = decoder.decompress(body)
        assert decoder.eof and not decoder.unused_data
        return text
    if encoding == "br":
        return brotli.decompress(body)
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    assert encoding is None
    return body


def says(body=TEXT, *fields, status="200 OK"):
    return answer_all(body, *fields, status=status)


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def streams(*steps, fields=(), trailers=b""):
    """Sends head and each step when it is told to: the test sets the event of the step."""
    events = [threading.Event() for _ in range(len(steps) + 1)]

    def handler(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            server.requests.append(peer.request())
            peer.send("\r\n".join(["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *fields, "\r\n"]).encode())
            for event, step in zip(events, steps):
                event.wait()
                peer.send(chunk(step))
            events[-1].wait()
            peer.send(b"0\r\n" + trailers + b"\r\n")
            peer.rest()
    return handler, events


def compress(**options):
    return {"c": {"compress": options}}


def ask(proxied, accept=ALL, *fields, method="GET", **kw):
    client = proxied.connect()
    fields = fields if accept is None else (f"Accept-Encoding: {accept}", *fields)
    client.send(get("/", *fields, method=method, **kw))
    return client.response(method)


def read_chunk(client):
    data = client.exactly(int(client.until(b"\r\n"), 16))
    assert client.exactly(2) == b"\r\n"
    return data


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_each_encoding(server, routed, encoding):
    app = server(says(TEXT, "Content-Type: text/plain", 'ETag: "v1"', "Accept-Ranges: bytes", "Vary: Origin"))
    proxied = routed(one_route(app, compress()))
    client = proxied.connect()
    for _ in range(3):  # states are used again
        client.send(get("/", f"Accept-Encoding: {encoding}"))
        answer = client.response()
        assert answer.get("content-encoding") == encoding and decode(encoding, answer.body) == TEXT
        assert len(answer.body) < len(TEXT) / 5
        assert answer.get("transfer-encoding") == "chunked" and answer.get("content-length") is None
        assert (answer.get("etag"), answer.get("accept-ranges")) == ('W/"v1"', None)
        assert sorted(answer.all("vary")) == ["Accept-Encoding", "Origin"]
    assert app.requests[-1].get("accept-encoding") == encoding


@pytest.mark.parametrize("options, accept, encoding", [
    ({}, ALL, "gzip"),
    ({}, "br, zstd", "br"),
    ({}, "gzip;q=0.1, zstd;q=0.2", "zstd"),
    ({}, "*", "gzip"),
    ({}, "gzip;q=0", None),
    ({}, "", None),
    ({}, None, None),
    ({}, "deflate", None),
    ({}, "identity, gzip;q=0.5", None),
    ({"encodings": ["zstd", "gzip"]}, ALL, "zstd"),
    ({"encodings": ["zstd"]}, "gzip, br", None),
    ({"encodings": ["gzip", "br"], "defaultEncoding": "br"}, None, "br"),
    ({"encodings": ["gzip", "br"], "defaultEncoding": "br"}, "*", "br"),
    ({"encodings": ["gzip", "br"], "defaultEncoding": "br"}, "gzip", "gzip"),
    ({"encodings": ["gzip"], "defaultEncoding": "gzip"}, None, "gzip"),
])
def test_what_the_client_wants(server, routed, options, accept, encoding):
    proxied = routed(one_route(server(says()), compress(**options)))
    answer = ask(proxied, accept)
    assert answer.get("content-encoding") == encoding and decode(encoding, answer.body) == TEXT
    assert answer.get("vary") == ("Accept-Encoding" if encoding else None)


@pytest.mark.parametrize("options, length, compressed", [
    ({}, 1023, False), ({}, 1024, True), ({"minResponseBodyBytes": 10}, 9, False), ({"minResponseBodyBytes": 10}, 10, True)])
def test_length(server, routed, options, length, compressed):
    proxied = routed(one_route(server(says(b"a" * length)), compress(**options)))
    answer = ask(proxied)
    assert (answer.get("content-encoding"), answer.get("vary")) == ("gzip" if compressed else None, "Accept-Encoding")
    assert decode(answer.get("content-encoding"), answer.body) == b"a" * length
    assert answer.get("content-length") == (None if compressed else str(length))


@pytest.mark.parametrize("body", [TEXT, random.Random(7).randbytes(5000)], ids=["text", "noise"])
def test_small_bodies_with_one_state_after_the_other(server, routed, body):
    """Small ones have a state of their own: on both sides of the bound, turn by turn, in states that were used before."""
    left = [1024, 4096, 4097, 4095, 5000, 2000, 4096]
    lengths = list(left)
    client = routed(one_route(server(answer_each(lambda _: ok(body[:left.pop(0)]))), compress())).connect()
    for length in lengths:
        client.send(get("/", "Accept-Encoding: gzip"))
        answer = client.response()
        assert answer.get("content-encoding") == "gzip" and decode("gzip", answer.body) == body[:length]


@pytest.mark.parametrize("options, field, compressed", [
    ({}, "Content-Type: application/grpc", False),
    ({}, "Content-Type: text/plain; charset", False),
    ({}, "Content-Type: TEXT/plain; charset=utf-8", True),
    ({}, "X-None: 1", True),
    ({"excludedContentTypes": ["text/plain; charset=utf-8", "image/PNG"]}, "Content-Type: Text/Plain", False),
    ({"excludedContentTypes": ["text/plain", "image/PNG"]}, "Content-Type: image/png", False),
    ({"excludedContentTypes": ["text/plain"]}, "Content-Type: text/html", True),
    ({"includedContentTypes": ["text/html"]}, "Content-Type: text/html; charset=x", True),
    ({"includedContentTypes": ["text/html"]}, "Content-Type: text/plain", False),
    ({"includedContentTypes": ["text/html"]}, "X-None: 1", False),
    ({}, "Content-Encoding: deflate", False),
    ({}, "Content-Range: bytes 0-5/10", False),
])
def test_types_and_what_is_encoded(server, routed, options, field, compressed):
    proxied = routed(one_route(server(says(TEXT, field)), compress(**options)))
    answer = ask(proxied)
    assert answer.get("content-encoding") == ("gzip" if compressed else "deflate" if "deflate" in field else None)
    assert compressed or answer.body == TEXT


def test_requests_that_are_left_alone(server, routed):
    proxied = routed(one_route(server(says()), compress(excludedContentTypes=["text/event-stream"])))
    for kind in ("application/grpc", "Text/Event-Stream; charset"):
        answer = ask(proxied, ALL, f"Content-Type: {kind}")
        assert (answer.get("content-encoding"), answer.get("vary")) == (None, None)
    answer = ask(proxied, ALL, method="HEAD")
    assert (answer.get("content-encoding"), answer.get("content-length")) == (None, str(len(TEXT)))


def test_answers_without_a_body(server, routed):
    def empty(peer, server):
        for head in (b"204 No Content\r\n\r\n", b"304 Not Modified\r\nETag: \"a\"\r\n\r\n", b"200 OK\r\nContent-Length: 0\r\n\r\n",
                     b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
            peer.request()
            peer.send(b"HTTP/1.1 " + head)
        peer.rest()
    proxied = routed(one_route(server(empty), compress()))
    client = proxied.connect()
    for status in (204, 304, 200, 200):
        client.send(get("/", f"Accept-Encoding: {ALL}"))
        answer = client.response()
        if answer.get("content-encoding"):  # the server paused behind its head
            answer.body = decode(answer.get("content-encoding"), answer.body)
        assert (answer.status, answer.body) == (status, b"")


def test_no_trailers_are_announced_for_a_body_that_had_a_length(server, routed):
    answer = ask(routed(one_route(server(says(TEXT, "Trailer: X-Sum")), compress())), "br")
    assert (answer.get("content-encoding"), answer.get("trailer")) == ("br", None)


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_streams_reach_the_client_at_once(server, routed, encoding):
    handler, events = streams(b"data: one\n\n", b"data: two\n\n", TEXT, fields=["Content-Type: text/event-stream", "Trailer: X-Sum"],
                              trailers=b"X-Sum: 7\r\n")
    proxied = routed(one_route(server(handler), compress()))
    client = proxied.connect()
    client.send(get("/", f"Accept-Encoding: {encoding}"))
    head = client.head()  # before there is any event
    assert head.get("content-encoding") == encoding and head.get("content-length") is None
    decoder = {"gzip": zlib.decompressobj(31), "br": brotli.Decompressor(),
               "zstd": zstandard.ZstdDecompressor().decompressobj()}[encoding]
    feed = decoder.process if encoding == "br" else decoder.decompress
    for event, step in zip(events, (b"data: one\n\n", b"data: two\n\n", TEXT)):
        event.set()
        text = b""
        while len(text) < len(step):
            text += feed(read_chunk(client))
        assert text == step
    events[-1].set()
    rest, trailers = client.chunks()
    assert feed(rest) == b"" and trailers == b"X-Sum: 7\r\n"


def test_known_length_does_not_wait_for_its_end(server, routed):
    go = threading.Event()

    def slow(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"a" * 1000)
        go.wait()
        peer.send(b"b" * 1000)
        peer.rest()
    proxied = routed(one_route(server(slow), compress()))
    client = proxied.connect()
    client.send(get("/", "Accept-Encoding: gzip"))
    assert client.head().get("content-encoding") == "gzip"
    decoder, text = zlib.decompressobj(31), b""
    while len(text) < 1000:
        text += decoder.decompress(read_chunk(client))
    go.set()
    rest, _ = client.chunks()
    assert text + decoder.decompress(rest) == b"a" * 1000 + b"b" * 1000


def test_larger_than_all_buffers_to_a_slow_client(server, routed):
    """Bytes that hardly compress: the client reads nothing until everything on the way is full."""
    big = random.Random(1).randbytes(12 << 20)
    proxied = routed(one_route(server(says(big)), compress()))
    for encoding in ("gzip", "br", "zstd"):
        clients = [proxied.connect(), proxied.connect()]
        for client in clients:
            client.send(get("/", f"Accept-Encoding: {encoding}"))
            assert client.sock.recv(1, socket.MSG_PEEK)
        assert ask(proxied, "gzip", method="HEAD").status == 200  # others are served meanwhile
        clients[0].reset()
        answer = clients[1].response()
        assert answer.get("content-encoding") == encoding and decode(encoding, answer.body) == big


def test_server_breaks_off(server, routed):
    def half(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + TEXT[:4000])
    proxied = routed(one_route(server(half), compress()))
    client = proxied.connect()
    client.send(get("/", "Accept-Encoding: gzip"))
    assert client.head().status == 200
    assert not client.rest().endswith(b"0\r\n\r\n")


def test_http_1_0(server, routed):
    proxied = routed(one_route(server(says()), compress()))
    answer = ask(proxied, "gzip", version="1.0")
    assert answer.get("transfer-encoding") is None and decode("gzip", answer.body) == TEXT


def test_curl_decodes(server, routed):
    proxied = routed(one_route(server(says()), compress()))
    out = subprocess.run(["curl", "-sS", "--compressed", "-H", "Host: a.test", f"http://127.0.0.1:{proxied.port}/"],
                         check=True, capture_output=True).stdout
    assert out == TEXT


def test_own_answers_and_pages_of_errors(server, routed):
    """The page of another middleware is compressed by the one around it."""
    app, pages = server(says(b"no", status="500 No")), server(says(TEXT, "Content-Type: text/html"))
    config = one_route(app, {**compress(minResponseBodyBytes=5), "e": {"errors": {"status": ["500"], "service": "pages", "query": "/p"}}},
                       pages=balancer(pages))
    answer = ask(routed(config), "br")
    assert (answer.status, answer.get("content-encoding")) == (500, "br") and decode("br", answer.body) == TEXT


def test_answer_of_weir_itself(server, routed):
    dead = server()
    dead.close()
    answer = ask(routed(one_route(dead, compress(minResponseBodyBytes=5))), "gzip")
    assert (answer.status, answer.get("content-encoding")) == (502, "gzip") and decode("gzip", answer.body) == b"Bad Gateway"


def test_a_change_in_the_middle(server, routed):
    handler, events = streams(b"one", b"two")
    app = server(handler)
    config = one_route(app, compress())
    proxied = routed(config)
    client = proxied.connect()
    client.send(get("/", "Accept-Encoding: zstd"))
    client.head()
    events[0].set()
    config["middlewares"]["c"]["compress"] = {"encodings": ["gzip"]}
    other = server(says())
    config["services"]["all"] = balancer(other)
    proxied.change(config)
    for event in events:
        event.set()
    body, _ = client.chunks()
    assert decode("zstd", body) == b"onetwo"
    assert ask(proxied, ALL).get("content-encoding") == "gzip"


@pytest.mark.parametrize("wrong, text", [
    ({"encodings": ["gzip", "deflate"]}, "unsupported encoding: deflate"),
    ({"encodings": ["gzip"], "defaultEncoding": "br"}, "unsupported default encoding: br"),
    ({"excludedContentTypes": ["a/b"], "includedContentTypes": ["c/d"]}, "mutually exclusive"),
    ({"excludedContentTypes": ["a/"]}, "parsing excluded media type: mime: expected token after slash"),
    ({"includedContentTypes": [""]}, "parsing included media type: mime: no media type"),
])
def test_wrong_options_disable_the_router(server, routed, wrong, text):
    proxied = routed(one_route(server(says()), compress(**wrong)))
    assert ask(proxied).status == 404
    proxied.router.wait_log(text)
