"""buffering: requests and answers that go on once they are whole, their bounds, and requests that are sent again."""
import contextlib
import threading
import zlib

import pytest

from conftest import wait_until
from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_all, answer_in_turn, get, ok, post
from routing import balancer, one_route, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")

BIG = bytes(range(256)) * 16384  # 4 MiB


def buffering(**options):
    return {"b": {"buffering": options}}


def ask(proxied, data, method=None):
    client = proxied.connect()
    client.send(data)
    return client.response(method)


def says(*statuses, body=b"answer"):
    return answer_in_turn(lambda status: ok(body + str(status).encode(), status=f"{status} Said"), *statuses)


def test_request_is_whole_before_the_server_is_asked(server, routed):
    app = server(answer_all())
    proxied = routed(one_route(app, buffering()))
    client = proxied.connect()
    client.send(get("/x", "Transfer-Encoding: chunked", "Expect: 100-continue", method="POST"))
    assert client.head().status == 100
    client.send(b"3\r\nabc\r\n")
    assert client.silent(0.2) and app.peers == []
    client.send(b"3\r\ndef\r\n0\r\nX-Trailer: 1\r\n\r\n")
    assert client.response().status == 200
    asked = app.requests[-1]
    assert (asked.body, asked.get("content-length"), asked.get("transfer-encoding")) == (b"abcdef", "6", None)


@pytest.mark.parametrize("method, length", [("GET", None), ("POST", "0")])
def test_a_body_that_proves_to_be_empty(server, routed, method, length):
    app = server(answer_all())
    answer = ask(routed(one_route(app, buffering())), get("/x", "Transfer-Encoding: chunked", method=method) + b"0\r\n\r\n")
    assert answer.status == 200
    assert (app.requests[-1].get("content-length"), app.requests[-1].get("transfer-encoding")) == (length, None)


def test_large_bodies_both_ways(server, routed):
    app = server(lambda peer, server: peer.send(ok(peer.request().body)))
    proxied = routed(one_route(app, buffering(memRequestBodyBytes=10, memResponseBodyBytes=10)))
    client = proxied.connect()
    client.send(post(BIG))
    assert client.sock.recv(1, 2)  # MSG_PEEK: it comes, everything on the way fills
    assert client.response().body == BIG


def test_answer_is_whole_before_the_client_gets_it(server, routed):
    go = threading.Event()

    def slow(peer, server):
        server.requests.append(peer.request())
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        go.wait()
        peer.send(b"3\r\ndef\r\n0\r\n\r\n")
        peer.rest()
    app = server(slow)
    proxied = routed(one_route(app, buffering()))
    client = proxied.connect()
    client.send(get("/x"))
    wait_until("the server is asked", lambda: app.requests)
    assert client.silent(0.2)
    go.set()
    answer = client.response()
    assert (answer.body, answer.get("content-length"), answer.get("transfer-encoding")) == (b"abcdef", "6", None)


