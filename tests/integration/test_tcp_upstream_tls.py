"""TLS towards the servers of TCP services: servers[].tls with the settings of the serversTransport."""
import socket
import ssl

import pytest

from tcpkit import connect, named, routers, stand, tcp_server  # noqa: F401
from tlskit import Maker, Pair


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    maker = Maker(tmp_path_factory.mktemp("certificates"))
    maker.own("server", ["DNS:db.test"])
    maker.own("other", ["DNS:db.test"])
    maker.own("client", ["DNS:client.test"])
    return {path.stem: Pair(maker.folder, path.stem) for path in maker.folder.glob("*.crt")}


@pytest.fixture
def secure(tcp_server, made):
    """A server that says the name it was asked for and whether a certificate came, behind TLS; before it, what came in plain."""
    def start(before=False, clients=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made["server"].crt, made["server"].key)
        if clients:
            context.load_verify_locations(clients.crt)
            context.verify_mode = ssl.CERT_REQUIRED
        names = []
        context.sni_callback = lambda sock, name, _: names.append(name)

        def serve(peer):
            serve.before = b""
            while before and not serve.before.endswith(b"\r\n"):  # no byte more: TLS reads from the socket
                serve.before += peer.sock.recv(1)
            peer.sock = context.wrap_socket(peer.sock, server_side=True)
            shown = peer.sock.getpeercert(binary_form=True)
            named(f"{names[-1] if names else None} {'certificate' if shown else 'nobody'}")(peer)
        serve.server = tcp_server(serve)
        return serve
    return start


def service(port, transport):
    return (f"  services: {{s: {{loadBalancer: {{serversTransport: t, servers: [{{address: '127.0.0.1:{port}', tls: true}}]}}}}}}\n"
            f"  serversTransports: {{t: {{{transport}}}}}\n")


def test_a_server_that_is_who_it_should_be(stand, secure, made):
    one = secure()
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") +
                service(one.server.port, f"tls: {{serverName: db.test, rootCAs: [{made['server'].crt}]}}"))
    for _ in range(3):
        client = connect(stand.port)
        assert client.until(b"\n") == b"db.test nobody\n"
        client.send(b"x" * 100000)
        assert client.exactly(100000) == b"x" * 100000
        client.close()


@pytest.mark.parametrize("transport", ["tls: {serverName: db.test}", "tls: {serverName: other.test, rootCAs: [SERVER]}",
                                       "tls: {serverName: db.test, rootCAs: [OTHER]}"])
def test_one_that_is_not_gets_nothing(stand, secure, made, transport):
    one = secure()
    transport = transport.replace("SERVER", str(made["server"].crt)).replace("OTHER", str(made["other"].crt))
    router = stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + service(one.server.port, transport))
    client = connect(stand.port, b"secret")
    assert client.at_end()
    client.close()
    router.wait_log(r"ERR TLS with the server 127.0.0.1:\d+ \(TCP service s@file\) failed: .*reason=upstream_tls")


def test_any_certificate_will_do(stand, secure):
    one = secure()
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + service(one.server.port, "tls: {insecureSkipVerify: true}"))
    client = connect(stand.port)
    assert client.until(b"\n") == b"None nobody\n"
    client.close()


def test_a_certificate_of_ours_and_the_header_before_tls(stand, secure, made):
    one = secure(before=True, clients=made["client"])
    pair = made["client"]
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + service(
        one.server.port, "proxyProtocol: {version: 1}, tls: {insecureSkipVerify: true, certificates: "
        f"[{{certFile: {pair.crt}, keyFile: {pair.key}}}]}}"))
    client = connect(stand.port)
    assert client.until(b"\n") == b"None certificate\n"
    assert one.before.startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 ")
    client.close()


def test_ends_are_passed_on(stand, secure, made):
    one = secure()
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") +
                service(one.server.port, f"terminationDelay: 60s, tls: {{serverName: db.test, rootCAs: [{made['server'].crt}]}}"))
    client = connect(stand.port, b"question")
    assert client.until(b"\n") == b"db.test nobody\n" and client.exactly(8) == b"question"
    client.sock.shutdown(socket.SHUT_WR)
    assert client.at_end()
    client.close()
