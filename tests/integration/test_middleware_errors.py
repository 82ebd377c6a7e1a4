"""errors: which answers are replaced, by whose page, with which status; and what goes wrong on the way."""
import contextlib
import socket

import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_each, get, ok
from routing import balancer, one_route, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")


def says(status, body=b"plain", *fields):
    """A server that answers with the status that the path begins with, else with this one."""
    def answer(request):
        word = request.line.split()[1][1:4]
        return ok(body, *fields, status=f"{word if word.isdigit() else status} Said")
    return answer_each(answer)


# The page tells what it was asked for.
page = answer_each(lambda request: ok(request.line.encode(), "X-From: page", "Content-Type: text/html"))


def errors(service="pages", **options):
    return {"errors": {"service": service, **options}}


def ask(proxied, *args, method=None, **kw):
    client = proxied.connect()
    client.send(get(*args, **kw) if method is None else get(*args, method=method, **kw))
    return client.response(method)


def test_replaces(server, routed):
    app, pages = server(says(200, b"app", "X-From: app")), server(page)
    proxied = routed(one_route(app, {"e": errors(status=["404", "500-503"], query="/{status}.html?o={originalStatus}&u={url}",
                                                 statusRewrites={"500-501": 418, "503": "404"})}, pages=balancer(pages)))
    for path, status, line in (("/200", 200, None), ("/499", 499, None), ("/504", 504, None),
                               ("/404/a%20b", 404, "/404.html?o=404&u=http%3A%2F%2Fa.test%2F404%2Fa%2520b"),
                               ("/500?x=1&y=a+b", 418, "/418.html?o=500&u=http%3A%2F%2Fa.test%2F500%3Fx%3D1%26y%3Da%2Bb"),
                               ("/502", 502, "/502.html?o=502&u=http%3A%2F%2Fa.test%2F502"),
                               ("/503", 404, "/404.html?o=503&u=http%3A%2F%2Fa.test%2F503")):
        answer = ask(proxied, path)
        assert answer.status == status, path
        if line is None:
            assert (answer.get("x-from"), answer.body) == ("app", b"app")
        else:
            assert answer.all("x-from") == ["page"] and answer.get("content-type") == "text/html"
            assert answer.body == f"GET {line} HTTP/1.1".encode()


@pytest.mark.parametrize(("query", "line"), [("/our pages/{status}?a=b", "/our%20pages/404?a=b"), ("/é|%41", "/%C3%A9%7CA"), ("/a%20b", "/a%20b")])
def test_a_page_whose_path_needs_escaping(server, routed, query, line):
    app, pages = server(says(404)), server(page)
    proxied = routed(one_route(app, {"e": errors(status=["404"], query=query)}, pages=balancer(pages)))
    answer = ask(proxied, "/404")
    assert (answer.status, answer.body) == (404, f"GET {line} HTTP/1.1".encode())


def test_own_answers_are_replaced_too(server, routed):
    dead = server()
    dead.close()
    pages = server(page)
    proxied = routed(one_route(dead, {"e": errors(status=["500-599"], query="/{status}")}, pages=balancer(pages)))
    answer = ask(proxied)
    assert (answer.status, answer.body) == (502, b"GET /502 HTTP/1.1")


def test_what_the_page_gets(server, routed):
    app, pages = server(says(500)), server(page)
    config = one_route(app, {"e": errors(status=["500"], query="p")}, pages=balancer(pages))
    proxied = routed(config)
    client = proxied.connect()
    client.send(b"POST /x HTTP/1.1\r\nHost: b.test\r\nContent-Length: 3\r\nX-One: 1\r\nX-Two: 2\r\nConnection: X-Hop\r\nX-Hop: 3\r\n\r\nabc")
    assert client.response().body == b"GET /p HTTP/1.1"
    asked = pages.requests[-1]
    assert (asked.get("host"), asked.get("x-one"), asked.get("x-two"), asked.get("x-hop")) == ("b.test", "1", "2", None)
    assert asked.get("content-length") is None and asked.get("transfer-encoding") is None
    assert (app.requests[-1].get("x-forwarded-for"), asked.get("x-forwarded-for")) == ("127.0.0.1", None)
    config["middlewares"]["e"]["errors"]["errorRequestHeaders"] = ["x-ONE"]
    proxied.change(config)
    client.send(get("/x", "X-One: 1", "X-Two: 2"))
    assert client.response().status == 500
    asked = pages.requests[-1]
    assert (asked.get("x-one"), asked.get("x-two")) == ("1", None)


