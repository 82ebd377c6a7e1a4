"""inFlightReq: how many requests of a source are under way at the same time, over all workers; what comes back when."""
import contextlib
import os
import signal

import pytest

from conftest import wait_until
from proxying import server  # noqa: F401 a fixture
from rawhttp import get, ok
from routing import one_route, routed  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")


def limit(amount, **criterion):
    return {"inFlightReq": {"amount": amount, **({"sourceCriterion": criterion} if criterion else {})}}


class Held:
    """A server that keeps requests to /hold until it is told to go on."""

    def __init__(self, server):
        self.peers = []
        self.server = server(self.serve)

    def serve(self, peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                request = peer.request()
                server.requests.append(request)
                if "/hold" in request.line:
                    self.peers.append(peer)
                    peer.rest()
                    return
                peer.send(ok(b"free"))

    def go_on(self):
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nheld")
        self.peers = []


@pytest.fixture
def held(server):
    return Held(server)


def status(proxied, *fields, **kw):
    client = proxied.connect()
    client.send(get("/", *fields, **kw))
    return client.response().status


def hold(proxied, held, count, *fields, **kw):
    clients = []
    for _ in range(count):
        client, before = proxied.connect(), len(held.peers)
        client.send(get("/hold", *fields, **kw))
        wait_until("the server has it", lambda: len(held.peers) > before)
        clients.append(client)
    return clients


def free_again(proxied, *fields, **kw):
    """The client may have its answer an instant before the count goes down."""
    wait_until("a place is free", lambda: status(proxied, *fields, **kw) == 200)


def test_so_many_and_no_more(held, routed):
    proxied = routed(one_route(held.server, {"f": limit(2)}))
    clients = hold(proxied, held, 2)
    client = proxied.connect()
    client.send(get("/"))
    answer = client.response()
    assert (answer.status, answer.body) == (429, b"max connections reached: 2")
    held.go_on()
    assert [c.response().body for c in clients] == [b"held"] * 2
    free_again(proxied)
    assert len([r for r in held.server.requests if "/hold" in r.line]) == 2


def test_none_at_all(held, routed):
    proxied = routed(one_route(held.server, {"f": limit(0)}))
    assert status(proxied) == 429


@pytest.mark.parametrize("criterion, same, other", [
    ({}, {"host": "a.test"}, {"host": "b.test"}),  # the host, when nothing is said
    ({"requestHost": True}, {"host": "a.test"}, {"host": "b.test"}),
    ({"requestHeaderName": "x-USER"}, ("X-User: ann",), ("X-User: bob",)),
    ({"ipStrategy": {"depth": 1}}, ("X-Forwarded-For: 10.0.0.1",), ("X-Forwarded-For: 10.0.0.2",)),
    ({"ipStrategy": {"excludedIPs": ["10.0.0.0/8"]}}, ("X-Forwarded-For: 9.0.0.1, 10.0.0.1",), ("X-Forwarded-For: 9.0.0.2,10.0.0.2",)),
    ({"ipStrategy": {"depth": 1, "ipv6Subnet": 64}}, ("X-Forwarded-For: 2001:db8::1",), ("X-Forwarded-For: 2001:db8:0:1::1",)),
])
def test_sources(held, routed, criterion, same, other):
    proxied = routed(one_route(held.server, {"f": limit(1, **criterion)}), trusted="127.0.0.1")

    def args(of):
        return ((), of) if isinstance(of, dict) else (of, {})
    fields, kw = args(same)
    others, other_kw = args(other)
    hold(proxied, held, 1, *fields, **kw)
    assert status(proxied, *fields, **kw) == 429
    assert status(proxied, *others, **other_kw) == 200
    held.go_on()
    free_again(proxied, *fields, **kw)


def test_each_router_counts_for_itself(held, routed):
    config = one_route(held.server, {"f": limit(1)})
    config["routers"]["other"] = {"rule": "Path(`/other/hold`)", "service": "all", "middlewares": ["f"]}
    proxied = routed(config)
    hold(proxied, held, 1)
    client = proxied.connect()
    client.send(get("/other/hold"))
    wait_until("the server has it", lambda: len(held.peers) == 2)
    client.reset()


def test_what_ends_otherwise_comes_back(held, routed):
    """Clients that leave, servers that fail."""
    proxied = routed(one_route(held.server, {"f": limit(2)}))
    for client in hold(proxied, held, 2):
        client.reset()
    held.peers = []
    free_again(proxied)
    clients = hold(proxied, held, 1)
    for peer in held.peers:
        peer.send(b"no HTTP\r\n\r\n")  # not just an end: a kept connection that ends is tried again on a new one
    assert clients[0].response().status == 502
    free_again(proxied)


def test_over_workers_and_generations(held, routed):
    config = one_route(held.server, {"f": limit(8)})
    proxied = routed(config, workers=4)
    clients = hold(proxied, held, 8)
    assert status(proxied) == 429
    config["routers"]["more"] = {"rule": "Path(`/more`)", "service": "all"}
    proxied.change(config)
    assert [status(proxied) for _ in range(8)] == [429] * 8
    config["middlewares"]["f"] = limit(9)
    proxied.change(config)
    assert status(proxied) == 200
    clients += hold(proxied, held, 1)
    assert status(proxied) == 429
    held.go_on()
    assert [c.response().body for c in clients] == [b"held"] * 9
    free_again(proxied)


def test_who_has_the_answer_may_ask_again(held, routed):
    """One after the other, on connections that other workers may accept."""
    proxied = routed(one_route(held.server, {"f": limit(1)}), workers=4)
    assert {status(proxied) for _ in range(300)} == {200}


def echo(peer, server):
    """Switches to what it is asked for, and says what it hears, to the end."""
    server.requests.append(peer.request())
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    while piece := peer.sock.recv(4096):
        peer.send(piece)


@pytest.mark.parametrize("leaves", ["close", "reset", "end"])
def test_a_websocket_counts_while_it_lasts(server, routed, leaves):
    proxied = routed(one_route(server(echo), {"m": limit(2)}), workers=2)
    asks = get("/", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")

    def opened():
        client = proxied.connect()
        client.send(asks)
        return client, client.head().status
    clients = [opened() for _ in range(2)]
    assert [status for _, status in clients] == [101, 101]
    for client, _ in clients:
        client.send(b"hello")
        assert client.exactly(5) == b"hello"
    assert opened()[1] == 429
    assert status(proxied) == 429
    getattr(clients[0][0], leaves)()
    wait_until("another one may come", lambda: opened()[1] == 101)


def test_a_dead_worker_gives_back(held, routed):
    proxied = routed(one_route(held.server, {"f": limit(3)}), workers=2)
    hold(proxied, held, 3)
    assert status(proxied) == 429
    mark = proxied.router.mark()
    for pid in proxied.pids:
        os.kill(pid, signal.SIGKILL)
    proxied.router.accepting(2, mark)
    clients = hold(proxied, held, 3)  # all three places are there again
    assert status(proxied) == 429
    held.go_on()
    for client in clients:
        client.reset()


@pytest.mark.parametrize("wrong, text", [
    ({"amount": 1, "sourceCriterion": {"requestHost": True, "requestHeaderName": "X"}}, r"mutually exclusive"),
    ({"amount": 1, "sourceCriterion": {"ipStrategy": {"excludedIPs": ["x"]}}}, r"excludedIPs"),
])
def test_wrong_options_disable_the_router(held, routed, wrong, text):
    proxied = routed(one_route(held.server, {"f": {"inFlightReq": wrong}}))
    assert status(proxied) == 404
    proxied.router.wait_log(text)