def test_answers_without_a_body_and_head(server, routed):
    def some(peer, server):
        for head in (b"204 No Content\r\n\r\n", b"200 OK\r\nContent-Length: 77\r\n\r\n", b"200 OK\r\nContent-Length: 0\r\n\r\n",
                     b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
            peer.request()
            peer.send(b"HTTP/1.1 " + head)
        peer.rest()
    proxied = routed(one_route(server(some), buffering()))
    client = proxied.connect()
    for method, length in (("GET", None), ("HEAD", "77"), ("GET", "0"), ("GET", "0")):
        client.send(get("/x", method=method))
        answer = client.response(method)
        assert (answer.get("content-length"), answer.body) == (length, b"")


def test_trailers_of_answers_are_kept(server, routed):
    def some(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n")
        peer.rest()
    answer = ask(routed(one_route(server(some), buffering())), get("/x"))
    assert (answer.body, answer.trailers) == (b"abc", b"X-Sum: 7\r\n")


@pytest.mark.parametrize("length, status", [(10, 200), (11, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_bound_of_requests(server, routed, length, status, chunked):
    app = server(answer_all())
    proxied = routed(one_route(app, buffering(maxRequestBodyBytes=10)))
    body = b"a" * length
    data = (get("/x", "Transfer-Encoding: chunked", method="POST") + b"%x\r\n%s\r\n0\r\n\r\n" % (length, body)) if chunked else post(body)
    answer = ask(proxied, data)
    assert answer.status == status and len(app.requests) == (status == 200)
    assert status == 200 or answer.body == b"Request Entity Too Large"


@pytest.mark.parametrize("length, status", [(10, 200), (11, 500)])
@pytest.mark.parametrize("chunked", [False, True])
def test_bound_of_answers(server, routed, length, status, chunked):
    def some(peer, server):
        peer.request()
        body = b"a" * length
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (length, body) if chunked else ok(body))
        peer.rest()
    answer = ask(routed(one_route(server(some), buffering(maxResponseBodyBytes=10))), get("/x"))
    assert (answer.status, answer.body) == (status, b"a" * 10 if status == 200 else b"Internal Server Error")


def test_an_answer_that_is_too_long_is_not_asked_for_again(server, routed):
    app = server(says(200, body=b"a" * 11))
    answer = ask(routed(one_route(app, buffering(maxResponseBodyBytes=10, retryExpression="Attempts() < 3"))), get("/x"))
    assert answer.status == 500 and len(app.requests) == 1


def test_sends_again_what_is_the_same(server, routed):
    """The path and the headers as they were before the middlewares behind, the body from its beginning."""
    app = server(says(500, 502, 200))
    config = one_route(app, {**buffering(retryExpression="ResponseCode() >= 500 && Attempts() < 5"),
                             "s": {"addPrefix": {"prefix": "/p"}}, "h": {"headers": {"customRequestHeaders": {"X-New": "1"}}}})
    proxied = routed(config)
    answer = ask(proxied, post(b"body" * 50000, "X-Mine: 2"))
    assert (answer.status, answer.body) == (200, b"answer200")
    assert len(app.requests) == 3
    for asked in app.requests:
        assert asked.line == "POST /p/x HTTP/1.1" and asked.body == b"body" * 50000
        assert (asked.all("x-new"), asked.all("x-mine")) == (["1"], ["2"])
        assert asked.all("x-forwarded-for") == ["127.0.0.1"]


@pytest.mark.parametrize("inner", [{"compress": {}}, {"buffering": {}}])
def test_sends_again_over_middlewares_that_hold_the_answer(server, routed, inner):
    left = [200, 500, 500]  # an answer that is dropped takes its connection with it

    def chunked(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                server.requests.append(peer.request())
                status = left.pop()
                peer.send(b"HTTP/1.1 %d Said\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" % status)
    app = server(chunked)
    proxied = routed(one_route(app, {**buffering(retryExpression="ResponseCode() == 500 && Attempts() < 4"), "i": inner}))
    answer = ask(proxied, get("/x", "Accept-Encoding: gzip"))
    body = zlib.decompress(answer.body, 31) if answer.get("content-encoding") else answer.body
    assert (answer.status, body, answer.get("content-length")) == (200, b"abc", str(len(answer.body)))


def test_a_body_that_two_of_them_keep(server, routed):
    app = server(says(500, 200))
    proxied = routed(one_route(app, {**buffering(retryExpression="ResponseCode() == 500 && Attempts() < 3"), "i": {"buffering": {}}}))
    assert ask(proxied, post(BIG)).body == b"answer200"
    assert [asked.body == BIG for asked in app.requests] == [True, True]


def test_gives_up(server, routed):
    app = server(says(502))
    config = one_route(app, buffering(retryExpression="IsNetworkError() && Attempts() < 3"))
    proxied = routed(config)
    assert ask(proxied, get("/x")).status == 502 and len(app.requests) == 3
    config["middlewares"] = buffering(retryExpression="IsNetworkError()")
    proxied.change(config)
    app.requests.clear()
    assert ask(proxied, get("/x")).status == 502 and len(app.requests) == 11


def test_a_dead_server_is_left_for_another(server, routed):
    dead, app = server(), server(answer_all(b"alive"))
    dead.close()
    config = one_route(app, buffering(retryExpression="IsNetworkError() && Attempts() <= 2"))
    config["services"]["all"] = balancer(dead, app)
    proxied = routed(config)
    for _ in range(4):
        assert ask(proxied, post(b"x")).body == b"alive"


def test_what_is_owed_is_done_before_the_next_attempt(server, routed):
    """A middleware behind that answers itself is asked again as well."""
    app = server(says(200))
    config = one_route(app, {**buffering(retryExpression="ResponseCode() == 403 && Attempts() < 4"),
                             "i": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}}})
    assert ask(routed(config), post(b"x")).status == 403 and not app.requests


def test_server_breaks_off(server, routed):
    def half(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    assert ask(routed(one_route(server(half), buffering())), get("/x")).status == 502


def test_clients_that_leave(server, routed):
    go = threading.Event()

    def slow(peer, server):
        server.requests.append(peer.request())
        go.wait()
        with contextlib.suppress(ConnectionError):  # one client has left
            peer.send(ok(BIG, "Connection: close"))
    app = server(slow)
    proxied = routed(one_route(app, buffering()))
    early = proxied.connect()
    early.send(get("/x", "Content-Length: 10", method="POST") + b"abc")
    early.reset()
    asked, reading = proxied.connect(), proxied.connect()
    asked.send(get("/x"))
    reading.send(get("/x"))
    wait_until("both are asked for", lambda: len(app.requests) == 2)
    asked.reset()
    go.set()
    assert reading.exactly(100)
    reading.reset()
    assert ask(proxied, get("/x", method="HEAD"), "HEAD").status == 200


def test_a_change_in_the_middle(server, routed):
    go = threading.Event()

    def slow(peer, server):
        server.requests.append(peer.request())
        go.wait()
        peer.send(ok(b"no", status="500 No"))
        peer.rest()
    first, second = server(slow), server(says(200))
    config = one_route(first, buffering(retryExpression="ResponseCode() == 500 && Attempts() < 2"))
    proxied = routed(config)
    client = proxied.connect()
    client.send(post(b"abc"))
    wait_until("the first is asked", lambda: first.requests)
    config["services"]["all"] = balancer(second)
    config["middlewares"] = buffering(maxRequestBodyBytes=2)
    proxied.change(config)
    go.set()
    assert client.response().status == 500 and len(first.requests) == 2  # all attempts of the configuration it began with
    assert ask(proxied, post(b"abc")).status == 413


def test_wrong_expression_disables_the_router(server, routed):
    proxied = routed(one_route(server(), buffering(retryExpression="IsNetworkError() and Attempts() < 2")))
    assert ask(proxied, get("/x")).status == 404
    proxied.router.wait_log(r'retryExpression: && or \|\| is missing at .*and Attempts')
