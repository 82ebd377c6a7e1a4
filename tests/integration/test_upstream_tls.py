"""Servers of https: who is believed, what is offered, which certificate is shown; kept connections, sessions, changes."""
import contextlib
import json
import socket

import pytest

from conftest import Program, curl, free_port, wait_port, wait_until
from rawhttp import Server, get, ok
from routing import routed  # noqa: F401 a fixture
from tls_servers import https, routes, secure  # noqa: F401 a fixture
from test_status import status
from tlskit import Maker, Pair, hello

pytestmark = pytest.mark.usefixtures("routed", "secure")
LOCAL = ["DNS:a.test", "DNS:*.wild.test", "DNS:localhost", "IP:127.0.0.1", "URI:spiffe://house/Room"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    maker = Maker(tmp_path_factory.mktemp("certificates"))
    authority, middle, stranger = maker.authority("authority"), maker.authority("middle"), maker.authority("stranger")
    maker.signed("server", authority, LOCAL)
    maker.signed("common", authority)  # a CN, no SAN
    maker.signed("expired", authority, LOCAL, days=-1)
    maker.signed("other", stranger, LOCAL)
    maker.own("itself", LOCAL)
    maker.own("alone", [*LOCAL, "DNS:alone.test"], extensions=["basicConstraints=critical,CA:FALSE", "keyUsage=digitalSignature",
                                                               "extendedKeyUsage=serverAuth"])
    maker.signed("between", authority, extensions=["basicConstraints=critical,CA:TRUE"])
    between = Pair(maker.folder, "between")
    leaf = maker.signed("leaf", between, LOCAL)
    leaf.crt.write_text(leaf.pem + between.pem)  # the server shows the way to its authority
    maker.signed("client", middle)
    maker.signed("client-rsa", middle, key="rsa")
    maker.signed("unwanted", stranger)
    return {path.stem: Pair(maker.folder, path.stem) for path in maker.folder.glob("*.crt")}


def ask(proxied, path="/", method="GET", body=b""):
    client = proxied.connect()
    fields = [f"Content-Length: {len(body)}"] if method == "POST" else []
    client.send(get(path, *fields, method=method) + body)
    with contextlib.closing(client):
        return client.response(method)


def counters(proxied):
    return status(proxied.router)["counters"]


def counted(proxied, reason, times):
    """A reason is counted when its answer is on its way."""
    wait_until(f"{reason} is counted", lambda: counters(proxied)["reasons"][reason] >= times)
    return counters(proxied)["reasons"][reason] == times


# ---- who is believed ----

BELIEVED = {  # the transport's fields, the host of the URL, the server's certificate
    "authority": ({"rootCAs": "authority"}, "127.0.0.1", "server"),
    "name": ({"rootCAs": "authority"}, "localhost", "server"),
    "servername": ({"rootCAs": "authority", "serverName": "a.test"}, "127.0.0.1", "server"),
    "wildcard": ({"rootCAs": "authority", "serverName": "x.wild.test"}, "127.0.0.1", "server"),
    "itself": ({"rootCAs": "itself"}, "127.0.0.1", "itself"),
    "chain": ({"rootCAs": "authority"}, "127.0.0.1", "leaf"),
    "partial": ({"rootCAs": "between"}, "127.0.0.1", "leaf"),  # trusted as it stands
    "pinned": ({"rootCAs": "server"}, "127.0.0.1", "server"),  # the certificate itself
    "pinnedleaf": ({"rootCAs": "alone"}, "127.0.0.1", "alone"),
    "insecure": ({"insecureSkipVerify": True}, "127.0.0.1", "expired"),
    "uri": ({"rootCAs": "authority", "peerCertURI": "spiffe://house/room"}, "127.0.0.1", "server"),
    "san": ({"rootCAs": "authority", "insecureSkipVerify": True, "serverName": "nobody.test",
             "peerCertSANs": [{"type": "URI", "value": "x:y"}, {"type": "DNSName", "value": "y.wild.test"}]}, "127.0.0.1", "server"),
    "sanaddress": ({"rootCAs": "authority", "peerCertSANs": [{"type": "DNSName", "value": "127.0.0.1"}]}, "127.0.0.1", "server"),
    "sandot": ({"rootCAs": "authority", "peerCertSANs": [{"type": "DNSName", "value": "A.test."}]}, "127.0.0.1", "server"),
    "both": ({"rootCAs": "stranger authority"}, "127.0.0.1", "server"),
}
REFUSED = {  # and what the log says
    "system": (None, "127.0.0.1", "server", "signed by an authority that is not believed"),
    "unknown": ({"rootCAs": "authority"}, "127.0.0.1", "other", "signed by an authority that is not believed"),
    "selfsigned": ({"rootCAs": "authority"}, "127.0.0.1", "itself", "signed by an authority that is not believed"),
    "late": ({"rootCAs": "authority"}, "127.0.0.1", "expired", "has expired"),
    "wrongname": ({"rootCAs": "authority", "serverName": "b.test"}, "127.0.0.1", "server", r"not for b.test but for a.test, \*.wild.test"),
    "labels": ({"rootCAs": "authority", "serverName": "x.y.wild.test"}, "127.0.0.1", "server", "not for x.y.wild.test"),
    "address": ({"rootCAs": "authority", "serverName": "127.0.0.2"}, "127.0.0.1", "server", "not for 127.0.0.2"),
    "cn": ({"rootCAs": "authority", "serverName": "common"}, "127.0.0.1", "common", "not for common .no name among its SANs"),
    "nouri": ({"rootCAs": "authority", "peerCertURI": "spiffe://house/cellar"}, "127.0.0.1", "server", "none of the SANs"),
    "nosan": ({"rootCAs": "authority", "insecureSkipVerify": True, "peerCertSANs": [{"type": "DNSName", "value": "b.test"}]},
              "127.0.0.1", "server", "none of the SANs"),
    "sanchain": ({"rootCAs": "stranger", "insecureSkipVerify": True, "peerCertSANs": [{"type": "DNSName", "value": "a.test"}]},
                 "127.0.0.1", "server", "signed by an authority that is not believed"),
    "nofile": ({"rootCAs": ["/nowhere/ca.pem"]}, "127.0.0.1", "server", "signed by an authority that is not believed"),
}


def fields_of(made, fields, inline=False):
    if fields and isinstance(fields.get("rootCAs"), str):
        pairs = [made[name] for name in fields["rootCAs"].split()]
        return {**fields, "rootCAs": [pair.pem if inline else str(pair.crt) for pair in pairs]}
    return fields


@pytest.fixture
def stand(made, secure):
    """(transports, urls) of a table."""
    def build(table, inline=False, **options):
        servers = {name: secure(made[name], **options) for name in {entry[2] for entry in table.values()}}
        transports = {name: fields_of(made, entry[0], inline) for name, entry in table.items()}
        return routes(transports, {name: https(servers[entry[2]], entry[1]) for name, entry in table.items()}), servers
    return build


@pytest.mark.parametrize("inline", [False, True], ids=["files", "inline"])
def test_believed(stand, routed, inline):
    http, servers = stand(BELIEVED, inline)
    proxied = routed(http)
    for name, (fields, host, shown) in BELIEVED.items():
        if name == "name":
            wait_until("the name is resolved", lambda: ask(proxied, "/name").status == 200)
        mark = len(servers[shown].handshakes)
        answer = ask(proxied, f"/{name}")
        assert answer.status == 200, (name, proxied.router.log()[-2000:])
        for met in servers[shown].handshakes[mark:]:  # an address is no name to be asked for
            assert met.name == (fields.get("serverName") or (host if host == "localhost" else None)), name
            assert met.version == "TLSv1.3" and met.protocol == "http/1.1"
        assert servers[shown].requests[-1].get("host") == "a.test"  # the client's, as ever


def test_refused(stand, routed):
    http, servers = stand(REFUSED)
    proxied = routed(http)
    for name, (_, _, shown, words) in REFUSED.items():
        mark = proxied.router.mark()
        answer = ask(proxied, f"/{name}")
        assert (answer.status, answer.body) == (502, b"Bad Gateway"), name
        _, line = proxied.router.wait_log(r"ERR TLS with the server (\S+) \(serversTransport (\S+)\) failed: (.*?) process=", mark)
        assert line.group(1).startswith("https://127.0.0.1:") and line.group(2) in (f"{name}@file", "default@internal"), name
        proxied.router.wait_log(words, mark)
        assert not servers[shown].requests, name  # not a byte of the request went there
    assert counted(proxied, "upstream_tls", len(REFUSED))


def test_system_authorities(made, secure, weir, tmp_path):
    """SSL_CERT_FILE stands for the system's, and is read anew when it changes."""
    server = secure(made["server"])
    bundle, dynamic = tmp_path / "bundle.pem", tmp_path / "dynamic.json"
    bundle.write_text(made["stranger"].pem)
    dynamic.write_text(json.dumps({"http": routes({"default": None}, https(server))}))
    router = weir(f"--providers.file.filename={dynamic}", env={"SSL_CERT_FILE": str(bundle)})

    def told():
        return curl(router.ports["web"], "/default").status
    assert told() == 502
    part = tmp_path / "part"
    part.write_text(made["stranger"].pem + made["authority"].pem)
    part.rename(bundle)
    wait_until("the new authority is believed", lambda: told() == 200)


def test_default_transport(made, secure, routed):
    """The static serversTransport holds for services that name none, default@internal is its name."""
    server = secure(made["server"])
    http = routes({"default": None, "named": None}, https(server))
    http["services"]["named"]["loadBalancer"]["serversTransport"] = "default@internal"
    proxied = routed(http, f"--serversTransport.rootCAs={made['authority'].crt}")
    assert ask(proxied, "/default").status == ask(proxied, "/named").status == 200
    assert len(server.handshakes) == 1  # one and the same


def test_default_transport_may_believe_all(made, secure, routed):
    server = secure(made["expired"])
    proxied = routed(routes({"default": None}, https(server)), "--serversTransport.insecureSkipVerify=true")
    assert ask(proxied, "/default").status == 200


# ---- what is offered ----

def test_versions_and_ciphers(made, secure, routed):
    believe = {"rootCAs": [str(made["authority"].crt)]}
    new, old = secure(made["server"], version="TLSv1_3"), secure(made["server"], version="TLSv1_2")
    transports = {"any": believe, "min": {**believe, "minVersion": "VersionTLS13"}, "max": {**believe, "maxVersion": "VersionTLS12"},
                  "suite": {**believe, "maxVersion": "VersionTLS12", "cipherSuites": ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]},
                  "suite13": {**believe, "cipherSuites": ["TLS_AES_128_GCM_SHA256"]},
                  "bad": {**believe, "cipherSuites": ["TLS_NONE"]}, "h1": {**believe, "disableHTTP2": True}}
    proxied = routed({**routes({**{f"new{n}": t for n, t in transports.items()}, **{f"old{n}": t for n, t in transports.items()}},
                               {**{f"new{n}": https(new) for n in transports}, **{f"old{n}": https(old) for n in transports}})})
    statuses = {name: (ask(proxied, f"/new{name}").status, ask(proxied, f"/old{name}").status) for name in transports}
    assert statuses == {"any": (200, 200), "min": (200, 502), "max": (502, 200), "suite": (502, 200), "suite13": (200, 502),
                        "bad": (502, 502), "h1": (200, 200)}  # bad: the safe settings hold, which do not know the authority
    assert {met.version for met in new.handshakes} == {"TLSv1.3"} and {met.version for met in old.handshakes} == {"TLSv1.2"}
    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in {met.cipher for met in old.handshakes}
    assert [met.protocol for met in old.handshakes if met.protocol is None] == [None]  # disableHTTP2 offers nothing, as Go
    proxied.router.wait_log("invalid CipherSuite: TLS_NONE")


