"""grpcWeb: a page's gRPC-Web over HTTP/1 and 2, in binary and as text, to a real gRPC server; preflights, origins, errors."""
import base64
import struct

import pytest

from conftest import free_port, wait_until
from grpckit import Echo
from h2kit import Http2
from proxying import server  # noqa: F401 (fixture)
from rawhttp import get
from routing import routed, url  # noqa: F401 (fixture)

PAGE = "https://page.test"
BINARY, TEXT = "application/grpc-web", "application/grpc-web-text"


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.close()


def web(backend, origins=("*",)):
    return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all", "middlewares": ["web"]}},
            "middlewares": {"web": {"grpcWeb": {"allowOrigins": list(origins)}}},
            "services": {"all": {"loadBalancer": {"servers": [{"url": backend}]}}}}


@pytest.fixture
def page(routed, echo):
    router = routed(web(f"h2c://127.0.0.1:{echo.port}"))
    return lambda *args, **kw: Page(router.connect(), *args, **kw)


def message(data):
    return b"\0" + struct.pack(">I", len(data)) + data


class Page:
    """A browser's half of one call."""

    def __init__(self, peer, name, *messages, kind=BINARY, end=True, origin=PAGE, fields=()):
        self.peer, self.text = peer, kind.startswith(TEXT)
        body = b"".join(map(message, messages))
        body = base64.b64encode(body) if self.text else body
        fields = [*fields, f"Content-Type: {kind}", "X-Grpc-Web: 1", *([f"Origin: {origin}"] if origin else []),
                  f"Content-Length: {len(body)}" if end else "Transfer-Encoding: chunked"]
        peer.send(get(f"/echo.Echo/{name}", *fields, method="POST") + (body if end else b""))

    def piece(self, data):
        data = base64.b64encode(message(data)) if self.text else message(data)
        self.peer.send(b"%x\r\n%s\r\n" % (len(data), data))

    def finish(self):
        answer = self.peer.response()
        answer.frames, answer.last = frames(answer.body, self.text)
        return answer


def frames(body, text):
    """The messages and the trailers of a whole body."""
    if text:  # groups are padded each for itself
        body = b"".join(base64.b64decode(body[i:i + 4], validate=True) for i in range(0, len(body), 4))
    messages, trailers = [], None
    while body:
        assert trailers is None, "something behind the trailers"
        flags, length = body[0], struct.unpack(">I", body[1:5])[0]
        data, body = body[5:5 + length], body[5 + length:]
        assert len(data) == length
        if flags & 0x80:
            trailers = dict(line.split(": ", 1) for line in data.decode().split("\r\n") if line)
        else:
            messages.append(data)
    return messages, trailers


