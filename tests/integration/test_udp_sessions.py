"""UDP entry points: datagrams to a server and back, sessions by client, whom they go to, how they end."""
import os
import signal
import socket

import pytest

from board import Board
from conftest import BINARY, DEADLINE, Program, curl, free_port, wait_until
from processes import freeze
from udpkit import Client, Server, udp_file


def gauge(router, name="udp_sessions"):
    board = Board(router.pid)
    try:
        return board.gauges()[name]
    finally:
        board.close()


@pytest.fixture
def kit():
    """Servers and clients that are closed at the end."""
    opened = []

    class Kit:
        @staticmethod
        def server(*args, **kw):
            opened.append(Server(*args, **kw))
            return opened[-1]

        @staticmethod
        def client(*args, **kw):
            opened.append(Client(*args, **kw))
            return opened[-1]
    yield Kit
    for one in opened:
        one.close()


@pytest.fixture
def udp(weir, tmp_path):
    """udp(routers, services, weighted) starts weir with one UDP entry point `u` (more with points={name: address})."""
    def start(routers, services, weighted=(), points=None, flags=(), grace=True, **kw):
        path = udp_file(tmp_path / "udp.yml", routers, services, weighted)
        port = free_port()
        points = points or {"u": f"127.0.0.1:{port}/udp"}
        if not any("udp.timeout" in flag for flag in flags):
            flags = [*flags, *[f"--entryPoints.{name}.udp.timeout=60s" for name in points]]
            kw.setdefault("leftovers", "sessions stay for a minute")
        if grace:
            flags = [*flags, *[f"--entryPoints.{name}.transport.lifeCycle.graceTimeOut=100ms" for name in (*points, "web")]]
        router = weir(*[f"--entryPoints.{name}.address={address}" for name, address in points.items()],
                      f"--providers.file.filename={path}", *flags, **kw)
        router.udp, router.file = port, path
        return router
    return start


def test_echo_of_the_real_programs(udp, kit, programs):
    port = free_port()
    backend = Program([BINARY, "whoami", "--udp", "--port", port, "--name", "one"])
    backend.expected_status = None
    programs.append(backend)
    backend.wait_log("listens on udp")
    router = udp({"r": (["u"], "s")}, {"s": [f"127.0.0.1:{port}"]})
    client = kit.client(router.udp)
    client.socket.settimeout(DEADLINE)
    client.socket.sendto(b"hello", client.to)
    assert client.socket.recv(65536) == b"Received: hello"
    client.socket.sendto(b"WHO", client.to)
    assert b"Name: one\n" in client.socket.recv(65536)


@pytest.mark.long
def test_a_client_has_a_session_and_silence_ends_it(udp, kit):
    server = kit.server("a")
    router = udp({"r": (["u"], "s")}, {"s": [server.address]}, flags=["--entryPoints.u.udp.timeout=8s"])
    clients = [kit.client(router.udp) for _ in range(20)]
    first = [client.ask() for client in clients]
    assert len(set(first)) == 20  # a socket each
    assert [client.ask() for client in clients] == first
    assert gauge(router) == 20
    wait_until("silence ends them", lambda: gauge(router) == 0)
    again = clients[0].ask()
    assert again[0] == "a" and gauge(router) == 1


@pytest.mark.long
def test_what_the_server_says_keeps_a_session_too(udp, kit):
    server = kit.server("a")
    router = udp({"r": (["u"], "s")}, {"s": [server.address]}, flags=["--entryPoints.u.udp.timeout=4s"])
    client = kit.client(router.udp)
    _, port = client.ask()
    client.socket.settimeout(DEADLINE)
    for turn in range(8):  # 6 s, while the client is silent
        server.socket.sendto(b"news %d" % turn, ("127.0.0.1", port))
        assert client.socket.recv(100) == b"news %d" % turn
        client.socket.settimeout(0.75)
        with pytest.raises(TimeoutError):
            client.socket.recv(100)
        client.socket.settimeout(DEADLINE)
    assert client.ask() == ("a", port)


def test_datagrams_of_every_size_stay_whole(udp, kit):
    server = kit.server("a")
    router = udp({"r": (["u"], "s")}, {"s": [server.address]})
    client = kit.client(router.udp)
    _, port = client.ask()
    client.socket.settimeout(DEADLINE)
    for size in (0, 1, 1472, 9000, 65507):
        client.socket.sendto(b"x" * size, client.to)
        got = client.socket.recv(70000)
        assert got == (b"x" * size if size > 60000 else f"a {port} ".encode() + b"x" * size)


def test_bursts_come_in_order(udp, kit):
    server = kit.server("a")
    router = udp({"r": (["u"], "s")}, {"s": [server.address]})
    client = kit.client(router.udp)
    _, port = client.ask()
    client.socket.settimeout(DEADLINE)
    for _ in range(5):
        for i in range(50):
            client.socket.sendto(b"%d" % i, client.to)
        assert [client.socket.recv(100) for _ in range(50)] == [f"a {port} {i}".encode() for i in range(50)]


