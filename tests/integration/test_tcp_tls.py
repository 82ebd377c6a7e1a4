"""TCP routers over TLS: passed through, ended here, beside HTTPS and plain connections on one port."""
import contextlib
import socket
import ssl
import subprocess

import pytest

from conftest import curl, wait_until
from crowd import Crowd
from rawhttp import Peer
from tcpkit import connect, echo, named, routers, services, stand, tcp_server  # noqa: F401
from tlskit import Maker, Pair, client_hello, context, hello


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    maker = Maker(tmp_path_factory.mktemp("certificates"))
    maker.own("ours", ["DNS:a.test", "DNS:*.wild.test", "DNS:h.test"])
    maker.own("theirs", ["DNS:p.test"])
    maker.own("authority")
    return {path.stem: Pair(maker.folder, path.stem) for path in maker.folder.glob("*.crt")}


def certificates(*pairs, options=""):
    return "tls:\n  certificates:\n" + "".join(f"    - {{certFile: {p.crt}, keyFile: {p.key}}}\n" for p in pairs) + options


def over_tls(pair, serve=echo, alpn=None):
    """A server of its own TLS."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.crt, pair.key)
    if alpn:
        made.set_alpn_protocols(alpn)

    def run(peer):
        peer.sock = made.wrap_socket(peer.sock, server_side=True)
        serve(peer)
    return run


def asked(port, name, data=b"ping", **options):
    """The certificate that was shown, and what came back."""
    client = hello(port, name, **options)
    with contextlib.closing(client.sock):
        client.send(data)
        return client.der, client.exactly(len(data))


def closed(port, name=None, **options):
    try:
        client = hello(port, name, **options)
    except (ssl.SSLError, OSError):
        return True
    with contextlib.closing(client.sock):
        return client.rest() == b""


def test_passthrough_leaves_tls_to_the_server(stand, tcp_server, made):
    server, other = tcp_server(over_tls(made["theirs"])), tcp_server(over_tls(made["authority"]))
    stand.start("tcp:\n" + routers(p="HostSNI(`p.test`) -> s, tls: {passthrough: true}", rest="HostSNI(`*`) -> o, tls: {passthrough: true}") +
                services(s=server.port, o=other.port))
    assert asked(stand.port, "p.test") == (made["theirs"].der, b"ping")
    assert asked(stand.port, "P.TEST") == (made["theirs"].der, b"ping")
    assert asked(stand.port, "other.test") == (made["authority"].der, b"ping")
    assert asked(stand.port, None) == (made["authority"].der, b"ping")


def test_acme_challenges_are_not_for_routers_unless_they_may(stand, tcp_server, made):
    server = tcp_server(over_tls(made["theirs"], alpn=["acme-tls/1"]))
    text = "tcp:\n" + routers(p="HostSNI(`*`) -> s, tls: {passthrough: true}") + services(s=server.port)
    resolver = "--certificatesResolvers.le.acme."
    stand.start(text, resolver + "tlsChallenge=true", "--certificatesResolvers.other.acme.dnsChallenge.provider=x")
    assert closed(stand.port, "p.test", alpn=["acme-tls/1"]) and not server.peers
    assert asked(stand.port, "p.test") == (made["theirs"].der, b"ping")
    for flags in (["--entryPoints.web.allowACMEByPass=true", resolver + "tlsChallenge=true"], [resolver + "httpChallenge.entryPoint=web"], []):
        stand.start(text, *flags)  # the server behind proves control itself
        client = hello(stand.port, "p.test", alpn=["acme-tls/1"])
        assert client.sock.selected_alpn_protocol() == "acme-tls/1"
        client.sock.close()
    stand.start(text.replace("passthrough: true", "") + certificates(made["ours"]))  # nobody proves anything where TLS ends
    with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
        hello(stand.port, "a.test", alpn=["acme-tls/1"])
    assert hello(stand.port, "a.test").der == made["ours"].der


def test_a_client_hello_in_pieces_is_passed_on_whole(stand, tcp_server, made):
    """Byte by byte, and cut into several records."""
    server = tcp_server(over_tls(made["theirs"]))
    stand.start("tcp:\n" + routers(p="HostSNI(`p.test`) -> s, tls: {passthrough: true}") + services(s=server.port))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context().wrap_bio(incoming, outgoing, server_hostname="p.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    record = outgoing.read()
    assert record[0] == 22
    pieces = [record[5:][i:i + 40] for i in range(0, len(record) - 5, 40)]
    peer = connect(stand.port)
    peer.send_slowly(b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces))
    while True:
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            if outgoing.pending:
                peer.send(outgoing.read())
            incoming.write(peer.sock.recv(65536))
    assert client.getpeercert(binary_form=True) == made["theirs"].der
    peer.send(outgoing.read())
    peer.close()


def test_tls_ends_here(stand, tcp_server, made):
    server = tcp_server(named("plain"))
    stand.start("tcp:\n" + routers(r="HostSNI(`a.test`) -> s, tls: {}") + services(s=server.port) + certificates(made["ours"]))
    client = hello(stand.port, "a.test")
    assert client.der == made["ours"].der and client.until(b"\n") == b"plain\n"
    client.send(b"x" * 300000)
    assert client.exactly(300000) == b"x" * 300000
    client.sock.close()
    client = hello(stand.port, "b.test")  # HTTP's
    assert client.get("b.test")[0] == 404
    client.sock.close()
    assert len(server.peers) == 1


def test_half_close_under_tls(stand, tcp_server, made):
    """close_notify of the client is the end for the server, whose answer still comes."""
    got = []

    def serve(peer):
        got.append(peer.rest())
        peer.send(b"answer")
    server = tcp_server(serve)
    stand.start("tcp:\n" + routers(r="HostSNI(`a.test`) -> s, tls: {}") +
                services("terminationDelay: 60s", s=server.port) + certificates(made["ours"]))
    asking = subprocess.run(["openssl", "s_client", "-quiet", "-servername", "a.test", "-connect", f"127.0.0.1:{stand.port}",
                             "-no_ign_eof"], input=b"question", capture_output=True, timeout=30)
    wait_until(f"the server has heard the end: {asking.stderr}", lambda: got)  # openssl waits half a second for its answer
    assert got == [b"question"]
    client = hello(stand.port, "a.test")
    client.send(b"more")
    client.sock.shutdown(socket.SHUT_WR)  # without close_notify: the end of TCP counts as well
    assert got == [b"question"] or got == [b"question", b"more"]
    client.sock.close()


def test_wildcards_regexps_alpn_and_negation(stand, tcp_server, made):
    servers = {name: tcp_server(named(name)) for name in ("wild", "regexp", "alpn", "other")}
    stand.start("tcp:\n" + routers(
        wild="HostSNI(`*.wild.test`) -> wild, tls: {}", regexp="HostSNIRegexp(`^r[0-9]+\\.test$`) -> regexp, tls: {}",
        alpn="HostSNI(`a.test`) && ALPN(`h2`) -> alpn, tls: {}", other="HostSNI(`a.test`) && !ALPN(`h2`) -> other, tls: {}") +
        services(**{name: server.port for name, server in servers.items()}) + certificates(made["ours"]))

    def who(name, **options):
        client = hello(stand.port, name, **options)
        with contextlib.closing(client.sock):
            return client.until(b"\n").decode().strip()
    assert who("x.wild.test") == "wild" and who("r12.test") == "regexp"
    assert who("a.test", alpn=["h2"]) == "alpn" and who("a.test") == "other" and who("a.test", alpn=["http/1.1"]) == "other"


def test_protocols_of_the_options_are_agreed_on(stand, tcp_server, made):
    server = tcp_server(named("s"))
    stand.start("tcp:\n" + routers(r="HostSNI(`a.test`) -> s, tls: {options: o}") + services(s=server.port) +
                certificates(made["ours"], options="  options: {o: {alpnProtocols: [mqtt, x]}}\n"))
    client = hello(stand.port, "a.test", alpn=["y", "mqtt"])
    assert client.sock.selected_alpn_protocol() == "mqtt"
    client.sock.close()
    assert closed(stand.port, "a.test", alpn=["nothing"])


def test_options_of_each_router(stand, tcp_server, made):
    server = tcp_server(named("s"))
    stand.start("tcp:\n" + routers(new="HostSNI(`a.test`) -> s, tls: {options: new}", rest="HostSNI(`*`) -> s, tls: {}") +
                services(s=server.port) + certificates(made["ours"], options="  options: {new: {minVersion: VersionTLS13}}\n"))
    assert closed(stand.port, "a.test", version="TLSv1_2")
    for name, version in (("a.test", "TLSv1_3"), ("b.test", "TLSv1_2")):
        client = hello(stand.port, name, version=version)
        assert client.until(b"\n") == b"s\n"
        client.sock.close()


def test_options_that_cannot_be_had_close_what_they_are_for(stand, tcp_server, made):
    """Nobody else gets those connections: what was wanted is not what another router does."""
    named_one, rest = tcp_server(named("a")), tcp_server(named("rest"))
    stand.start("tcp:\n" + routers(a="HostSNI(`a.test`) -> a, tls: {options: gone}", b="HostSNI(`b.test`) -> a, tls: {options: odd}",
                                   rest="HostSNI(`*`) -> rest, tls: {}") + services(a=named_one.port, rest=rest.port) +
                certificates(made["ours"], options="  options: {odd: {cipherSuites: [X]}}\n"))
    assert closed(stand.port, "a.test") and closed(stand.port, "b.test")
    client = hello(stand.port, "c.test")
    assert client.until(b"\n") == b"rest\n"
    client.sock.close()
    assert not named_one.peers


def test_one_port_for_everything(stand, tcp_server, whoami, made):
    """HTTPS by host, TCP over TLS by host, TCP for all other names, HTTP in plain: none is in the way of another."""
    a, rest, back = tcp_server(named("a")), tcp_server(named("rest")), whoami("back")
    http = ("http:\n  routers:\n    plain: {rule: 'PathPrefix(`/`)', service: h}\n    tls: {rule: 'Host(`h.test`)', service: h, tls: {}}\n"
            f"  services: {{h: {{loadBalancer: {{servers: [{{url: '{back.url}'}}]}}}}}}\n")
    tcp = "tcp:\n" + routers(a="HostSNI(`a.test`) -> a, tls: {}", rest="HostSNI(`*`) -> rest, tls: {}") + services(a=a.port, rest=rest.port)
    stand.start(http + tcp + certificates(made["ours"]))

    def who(name):
        client = hello(stand.port, name)
        with contextlib.closing(client.sock):
            return client.until(b"\n")
    assert curl(stand.port).status == 200
    assert who("a.test") == b"a\n" and who("x.test") == b"rest\n"
    client = hello(stand.port, "h.test")
    assert client.get("h.test")[0] == 200
    client.sock.close()
    # an HTTP router that names no host comes before HostSNI(`*`), not before a name
    stand.switch(http.replace("Host(`h.test`)", "PathPrefix(`/`)") + tcp + certificates(made["ours"]))
    assert who("a.test") == b"a\n"
    client = hello(stand.port, "x.test")
    assert client.get("x.test")[0] == 200
    client.sock.close()


def test_plain_beside_tls(stand, tcp_server, made):
    """With TLS on the entry point the first byte is waited for; then a client without TLS gets the plain router."""
    plain, tls = tcp_server(named("plain")), tcp_server(named("tls"))
    stand.start("tcp:\n" + routers(plain="HostSNI(`*`) -> plain", tls="HostSNI(`a.test`) -> tls, tls: {}") +
                services(plain=plain.port, tls=tls.port) + certificates(made["ours"]))
    client = connect(stand.port, b"x")
    assert client.until(b"\n") == b"plain\n" and client.exactly(1) == b"x"
    client.close()
    client = hello(stand.port, "a.test")
    assert client.until(b"\n") == b"tls\n"
    client.sock.close()


def test_no_byte_of_a_client_without_tls_reaches_a_tls_router(stand, tcp_server, made):
    server = tcp_server()
    stand.start("tcp:\n" + routers(r="HostSNI(`a.test`) -> s, tls: {}") + services(s=server.port) + certificates(made["ours"]))
    assert curl(stand.port).status == 400
    client = connect(stand.port, b"\x00\x01\x02\x03\r\n\r\n")
    assert b"400" in client.rest()
    client.close()
    client = connect(stand.port, b"\x16\x03\x01\x00\x05hello")
    client.rest()
    client.close()
    assert not server.peers


def test_a_router_that_comes_while_its_client_waits_for_a_handshake(stand, tcp_server, made):
    """It takes the client out of the queue, so that those behind it have their turn."""
    def passed_through(name):
        return "tcp:\n" + routers(p=f"HostSNI(`{name}`) -> s, tls: {{passthrough: true}}") + services(s=server.port)
    server = tcp_server()
    stand.start(passed_through("other.test"))
    silent = Crowd(stand.port, 256, client_hello("a.test"))
    wait_until("all places are taken", lambda: silent.answered() == 256)
    first, second = connect(stand.port, client_hello("p.test")), connect(stand.port, client_hello("a.test"))
    stand.switch(passed_through("p.test"))
    silent.close()
    assert second.exactly(1) == b"\x16"  # a record of the handshake
    first.close()
    second.close()
