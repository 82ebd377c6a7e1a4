"""What middlewares and services keep for a request when another one of its way replaces the answer or sends it once more."""
import base64
import contextlib
import socket
import threading
import zlib

import pytest

from conftest import DEADLINE, wait_until
from ports import free_port
from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_all, get, ok
from routing import balancer, one_route, routed, url  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")


def says(name, status=200):
    return answer_all(name.encode(), status=f"{status} Said")


def ask(proxied, data=None):
    client = proxied.connect()
    client.send(data or get("/", "Connection: close"))
    return client.response()


def test_what_the_first_attempt_kept_is_not_the_second_ones(server, routed):
    """Another middleware stands at the same place of the way."""
    proxied = routed({"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "app"}},
                      "middlewares": {"held": {"buffering": {}}, "packed": {"compress": {}}},
                      "services": {"app": {"failover": {"service": "main", "fallback": "backup", "errors": {"status": ["500"]}}},
                                   "main": {**balancer(server(says("main", 500))), "middlewares": ["held"]},
                                   "backup": {**balancer(server(says("backup"))), "middlewares": ["packed"]}}})
    answer = ask(proxied)
    assert (answer.status, answer.body, answer.get("vary")) == (200, b"backup", None)


def held_page(released):
    """The page comes when that connection is there, or will not come."""
    def handler(peer, server):
        server.requests.append(peer.request())
        with contextlib.suppress(TimeoutError):
            released()
        peer.send(ok(b"the page", "Connection: close"))
    return handler


def late(*fields):
    return get("/", "Content-Length: 5", *fields, method="POST")


def test_a_pause_of_retry_is_over_when_its_request_came_too_late(server, routed):
    with socket.socket() as sleeper:
        sleeper.bind(("127.0.0.1", free_port()))
        dead = sleeper.getsockname()[1]
        sleeper.settimeout(4)  # a pause of retry is 3 s at most

        def wake():
            sleeper.listen()
            sleeper.accept()[0].close()

        pages = server(held_page(wake))
        proxied = routed(one_route(dead, {"e": {"errors": {"service": "pages", "status": ["400-599"], "query": "/{status}"}},
                                          "r": {"retry": {"attempts": 2, "initialInterval": "2s"}}}, pages=balancer(pages)),
                         read_timeout="900ms")
        client = proxied.connect()
        client.send(late())
        answer = client.response()
        assert (answer.status, answer.body) == (408, b"the page")
        assert [r.line for r in pages.requests] == ["GET /408 HTTP/1.1"]


def test_an_answer_of_the_authentication_is_too_late_with_its_request(server, routed):
    paged, over = threading.Event(), threading.Event()

    def decides(peer, server):
        peer.request()
        paged.wait(DEADLINE)
        with contextlib.suppress(OSError, EOFError):
            peer.send(ok(b"denied", "X-Of: authentication", "Connection: close", status="401 Denied"))
            peer.rest()
        over.set()

    def page(peer, server):
        peer.request()
        paged.set()
        over.wait(DEADLINE)
        peer.send(ok(b"the page", "Connection: close"))

    auth, app = server(decides), server(says("app"))
    proxied = routed(one_route(app, {"e": {"errors": {"service": "pages", "status": ["400-599"], "query": "/{status}"}},
                                     "a": {"forwardAuth": {"address": url(auth)}}}, pages=balancer(server(page))),
                     read_timeout="1500ms")
    client = proxied.connect()
    client.send(late())
    answer = client.response()
    assert (answer.status, answer.body, answer.get("x-of")) == (408, b"the page", None)


def test_a_body_of_grpc_web_is_refused_before_it_is_decoded(server, routed):
    """The answer passes grpcWeb, too, and the exchange ends, in the middle of a body that came at once: no more of it is kept."""
    proxied = routed(one_route(server(says("app")), {"w": {"grpcWeb": {"allowOrigins": ["*"]}}, "b": {"buffering": {"maxRequestBodyBytes": 4000}}}))
    for size, status in ((3 * 3072, 413), (3072, 200)):
        client = proxied.connect()
        client.send(get("/", f"Content-Length: {size}", "Content-Type: application/grpc-web-text", "Expect: 100-continue", method="POST"))
        assert client.head().status == 100
        client.send(b"A" * size)
        assert client.response().status == status