@pytest.mark.parametrize("kind", [BINARY, BINARY + "+proto", TEXT, TEXT + "+proto"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000, 200_000])
def test_unary(page, echo, kind, size):
    data = bytes(range(256)) * (size // 256 + 1)
    answer = page("Unary", data[:size], kind=kind).finish()
    assert (answer.status, answer.frames) == (200, [data[:size]])
    assert answer.get("content-type") == kind.replace("+proto", "") or answer.get("content-type") == kind
    assert answer.get("x-initial") == "first" and answer.get("trailer") is None
    assert (answer.last["grpc-status"], answer.last["x-trailing"]) == ("0", "last")
    assert base64.b64decode(answer.last["x-binary-bin"] + "==") == b"\x00\xff"


@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_through_others_that_touch_bodies(routed, server, echo, kind):
    """Each in front of it and behind it; and all of them at once."""
    config = web(f"h2c://127.0.0.1:{echo.port}")
    auth = server()
    config["middlewares"] |= {"compress": {"compress": {"minResponseBodyBytes": 1}}, "buffering": {"buffering": {}}, "contentType": {"contentType": {}},
                              "retry": {"retry": {"attempts": 2, "status": ["500-599"], "retryNonIdempotentMethod": True}},
                              "errors": {"errors": {"status": ["500-599"], "service": "all"}},
                              "forwardAuth": {"forwardAuth": {"address": url(auth), "forwardBody": True}}}
    others = [name for name in config["middlewares"] if name != "web"]
    ways = [["web", other] for other in others] + [[other, "web"] for other in others] + [[*others, "web"], ["web", *others]]
    for number, way in enumerate(ways):
        config["routers"][f"r{number}"] = {"rule": f"PathPrefix(`/echo.Echo/`) && Header(`X-Way`, `{number}`)", "priority": 1000, "service": "all", "middlewares": way}
    router = routed(config)
    for number, way in enumerate(ways):
        answer = Page(router.connect(), "Unary", b"x" * 10_000, kind=kind, fields=[f"X-Way: {number}"]).finish()
        assert (answer.status, answer.frames, answer.last["grpc-status"]) == (200, [b"x" * 10_000], "0"), way


@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_server_streaming(page, kind):
    answer = page("Down", b"100", kind=kind).finish()
    assert answer.frames == [b"%d" % i for i in range(100)] and answer.last["grpc-status"] == "0"


@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_messages_come_as_they_are_sent(page, kind):
    """Both directions at once: each message is there before the next one is sent, in the text form too."""
    call = page("Both", kind=kind, end=False)
    head = None
    for i in range(10):
        call.piece(b"%d" % i)
        head = head or call.peer.head()
        wanted, got = message(b"%d" % i), b""
        while len(got) < len(wanted):
            size = int(call.peer.until(b"\r\n"), 16)
            piece = call.peer.exactly(size + 2)[:-2]
            got += b"".join(base64.b64decode(piece[k:k + 4]) for k in range(0, size, 4)) if call.text else piece
        assert got == wanted
    call.peer.send(b"0\r\n\r\n")
    body, _ = call.peer.chunks()
    assert frames(body, call.text) == ([], {"grpc-status": "0"}) or frames(body, call.text)[1]["grpc-status"] == "0"


@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_trailers_only(page, kind):
    """The status is a field of the head; the frame is empty, as in Traefik."""
    answer = page("Fail", b"5 not here", kind=kind).finish()
    assert (answer.status, answer.get("grpc-status"), answer.get("grpc-message")) == (200, "5", "not here")
    assert (answer.frames, answer.last) == ([], {})


def test_error_after_messages(page):
    answer = page("Late", b"10 no more").finish()
    assert answer.frames == [b"one", b"two"] and answer.last["grpc-status"] == "10" and answer.last["grpc-message"] == "no more"


def test_a_page_that_goes_away(page, echo):
    call = page("Hang", b"")
    wait_until("it is there", lambda: echo.hanging)
    call.peer.reset()
    assert echo.cancelled.acquire(timeout=20)


def test_over_http2(routed, echo):
    router = routed(web(f"h2c://127.0.0.1:{echo.port}"))
    client = Http2(router.connect())
    stream = client.request("/echo.Echo/Unary", ("content-type", TEXT), method="POST", end=False)
    client.data(stream, base64.b64encode(message(b"hello")), end=True)
    answer = client.answer(stream)
    assert frames(answer.body, True)[0] == [b"hello"] and len(answer.heads) == 1


def test_what_the_server_gets(routed, server):
    """Read by a server of HTTP/1: the content type, the decoded body, no length."""
    up = server()
    router = routed(web(url(up)))
    for kind, body in ((BINARY + "+json", b"plain"), (TEXT + "; a=b", base64.b64encode(b"plain"))):
        client = router.connect()
        client.send(get("/", f"Content-Type: {kind}", f"Content-Length: {len(body)}", method="POST") + body)
        client.response()
    assert [(r.get("content-type"), r.get("content-length"), r.body) for r in up.requests] == [
        ("application/grpc+json", None, b"plain"), ("application/grpc; a=b", None, b"plain")]


def test_others_pass(routed, server):
    up = server()
    router = routed(web(url(up)))
    for method, kind in (("GET", BINARY), ("POST", "application/grpc"), ("POST", "text/plain"), ("PUT", BINARY), ("OPTIONS", BINARY)):
        client = router.connect()
        client.send(get("/", f"Content-Type: {kind}", f"Origin: {PAGE}", "Content-Length: 2", method=method) + b"{}")
        answer = client.response()
        assert answer.body == b"ok" and answer.get("vary") is None and answer.get("access-control-expose-headers") is None
    assert [r.get("content-type") for r in up.requests] == [BINARY, "application/grpc", "text/plain", BINARY, BINARY]


def test_an_answer_that_tells_its_length(routed, server):
    """It is none of gRPC: as it came, but coded for who asked in text."""
    router = routed(web(url(server())))
    client = router.connect()
    client.send(get("/", f"Content-Type: {BINARY}", "Content-Length: 0", method="POST"))
    answer = client.response()
    assert (answer.get("content-length"), answer.body) == ("2", b"ok")
    client.send(get("/", f"Content-Type: {TEXT}", "Content-Length: 0", method="POST"))
    body = client.response().body
    assert b"".join(base64.b64decode(body[i:i + 4]) for i in range(0, len(body), 4)) == b"ok\x80\0\0\0\0"


def test_no_server(routed):
    router = routed(web(f"h2c://127.0.0.1:{free_port()}"))
    client = router.connect()
    client.send(get("/", f"Content-Type: {BINARY}", "Content-Length: 0", method="POST"))
    answer = client.response()
    assert answer.status == 502 and answer.body == b"Bad Gateway\x80\0\0\0\0"


@pytest.mark.parametrize("body", [b"####", b"Zg=v", b"Zm9", b"Z"])
def test_what_is_no_base64(routed, server, body):
    up = server(lambda peer, _: peer.rest())
    client = routed(web(url(up))).connect()
    client.send(get("/", f"Content-Type: {TEXT}", f"Content-Length: {len(body)}", method="POST") + body)
    assert client.response().status == 400


# ---- CORS ----

@pytest.mark.parametrize("origins, origin, allowed", [
    (["*"], PAGE, True), ([PAGE], PAGE, True), (["https://other.test", PAGE], PAGE, True),
    (["https://other.test"], PAGE, False), ([], PAGE, False), (["*"], None, False), (["HTTPS://PAGE.TEST"], PAGE, False)])
def test_origins(routed, echo, origins, origin, allowed):
    router = routed(web(f"h2c://127.0.0.1:{echo.port}", origins))
    answer = Page(router.connect(), "Unary", b"x", origin=origin).finish()
    assert answer.frames == [b"x"]  # it is the browser that keeps it from the page
    assert answer.get("access-control-allow-origin") == (PAGE if allowed else None)
    assert answer.get("access-control-allow-credentials") == ("true" if allowed else None)
    assert answer.get("vary") == "Origin"
    exposed = {name.lower() for name in answer.get("access-control-expose-headers").split(", ")}
    assert {"content-type", "x-initial", "grpc-status", "grpc-message", "vary"} <= exposed

    client = router.connect()
    fields = ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type, x-Grpc-web,X-USER-agent  x_own"]
    client.send(get("/echo.Echo/Unary", *fields, *([f"Origin: {origin}"] if origin else []), method="OPTIONS"))
    answer = client.response()
    assert (answer.status, answer.body) == (200, b"")
    assert answer.all("vary") == ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]
    assert answer.get("access-control-allow-origin") == (PAGE if allowed else None)
    if allowed:
        assert answer.get("access-control-allow-methods") == "POST"
        assert answer.get("access-control-allow-headers") == "Content-Type, X-Grpc-Web, X-User-Agent, X_Own"
        assert answer.get("access-control-allow-credentials") == "true" and answer.get("access-control-max-age") == "600"