def test_servers_in_turn_and_weights(udp, kit):
    a, b, c = (kit.server(name) for name in "abc")
    router = udp({"r": (["u"], "w")}, {"two": [a.address, b.address], "one": [c.address], "none": []},
                 {"w": [("two", 3), ("one", 1), ("inner", 0)], "inner": [("one", 1)]}, workers=2)
    names = [kit.client(router.udp).ask()[0] for _ in range(40)]
    assert {name: names.count(name) for name in "abc"} == {"a": 15, "b": 15, "c": 10}


def test_no_server_and_no_router_are_said(udp, kit):
    ports = {"u": free_port(), "v": free_port()}
    router = udp({"r": (["u"], "s")}, {"s": []}, points={name: f"127.0.0.1:{port}/udp" for name, port in ports.items()})
    for port in ports.values():
        assert kit.client(port).unanswered()
    router.wait_log("Entry point u: UDP sessions are refused: its service has no server")
    router.wait_log("Entry point v: UDP sessions are refused: no router has the entry point")
    assert gauge(router) == 0


def test_a_server_that_is_not_there_ends_the_session(udp, kit):
    a = kit.server("a")
    gone = free_port()
    router = udp({"r": (["u"], "s")}, {"s": [f"127.0.0.1:{gone}", a.address]})
    client = kit.client(router.udp)
    assert client.ask()[0] == "a"  # the second try


def test_sessions_that_end_amid_a_batch(udp, kit):
    router = udp({"r": (["u"], "s")}, {"s": [f"127.0.0.1:{free_port()}"]})
    clients = [kit.client(router.udp) for _ in range(100)]  # a few on each socket
    for _ in range(3):
        freeze(router.worker(0))
        for turn in range(6):  # in turn, so that each comes several times in a batch, and each other time twice
            for client in [c for c in clients for _ in range(1 + turn % 2)]:
                client.socket.sendto(b"%d" % turn, client.to)
        os.kill(router.worker(0), signal.SIGCONT)
        wait_until("all have ended", lambda: gauge(router) == 0)


def test_the_same_port_for_tcp_and_udp(weir, whoami, kit, tmp_path):
    backend, server, port = whoami("web"), kit.server("udp"), free_port()
    path = udp_file(tmp_path / "both.yml", {"r": (["dns"], "s")}, {"s": [server.address]})
    path.write_text(path.read_text() + "http:\n  routers:\n    h: {rule: \"PathPrefix(`/`)\", service: h}\n  services:\n"
                    f"    h: {{loadBalancer: {{servers: [{{url: \"{backend.url}\"}}]}}}}\n")
    weir(f"--entryPoints.dns.address=127.0.0.1:{port}/udp", f"--entryPoints.dnstcp.address=127.0.0.1:{port}/tcp",
         f"--providers.file.filename={path}", web=False)
    assert kit.client(port).ask()[0] == "udp"
    assert "Name: web" in curl(port).body


def test_answers_come_from_the_address_that_was_asked(udp, kit):
    server = kit.server("a")
    port = free_port()
    udp({"r": (["u"], "s")}, {"s": [server.address]}, points={"u": f":{port}/udp"}, workers=2)
    for host in ("127.0.0.1", "127.0.0.2", "127.9.8.7"):  # ask() looks at the sender
        for _ in range(4):
            assert kit.client(port, host).ask()[0] == "a"
    if socket.has_ipv6:
        assert kit.client(port, "::1").ask()[0] == "a"
    one = kit.client(port, "127.0.0.1", source="127.0.0.1")
    first = one.ask()
    one.to = ("127.0.0.3", port)
    assert one.ask() != first  # to another address: a session of its own, else the answer would come from the wrong one


@pytest.mark.long
def test_sessions_have_their_share_of_the_descriptors(udp, kit, whoami):
    server = kit.server("a")
    router = udp({"r": (["u"], "s")}, {"s": [server.address]}, flags=["--entryPoints.u.udp.timeout=8s"], prefix=("prlimit", "--nofile=200"),
                 leftovers="sessions stay for eight seconds")
    clients = [kit.client(router.udp) for _ in range(120)]
    for client in clients:
        client.socket.sendto(b"x", client.to)
    router.wait_log("Entry point u: UDP sessions are refused: they have their share of the descriptors")
    assert 50 <= gauge(router) < 100
    assert curl(router.ports["web"]).status == 404  # TCP has the other half
    wait_until("silence ends them", lambda: gauge(router) == 0)
    assert clients[0].ask()[0] == "a"


@pytest.mark.long
def test_a_router_that_stops_lets_sessions_finish(udp, kit):
    server = kit.server("a")
    router = udp({"r": (["u"], "s")}, {"s": [server.address]},
                 flags=["--entryPoints.u.udp.timeout=60s", *[f"--entryPoints.{name}.transport.lifeCycle.graceTimeOut=12s" for name in ("u", "web")]],
                 leftovers="sessions stay for a minute", grace=False)
    client = kit.client(router.udp)
    told = client.ask()
    mark = router.mark()
    os.kill(router.pid, signal.SIGTERM)
    router.wait_log("Stopping", mark)
    assert client.ask() == told
    wait_until("no session begins any more", lambda: kit.client(router.udp).unanswered())
    assert client.ask() == told
    assert router.wait() == 0
