"""Middlewares of services that are part of others: they run where the way of a request leads to that service, and only there."""

import pytest

from conftest import wait_until
from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_each, get, ok
from routing import routed, url  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")


def says(name, status=200):
    return answer_each(lambda request: ok(f"{name} {request.line.split()[1]} {len(request.body)}".encode(), status=f"{status} Said"))


def balancer(server, *middlewares):
    return {"loadBalancer": {"servers": [{"url": url(server)}]}, **({"middlewares": list(middlewares)} if middlewares else {})}


def config(services, to="app", middlewares=(), **more):
    return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": to, "middlewares": list(middlewares)}}, "services": services,
            "middlewares": {"a": {"addPrefix": {"prefix": "/a"}}, "b": {"addPrefix": {"prefix": "/b"}}, "c": {"addPrefix": {"prefix": "/c"}},
                            "out": {"headers": {"customResponseHeaders": {"X-Out": "1"}}}, "both": {"chain": {"middlewares": ["b", "out"]}},
                            "few": {"rateLimit": {"average": 1, "period": "1h", "burst": 2}},
                            "buffer": {"buffering": {"maxRequestBodyBytes": 100_000}}, **more}}


def ask(proxied, path="/", method="GET", body=b"", *fields):
    client = proxied.connect()
    client.send(get(path, *([f"Content-Length: {len(body)}"] if body else []), *fields, "Connection: close", method=method) + body)
    return client.response()


def test_of_children(server, routed):
    one, two = server(says("one")), server(says("two"))
    services = {"app": {"weighted": {"services": [{"name": "one"}, {"name": "two"}]}, "middlewares": ["a"]},
                "one": balancer(one, "both", "c"), "two": balancer(two)}
    proxied = routed(config(services, middlewares=["c"]))
    answers = [ask(proxied, "/x") for _ in range(4)]
    assert sorted(a.body for a in answers) == [b"one /c/b/a/c/x 0"] * 2 + [b"two /a/c/x 0"] * 2
    assert sorted(a.get("x-out") or "" for a in answers) == ["", "", "1", "1"]
    del services["one"]["middlewares"]
    proxied.change(config(services))
    assert sorted(ask(proxied, "/x").body for _ in range(2)) == [b"one /a/x 0", b"two /a/x 0"]


def test_of_a_service_that_is_a_routers_own_too(server, routed):
    one = server(says("one"))
    whole = config({"app": {"weighted": {"services": [{"name": "inner"}]}}, "inner": {"weighted": {"services": [{"name": "one"}]}, "middlewares": ["b"]},
                    "one": balancer(one, "a")})
    whole["routers"]["own"] = {"rule": "PathPrefix(`/own`)", "service": "one"}
    proxied = routed(whole)
    assert ask(proxied, "/x").body == b"one /a/b/x 0" and ask(proxied, "/own").body == b"one /a/own 0"


def test_of_failover_and_mirrors(server, routed):
    main, backup, mirror = server(says("main", 500)), server(says("backup")), server(says("mirror"))
    services = {"app": {"mirroring": {"service": "safe", "mirrors": [{"name": "mirror", "percent": 100}]}},
                "safe": {"failover": {"service": "main", "fallback": "backup", "errors": {"status": ["500"]}}, "middlewares": ["c"]},
                "main": balancer(main, "a", "buffer"), "backup": balancer(backup, "b"), "mirror": balancer(mirror, "a", "b", "buffer")}
    proxied = routed(config(services))
    assert ask(proxied, "/x", "POST", b"hello").body == b"backup /b/c/x 5"
    wait_until("the mirror has it", lambda: mirror.requests)
    assert main.requests[0].line == "POST /a/c/x HTTP/1.1" and main.requests[0].body == b"hello"
    assert mirror.requests[0].line == "POST /b/a/x HTTP/1.1" and mirror.requests[0].body == b"hello"


def test_of_a_mirror_that_refuses_its_copy(server, routed):
    """It answers while the body of the copy is still being handed on."""
    main, mirror = server(says("main")), server(says("mirror"))
    proxied = routed(config({"app": {"mirroring": {"service": "main", "mirrors": [{"name": "mirror", "percent": 100}]}},
                             "main": balancer(main), "mirror": balancer(mirror, "little")}, little={"buffering": {"maxRequestBodyBytes": 3}}))
    client = proxied.connect()
    for _ in range(3):
        client.send(get("/x", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n0\r\n\r\n")
        assert client.response().body == b"main /x 5"
    assert not mirror.requests


def test_of_an_error_page(server, routed):
    app, pages = server(says("app", 404)), server(says("pages"))
    proxied = routed(config({"app": balancer(app), "pages": balancer(pages, "a")}, middlewares=["e"],
                            e={"errors": {"status": ["404"], "service": "pages", "query": "/page"}}))
    assert ask(proxied).body == b"pages /a/page 0"


def test_limits_are_the_services_own(server, routed):
    one, two = server(says("one")), server(says("two"))
    services = {"app": {"weighted": {"services": [{"name": "one"}, {"name": "two"}]}}, "one": balancer(one, "few"), "two": balancer(two, "few")}
    proxied = routed(config(services), workers=2)
    assert sorted(ask(proxied).status for _ in range(8)) == [200] * 4 + [429] * 4
    assert len(one.requests) == len(two.requests) == 2


def test_that_answer_and_wrong_ones(server, routed):
    one, two = server(says("one")), server(says("two"))
    services = {"app": {"weighted": {"services": [{"name": "one"}, {"name": "two"}]}}, "one": balancer(one, "closed"), "two": balancer(two)}
    whole = config(services, closed={"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}})
    proxied = routed(whole)
    assert sorted(ask(proxied).status for _ in range(2)) == [200, 403] and not one.requests
    services["one"]["middlewares"] = ["nowhere"]
    mark = proxied.router.mark()
    proxied.change(whole)
    proxied.router.wait_log('middleware "nowhere@file" does not exist', mark)
    assert ask(proxied).status == 404


def test_a_circle_by_a_middleware(server, routed):
    one = server(says("one", 500))
    services = {"app": {"weighted": {"services": [{"name": "one"}]}}, "one": balancer(one, "e"), "fine": balancer(one)}
    whole = config(services, e={"errors": {"status": ["500"], "service": "app", "query": "/page"}})
    whole["routers"]["fine"] = {"rule": "Path(`/fine`)", "service": "fine"}
    proxied = routed(whole)
    assert ask(proxied).status == 404 and ask(proxied, "/fine").status == 500


def test_a_circle_of_a_routers_own_service(server, routed):
    one = server(says("one", 500))
    whole = config({"app": balancer(one, "e"), "fine": balancer(one)}, e={"errors": {"status": ["500"], "service": "app", "query": "/page"}})
    whole["routers"]["fine"] = {"rule": "Path(`/fine`)", "service": "fine"}
    proxied = routed(whole)
    assert ask(proxied).status == 404 and ask(proxied, "/fine").status == 500