# ---- our own certificate ----

def shown(made, *names, inline=False):
    return {"rootCAs": [str(made["authority"].crt)],
            "certificates": [{"certFile": made[n].pem if inline else str(made[n].crt), "keyFile": made[n].key_pem if inline else str(made[n].key)}
                             for n in names]}


def test_client_certificates(made, secure, routed):
    transports = {"file": shown(made, "client"), "inline": shown(made, "client", inline=True), "rsa": shown(made, "client-rsa"),
                  "none": shown(made), "unwanted": shown(made, "unwanted")}
    demands = {name: secure(made["server"], clients=made["middle"]) for name in transports}
    for version in ("TLSv1_2", "TLSv1_3"):
        demands[version] = secure(made["server"], clients=made["middle"], version=version)
        transports[version] = shown(made, "client")
    proxied = routed(routes(transports, {name: https(server) for name, server in demands.items()}))
    for name, pair in (("file", "client"), ("inline", "client"), ("rsa", "client-rsa"), ("TLSv1_2", "client"), ("TLSv1_3", "client")):
        assert ask(proxied, f"/{name}").status == 200, (name, demands[name].refused)
        assert demands[name].handshakes[0].client == made[pair].der, name
    for name in ("none", "unwanted"):
        mark = proxied.router.mark()
        assert ask(proxied, f"/{name}").status == 502, name
        proxied.router.wait_log(r"ERR TLS with the server .* failed: \S*ALERT", mark)  # TLS 1.3 tells it behind the handshake
        wait_until("the server refuses", lambda: demands[name].refused)
    assert counted(proxied, "upstream_tls", 2)
    key = made["client"].key_pem.splitlines()[1]
    assert key not in proxied.router.log()