def pieces_of(proxied, body):
    """At once, when it is asked for: grpcWeb hands it on in several pieces."""
    client = proxied.connect()
    client.send(get("/", f"Content-Length: {len(body)}", "Content-Type: application/grpc-web-text", "Expect: 100-continue", method="POST"))
    assert client.head().status == 100
    client.send(body)
    return client.response()


def test_a_body_too_large_to_be_mirrored_passes_nobody_unasked(server, routed):
    """The pieces behind the one that was too much do not wake who has the request then."""
    app = server(says("app"))
    proxied = routed({"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "both", "middlewares": ["web"]}},
                      "middlewares": {"web": {"grpcWeb": {"allowOrigins": ["*"]}},
                                      "auth": {"forwardAuth": {"address": url(server(says("no", 403)))}}},
                      "services": {"both": {"mirroring": {"service": "main", "maxBodySize": 100, "mirrors": [{"name": "mirror", "percent": 100}]}},
                                   "main": {**balancer(app), "middlewares": ["auth"]}, "mirror": balancer(app)}})
    assert pieces_of(proxied, b"A" * 9216).status == 403
    assert app.requests == []


def test_a_body_too_long_to_be_sent_again_comes_whole(server, routed):
    app = server(says("app"))
    proxied = routed(one_route(app, {"w": {"grpcWeb": {"allowOrigins": ["*"]}},
                                     "r": {"retry": {"attempts": 2, "status": ["500"], "maxRequestBodyBytes": 100, "disableRetryOnNetworkError": False, "retryNonIdempotentMethod": True}}}))
    body = bytes(range(256)) * 36
    assert pieces_of(proxied, base64.b64encode(body)).status == 200
    assert app.requests[0].body == body


MIB = 1 << 20
AGAIN = {"retry": {"retry": {"attempts": 3, "status": ["500-599"]}},
         "buffering": {"buffering": {"retryExpression": "ResponseCode() == 503 && Attempts() < 3"}},
         "errors": {"errors": {"status": ["500-599"], "service": "backup", "query": "/"}},
         "circuitBreaker": {"circuitBreaker": {"expression": "ResponseCodeRatio(500, 600, 0, 600) > 0.1", "checkPeriod": "1ms", "fallbackDuration": "1h"}}}


@pytest.mark.parametrize("kind", ["failover", *AGAIN])
def test_what_weir_is_short_of_is_no_answer_of_a_server(server, routed, kind):
    """An answer that no memory is left for: it is not asked for again, nobody else is asked, and nothing opens because of it."""
    def large(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                server.requests.append(peer.request())
                if server.requests[-1].line.split()[1] == "/small":
                    peer.send(ok(b"small"))
                    continue
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * MIB))
                for _ in range(200):
                    peer.send(bytes(MIB))

    app, backup = server(large), server(says("backup"))
    router = {"rule": "PathPrefix(`/`)", "service": "app", "middlewares": []}
    whole = {"routers": {"all": router}, "middlewares": {"whole": {"buffering": {"maxResponseBodyBytes": 1000 * MIB}}},
             "services": {"main": {**balancer(app), "middlewares": ["whole"]}, "backup": balancer(backup)}}
    if kind == "failover":
        whole["services"]["app"] = {"failover": {"service": "main", "fallback": "backup", "errors": {"status": ["500-599"]}}}
    else:
        router["service"], router["middlewares"], whole["middlewares"]["m"] = "main", ["m"], AGAIN[kind]
    proxied = routed(whole, f"--limits.memory={100 * MIB}", "--limits.spool=0")
    assert ask(proxied, get("/large", "Connection: close")).status == 503
    wait_until("there is room again", lambda: ask(proxied, get("/small", "Connection: close")).body == b"small")
    assert [r.line.split()[1] for r in app.requests].count("/large") == 1
    assert backup.requests == []


