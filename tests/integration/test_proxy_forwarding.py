"""What the server gets: forwarding headers, hop-by-hop fields, host, target. Values as Traefik sets them."""
import socket

import pytest

from proxying import proxy, server  # noqa: F401 (fixtures)
from rawhttp import get, ok


def sent(proxy, server, message, **options):
    up = server()
    client = proxy(up, **options).connect()
    client.send(message)
    answer = client.response()
    assert answer.status == 200, answer.raw
    return up.requests[0]


def test_forwarding_headers(proxy, server):
    request = sent(proxy, server, get("/", host="shop.test"))
    expected = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "shop.test", "X-Forwarded-Port": "80",
                "X-Forwarded-Proto": "http", "X-Real-Ip": "127.0.0.1"}
    for name, value in expected.items():
        assert request.all(name) == [value], name
    assert len(request.all("X-Forwarded-Server")) == 1
    assert request.all("host") == ["shop.test"]
    for absent in ("connection", "user-agent", "accept-encoding", "content-length", "transfer-encoding", "forwarded"):
        assert request.get(absent) is None, absent


def test_forwarding_headers_beside_any_number_of_others(proxy, server):
    """The list grows in steps, and ours come all at once."""
    up = server()
    client = proxy(up).connect()
    for count in range(60):
        client.send(get("/", *(f"X-Own-{i}: {i}" for i in range(count))))
        assert client.response().status == 200
        request = up.requests[-1]
        assert [request.get(f"X-Own-{i}") for i in range(count)] == [str(i) for i in range(count)]
        assert all(len(request.all(name)) == 1 for name in ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-Server", "X-Real-Ip"))


@pytest.mark.parametrize("host,port", [("shop.test:8443", "8443"), ("[::1]:81", "81"), ("[::1]", "80"), ("a", "80")])
def test_forwarded_port(proxy, server, host, port):
    request = sent(proxy, server, get("/", host=host))
    assert request.get("X-Forwarded-Port") == port and request.get("X-Forwarded-Host") == host


CLAIMS = ["X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 5.6.7.8", "X-Forwarded-Host: evil", "X-Forwarded-Port: 1",
          "X-Forwarded-Proto: https", "X-Forwarded-Server: evil", "X-Real-Ip: 9.9.9.9", "X-Forwarded-Uri: /evil",
          "X-Forwarded-Method: EVIL", "X-Forwarded-Prefix: /evil", "X-Forwarded-Tls-Client-Cert: evil",
          "X-Forwarded-Tls-Client-Cert-Info: evil"]


def test_claims_of_strangers_are_replaced(proxy, server):
    request = sent(proxy, server, get("/", *CLAIMS))
    assert request.all("x-forwarded-for") == ["127.0.0.1"]
    assert request.all("x-real-ip") == ["127.0.0.1"]
    assert request.all("x-forwarded-proto") == ["http"]
    assert request.all("x-forwarded-host") == ["a.test"]
    assert b"evil" not in request.raw.lower() and b"9.9.9.9" not in request.raw and b"1.2.3.4" not in request.raw


@pytest.mark.parametrize("name", ["X_Forwarded_For", "x_forwarded-for", "X.Forwarded.For", "X-Forwarded_Host",
                                  "X_Real_Ip", "x-real_ip", "X_Forwarded_Proto", "X.Forwarded-Server",
                                  "X_Forwarded_Tls_Client_Cert", "X!Forwarded-For", "X-Real~Ip", "X|Forwarded'Proto"])
def test_other_spellings_of_strangers_are_removed(proxy, server, name):
    request = sent(proxy, server, get("/", f"{name}: evil", "X_Other: kept"))
    assert b"evil" not in request.raw
    assert request.get("X_Other") == "kept"


@pytest.mark.parametrize("options", [{"insecure": True}, {"trusted": "127.0.0.0/8"}])
def test_claims_of_trusted_peers_are_kept(proxy, server, options):
    request = sent(proxy, server, get("/", *CLAIMS), **options)
    assert request.all("x-forwarded-for") == ["1.2.3.4, 5.6.7.8, 127.0.0.1"]
    assert request.all("x-real-ip") == ["9.9.9.9"]
    assert request.all("x-forwarded-proto") == ["https"]
    assert request.all("x-forwarded-port") == ["1"]
    assert request.all("x-forwarded-host") == ["evil"]
    assert request.all("x-forwarded-uri") == ["/evil"]
    assert request.get("x-forwarded-server") not in (None, "evil")


def test_other_networks_are_not_trusted(proxy, server):
    request = sent(proxy, server, get("/", *CLAIMS), trusted="10.0.0.0/8")
    assert request.all("x-forwarded-for") == ["127.0.0.1"]


def test_chain_of_addresses_not_extended(proxy, server):
    request = sent(proxy, server, get("/", "X-Forwarded-For: 1.2.3.4"), insecure=True, not_append=True)
    assert request.all("x-forwarded-for") == ["1.2.3.4"]


def test_hop_by_hop_fields_stay_here(proxy, server):
    request = sent(proxy, server, get(
        "/", "Connection: keep-alive, X-Private, x-real-ip", "Keep-Alive: timeout=5", "X-Private: 1", "X-Public: 2",
        "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eDp5", "TE: trailers", "Upgrade: h2c"))
    for gone in ("connection", "keep-alive", "x-private", "proxy-connection", "proxy-authorization", "upgrade"):
        assert request.get(gone) is None, gone
    assert request.get("x-public") == "2"
    assert request.get("te") == "trailers"
    assert request.get("x-real-ip") == "127.0.0.1"  # no peer may name our own fields


def test_hop_by_hop_fields_of_the_server(proxy, server):
    def handler(peer, _):
        while True:
            peer.request()
            peer.send(ok(b"x", "Connection: X-Private", "X-Private: 1", "X-Public: 2", "Keep-Alive: timeout=5",
                         "Proxy-Authenticate: Basic", "Date: Thu, 01 Jan 1970 00:00:00 GMT", "Server: origin"))
    client = proxy(server(handler)).connect()
    client.send(get())
    answer = client.response()
    for gone in ("connection", "keep-alive", "x-private", "proxy-authenticate"):
        assert answer.get(gone) is None, gone
    assert answer.get("x-public") == "2" and answer.get("server") == "origin"
    assert answer.all("date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]


def test_fields_pass_unchanged(proxy, server):
    fields = ["accept: a", "Accept: b", "x-MiXeD: Value ", "X-Empty:", "Cookie: a=b; c=d", "User-Agent: me/1.0",
              "X-Bytes: \xe4\xf6\xfc", "Authorization: Basic eDp5"]
    request = sent(proxy, server, get("/", *fields))
    for field in fields:
        assert field.strip().encode("latin-1") in request.raw, field
    assert request.all("accept") == ["a", "b"]


def test_host_of_the_server(proxy, server):
    up = server()
    client = proxy(up, pass_host=False).connect()
    client.send(get("/", host="public.test"))
    assert client.response().status == 200
    assert up.requests[0].get("host") == f"127.0.0.1:{up.port}"
    assert up.requests[0].get("x-forwarded-host") == "public.test"


@pytest.mark.parametrize("target,expected", [
    ("/", "/"), ("/?", "/?"), ("/a?b=c", "/a?b=c"), ("/a/../b", "/b"), ("/a//b/", "/a/b/"), ("/%61%2f", "/a%2F"),
    ("/a?x=1;y=2", "/a?x=1&y=2"), ("/a?x=%zz", "/a?x=%zz"), ("http://other.test/p?q", "/p?q"), ("/a%20b", "/a%20b"),
])
def test_target(proxy, server, target, expected):
    assert sent(proxy, server, get(target)).line == f"GET {expected} HTTP/1.1"


def test_semicolons_encoded(proxy, server):
    assert sent(proxy, server, get("/a?x=1;y=2"), encode_semicolons=True).line == "GET /a?x=1%3By=2 HTTP/1.1"


def test_absolute_target_decides_the_host(proxy, server):
    request = sent(proxy, server, get("http://real.test/", host="other.test"))
    assert request.all("host") == ["real.test"] and request.get("x-forwarded-host") == "real.test"


@pytest.mark.parametrize("fields,expected", [
    ([], []), (["User-Agent: a"], ["a"]), (["User-Agent:"], []), (["User-Agent: a", "User-Agent: b"], ["a"]),
    (["User-Agent:", "User-Agent: b"], []),
])
def test_one_user_agent_or_none(proxy, server, fields, expected):
    assert sent(proxy, server, get("/", *fields)).all("user-agent") == expected


def test_no_host_at_all(proxy, server):
    up = server()
    client = proxy(up).connect()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.response().status == 200
    assert up.requests[0].get("host") == f"127.0.0.1:{up.port}"
    assert up.requests[0].get("x-forwarded-host") is None


def test_question_to_the_router_itself(proxy, server):
    up = server()
    client = proxy(up).connect()
    for _ in range(2):
        client.send(get("*", method="OPTIONS"))
        answer = client.response()
        assert answer.status == 200 and answer.get("content-length") == "0"
    assert not up.requests


@pytest.mark.parametrize("strategy,status", [("keep", 200), ("delete", 200), ("reject", 400)])
def test_underscores(proxy, server, strategy, status):
    up = server()
    client = proxy(up, underscores=strategy).connect()
    client.send(get("/", "X_Custom: 1"))
    answer = client.response()
    assert answer.status == status
    if status == 200:
        assert up.requests[0].get("X_Custom") == ("1" if strategy == "keep" else None)


def test_connect_is_not_served(proxy, server):
    client = proxy(server()).connect()
    client.send(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n")
    assert client.response().status in (404, 501)


def test_no_delay_between_small_writes(proxy, server):
    """Head and body of a small answer come in one segment."""
    client = proxy(server()).connect()
    client.send(get())
    client.sock.settimeout(10)
    assert client.sock.recv(65536).endswith(b"ok")
    assert client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
