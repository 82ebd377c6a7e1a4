"""Budgets beside HTTP/1.1 (I10): too many of TLS, HTTP/2, TCP and UDP are refused with a reason, and nothing is left of them.

The limit is small, so that few clients are too many; it is measured by weir itself (test_limits.py has the kernel's).
"""
import contextlib
import json
import ssl
import subprocess

import pytest
from hyperframe.frame import SettingsFrame

from conftest import BINARY, DEADLINE, wait_until
from crowd import Crowd, allow_descriptors, begin
from h2kit import PREFACE, Http2
from ports import free_port
from processes import own_kib
from rawhttp import connect, get
from test_limits import ask, fountain, recovered, told  # noqa: F401 a fixture
from test_memory import tree
from tlskit import client_hello, context, hello
from udpkit import Client, Server

pytestmark = pytest.mark.crowd

LIMIT = 40 << 20
NAME = "a.test"


@pytest.fixture
def datagrams():
    made = Server("udp")
    yield made
    made.close()


def status(router):
    done = subprocess.run([BINARY, "status", "--json", "--pid", str(router.pid)], capture_output=True, timeout=DEADLINE, check=True)
    return json.loads(done.stdout)


def configuration(fountain, datagrams):
    server = {"loadBalancer": {"servers": [{"url": fountain.url}]}}
    stream = {"loadBalancer": {"servers": [{"address": f"127.0.0.1:{fountain.port}"}]}}
    packet = {"loadBalancer": {"servers": [{"address": datagrams.address}]}}
    return {"http": {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}}, "services": {"all": server}},
            "tcp": {"routers": {"all": {"rule": "HostSNI(`*`)", "entryPoints": ["tcp"], "service": "all"}}, "services": {"all": stream}},
            "udp": {"routers": {"all": {"entryPoints": ["udp"], "service": "all"}}, "services": {"all": packet}}}


@pytest.fixture
def bounded(weir, fountain, datagrams, tmp_path):
    assert allow_descriptors() >= 16000, "these tests need 16000 descriptors"
    (tmp_path / "dynamic.json").write_text(json.dumps(configuration(fountain, datagrams)))
    ports = {name: free_port() for name in ("secure", "tcp", "udp", "proxied")}
    router = weir(f"--providers.file.filename={tmp_path}/dynamic.json", "--log.level=INFO", f"--limits.memory={LIMIT}",
                  f"--entryPoints.secure.address=127.0.0.1:{ports['secure']}", "--entryPoints.secure.http.tls=true",
                  f"--entryPoints.proxied.address=127.0.0.1:{ports['proxied']}",
                  "--entryPoints.proxied.proxyProtocol.trustedIPs=127.0.0.0/8",
                  f"--entryPoints.tcp.address=127.0.0.1:{ports['tcp']}",
                  f"--entryPoints.udp.address=127.0.0.1:{ports['udp']}/udp", "--entryPoints.udp.udp.timeout=2s")
    router.ports.update(ports)
    for name in ("web", "secure", "tcp"):  # the code that is used has been used once
        Crowd(ports.get(name, router.ports["web"]), 50, get()).close()
    with contextlib.closing(hello(ports["secure"], NAME).sock):
        assert ask(router) == 200
    router.group, router.at_rest, router.rest = None, router.workers(1), own_kib(tree(router))
    yield router
    counters = status(router)["counters"]
    assert counters["reasons"]["limit"] + counters["udpRefused"] > 0
    recovered(router)


def refused(router):
    """How many connections were, as the router says when it is over."""
    return told(router)[0]


def others_are_told(router):
    """One thing or the other, and no silence."""
    for _ in range(10):
        assert ask(router) in (0, 200, 503)


# ---- slow readers ----
def test_slow_readers_over_tls(bounded):
    clients, closed = [], 0
    made = context(version="TLSv1_3")
    for number in range(800):
        sock = begin(bounded.ports["secure"], number)
        sock.setblocking(True)
        try:
            clients.append(hello(0, NAME, made, plain=sock))
            clients[-1].send(get(host=NAME))
        except (ssl.SSLError, OSError):
            closed += 1
    others_are_told(bounded)
    for client in clients:
        client.close()
    new, _, broken = told(bounded)
    assert new + broken > 0 and (closed or broken)


def test_slow_readers_over_http2(bounded):
    """Windows stay shut: the server's answers have nowhere to go. Streams are refused, one by one."""
    clients = [Http2(connect(bounded.ports["web"])) for _ in range(5)]
    for client in clients:
        assert client.get("/nothing").status == 200
        client.window = False
    for client in clients:
        for _ in range(150):
            client.request("/")
    last = clients[-1]
    last.until(lambda: any(one.heads and one.status == 503 for one in last.streams.values()))
    others_are_told(bounded)
    for client in clients:
        client.peer.close()
    bounded.wait_log(r"INF Memory budget: .*taken again")


def test_slow_readers_over_tcp(bounded):
    crowd = Crowd(bounded.ports["tcp"], 1500, get())
    wait_until("refusals", lambda: crowd.ended()[1] > 0)
    others_are_told(bounded)
    crowd.close()
    assert sum(told(bounded)) > 0


# ---- who does nothing ----
def test_idle_http2_connections(bounded):
    """The oldest go, and others get their places."""
    crowd = Crowd(bounded.ports["web"], 4500, PREFACE + SettingsFrame(0).serialize())
    new, idle, _ = told(bounded)
    assert new > 0 and idle > 0
    wait_until("room for others", lambda: ask(bounded) == 200)
    crowd.close()


def test_idle_tcp_sessions(bounded):
    crowd = Crowd(bounded.ports["tcp"], 4000)
    wait_until("refusals", lambda: crowd.ended()[1] > 0)
    others_are_told(bounded)
    crowd.close()
    assert refused(bounded) > 0


@pytest.mark.parametrize("name, begins", [("secure", client_hello(NAME)), ("proxied", b"PROXY TCP4 192.0.2.7 198.51.100.1 4660 443\r\n")],
                         ids=["TLS", "PROXY protocol"])
def test_what_only_begins(bounded, name, begins):
    """The oldest go, and others get their places."""
    crowd = Crowd(bounded.ports[name], 5000, begins[:len(begins) // 2])
    wait_until("refusals", lambda: sum(crowd.ended()[:2]) > 0)
    others_are_told(bounded)
    new, _, broken = told(bounded)
    assert new > 0 and broken > 0
    wait_until("room for others", lambda: ask(bounded) == 200)
    crowd.close()


def test_udp_sessions(bounded):
    """Whoever makes up addresses takes no connection of TCP away."""
    port = bounded.ports["udp"]
    clients = [Client(port) for _ in range(5000)]
    for client in clients:
        client.socket.sendto(b"?", client.to)
    wait_until("sessions are refused", lambda: status(bounded)["counters"]["udpRefused"] > 0)
    assert ask(bounded) == 200
    for client in clients:
        client.close()
    one = Client(port)
    assert one.ask()[0] == "udp"  # the others have been silent for long enough
    one.close()
    bounded.rest += 4096  # memory is not tight, so nobody hurries to give back what sessions took
