"""p2c, leastconn and leasttime: what the servers have to do decides, over all generations (over all workers: tests/unit/test_pick.c)."""
import contextlib

import pytest

from conftest import wait_until
from proxying import server  # noqa: F401 a fixture
from rawhttp import get, ok
from routing import routed, url  # noqa: F401 fixtures
from test_service_sticky import ask, named

pytestmark = pytest.mark.usefixtures("server", "routed")


def one_service(*servers, **options):
    return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}},
            "services": {"all": {"loadBalancer": {"servers": [{"url": url(s)} for s in servers], **options}}}}


def holding(held):
    """/hold is answered when the test lets it."""
    def handler(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                if peer.request().line.split()[1] == "/hold":
                    held.append((server, peer))
                    continue
                peer.send(ok(str(server.port).encode()))
    return handler


@pytest.mark.parametrize("strategy", ["p2c", "leastconn"])
def test_a_busy_server_gets_nothing_new(server, routed, strategy):
    held = []
    servers = [server(holding(held)) for _ in range(2)]
    config = one_service(*servers, strategy=strategy)
    proxied = routed(config)
    assert {ask(proxied).body for _ in range(40)} == {str(s.port).encode() for s in servers}
    client = proxied.connect()
    client.send(get("/hold"))
    wait_until("the server has the request", lambda: held)
    busy, peer = held[0]
    for pass_host in (False, True):
        assert {ask(proxied).body for _ in range(20)} == {str(s.port).encode() for s in servers if s is not busy}
        config["services"]["all"]["loadBalancer"]["passHostHeader"] = pass_host
        proxied.change(config)  # what is under way stays known in the next generation
    peer.send(ok(b"held"))
    assert client.response().body == b"held"
    assert {ask(proxied).body for _ in range(40)} == {str(s.port).encode() for s in servers}


def test_tunnels_are_under_way(server, routed):
    held = []

    def switching(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                if peer.request().get("upgrade"):
                    held.append(server)
                    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
                    peer.rest()
                    return
                peer.send(ok(str(server.port).encode()))
    servers = [server(switching) for _ in range(2)]
    proxied = routed(one_service(*servers, strategy="leastconn"))
    client = proxied.connect()
    client.send(get("/", "Connection: Upgrade", "Upgrade: test"))
    assert client.head().status == 101
    others = {str(s.port).encode() for s in servers if s is not held[0]}
    assert {ask(proxied).body for _ in range(6)} == others
    client.sock.close()
    wait_until("both are asked again", lambda: {ask(proxied).body for _ in range(6)} != others)


def test_the_quicker_one(server, routed):
    quick = server(named("quick"))

    def slow(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                peer.request()
                peer.silent(1.5)
                peer.send(ok(b"slow"))
    proxied = routed(one_service(server(slow), quick, strategy="leasttime"))
    answers = [ask(proxied).body for _ in range(12)]
    assert answers.count(b"slow") <= 2 and answers[-3:] == [b"quick"] * 3


@pytest.mark.parametrize("strategy", ["p2c", "leasttime", "leastconn"])
def test_cookies_dead_servers_and_weights(server, routed, strategy):
    one, other, dead = server(named("one")), server(named("other")), server()
    dead.close()
    config = one_service(one, dead, other, strategy=strategy, sticky={"cookie": {"name": "c"}})
    config["services"]["all"]["loadBalancer"]["servers"][2]["fenced"] = True
    proxied = routed(config)
    cookies = {answer.get("set-cookie") for answer in (ask(proxied) for _ in range(8)) if answer.body == b"one"}
    assert len(cookies) == 1
    assert ask(proxied, cookies.pop().split(";")[0]).get("set-cookie") is None
    config["services"]["all"]["loadBalancer"]["servers"][2].update(fenced=False, weight=0)
    proxied.change(config)
    answers = {ask(proxied).body for _ in range(40)}
    assert answers == ({b"one", b"other"} if strategy == "p2c" else {b"one"})  # p2c knows no weights


def test_a_strategy_that_is_none(server, routed):
    proxied = routed(one_service(server(named("one")), strategy="best"))
    assert ask(proxied).status == 404
    proxied.router.wait_log('unsupported load-balancer strategy')