@pytest.mark.parametrize("middlewares", [{}, {"b": {"buffering": {}}}, {"c": {"compress": {"minResponseBodyBytes": 1 << 20}}},
                                         {"c": {"compress": {}}, "b": {"buffering": {}}}], ids=lambda names: "-".join(names) or "none")
@pytest.mark.parametrize("content_type", [(), ("Content-Type: application/x",)])
@pytest.mark.parametrize("pieces", [False, True])
def test_a_head_that_waits_is_that_of_its_answer(server, routed, middlewares, content_type, pieces):
    """What is read meanwhile, of this server and of others, lies where the head came."""
    fields = [f"X-{i}: {i}{'v' * 100}" for i in range(20)]
    go = threading.Event()

    def handler(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                line = peer.request().line
                if "/other" in line:
                    peer.send(ok(b"#" * 100000, "Content-Type: a/b", "Content-Encoding: x", *(f"Y-{i}: {'y' * 90}" for i in range(30))))
                    continue
                head = ok(b"a" * 400000, *fields, *content_type, status="200 Quite Well")
                if pieces:
                    peer.send(head[:1500])
                    server.requests.append("begun")
                    go.wait(DEADLINE)
                    peer.send(head[1500:3000])
                    peer.send(head[3000:])
                else:
                    peer.send(head[:3000])
                    server.requests.append("begun")
                    go.wait(DEADLINE)
                    peer.send(head[3000:])
    app = server(handler)
    proxied = routed(one_route(app, middlewares))
    client, other = proxied.connect(), proxied.connect()
    client.send(get("/x", "Accept-Encoding: gzip"))
    wait_until("the answer has begun", lambda: app.requests)
    other.send(get("/other"))
    assert other.response().body == b"#" * 100000
    go.set()
    answer = client.response()
    assert [f"{name}: {value}" for name, value in answer.fields if name.startswith("X-") and name[2:].isdigit()] == fields
    assert [name for name, _ in answer.fields if name.startswith("Y-")] == []
    body = zlib.decompress(answer.body, 31) if answer.get("content-encoding") else answer.body
    assert body == b"a" * 400000


def asks_others(asked, app):
    """What has servers of its own asked with the fields of the request, behind a prefix that a client wrote."""
    config = one_route(app, {"s": {"stripPrefixRegex": {"regex": ["/[^/]+"]}}}, asked=balancer(asked))
    return config, config["routers"]["all"]["middlewares"], config["middlewares"]


@pytest.mark.parametrize("how", ["forwardAuth", "errors", "mirroring"])
def test_a_path_ends_no_line_of_a_request_that_weir_makes(server, routed, how):
    asked, app = server(), server(says("app", 500 if how == "errors" else 200))
    config, chain, middlewares = asks_others(asked, app)
    if how == "mirroring":
        config["services"].update(all={"mirroring": {"service": "main", "mirrors": [{"name": "asked", "percent": 100}]}}, main=balancer(app))
    else:
        middlewares["m"] = {"forwardAuth": {"address": url(asked)}} if how == "forwardAuth" else {"errors": {"service": "asked", "status": ["500"], "query": "/e"}}
        chain.insert(1 if how == "forwardAuth" else 0, "m")
    proxied = routed(config)
    client = proxied.connect()
    for _ in range(2):
        client.send(get("/a%0d%0aX-Admin:%201%0d%0a%0d%0aGET%20/evil/x"))
        client.response()
        client.send(get("/fine/x"))
        client.response()
    wait_until("all four are asked", lambda: len(asked.requests) >= 4)
    for request in asked.requests:
        assert request.get("x-admin") is None and request.line.endswith(" HTTP/1.1")
    assert sorted(r.get("x-forwarded-prefix") or "" for r in asked.requests) == ["", "", "/fine", "/fine"]  # copies come in any order
