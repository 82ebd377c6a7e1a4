"""PostgreSQL's STARTTLS: TLS ended here and passed through, clients without it, and what is no PostgreSQL."""
import ssl

import pytest

from rawhttp import Peer
from tcpkit import connect, echo, named, routers, services, stand, tcp_server  # noqa: F401
from tlskit import Maker, Pair, context

REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    maker = Maker(tmp_path_factory.mktemp("certificates"))
    maker.own("ours", ["DNS:db.test"])
    maker.own("theirs", ["DNS:db.test"])
    return {path.stem: Pair(maker.folder, path.stem) for path in maker.folder.glob("*.crt")}


def certificate(pair):
    return f"tls: {{certificates: [{{certFile: {pair.crt}, keyFile: {pair.key}}}]}}\n"


def ask(port, name="db.test", slowly=False):
    """The connection over TLS, after the request for it."""
    peer = connect(port)
    (peer.send_slowly if slowly else peer.send)(REQUEST)
    assert peer.exactly(1) == b"S"
    return Peer(context().wrap_socket(peer.sock, server_hostname=name))


@pytest.mark.parametrize("slowly", [False, True])
def test_tls_ends_here(stand, tcp_server, made, slowly):
    server = tcp_server(named("db"))
    stand.start("tcp:\n" + routers(r="HostSNI(`db.test`) -> s, tls: {}") + services(s=server.port) + certificate(made["ours"]))
    client = ask(stand.port, slowly=slowly)
    assert client.sock.getpeercert(binary_form=True) == made["ours"].der
    assert client.until(b"\n") == b"db\n"
    client.send(b"start")
    assert client.exactly(5) == b"start"
    client.close()


def willing(pair, answer=b"S"):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.crt, pair.key)

    def serve(peer):
        assert peer.exactly(8) == REQUEST
        peer.send(answer)
        if answer == b"S":
            peer.sock = made.wrap_socket(peer.sock, server_side=True)
            echo(peer)
        peer.rest()
    return serve


def test_passed_through_the_server_is_asked_too(stand, tcp_server, made):
    server = tcp_server(willing(made["theirs"]))
    stand.start("tcp:\n" + routers(r="HostSNI(`db.test`) -> s, tls: {passthrough: true}") + services(s=server.port))
    client = ask(stand.port)
    assert client.sock.getpeercert(binary_form=True) == made["theirs"].der
    client.send(b"start")
    assert client.exactly(5) == b"start"
    client.close()


def test_a_server_that_is_not_willing_ends_it(stand, tcp_server, made):
    server = tcp_server(willing(made["theirs"], b"N"))
    router = stand.start("tcp:\n" + routers(r="HostSNI(`db.test`) -> s, tls: {passthrough: true}") + services(s=server.port))
    with pytest.raises((ssl.SSLError, OSError)):
        ask(stand.port)
    router.wait_log("TCP session .* closed: .*reason=bad_response")


def test_a_name_that_no_router_takes_is_refused(stand, tcp_server, made):
    server = tcp_server(named("db"))
    stand.start("tcp:\n" + routers(r="HostSNI(`db.test`) -> s, tls: {}") + services(s=server.port) + certificate(made["ours"]))
    with pytest.raises((ssl.SSLError, OSError)):
        ask(stand.port, "other.test")
    client = connect(stand.port, REQUEST)
    assert client.exactly(1) == b"S"
    client.send(b"not TLS at all")
    client.rest()
    client.close()
    assert not server.peers


def test_without_it_the_plain_router_serves(stand, tcp_server, made):
    plain, tls = tcp_server(named("plain")), tcp_server(named("tls"))
    stand.start("tcp:\n" + routers(p="HostSNI(`*`) -> plain", t="HostSNI(`db.test`) -> tls, tls: {}") +
                services(plain=plain.port, tls=tls.port) + certificate(made["ours"]))
    startup = b"\x00\x00\x00\x09\x00\x03\x00\x00\x00"
    client = connect(stand.port, startup)
    assert client.until(b"\n") == b"plain\n" and client.exactly(len(startup)) == startup
    client.close()
    client = ask(stand.port)
    assert client.until(b"\n") == b"tls\n"
    client.close()