def test_an_empty_user_agent_is_none_for_the_page_either(server, routed):
    app, pages = server(says(200)), server(page)
    middlewares = {"e": errors(status=["302"], query="/{status}"), "r": {"redirectRegex": {"regex": "^.*/away$", "replacement": "https://b.test/"}}}
    proxied = routed(one_route(app, middlewares, pages=balancer(pages)))
    client = proxied.connect()
    client.send(b"GET /away HTTP/1.1\r\nHost: a.test\r\nUser-Agent:\r\nX-One: 1\r\n\r\n")
    assert client.response().body == b"GET /302 HTTP/1.1"
    assert (pages.requests[-1].get("user-agent"), pages.requests[-1].get("x-one"), app.requests) == (None, "1", [])


def test_what_a_trusted_proxy_said_goes_to_the_page(server, routed):
    app, pages = server(says(500)), server(page)
    proxied = routed(one_route(app, {"e": errors(status=["500"], query="/p")}, pages=balancer(pages)), insecure=True)
    client = proxied.connect()
    client.send(get("/x", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 127.0.0.1"))
    assert client.response().status == 500
    assert app.requests[-1].get("x-forwarded-for") == "192.0.2.1, 127.0.0.1, 127.0.0.1"
    assert pages.requests[-1].all("x-forwarded-for") == ["192.0.2.1, 127.0.0.1"]


def test_head_and_keep_alive(server, routed):
    app, pages = server(says(404)), server(page)
    proxied = routed(one_route(app, {"e": errors(status=["404"], query="/p")}, pages=balancer(pages)))
    client = proxied.connect()
    for _ in range(3):
        client.send(get("/x", method="HEAD"))
        answer = client.response("HEAD")
        assert (answer.status, answer.get("content-length"), answer.body) == (404, "15", b"")
        client.send(get("/x"))
        assert client.response().body == b"GET /p HTTP/1.1"


@pytest.mark.parametrize("status", ["304 Not Modified", "204 No Content"])
def test_a_page_that_names_a_length_and_has_no_body(server, routed, status):
    """Nobody waits for what never comes, nor takes the next answer for it."""
    def names(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                peer.request()
                peer.send(f"HTTP/1.1 {status}\r\nContent-Length: 5\r\nX-From: page\r\n\r\n".encode())

    app, pages = server(says(200, b"app")), server(names)
    proxied = routed(one_route(app, {"e": errors(status=["500"], query="/")}, pages=balancer(pages)))
    client = proxied.connect()
    client.send(get("/500") + get("/200"))
    first, second = client.response(), client.response()
    assert (first.status, first.get("x-from"), first.body) == (500, "page", b"")
    assert (second.status, second.body) == (200, b"app")


def test_a_page_larger_than_all_buffers(server, routed):
    big = bytes(range(256)) * 16384
    app, pages = server(says(500)), server(says(200, big))
    proxied = routed(one_route(app, {"e": errors(status=["500"], query="/p")}, pages=balancer(pages)))
    client = proxied.connect()
    client.send(get("/x"))
    assert client.sock.recv(1, socket.MSG_PEEK)  # it comes, and is not read: everything on the way fills
    answer = client.response()
    assert answer.status == 500 and answer.body == big


def test_no_page_to_be_had(server, routed):
    app, dead = server(says(500)), server()
    dead.close()
    proxied = routed(one_route(app, {"e": errors(status=["500"], query="/p")}, pages=balancer(dead)))
    answer = ask(proxied, "/x")
    assert (answer.status, answer.body) == (500, b"Bad Gateway")


def test_page_breaks_off(server, routed):
    def half(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    app, pages = server(says(500)), server(half)
    proxied = routed(one_route(app, {"e": errors(status=["500"], query="/p")}, pages=balancer(pages)))
    client = proxied.connect()
    client.send(get("/x"))
    head = client.head()
    assert head.status == 500 and client.exactly(4) == b"half" and client.at_end()


def test_client_leaves_while_the_page_is_asked(server, routed):
    def silent(peer, server):
        server.requests.append(peer.request())
        peer.rest()
    app, pages = server(says(500)), server(silent)
    proxied = routed(one_route(app, {"e": errors(status=["500"], query="/p")}, pages=balancer(pages)))
    client = proxied.connect()
    client.send(get("/x"))
    while not pages.requests:
        client.silent(0.01)
    client.reset()
    # what is left over is looked for at the end of every test
    assert ask(proxied, "/200").status == 200


def test_errors_around_errors(server, routed):
    """The answer of the inner one is replaced by the outer one, also while it comes."""
    app, inner, outer = server(says(500)), server(says(200, b"inner")), server(page)
    config = one_route(app, {"outer": errors("out", status=["418"], query="/{originalStatus}"),
                             "inner": errors("in", status=["500"], statusRewrites={"500": 418})},
                       out=balancer(outer), **{"in": balancer(inner)})
    config["services"]["in"] = balancer(inner)
    answer = ask(routed(config), "/x")
    assert (answer.status, answer.body) == (418, b"GET /418 HTTP/1.1")


@pytest.mark.parametrize("wrong, text", [
    ({"status": ["abc"], "service": "pages"}, r'"abc" is no status'),
    ({"status": ["500"], "service": "pages", "query": "/%zz"}, r"two hexadecimal digits"),
    ({"status": ["500"], "service": "pages", "query": "/a\nb"}, r"errors.query holds a line end"),
    ({"status": ["500"], "service": "pages", "statusRewrites": {"x": 5}}, r'"x" is no status'),
    ({"status": ["500"], "service": "pages", "statusRewrites": {"500": "5"}}, r"statusRewrites.500 must be the status"),
    ({"status": ["500"], "service": "pages", "statusRewrites": {"500": 5}}, r"statusRewrites.500 must be the status"),
    ({"status": ["500"], "service": "pages", "statusRewrites": {"500": 103}}, r"statusRewrites.500 must be the status"),  # no answer ends with it
    ({"status": ["500"], "service": "nowhere"}, r"service .*nowhere.* does not exist"),
    ({"status": ["500"]}, r"errors.service is missing"),
])
def test_wrong_options_disable_the_router(server, routed, wrong, text):
    app = server()
    config = one_route(app, {"e": {"errors": wrong}}, pages=balancer(app))
    config["routers"]["other"] = {"rule": "Path(`/other`)", "service": "all", "priority": 1000}
    proxied = routed(config)
    assert ask(proxied, "/x").status == 404
    assert ask(proxied, "/other").status == 200
    proxied.router.wait_log(text)


def test_a_change_in_the_middle(server, routed):
    """The page that is under way comes whole from the old configuration."""
    going = []

    def slow(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            server.requests.append(peer.request())
            going.append(peer)
            peer.rest()
    app, pages, others = server(says(500)), server(slow), server(page)
    config = one_route(app, {"e": errors(status=["500"], query="/old")}, pages=balancer(pages))
    proxied = routed(config)
    client = proxied.connect()
    client.send(get("/x"))
    while not going:
        client.silent(0.01)
    config["services"]["pages"] = balancer(others)
    config["middlewares"]["e"]["errors"]["query"] = "/new"
    proxied.change(config)
    going[0].send(ok(b"old page"))
    assert client.response().body == b"old page"
    client.send(get("/x"))
    assert client.response().body == b"GET /new HTTP/1.1"
