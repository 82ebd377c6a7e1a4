"""failover by status: which answers the fallback replaces, what it gets of the request, and what is left of the first service.

By health: test_service_health.py.
"""
import contextlib
import re
import threading

import pytest

from conftest import wait_until
from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_each, answer_when, get, ok
from routing import balancer, routed, url  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")


def says(name, status=200, *fields):
    """Answers with the status that the path begins with, else with this one, and says what it got."""
    def answer(request):
        word = request.line.split()[1][1:4]
        code = word if word.isdigit() and name == "main" else status
        return ok(f"{name} {len(request.body)}".encode(), f"X-From: {name}", *fields, status=f"{code} Said")
    return answer_each(answer)


def failing(main, backup, status=("500-504",), **more):
    return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "app"}},
            "services": {"app": {"failover": {"service": "main", "fallback": "backup", "errors": {"status": list(status), **more}}},
                         "main": balancer(main), "backup": balancer(backup)}}


def ask(proxied, request):
    client = proxied.connect()
    client.send(request)
    return client.response()


def post(body, *fields, chunked=False):
    if chunked:
        half = len(body) // 2
        pieces = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:half], body[half:]) if p)
        return get("/500", "Transfer-Encoding: chunked", *fields, method="POST") + pieces + b"0\r\n\r\n"
    return get("/500", f"Content-Length: {len(body)}", *fields, method="POST") + body


def test_statuses(server, routed):
    main, backup = server(says("main", 200, "Set-Cookie: of=main")), server(says("backup", 201))
    proxied = routed(failing(main, backup, ["404", "500-503"]))
    for path, status, name in (("/200", 200, "main"), ("/403", 403, "main"), ("/404", 201, "backup"), ("/499", 499, "main"),
                               ("/500", 201, "backup"), ("/503", 201, "backup"), ("/504", 504, "main")):
        answer = ask(proxied, get(path, "X-Asked: yes"))
        assert (answer.status, answer.all("x-from")) == (status, [name]), path
        assert answer.all("set-cookie") == (["of=main"] if name == "main" else [])
    assert [r.line for r in backup.requests] == [f"GET /{n} HTTP/1.1" for n in (404, 500, 503)]
    assert all(r.get("x-asked") == "yes" and r.all("x-forwarded-for") == ["127.0.0.1"] for r in backup.requests)


@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_is_sent_again(server, routed, chunked):
    main, backup = server(says("main")), server(says("backup"))
    proxied = routed(failing(main, backup))
    for size in (0, 1, 300_000):
        body = bytes(i % 251 for i in range(size))
        answer = ask(proxied, post(body, chunked=chunked))
        assert (answer.status, answer.body) == (200, b"backup %d" % size)
        assert main.requests[-1].body == backup.requests[-1].body == body


def test_a_client_that_waits_to_be_asked(server, routed):
    main, backup = server(says("main")), server(says("backup"))
    client = routed(failing(main, backup)).connect()
    client.send(get("/500", "Content-Length: 5", "Expect: 100-continue", method="POST"))
    assert client.head().status == 100
    client.send(b"hello")
    assert client.response().body == b"backup 5" and main.requests[-1].body == b"hello"


def test_a_change_in_the_middle(server, routed):
    go = threading.Event()
    main, backup, other = server(answer_when(go, ok(b"no", status="500 No"))), server(says("backup")), server(says("other"))
    proxied = routed(failing(main, backup))
    client = proxied.connect()
    client.send(post(b"held"))
    wait_until("the first is asked", lambda: main.requests)
    proxied.change(failing(other, other, ["404"]))
    go.set()
    assert client.response().body == b"backup 4" and backup.requests[0].body == b"held"  # of the configuration it began with
    client.send(post(b"later"))
    assert client.response().body == b"other 5" and len(backup.requests) == 1


def test_bodies_beyond_the_bound(server, routed):
    main, backup = server(says("main")), server(says("backup"))
    proxied = routed(failing(main, backup, maxRequestBodyBytes=10))
    assert ask(proxied, post(b"x" * 10)).body == b"backup 10"
    assert ask(proxied, post(b"x" * 10, chunked=True)).body == b"backup 10"
    for chunked in (False, True):
        answer = ask(proxied, post(b"x" * 11, chunked=chunked))
        assert (answer.status, answer.body) == (413, b"Request body too large\n")
    assert len(main.requests) == 2
    proxied.change(failing(main, backup, maxRequestBodyBytes=11))
    assert ask(proxied, post(b"x" * 11)).body == b"backup 11"


def test_a_first_service_that_is_not_there(server, routed):
    backup = server(says("backup"))
    config = failing(server(says("main")), backup)
    config["services"]["main"] = {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}]}}
    proxied = routed(config)
    assert ask(proxied, post(b"x" * 70_000)).body == b"backup 70000"
    config["services"]["main"] = {"loadBalancer": {"servers": []}}
    proxied.change(config)
    assert ask(proxied, get("/")).body == b"backup 0"


def test_both_fail(server, routed):
    proxied = routed(failing(server(says("main")), server(says("backup", 503))))
    answer = ask(proxied, get("/500"))
    assert (answer.status, answer.body) == (503, b"backup 0")


