"""contentType: answers without Content-Type get the one that their first bytes show, and reach the client no later for it."""
import contextlib
import threading
import zlib

import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_all, get, ok
from routing import one_route, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")

DETECT = {"d": {"contentType": {}}}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(3000)
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


def ask(proxied, data=get("/x"), method=None):
    client = proxied.connect()
    client.send(data)
    return client.response(method)


def chunked(*pieces):
    """Each piece when its event is set; the first, if any, at once."""
    events = [threading.Event() for _ in pieces[1:]]

    def handler(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for i, piece in enumerate(pieces):
                if i:
                    events[i - 1].wait()
                if piece:
                    peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            peer.send(b"0\r\n\r\n")
            peer.rest()
    return handler, events


@pytest.mark.parametrize("body, type", [(b"<html>", HTML), (b"words", TEXT), (PNG, "image/png"), (bytes(70000), "application/octet-stream")],
                         ids=["html", "words", "png", "zeros"])
def test_types(server, routed, body, type):
    answer = ask(routed(one_route(server(answer_all(body)), DETECT)))
    assert (answer.get("content-type"), answer.body, answer.get("content-length")) == (type, body, str(len(body)))


@pytest.mark.parametrize("fields, type", [(["Content-Type: a/b"], "a/b"), (["Content-Type: "], ""), (["Content-Encoding: x"], None)])
def test_what_the_server_says_stays(server, routed, fields, type):
    answer = ask(routed(one_route(server(answer_all(b"<html>", *fields)), DETECT)))
    assert (answer.get("content-type"), answer.body) == (type, b"<html>")


def test_nothing_to_look_at(server, routed):
    def some(peer, server):
        for head in (b"204 No Content\r\n\r\n", b"304 Not Modified\r\n\r\n", b"200 OK\r\nContent-Length: 77\r\n\r\n",
                     b"200 OK\r\nContent-Length: 0\r\n\r\n", b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
            peer.request()
            peer.send(b"HTTP/1.1 " + head)
        peer.rest()
    client = routed(one_route(server(some), DETECT)).connect()
    for method in ("GET", "GET", "HEAD", "GET", "GET"):
        client.send(get("/x", method=method))
        answer = client.response(method)
        assert (answer.get("content-type"), answer.body) == (None, b"")


def test_the_client_waits_for_nothing_that_the_server_keeps(server, routed):
    handler, (more, last) = chunked(b"<h1>", b"a" * 1000, b"b")
    client = routed(one_route(server(handler), DETECT)).connect()
    client.send(get("/x"))
    head = client.head()
    assert head.get("content-type") == HTML
    assert client.until(b"\r\n") + client.until(b"\r\n") == b"4\r\n<h1>\r\n"
    more.set()
    last.set()
    body, _ = client.chunks()
    assert body == b"a" * 1000 + b"b"


def test_pieces_of_any_size(server, routed):
    body = b"<!DOCTYPE HTML>" + b"x" * 2000

    def slowly(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                peer.request()
                peer.send_slowly(ok(body[:600]))
    answer = ask(routed(one_route(server(slowly), DETECT)))
    assert answer.body == body[:600] and answer.get("content-type") in (HTML, TEXT)


def test_auto_detect(server, routed):
    app = server(answer_all(b"<html>"))
    config = one_route(app, {"d": {"contentType": {"autoDetect": False}}})
    proxied = routed(config)
    assert ask(proxied).get("content-type") is None
    config["middlewares"]["d"]["contentType"]["autoDetect"] = True
    proxied.change(config)
    assert ask(proxied).get("content-type") == HTML
    config["routers"]["all"]["middlewares"] = []
    proxied.change(config)
    assert ask(proxied).get("content-type") is None


def test_answers_of_other_middlewares(server, routed):
    refuse = {"i": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}}}
    config = one_route(server(answer_all()), {**DETECT, **refuse})
    proxied = routed(config)
    answer = ask(proxied)
    assert (answer.status, answer.get("content-type")) == (403, TEXT)
    config["routers"]["all"]["middlewares"] = ["i", "d"]
    proxied.change(config)
    answer = ask(proxied)
    assert (answer.status, answer.get("content-type")) == (403, None)


@pytest.mark.parametrize("order", [["d", "c"], ["c", "d"]])
def test_what_the_client_gets_is_looked_at(server, routed, order):
    """An encoded body shows nothing; a short one that stays as it is does. With a held answer between, too."""
    middlewares = {**DETECT, "c": {"compress": {"minResponseBodyBytes": 10}}, "b": {"buffering": {}}}
    config = one_route(server(answer_all(b"<html>" + b" " * 10)), middlewares)
    config["routers"]["all"]["middlewares"] = order + ["b"]
    proxied = routed(config)
    answer = ask(proxied, get("/x", "Accept-Encoding: gzip"))
    assert (answer.get("content-encoding"), answer.get("content-type")) == ("gzip", None)
    assert zlib.decompress(answer.body, 31) == b"<html>" + b" " * 10
    config["services"]["all"] = one_route(server(answer_all(b"<html>")), {})["services"]["all"]
    proxied.change(config)
    answer = ask(proxied, get("/x", "Accept-Encoding: gzip"))
    assert (answer.get("content-encoding"), answer.get("content-type")) == (None, HTML)


def test_server_breaks_off_before_a_byte(server, routed):
    def half(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    answer = ask(routed(one_route(server(half), DETECT)))
    assert (answer.status, answer.get("content-type")) == (502, TEXT)


def test_clients_that_leave(server, routed):
    handler, (never,) = chunked(b"", b"x")
    proxied = routed(one_route(server(handler), DETECT))
    client = proxied.connect()
    client.send(get("/x"))
    assert client.silent(0.2)
    client.reset()
    never.set()
