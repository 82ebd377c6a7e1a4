"""Every answer that weir makes itself has its reason, of the closed list of docs/reasons.md (I13)."""
import re
import socket

import pytest

from conftest import ROOT, curl, raw
from ports import free_port
from proxying import proxy, server  # noqa: F401 (fixtures)

DOCUMENTED = set(re.findall(r"(?m)^\| `(\w+)`", (ROOT / "docs/reasons.md").read_text()))
LISTED = set(re.findall(r'REASON\((\w+), "', (ROOT / "common/http/reason.h").read_text()))

REFUSED = [
    (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "bad_request"),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "unsupported"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "unsupported"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431, "head_too_large"),
    (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "uri_too_long"),
]


def test_the_list_is_documented():
    assert LISTED == DOCUMENTED


@pytest.mark.parametrize("data, status, reason", REFUSED, ids=[f"{s}-{r}-{i}" for i, (_, s, r) in enumerate(REFUSED)])
def test_refused_requests(proxy, server, data, status, reason):
    up = proxy(server(), max_header_bytes=4096)
    start = up.router.mark()
    assert raw(up.port, data).startswith(f"HTTP/1.1 {status} ".encode())
    up.router.wait_log(rf"{status}.*reason={reason}\b", start)


def expect(router, port, status, reason, path="/", **kw):
    start = router.mark()
    assert curl(port, path, host="a.test", **kw).status == status
    router.wait_log(rf"{status}, .*reason={reason}\b", start)


def test_routing_and_servers(proxy, server):
    up = proxy(server())
    expect(up.router, up.port, 404, "no_route", "/nope")


def test_no_server(proxy):
    up = proxy()
    expect(up.router, up.port, 503, "no_server")


def test_connection_refused(proxy):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", free_port()))
        up = proxy(closed.getsockname()[1])
        expect(up.router, up.port, 502, "connect_refused")


def garbage(peer, _):
    peer.until(b"\r\n\r\n")
    peer.send(b"HTTP/1.1 two hundred\r\n\r\n")


def gone(peer, _):
    peer.until(b"\r\n\r\n")


def silent(peer, _):
    peer.until(b"\r\n\r\n")
    peer.rest()


def test_bad_response(proxy, server):
    up = proxy(server(garbage))
    expect(up.router, up.port, 502, "bad_response")


def test_reset_before_headers(proxy, server):
    up = proxy(server(gone))
    expect(up.router, up.port, 502, "reset_before_headers", method="POST", data=b"x")


def test_response_timeout(proxy, server):
    up = proxy(server(silent), header_timeout="100ms")
    expect(up.router, up.port, 504, "response_timeout")


def test_request_timeout(proxy, server):
    up = proxy(server(), read_timeout="1500ms")
    start = up.router.mark()
    assert raw(up.port, b"GET / HTTP/1.1\r\nHo").startswith(b"HTTP/1.1 408 ")
    up.router.wait_log(r"408.*reason=request_timeout\b", start)


@pytest.fixture
def configured(weir, whoami, tmp_path):
    def start(*flags):
        file = tmp_path / "dynamic.yml"
        file.write_text(f"""http:
  routers:
    plain: {{rule: "PathPrefix(`/plain`)", service: app}}
    moved: {{rule: "PathPrefix(`/moved`)", service: app, middlewares: [away]}}
  middlewares:
    away: {{redirectScheme: {{scheme: https}}}}
  services:
    app: {{loadBalancer: {{servers: [{{url: "{whoami().url}"}}]}}}}
""")
        return weir(f"--providers.file.filename={file}", *flags)
    return start


def test_middlewares_and_entry_point(configured):
    router = configured("--entryPoints.web.http.encodedCharacters.allowEncodedSlash=false",
                        "--entryPoints.web.http.underscoreHeadersStrategy=reject")
    port = router.ports["web"]
    expect(router, port, 302, "redirect", "/moved")
    expect(router, port, 400, "encoded_character", "/plain/a%2Fb")
    expect(router, port, 400, "underscore_header", "/plain", headers=["X_under: 1"])
    assert curl(port, "/plain", host="a.test").status == 200