@pytest.fixture
def s_server(programs, made):
    """OpenSSL's own server, which says by whom a certificate may be signed; its page tells what it got."""
    def start(*args):
        port = free_port()
        program = Program(["openssl", "s_server", "-accept", port, "-cert", made["server"].crt, "-key", made["server"].key, "-www",
                           *args])
        program.expected_status = None
        programs.append(program)
        wait_port(port)
        return f"https://127.0.0.1:{port}"
    return start


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_the_certificate_that_the_server_can_use(made, s_server, routed, version):
    """The first that is signed by an authority which the server names; none when there is no such one."""
    url = s_server(version, "-verify", "2", "-CAfile", made["middle"].crt)
    proxied = routed(routes({"second": shown(made, "unwanted", "client"), "none": shown(made, "unwanted")}, url))
    assert made["client"].pem.strip().encode() in ask(proxied, "/second").body
    answer = ask(proxied, "/none")
    assert answer.status == 200 and b"no client certificate available" in answer.body


def test_client_certificate_that_cannot_be_read(made, secure, routed):
    server = secure(made["server"], clients=made["middle"], demand=False)
    proxied = routed(routes({"t": {"rootCAs": [made["authority"].pem],
                                   "certificates": [{"certFile": str(made["client"].crt), "keyFile": str(made["unwanted"].key)}]}},
                            https(server)))
    assert ask(proxied, "/t").status == 200 and server.handshakes[0].client is None
    proxied.router.wait_log(r"certificates\[0\]: the key is not that of the certificate")


