"""hrw: the strategy and the service kind highestRandomWeight: a client's address decides, in every worker and generation."""
import math
import socket

import pytest

from proxying import server  # noqa: F401 a fixture
from rawhttp import get
from routing import balancer, routed, url  # noqa: F401 fixtures
from test_service_sticky import named

pytestmark = pytest.mark.usefixtures("server", "routed")
CLIENTS = [f"127.1.{i}.{i + 3}" for i in range(1, 33)]


def score(client, name, weight):
    value = 0xcbf29ce484222325
    for byte in (client + name).encode():
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return weight / -math.log(value / 2**64)


def expected(client, candidates):
    """candidates: name -> (weight, answer)"""
    return max((score(client, name, weight), answer) for name, (weight, answer) in candidates.items())[1]


def asked_by(proxied, client):
    with socket.create_connection(("127.0.0.1", proxied.port), 10, source_address=(client, 0)) as sock:
        sock.sendall(get("/", "Connection: close", "X-Forwarded-For: 9.9.9.9"))
        data = b""
        while chunk := sock.recv(4096):
            data += chunk
    return data.split(b"\r\n\r\n", 1)[1]


def test_strategy(server, routed):
    servers = [server(named(name)) for name in "abc"]
    weights = [1, 3, 0]
    config = {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}}, "services": {"all": {"loadBalancer": {
        "strategy": "hrw", "sticky": {"cookie": {}}, "servers": [{"url": url(s), "weight": w} for s, w in zip(servers, weights)]}}}}
    proxied = routed(config, workers=2)
    proxied.router.wait_log("sticky has no effect with the strategy hrw")
    candidates = {url(s): (w, name) for s, w, name in zip(servers, weights, (b"a", b"b", b"c")) if w}
    before = {client: asked_by(proxied, client) for client in CLIENTS}
    assert before == {client: expected(client, candidates) for client in CLIENTS}
    config["services"]["all"]["loadBalancer"]["servers"][2]["weight"] = 2  # one comes: clients go to it, and nowhere else
    proxied.change(config)
    for client in CLIENTS:
        assert asked_by(proxied, client) in (before[client], b"c")
    servers[1].close()  # a server that takes no connection: its clients go on, the others stay
    for client in CLIENTS:
        now = asked_by(proxied, client)
        assert now in (b"a", b"c") and (before[client] == b"b" or now in (before[client], b"c"))


def test_services(server, routed):
    servers = {name: server(named(name)) for name in ("first", "second", "third")}
    config = {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}},
              "services": {"all": {"highestRandomWeight": {"services": [{"name": "first", "weight": 2}, {"name": "second@file"},
                                                                        {"name": "third", "weight": 0}]}},
                           **{name: balancer(one) for name, one in servers.items()}}}
    proxied = routed(config, workers=2)
    candidates = {"first": (2, b"first"), "second@file": (1, b"second")}
    for client in CLIENTS:
        assert asked_by(proxied, client) == expected(client, candidates)
    config["services"]["all"]["highestRandomWeight"]["services"].pop(0)
    proxied.change(config)
    assert {asked_by(proxied, client) for client in CLIENTS} == {b"second"}
