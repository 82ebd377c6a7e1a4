"""retry: when a request is sent again, what the server gets then, and when it is not."""
import socket
import subprocess
import threading

import pytest

from conftest import wait_until
from ports import free_port
from proxying import server  # noqa: F401 a fixture
from rawhttp import Peer, answer_all, answer_in_turn, answer_when, get, ok, post
from routing import balancer, one_route, routed, url  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")

BIG = bytes(range(256)) * 4096  # 1 MiB


def retry(**options):
    return {"r": {"retry": options}}


def ask(proxied, data=get("/x"), method=None):
    client = proxied.connect()
    client.send(data)
    return client.response(method)


def says(*statuses):
    return answer_in_turn(lambda status: ok(b"answer%d" % status, f"X-Of-{status}: 1", status=f"{status} Said"), *statuses)


class Sleeper:
    """A port that refuses connections until it is woken, then takes one."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", free_port()))
        self.port = self.sock.getsockname()[1]

    def wake(self):
        self.sock.listen()
        self.sock.settimeout(20)
        peer = Peer(self.sock.accept()[0])
        request = peer.request()
        peer.send(ok(b"awake", "Connection: close"))
        peer.close()
        return request


@pytest.fixture
def sleeper():
    one = Sleeper()
    yield one
    one.sock.close()


def test_no_server_takes_it_at_first(routed, sleeper):
    proxied = routed(one_route(sleeper.port, retry(attempts=1000, initialInterval="10ms")))
    client = proxied.connect()
    client.send(post(b"body", "X-Mine: 1"))
    assert client.silent(0.3)
    request = sleeper.wake()
    assert client.response().body == b"awake"
    assert (request.body, request.all("x-mine"), request.all("x-forwarded-for")) == (b"body", ["1"], ["127.0.0.1"])


@pytest.mark.parametrize("inner", [{"buffering": {}}, {"retry": {"attempts": 2, "status": ["500"], "retryNonIdempotentMethod": True}}])
@pytest.mark.parametrize("chunked", [False, True])
def test_what_others_have_read_comes_again(routed, sleeper, inner, chunked):
    """The body is with the inner one when no server can be reached."""
    proxied = routed(one_route(sleeper.port, {**retry(attempts=1000, initialInterval="10ms"), "i": inner}))
    client = proxied.connect()
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BIG), BIG)
    client.send(get("/x", "Transfer-Encoding: chunked", method="POST") + body if chunked else post(BIG))
    assert client.silent(0.3)
    assert sleeper.wake().body == BIG
    assert client.response().body == b"awake"


def test_not_for_the_network(routed, sleeper):
    config = one_route(sleeper.port, retry(attempts=1000, initialInterval="10ms", disableRetryOnNetworkError=True, status=["500"]))
    proxied = routed(config)
    assert ask(proxied).status == 502
    config["middlewares"] = retry(attempts=1000, initialInterval="10ms", disableRetryOnNetworkError=True, status=["502"])
    proxied.change(config)
    client = proxied.connect()
    client.send(get("/x"))
    assert client.silent(0.3)
    sleeper.wake()
    assert client.response().body == b"awake"


def test_what_a_server_may_have_got_is_not_sent_again(server, routed):
    def deaf(peer, server):
        server.requests.append(peer.request())
    app = server(deaf)
    assert ask(routed(one_route(app, retry(attempts=5)))).status == 502
    assert len(app.requests) == 1


@pytest.mark.parametrize("method, every, count", [("GET", False, 3), ("PUT", False, 3), ("DELETE", False, 3), ("POST", False, 1),
                                                  ("PATCH", False, 1), ("LOCK", False, 1), ("POST", True, 3), ("LOCK", True, 3)])
def test_statuses(server, routed, method, every, count):
    app = server(says(500, 418, 200))
    options = {"retryNonIdempotentMethod": True} if every else {}
    proxied = routed(one_route(app, {**retry(attempts=3, status=["418", "500-599"], **options), "s": {"addPrefix": {"prefix": "/p"}},
                                     "h": {"headers": {"customRequestHeaders": {"X-New": "1"}}}}))
    answer = ask(proxied, post(b"body", "X-Mine: 2", method=method))
    assert len(app.requests) == count
    assert (answer.status, answer.body) == ((200, b"answer200") if count == 3 else (500, b"answer500"))
    assert [answer.get(f"x-of-{status}") for status in (500, 418)] == ([None, None] if count == 3 else ["1", None])
    for asked in app.requests:
        assert asked.line == f"{method} /p/x HTTP/1.1" and asked.body == b"body"
        assert (asked.all("x-new"), asked.all("x-mine"), asked.all("x-forwarded-for")) == (["1"], ["2"], ["127.0.0.1"])


def test_the_last_attempt_counts(server, routed):
    app = server(says(500, 501, 502, 200))
    config = one_route(app, retry(attempts=3, status=["500-599"]))
    proxied = routed(config)
    answer = ask(proxied)
    assert (answer.status, answer.body, len(app.requests)) == (502, b"answer502", 3)
    config["middlewares"] = retry(attempts=1, status=["200"])
    proxied.change(config)
    assert ask(proxied).status == 200 and len(app.requests) == 4


@pytest.mark.parametrize("length, count", [(10, 2), (11, 1), (len(BIG), 1)])
@pytest.mark.parametrize("chunked", [False, True])
def test_bound_of_bodies(server, routed, length, count, chunked):
    app = server(says(500, 200))
    proxied = routed(one_route(app, retry(attempts=2, status=["500"], maxRequestBodyBytes=10, retryNonIdempotentMethod=True)))
    body = BIG[:length]
    client = proxied.connect()
    if chunked:
        client.send(get("/x", "Transfer-Encoding: chunked", "Trailer: X-Sum", method="POST"))
        for at in range(0, length, 65536):
            piece = body[at:at + 65536]
            client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        client.send(b"0\r\nX-Sum: 7\r\n\r\n")
    else:
        client.send(post(body))
    assert client.response().status == (200 if count == 2 else 500)
    assert [asked.body == body for asked in app.requests] == [True] * count
    assert not chunked or all(asked.trailers == b"X-Sum: 7\r\n" for asked in app.requests)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_long_body_goes_on_to_others_that_keep_it(server, routed, chunked):
    app = server(says(500, 200))
    proxied = routed(one_route(app, {**retry(attempts=2, status=["500"], maxRequestBodyBytes=10, retryNonIdempotentMethod=True), "i": {"buffering": {}}}))
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BIG), BIG)
    data = get("/x", "Transfer-Encoding: chunked", method="POST") + body if chunked else post(BIG)
    assert ask(proxied, data).status == 500 and [asked.body == BIG for asked in app.requests] == [True]


@pytest.mark.parametrize("inner", [{"buffering": {}}, {"retry": {"attempts": 3, "status": ["500"], "retryNonIdempotentMethod": True}}])
def test_behind_one_that_keeps_the_body(server, routed, inner):
    auth, app = server(answer_all()), server(says(500, 200) if "retry" in inner else says(200))
    forward = {"forwardAuth": {"address": url(auth) + "/auth", "forwardBody": True}}
    proxied = routed(one_route(app, {"f": forward, "i": inner}))
    assert ask(proxied, post(BIG)).status == 200
    assert [asked.body == BIG for asked in auth.requests + app.requests] == [True] * (3 if "retry" in inner else 2)


def test_http2_clients(server, routed):
    app = server(says(500, 200))
    proxied = routed(one_route(app, {**retry(attempts=2, status=["500"]), "b": {"buffering": {}}, "d": {"contentType": {}}}))
    done = subprocess.run(["curl", "-sS", "-i", "--max-time", "20", "--http2-prior-knowledge", "-X", "PUT", "--data-binary", "@-",
                           f"http://127.0.0.1:{proxied.port}/x"], input=BIG, capture_output=True)
    assert done.stdout.startswith(b"HTTP/2 200") and done.stdout.endswith(b"answer200") and b"content-type: text/plain" in done.stdout
    assert [asked.body == BIG for asked in app.requests] == [True, True]


@pytest.mark.parametrize("most", [{}, {"maxRequestBodyBytes": -1}])
def test_bodies_without_a_bound_and_by_default(server, routed, most):
    app = server(says(500, 200))
    proxied = routed(one_route(app, retry(attempts=2, status=["500"], **most)))
    assert ask(proxied, post(BIG * 3, method="PUT")).status == (200 if most else 500)
    assert [asked.body == BIG * 3 for asked in app.requests] == [True] * (2 if most else 1)


def test_client_is_asked_for_the_body(server, routed):
    app = server(says(500, 200))
    client = routed(one_route(app, retry(attempts=2, status=["500"]))).connect()
    client.send(get("/x", "Content-Length: 4", "Expect: 100-continue", method="PUT"))
    assert client.head().status == 100
    client.send(b"body")
    assert client.response().status == 200
    assert [asked.body for asked in app.requests] == [b"body", b"body"]


def test_time_is_bounded(server, routed):
    app = server(says(500))
    proxied = routed(one_route(app, retry(attempts=1000, status=["500"], initialInterval="100ms", timeout="1ms")))
    assert ask(proxied).status == 500 and len(app.requests) <= 2


def test_the_next_server(server, routed):
    bad, good = server(says(503)), server(says(200))
    config = one_route(bad, retry(attempts=2, status=["503"]))
    config["services"]["all"] = balancer(bad, good)
    proxied = routed(config)
    for _ in range(4):
        assert ask(proxied).status == 200
    assert len(bad.requests) >= 2


def test_answers_of_middlewares_behind(server, routed):
    """They are asked again for their status, never as if the network had failed."""
    app = server(says(200))
    refuse = {"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}}
    config = one_route(app, {**retry(attempts=1000, initialInterval="1h"), "i": refuse})
    proxied = routed(config)
    assert ask(proxied).status == 403
    config["middlewares"] = {**retry(attempts=3, status=["403"]), "i": refuse}
    proxied.change(config)
    assert ask(proxied).status == 403 and not app.requests


def test_no_server_at_all(routed):
    config = one_route(1, retry(attempts=1000, initialInterval="1h"))
    config["services"]["all"] = balancer()
    assert ask(routed(config)).status == 503


def test_a_change_in_the_middle(server, routed):
    go = threading.Event()
    first, second = server(answer_when(go, ok(b"no", status="500 No"))), server(says(500))
    config = one_route(first, retry(attempts=3, status=["500"]))
    proxied = routed(config)
    client = proxied.connect()
    client.send(get("/x"))
    wait_until("the first is asked", lambda: first.requests)
    config["services"]["all"] = balancer(second)
    config["middlewares"] = retry(attempts=2, status=["500"])
    proxied.change(config)
    go.set()
    assert client.response().status == 500 and len(first.requests) == 3  # all attempts of the configuration it began with
    assert ask(proxied).status == 500 and len(second.requests) == 2


def test_clients_that_leave(server, routed, sleeper):
    proxied = routed(one_route(sleeper.port, retry(attempts=1000, initialInterval="1h", status=["500"])))
    waiting, half = proxied.connect(), proxied.connect()
    waiting.send(get("/x"))
    half.send(get("/x", "Content-Length: 10", method="PUT") + b"abc")
    assert waiting.silent(0.2)
    waiting.reset()
    half.reset()


@pytest.mark.parametrize("options, words", [
    ({}, r"incorrect \(or empty\) value for attempt \(0\)"),
    ({"attempts": 2, "disableRetryOnNetworkError": True}, "requires at least HTTP status codes or retry on TCP"),
    ({"attempts": 2, "status": ["5xx"]}, "5xx"),
])
def test_wrong_options_disable_the_router(server, routed, options, words):
    proxied = routed(one_route(server(answer_all()), retry(**options)))
    assert ask(proxied).status == 404
    proxied.router.wait_log(words)
