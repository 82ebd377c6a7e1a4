"""The PROXY protocol on entry points: who is believed, where the address is used, what is refused, before TLS and HTTP."""
import contextlib
import os
import signal
import socket
import ssl
import struct
import subprocess

import pytest

from conftest import curl
from h2kit import Http2
from ports import free_port
from proxying import server  # noqa: F401 (fixture)
from rawhttp import connect
from routing import balancer, routed, write  # noqa: F401 (fixture)
from tlskit import Maker, context

TRUSTED = "--entryPoints.web.proxyProtocol.trustedIPs="
INSECURE = "--entryPoints.web.proxyProtocol.insecure=true"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 4660 443\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"


def binary(source="192.0.2.7", destination="198.51.100.1", command=0x21, tlvs=b""):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    addresses = b"".join(socket.inet_pton(family, a) for a in (source, destination)) + struct.pack("!HH", 4660, 443)
    return SIGNATURE + struct.pack("!BBH", command, 0x21 if ":" in source else 0x11, len(addresses + tlvs)) + addresses + tlvs


@pytest.fixture
def stand(routed, server):  # noqa: F811
    """stand(flags...): everything through an ipAllowList for one path; .server saw the requests."""
    def start(*flags, **options):
        up = server()
        router = routed({"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all", "priority": 1},
                                     "by-address": {"rule": "ClientIP(`192.0.2.0/24`) && Path(`/rule`)", "service": "all",
                                                    "middlewares": ["mark"]},
                                     "listed": {"rule": "Path(`/listed`)", "service": "all", "middlewares": ["list"]}},
                         "middlewares": {"mark": {"headers": {"customRequestHeaders": {"X-Mark": "by-address"}}},
                                         "list": {"ipAllowList": {"sourceRange": ["192.0.2.0/24"]}}},
                         "services": {"all": balancer(up)}}, *flags, **options)
        router.server = up
        return router
    return start


def ask(router, header, request=GET, slowly=False):
    """One request behind a header: its answer, the client open."""
    client = connect(router.port)
    (client.send_slowly if slowly else client.send)(header + request)
    return client, client.response()


def sources(router):
    """What the server heard of the client, last request first."""
    seen = router.server.requests[-1]
    return seen.get("x-forwarded-for"), seen.get("x-real-ip")