# ---- connections and sessions ----

def test_connections_are_kept_apart_by_settings(made, secure, routed):
    """The same server by other settings is another connection: nobody rides on a connection that he would not have believed."""
    server = secure(made["server"])
    transports = {"strict": {"rootCAs": [made["authority"].pem]}, "lax": {"insecureSkipVerify": True},
                  "wrong": {"rootCAs": [made["stranger"].pem]}}
    proxied = routed(routes(transports, https(server)))
    for _ in range(3):
        assert ask(proxied, "/strict").status == ask(proxied, "/lax").status == 200
        assert ask(proxied, "/wrong").status == 502
    assert len(server.handshakes) == 2  # kept between the requests


def closing(peer, server):
    """One request for each connection."""
    server.requests.append(peer.request())
    peer.send(ok(b"ok", "Connection: close"))


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_sessions_are_taken_up_again(made, secure, routed, version):
    server = secure(made["server"], closing, version=version)
    other = secure(made["server"], closing, version=version)
    believe = {"rootCAs": [made["authority"].pem]}
    proxied = routed(routes({"a": believe, "b": believe, "c": {"insecureSkipVerify": True}},
                            {"a": https(server), "b": https(other), "c": https(server)}))
    for _ in range(3):
        assert ask(proxied, "/a").status == 200
    assert [met.reused for met in server.handshakes] == [False, True, True]
    assert ask(proxied, "/b").status == ask(proxied, "/c").status == 200
    assert not other.handshakes[0].reused and not server.handshakes[3].reused  # another server; other settings
    seen = counters(proxied)
    assert (seen["upstreamHandshakes"], seen["upstreamResumed"]) == (5, 2)


