"""The PROXY protocol towards the servers of TCP services, and from proxies in front of TCP routers."""
import socket
import struct

import pytest

from tcpkit import connect, routers, services, stand, tcp_server  # noqa: F401


def service(port, transport="", balancer=""):
    return (f"  services: {{s: {{loadBalancer: {{{balancer}{'serversTransport: t, ' if transport else ''}servers: "
            f"[{{address: '127.0.0.1:{port}'}}]}}}}}}\n" + (f"  serversTransports: {{t: {{{transport}}}}}\n" if transport else ""))


@pytest.fixture
def seen(tcp_server):
    """A server that keeps what came and says "done" when the client has."""
    def serve(peer):
        serve.got = peer.until(b"end")
        peer.send(b"done")
    serve.got = None
    serve.port = tcp_server(serve).port
    return serve


def speak(port, seen, data=b"end"):
    client = connect(port, data)
    assert client.exactly(4) == b"done"
    own = client.sock.getsockname()[1]
    client.close()
    return own, seen.got


@pytest.mark.parametrize("where", ["transport", "balancer"])
def test_version_1(stand, seen, where):
    option = "proxyProtocol: {version: 1}"
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") +
                service(seen.port, **({"transport": option} if where == "transport" else {"balancer": option + ", "})))
    own, got = speak(stand.port, seen)
    assert got == f"PROXY TCP4 127.0.0.1 127.0.0.1 {own} {stand.port}\r\nend".encode()


def test_version_2(stand, seen):
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + service(seen.port, transport="proxyProtocol: {}"))
    own, got = speak(stand.port, seen)
    address = socket.inet_aton("127.0.0.1")
    assert got == (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + address + address + struct.pack(">HH", own, stand.port) + b"end")


def test_a_service_in_a_weighted_one(stand, seen):
    """Its own transport holds, not the parent's, which has none."""
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> w") + service(seen.port, transport="proxyProtocol: {version: 1}").replace(
        "  services: {", "  services: {w: {weighted: {services: [{name: s}]}}, "))
    own, got = speak(stand.port, seen)
    assert got == f"PROXY TCP4 127.0.0.1 127.0.0.1 {own} {stand.port}\r\nend".encode()


def test_from_a_proxy_in_front(stand, seen):
    """What it tells is what rules see, and what the server is told; a server that speaks first waits for the header."""
    stand.start("tcp:\n" + routers(r="ClientIP(`192.0.2.7`) -> s") + service(seen.port, transport="proxyProtocol: {version: 1}"),
                "--entryPoints.web.proxyProtocol.trustedIPs=127.0.0.1")
    told = b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 443\r\n"
    assert speak(stand.port, seen, told + b"end")[1] == told + b"end"
    client = connect(stand.port, b"PROXY TCP4 192.0.2.8 192.0.2.1 1234 443\r\n")
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.until(b"\r\n").startswith(b"HTTP/1.1 404")
    client.close()