@pytest.mark.parametrize("header,source", [
    (LINE, "192.0.2.7"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 4660 443\r\n", "2001:db8::7"),
    (b"PROXY TCP6 ::ffff:192.0.2.8 ::1 4660 443\r\n", "192.0.2.8"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (b"PROXY UNKNOWN what ever it says\r\n", "127.0.0.1"),
    (binary(), "192.0.2.7"),
    (binary("2001:db8::7", "2001:db8::1"), "2001:db8::7"),
    (binary(tlvs=b"\x04\x00\x03abc" + b"\x01" + struct.pack("!H", 4000) + b"x" * 4000), "192.0.2.7"),
    (binary(command=0x20), "127.0.0.1"),
    (SIGNATURE + b"\x20\x00\x00\x00", "127.0.0.1"),
    (SIGNATURE + b"\x21\x31" + struct.pack("!H", 216) + b"/run/a".ljust(108, b"\0") * 2, "127.0.0.1"),
    (b"", "127.0.0.1"),
], ids=["tcp4", "tcp6", "mapped", "unknown", "unknown-words", "v2", "v2-v6", "v2-tlvs", "v2-local", "v2-local-empty", "v2-unix", "none"])
def test_header_of_a_trusted_peer(stand, header, source):
    router = stand(TRUSTED + "10.0.0.0/8,127.0.0.0/8")
    client, answer = ask(router, header)
    assert answer.status == 200 and sources(router) == (source, source)
    client.send(GET)  # the connection is one like any other
    assert client.response().status == 200 and sources(router) == (source, source)
    client.close()
    if len(header) < 200:
        client, answer = ask(router, header, slowly=True)
        assert answer.status == 200 and sources(router) == (source, source)


def test_where_the_address_is_used(stand):
    router = stand(TRUSTED + "127.0.0.1", "--entryPoints.web.forwardedHeaders.trustedIPs=203.0.113.0/24")
    for header, status in ((LINE, 200), (LINE.replace(b"192.0.2.7", b"192.0.3.7"), 403), (b"", 403)):
        assert ask(router, header, b"GET /listed HTTP/1.1\r\nHost: a.test\r\n\r\n")[1].status == status
    for header, mark in ((LINE, "by-address"), (binary("192.0.3.7"), None), (b"", None)):
        assert ask(router, header, b"GET /rule HTTP/1.1\r\nHost: a.test\r\n\r\n")[1].status == 200
        assert router.server.requests[-1].get("x-mark") == mark
    claim = b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n"
    ask(router, LINE, claim)  # forwardedHeaders.trustedIPs are asked about the client, not about the proxy
    assert sources(router)[0] == "192.0.2.7"
    ask(router, binary("203.0.113.9"), claim)
    assert sources(router)[0] == "8.8.8.8, 203.0.113.9"
    router.router.wait_log(r"PROXY header of 127\.0\.0\.1 on web: the client is 203\.0\.113\.9")


def test_an_untrusted_peer_is_not_believed(stand):
    """As for Traefik: the header is taken off, and counts for nothing."""
    router = stand(TRUSTED + "10.0.0.0/8")
    for header in (LINE, binary(), b""):
        assert ask(router, header)[1].status == 200
        assert sources(router) == ("127.0.0.1", "127.0.0.1")
    assert ask(router, LINE, b"GET /listed HTTP/1.1\r\nHost: a.test\r\n\r\n")[1].status == 403
    client = connect(router.port)
    client.send(b"PROXY nonsense\r\n" + GET)
    assert client.at_end()


def test_insecure_and_curl(stand):
    router = stand(INSECURE)
    router.router.wait_log(r"WRN .*proxyProtocol\.insecure")
    answer = curl(router.port, extra=["--haproxy-protocol"])
    assert answer.status == 200 and sources(router)[0] == "127.0.0.1"
    router.router.wait_log(r"PROXY header of 127\.0\.0\.1 on web: the client is 127\.0\.0\.1")
    assert ask(router, LINE)[1].status == 200 and sources(router)[0] == "192.0.2.7"


@pytest.mark.parametrize("bytes_", [
    b"PROXYTCP4 ", b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n", b"PROXY " + b"x" * 200,
    SIGNATURE + b"\x11\x11\x00\x0c" + b"\0" * 12, SIGNATURE + b"\x21\x11\x00\x04" + b"\0" * 4, SIGNATURE + b"\x21\x11\xff\xff",
], ids=["no-space", "few-words", "port", "long", "v1-in-v2", "short", "huge"])
def test_malformed_headers_cost_the_connection(stand, bytes_):
    router = stand(INSECURE)
    client = connect(router.port)
    client.send(bytes_)
    assert client.at_end()  # and no byte of an answer
    router.router.wait_log(r"PROXY header of 127\.0\.0\.1 on web: .*reason=proxy_header|reason=proxy_header.*PROXY header of 127")
    assert ask(router, LINE)[1].status == 200


@pytest.mark.parametrize("begin", [b"P", b"PROXY TCP4 1.2.3.4", SIGNATURE[:5], SIGNATURE + b"\x21\x11\x00\x0c\x01"],
                         ids=["letter", "line", "signature", "addresses"])
def test_half_a_header_has_its_time(stand, begin):
    router = stand(INSECURE, read_timeout="1500ms")
    client = connect(router.port)
    client.send(begin)
    assert client.at_end()
    router.router.wait_log(r"PROXY header of .*did not arrive|PROXY header of .*not all of it arrived in time")
    with contextlib.closing(connect(router.port)) as ended:
        ended.send(begin)
        ended.end()
        assert ended.at_end()


def test_before_http2(stand):
    client = connect(stand(INSECURE).port)
    client.send(LINE)
    web = Http2(client)
    assert web.get("/listed").status == 200


@pytest.mark.parametrize("together", [True, False])
def test_before_tls(weir, server, tmp_path, together):  # noqa: F811
    """Also: a client that names nobody gets the certificate of the address that the proxy was spoken to at."""
    maker, up = Maker(tmp_path), server()
    named, addressed = maker.own("a.test", ["DNS:a.test"]), maker.own("address", ["IP:198.51.100.1"])
    path = tmp_path / "dynamic.yml"
    path.write_text("http:\n  routers:\n    r: {rule: \"PathPrefix(`/`)\", service: s, tls: {}}\n  services:\n"
                    f"    s: {{loadBalancer: {{servers: [{{url: \"http://127.0.0.1:{up.port}\"}}]}}}}\n"
                    "tls:\n  certificates:\n" + "".join(f"    - {{certFile: {p.crt}, keyFile: {p.key}}}\n" for p in (named, addressed)))
    router = weir(f"--providers.file.filename={path}", INSECURE)
    for name, pair in (("a.test", named), (None, addressed)):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = context().wrap_bio(incoming, outgoing, server_hostname=name)
        peer = connect(router.ports["web"])

        def step(call, first=b""):
            while True:
                try:
                    done = call()
                    peer.send(first + outgoing.read())
                    return done
                except ssl.SSLWantReadError:
                    peer.send(first + outgoing.read())
                    first = b""
                    incoming.write(peer.sock.recv(65536))
        if not together:
            peer.send(LINE)
        step(secure.do_handshake, LINE if together else b"")
        assert secure.getpeercert(binary_form=True) == pair.der
        step(lambda: secure.write(GET))
        assert step(lambda: secure.read(1000)).startswith(b"HTTP/1.1 200")
        assert up.requests[-1].get("x-forwarded-for") == "192.0.2.7" and up.requests[-1].get("x-forwarded-proto") == "https"
        peer.close()


def test_changed_by_sighup(weir, server, tmp_path):  # noqa: F811
    up, dynamic, static = server(), tmp_path / "dynamic.json", tmp_path / "weir.yml"
    write(dynamic, {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}}, "services": {"all": balancer(up)}})
    port = free_port()

    def say(proxies):
        static.write_text(f"entryPoints:\n  web:\n    address: 127.0.0.1:{port}\n{proxies}"
                          f"providers:\n  file:\n    filename: {dynamic}\nlog:\n  level: DEBUG\nworkers: 1\n")
    say("")
    router = weir(f"--configFile={static}", web=False, workers=None)

    def source(header):
        client = connect(port)
        client.send(header + GET)
        status = client.response().status
        client.close()
        return up.requests[-1].get("x-forwarded-for") if status == 200 else status

    assert source(LINE) == 400 and source(b"") == "127.0.0.1"
    kept = connect(port)
    kept.send(GET)
    assert kept.response().status == 200
    for proxies, heard in (("    proxyProtocol:\n      trustedIPs: [127.0.0.1]\n", "192.0.2.7"),
                           ("    proxyProtocol:\n      trustedIPs: [10.0.0.1]\n", "127.0.0.1"), ("", 400)):
        say(proxies)
        mark = router.mark()
        os.kill(router.pid, signal.SIGHUP)
        router.wait_log(r"generation \d+ in force", mark)
        assert source(LINE) == heard
        kept.send(GET)  # a connection from before is not asked anew
        assert kept.response().status == 200


def test_nobody_trusted_is_an_error(weir):
    router = weir("--entryPoints.web.proxyProtocol=true", wait=False)
    router.expected_status = 1
    router.wait_log(r"entryPoints\.web\.proxyProtocol: nobody is trusted, write trustedIPs")
    assert router.wait() == 1
    assert subprocess.run([router.command[0], "check", "--entryPoints.web.address=:1", TRUSTED + "1.2.3.4/99"],
                          capture_output=True).returncode == 1