def test_idle_connections_bounded(made, secure, routed):
    server = secure(made["server"])
    proxied = routed(routes({"t": {"insecureSkipVerify": True, "maxIdleConnsPerHost": -1}}, https(server)))
    for _ in range(3):
        assert ask(proxied, "/t").status == 200
    assert len(server.handshakes) == 3


# ---- bodies ----

def echo(peer, server):
    while True:
        head = peer.until(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:] if ": " in line)
        body = peer.exactly(int(lines["content-length"])) if "content-length" in lines else b""
        if "transfer-encoding" in lines:
            body = b"".join(peer.chunks())
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_bodies(made, secure, routed, version):
    server = secure(made["server"], echo, version=version)
    proxied = routed(routes({"t": {"insecureSkipVerify": True}}, https(server)))
    for size in (1, 16384, 65536, 1_000_000, 3_000_000):
        body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert ask(proxied, "/t", "POST", body).body == body, size
    assert len(server.handshakes) == 1, [len(server.handshakes)]


def test_tls_on_both_sides(made, secure, routed):
    server = secure(made["server"], echo)
    http = routes({"t": {"insecureSkipVerify": True}}, https(server))
    http["routers"]["t"]["tls"] = {}
    proxied = routed(http)
    client = hello(proxied.port, "a.test")
    with contextlib.closing(client.sock):
        for size in (1, 100_000, 2_000_000):
            body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
            client.send(get("/t", f"Content-Length: {size}", method="POST") + body)
            client.until(b"\r\n\r\n")
            assert client.exactly(size) == body, size
    assert len(server.handshakes) == 1


def until_close(end):
    def handler(peer, server):
        server.requests.append(peer.request())
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"y" * 5000)
        if not end:  # as somebody who cuts the end off would
            peer.sock = socket.socket(fileno=peer.sock.detach())
    return handler


def test_a_body_without_length_ends_with_the_word_of_the_server(made, secure, routed):
    server = secure(made["server"], until_close(True))
    proxied = routed(routes({"t": {"insecureSkipVerify": True}}, https(server)))
    answer = ask(proxied, "/t")
    assert answer.status == 200 and answer.body == b"y" * 5000


def test_a_body_that_is_cut_off_is_not_taken_for_whole(made, secure, routed):
    server = secure(made["server"], until_close(False))
    proxied = routed(routes({"t": {"insecureSkipVerify": True}}, https(server)))
    client = proxied.connect()
    client.send(get("/t"))
    assert b" 200 " in client.until(b"\r\n\r\n")
    assert not client.rest().endswith(b"0\r\n\r\n")
    proxied.router.wait_log("ended within the body")