def test_in_each_other_and_in_weighted_services(server, routed):
    first, second, third = server(says("main")), server(says("second", 502)), server(says("third", 200, "Set-Cookie: of=third"))
    config = {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "spread"}},
              "services": {"spread": {"weighted": {"services": [{"name": "outer"}], "sticky": {"cookie": {"name": "spread"}}}},
                           "outer": {"failover": {"service": "inner", "fallback": "third", "errors": {"status": ["502"]}}},
                           "inner": {"failover": {"service": "first", "fallback": "second", "errors": {"status": ["500"]}}},
                           "first": balancer(first, sticky={"cookie": {"name": "lb"}}), "second": balancer(second),
                           "third": balancer(third)}}
    proxied = routed(config)
    answer = ask(proxied, post(b"abc"))
    assert (answer.status, answer.body) == (200, b"third 3")
    cookies = [c.split("=")[0] for c in answer.all("set-cookie")]
    assert sorted(cookies) == ["of", "spread"]  # what the first service's balancer would have set is gone with its answer
    assert [len(s.requests) for s in (first, second, third)] == [1, 1, 1]
    answer = ask(proxied, get("/200"))
    assert answer.body == b"main 0" and sorted(c.split("=")[0] for c in answer.all("set-cookie")) == ["lb", "spread"]


def test_middlewares_see_one_answer(server, routed):
    main, backup = server(says("main")), server(says("backup"))
    config = failing(main, backup)
    config["middlewares"] = {"head": {"headers": {"customRequestHeaders": {"X-Once": "1"}, "customResponseHeaders": {"X-Out": "1"}}},
                             "strip": {"stripPrefix": {"prefixes": ["/api"]}}, "buffer": {"buffering": {"retryExpression": "ResponseCode() == 418"}}}
    config["routers"]["all"]["middlewares"] = ["head", "strip", "buffer"]
    proxied = routed(config)
    answer = ask(proxied, get("/api/500"))
    assert (answer.body, answer.all("x-out")) == (b"backup 0", ["1"])
    assert backup.requests[-1].line == "GET /500 HTTP/1.1" and backup.requests[-1].all("x-once") == ["1"]


def test_an_error_page_of_a_failover_service(server, routed):
    app, main, backup = server(says("app", 404)), server(says("pages", 500)), server(says("backup"))
    config = failing(main, backup)
    config["services"]["site"] = balancer(app)
    config["middlewares"] = {"e": {"errors": {"status": ["404"], "service": "app", "query": "/page"}}}
    config["routers"]["all"] = {"rule": "PathPrefix(`/`)", "service": "site", "middlewares": ["e"]}
    answer = ask(routed(config), get("/"))
    assert (answer.status, answer.body) == (404, b"backup 0") and backup.requests[-1].line == "GET /page HTTP/1.1"


def test_behind_middlewares_that_hold_the_body(server, routed):
    main, backup, auth = server(says("main")), server(says("backup")), server(says("auth"))
    config = failing(main, backup)
    config["middlewares"] = {"buffer": {"buffering": {"maxRequestBodyBytes": 100_000}},
                             "auth": {"forwardAuth": {"address": url(auth), "forwardBody": True}}}
    for names in (["buffer", "auth"], ["buffer"], ["auth"]):
        config["routers"]["all"]["middlewares"] = names
        proxied = routed(config)
        assert ask(proxied, post(b"x" * 70_000)).body == b"backup 70000", names
        assert [len(s.requests[-1].body) for s in (main, backup)] == [70_000] * 2
        assert "auth" not in names or len(auth.requests.pop().body) == 70_000
        proxied.router.stop()


def test_a_switch_of_protocols_is_no_failure(server, routed):
    def switching(peer, server):
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nhello")
        peer.rest()
    proxied = routed(failing(server(switching), server(says("backup")), ["100-599"]))
    client = proxied.connect()
    client.send(get("/", "Connection: Upgrade", "Upgrade: test"))
    assert client.head().status == 101 and client.exactly(5) == b"hello"


def test_a_client_that_leaves_in_between(server, routed):
    asked = []

    def never(peer, server):
        asked.append(peer.request())
        with contextlib.suppress(ConnectionError):
            peer.rest()
    main = server(says("main"))
    proxied = routed(failing(main, server(never)))
    quiet = proxied.descriptors()
    client = proxied.connect()
    client.send(post(b"x" * 100_000))
    wait_until("the fallback is asked", lambda: asked)
    client.close()
    wait_until("what is left is idle connections", lambda: proxied.descriptors() <= quiet + 1)


@pytest.mark.parametrize("options,words", [
    ({"service": "main", "fallback": "backup"}, "cannot register main as updater for app@file: healthCheck not enabled in config for this WRR service"),
    ({"service": "main", "fallback": "nobody", "errors": {"status": ["500"]}}, 'the service "nobody@file" does not exist'),
    ({"service": "main", "fallback": "backup", "errors": {"status": ["500-x"]}}, '"500-x" is no status'),
    ({"service": "main", "fallback": "backup", "healthCheck": {}, "errors": {"status": ["500"]}}, "cannot register backup as updater"),
])
def test_wrong_options(server, routed, options, words):
    app = server(says("main"))
    config = failing(app, app)
    config["services"]["app"] = {"failover": options}
    config["routers"]["fine"] = {"rule": "Path(`/fine`)", "service": "main"}
    proxied = routed(config)
    proxied.router.wait_log(re.escape(words))
    assert ask(proxied, get("/")).status == 404 and ask(proxied, get("/fine")).status == 200
