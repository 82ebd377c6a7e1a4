"""TCP routers without TLS: who gets a connection, servers that speak first, half-close, back-pressure, servers that are away."""
import os
import socket
import threading

import pytest

from conftest import curl
from ports import free_port
from rawhttp import FEW, kernel_takes
from tcpkit import connect, named, routers, services, stand, tcp_server  # noqa: F401
from waiting import pass_time, wait_still


def test_a_server_that_speaks_first(stand, tcp_server):
    server = tcp_server(named("first"))
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=server.port))
    client = connect(stand.port)
    assert client.until(b"\n") == b"first\n"
    client.send(b"hello")
    assert client.exactly(5) == b"hello"
    client.close()


@pytest.mark.parametrize("budget", [(), ("--limits.memory=268435456",)])
def test_bytes_arrive_as_they_are_in_both_directions(stand, tcp_server, budget):
    """Much at once (that is spliced), with back-pressure: the client reads only when it has sent a part."""
    server = tcp_server()
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services("terminationDelay: -1s", s=server.port), *budget)
    sent = os.urandom(12 << 20)
    client = connect(stand.port)

    def send():
        client.send(sent)
        client.end()
    thread = threading.Thread(target=send)
    thread.start()
    got = client.rest()
    thread.join()
    client.close()
    assert got == sent


@pytest.mark.parametrize("first", ["client", "server"])
def test_either_side_may_end_first(stand, tcp_server, first):
    """What the other one says afterwards still arrives, then its end."""
    def serve(peer):
        if first == "client":
            asked = peer.rest()
            peer.send(b"answer to " + asked)
        else:
            peer.send(b"all I have")
            peer.sock.shutdown(socket.SHUT_WR)
            got.append(peer.rest())
            done.set()

    got, done = [], threading.Event()
    server = tcp_server(serve)
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services("terminationDelay: 60s", s=server.port))
    client = connect(stand.port)
    if first == "client":
        client.send(b"question")
        client.end()
        assert client.rest() == b"answer to question"
    else:
        assert client.rest() == b"all I have"
        client.send(b"last words")
        client.end()
        assert done.wait(20) and got == [b"last words"]
    client.close()


def test_after_one_end_the_other_side_has_the_termination_delay(stand, tcp_server):
    server = tcp_server(lambda peer: (peer.rest(), threading.Event().wait(60)))
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=server.port))
    client = connect(stand.port, b"bye")
    client.end()
    assert client.at_end(15)  # the server never ends


def test_the_static_transport_holds_where_a_service_names_none(stand, tcp_server):
    def serve(peer):
        got = peer.rest()
        pass_time("a slow server", 0.7)
        peer.send(b"answer to " + got)
    server = tcp_server(serve)
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=server.port), "--tcpServersTransport.terminationDelay=60s",
                "--tcpServersTransport.dialKeepAlive=-1s")
    client = connect(stand.port, b"x")
    client.end()
    assert client.rest() == b"answer to x"
    client.close()


def test_a_reset_of_one_side_ends_the_other(stand, tcp_server):
    ended = threading.Event()
    server = tcp_server(lambda peer: (peer.exactly(1), peer.rest(), ended.set()))
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=server.port))
    client = connect(stand.port, b"x")
    server.peer()
    client.reset()
    assert ended.wait(20)


def test_servers_in_turn_and_past_one_that_refuses(stand, tcp_server):
    a, b = tcp_server(named("a")), tcp_server(named("b"))
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=[a.port, free_port(), b.port]), workers=2)
    got = []
    for _ in range(12):
        client = connect(stand.port)
        got.append(client.until(b"\n"))
        client.close()
    assert set(got) == {b"a\n", b"b\n"} and abs(got.count(b"a\n") - got.count(b"b\n")) <= 4


def test_no_server_closes_the_connection_with_a_reason(stand):
    router = stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=[free_port()]))
    client = connect(stand.port)
    assert client.at_end()
    client.close()
    router.wait_log("closed: no server accepted the connection.*reason=connect_refused")


def test_weighted_services(stand, tcp_server):
    a, b = tcp_server(named("a")), tcp_server(named("b"))
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> w") + services(a=a.port, b=b.port) +
                "    w: {weighted: {services: [{name: a, weight: 3}, {name: b, weight: 1}]}}\n", workers=2)
    got = []
    for _ in range(16):
        client = connect(stand.port)
        got.append(client.until(b"\n"))
        client.close()
    assert got.count(b"a\n") == 12 and got.count(b"b\n") == 4


def test_rules_by_client_address_and_priority(stand, tcp_server):
    near, far, rest = tcp_server(named("near")), tcp_server(named("far")), tcp_server(named("rest"))
    stand.start("tcp:\n" + routers(near="HostSNI(`*`) && ClientIP(`127.0.0.0/8`) -> near", far="ClientIP(`10.0.0.0/8`) -> far, priority: 900",
                                   rest="HostSNI(`*`) -> rest") + services(near=near.port, far=far.port, rest=rest.port))
    client = connect(stand.port)
    assert client.until(b"\n") == b"near\n"
    client.close()


def test_http_where_no_tcp_router_matches(stand, tcp_server, whoami):
    """Only clients from elsewhere are TCP's: HTTP comes afterwards, on the same port."""
    server, back = tcp_server(named("tcp")), whoami("back")
    http = ("http:\n  routers: {h: {rule: 'PathPrefix(`/`)', service: h}}\n  services: {h: {loadBalancer: {servers: "
            f"[{{url: '{back.url}'}}]}}}}}}\n")
    stand.start("tcp:\n" + routers(r="ClientIP(`10.0.0.0/8`) -> s") + services(s=server.port) + http)
    assert curl(stand.port).status == 200
    stand.switch("tcp:\n" + routers(r="ClientIP(`127.0.0.1`) -> s") + services(s=server.port) + http)
    client = connect(stand.port)
    assert client.until(b"\n") == b"tcp\n"
    client.close()


def test_a_slow_reader_holds_the_writer_back(stand, tcp_server):
    """What is under way is bounded: the writer stalls, and goes on when the reader does."""
    count, blocks = [0], 2 * kernel_takes() // 65536

    def serve(peer):
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FEW)
        block = b"x" * 65536
        for _ in range(blocks):
            peer.send(block)
            count[0] += 1
    server = tcp_server(serve)
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=server.port))
    client = connect(stand.port)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FEW)
    client.exactly(1)
    assert wait_still("the server", lambda: count[0]) * 65536 < kernel_takes()
    left = blocks * 65536 - 1 - len(client.buffer)
    while left:
        left -= len(client.sock.recv(1 << 20)) or pytest.fail("ended early")
    client.close()


def test_open_sessions_outlive_changes_of_everything(stand, tcp_server):
    """Generations, with the router gone as well."""
    server, other = tcp_server(named("old")), tcp_server(named("new"))
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=server.port))
    client = connect(stand.port)
    assert client.until(b"\n") == b"old\n"
    stand.switch("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=other.port))
    fresh = connect(stand.port)
    assert fresh.until(b"\n") == b"new\n"
    stand.switch("http: {}\n")
    for one in (client, fresh):
        one.send(b"still here")
        assert one.exactly(10) == b"still here"
        one.close()
    assert curl(stand.port).status == 404