def test_websocket(made, secure, routed):
    def switch(peer, server):
        request = peer.request()
        server.requests.append(request)
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        while True:
            peer.send(peer.exactly(4)[::-1])
    server = secure(made["server"], switch)
    http = routes({"t": {"insecureSkipVerify": True}}, https(server))
    proxied = routed(http)
    client = proxied.connect()
    client.send(get("/t", "Connection: Upgrade", "Upgrade: websocket"))
    assert b" 101 " in client.until(b"\r\n\r\n") and client.exactly(5) == b"hello"
    for word in (b"abcd", b"1234"):
        client.send(word)
        assert client.exactly(4) == word[::-1]
    http["serversTransports"]["t"] = {"rootCAs": [made["stranger"].pem]}
    proxied.change(http)  # the tunnel goes on by what it was opened with
    client.send(b"wxyz")
    assert client.exactly(4) == b"zyxw"
    assert ask(proxied, "/t").status == 502
    client.close()


# ---- changes ----

def test_change_of_settings(made, secure, routed):
    """What does not change keeps connections and sessions, what does gets new ones at once."""
    server = secure(made["server"])
    believe = {"rootCAs": [made["authority"].pem]}
    http = routes({"same": believe, "other": believe}, https(server))
    proxied = routed(http)
    assert ask(proxied, "/same").status == ask(proxied, "/other").status == 200
    assert len(server.handshakes) == 2
    http["serversTransports"]["other"] = {"rootCAs": [made["stranger"].pem]}
    proxied.change(http)
    assert ask(proxied, "/same").status == 200 and ask(proxied, "/other").status == 502
    assert len(server.handshakes) == 2  # the first one was kept
    http["serversTransports"]["other"] = {**believe, "serverName": "a.test"}
    proxied.change(http)
    assert ask(proxied, "/same").status == ask(proxied, "/other").status == 200
    assert [met.name for met in server.handshakes] == [None, None, "a.test"]


def test_a_handshake_outlives_its_generations(made, secure, routed):
    """It goes on by what it began with; its generation and the one after it are gone when it comes to the certificate."""
    server = secure(made["server"])
    http = routes({"t": {"rootCAs": [made["authority"].pem], "peerCertURI": "spiffe://house/room"}}, https(server))
    proxied = routed(http)
    server.gate.clear()
    client = proxied.connect()
    client.send(get("/t"))
    wait_until("the connection is there", lambda: server.peers)
    for name in ("one", "two"):
        http["serversTransports"]["t"] = {"rootCAs": [made["stranger"].pem], "serverName": f"{name}.test"}
        proxied.change(http)
    server.gate.set()
    with contextlib.closing(client):
        assert client.response().status == 200
    assert ask(proxied, "/t").status == 502


def test_changes_disturb_no_kept_connection(made, secure, routed):
    server = secure(made["server"])
    http = routes({"t": {"rootCAs": [made["authority"].pem]}}, https(server))
    proxied = routed(http)
    client = proxied.connect()
    with contextlib.closing(client):
        for i in range(6):
            http["serversTransports"][f"other{i}"] = {"insecureSkipVerify": True}
            http["services"][f"other{i}"] = {"loadBalancer": {"servers": [{"url": https(server)}], "serversTransport": f"other{i}"}}
            http["routers"][f"other{i}"] = {"rule": f"PathPrefix(`/other{i}`)", "service": f"other{i}"}
            proxied.change(http)
            client.send(get("/t"))
            assert client.response().status == 200
    assert len(server.handshakes) == 1


def test_file_of_an_authority_changes(made, secure, routed, tmp_path):
    server = secure(made["server"])
    file = tmp_path / "ca.pem"
    file.write_text(made["stranger"].pem)
    proxied = routed(routes({"t": {"rootCAs": [str(file)]}}, https(server)))
    assert ask(proxied, "/t").status == 502
    part = tmp_path / "part"
    part.write_text(made["authority"].pem)
    part.rename(file)
    wait_until("the new authority is believed", lambda: ask(proxied, "/t").status == 200)