def test_preflights_of_others(routed, server):
    """One that does not ask for x-grpc-web is the server's; a method that no page needs is not allowed."""
    up = server()
    router = routed(web(url(up)))
    client = router.connect()
    client.send(get("/", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-own", f"Origin: {PAGE}",
                    method="OPTIONS"))
    assert client.response().body == b"ok" and len(up.requests) == 1
    client.send(get("/", "Access-Control-Request-Method: DELETE", "Access-Control-Request-Headers: x-grpc-web",
                    f"Origin: {PAGE}", method="OPTIONS"))
    answer = client.response()
    assert answer.status == 200 and answer.get("access-control-allow-origin") is None and len(up.requests) == 1


def test_over_a_change(routed, echo):
    """A call that is open while the configuration changes."""
    http = web(f"h2c://127.0.0.1:{echo.port}")
    router = routed(http)
    call = Page(router.connect(), "Both", kind=TEXT, end=False)
    call.piece(b"before")
    call.peer.head()
    http["middlewares"]["web"]["grpcWeb"]["allowOrigins"] = []
    router.change(http)
    call.piece(b"after")
    call.peer.send(b"0\r\n\r\n")
    body, _ = call.peer.chunks()
    got, last = frames(body, True)
    assert got == [b"before", b"after"] and last["grpc-status"] == "0"