def test_more_settings_than_are_kept(made, secure, routed):
    """A worker keeps so many contexts; who comes back to one that went gets another."""
    server = secure(made["server"], closing)
    names = [f"t{i}" for i in range(140)]
    http = routes({name: {"rootCAs": [str(made["authority"].crt)], "serverName": f"{name}.wild.test"} for name in names}, https(server))
    for router in http["routers"].values():
        router["rule"] = router["rule"].replace("PathPrefix", "Path")
    proxied = routed(http)
    for name in [*names, *names[:10], *names[-10:]]:
        assert ask(proxied, f"/{name}").status == 200
    assert [met.name for met in server.handshakes[:140]] == [f"{name}.wild.test" for name in names]
    assert not any(met.reused for met in server.handshakes[:140]) and any(met.reused for met in server.handshakes[150:])


# ---- servers that are none ----

def test_plain_server(made, secure, routed, tmp_path):
    plain = Server(lambda peer, server: peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") or peer.rest())
    proxied = routed(routes({"t": {"insecureSkipVerify": True}}, https(plain)))
    assert ask(proxied, "/t").status == 502
    proxied.router.wait_log("what it says is not TLS")
    plain.close()


def test_server_that_goes_away(made, secure, routed):
    gone = Server(lambda peer, server: peer.sock.recv(1))
    proxied = routed(routes({"t": {"insecureSkipVerify": True}}, https(gone)))
    assert ask(proxied, "/t").status == 502
    proxied.router.wait_log("closed the connection in the middle of the handshake")
    gone.close()


@pytest.mark.long
def test_a_server_that_says_nothing(made, secure, routed):
    """Ten seconds, as in Go, whatever dialTimeout says: that is for TCP."""
    silent = Server(lambda peer, server: peer.rest())
    proxied = routed(routes({"t": {"insecureSkipVerify": True, "forwardingTimeouts": {"dialTimeout": "100ms"}}}, https(silent)))
    assert ask(proxied, "/t").status == 504
    assert counted(proxied, "connect_timeout", 1)
    silent.close()


def test_the_next_server_takes_over(made, secure, routed):
    """As with one that does not accept: nothing of the request was sent."""
    good, bad = secure(made["server"]), secure(made["other"])
    proxied = routed(routes({"t": {"rootCAs": [made["authority"].pem]}}, {"t": [https(bad), https(good)]}))
    assert [ask(proxied, "/t").status for _ in range(4)] == [200] * 4
    assert len(good.requests) == 4 and not bad.requests


# ---- what middlewares ask ----

def test_forward_auth(made, secure, routed):
    """It has settings of its own: those of the services, the default ones too, are not for it."""
    app, auth, demanding = secure(made["server"]), secure(made["server"]), secure(made["server"], clients=made["middle"])
    pair = {"cert": str(made["client"].crt), "key": made["client"].key_pem}
    asked = {"ca": (auth, {"ca": str(made["authority"].crt)}), "inline": (auth, {"ca": made["authority"].pem}),
             "lax": (auth, {"insecureSkipVerify": True}), "system": (auth, None), "wrong": (auth, {"ca": made["stranger"].pem}),
             "pair": (demanding, {"ca": made["authority"].pem, **pair}), "nopair": (demanding, {"ca": made["authority"].pem})}
    http = routes({name: {"insecureSkipVerify": True} for name in asked}, https(app))
    http["middlewares"] = {name: {"forwardAuth": {"address": https(server) + "/decide", **({"tls": tls} if tls else {})}}
                           for name, (server, tls) in asked.items()}
    for name in asked:
        http["routers"][name]["middlewares"] = [name]
    proxied = routed(http, "--serversTransport.insecureSkipVerify=true")
    assert {name: ask(proxied, f"/{name}").status for name in asked} == {
        "ca": 200, "inline": 200, "lax": 200, "system": 500, "wrong": 500, "pair": 200, "nopair": 500}
    assert [request.line.split()[1] for request in auth.requests] == ["/decide"] * 3
    assert demanding.handshakes[0].client == made["client"].der
    proxied.router.wait_log(r"TLS with the server https://\S+ \(serversTransport system@file@middleware\) failed")
    assert made["client"].key_pem.splitlines()[1] not in proxied.router.log()
