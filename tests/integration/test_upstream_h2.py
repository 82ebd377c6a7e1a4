"""Servers that are spoken to in HTTP/2 (scheme h2c): one connection for many requests, and what both sides may do on it.

Servers that misbehave: test_upstream_h2_hostile.py; over TLS: test_upstream_h2_tls.py."""
import threading

import pytest

from board import Board
from conftest import curl, free_port, wait_until
from h2kit import Http2
from h2server import h2c, h2server  # noqa: F401 (fixtures)
from hyperframe.frame import SettingsFrame, WindowUpdateFrame
from proxying import ask, proxy, server  # noqa: F401 (fixtures too)
from rawhttp import get
from routing import routed  # noqa: F401 (fixture)
from waiting import pass_time

CANCEL, REFUSED, NO_ERROR = 8, 7, 0
MAX_STREAMS = SettingsFrame.MAX_CONCURRENT_STREAMS


def chunked(*pieces, trailers=""):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailers.encode() + b"\r\n"


# ---- requests and answers ----

def test_request_and_answer(h2c):
    router, up = h2c(lambda stream: stream.answer(b"hello", ("x-answer", "yes"), ("content-length", "5"), status=201))
    answer = ask(router, "/a%20b?c=d", "X-Own: 1", "Connection: x-hop, keep-alive", "X-Hop: 1", "Keep-Alive: 5", "TE: trailers")
    assert (answer.status, answer.body, answer.get("x-answer"), answer.get("content-length")) == (201, b"hello", "yes", "5")
    fields = dict(up.requests[0].fields)
    assert [fields[name] for name in (":method", ":scheme", ":authority", ":path")] == ["GET", "http", "a.test", "/a%20b?c=d"]
    assert fields["x-own"] == "1" and fields["x-forwarded-for"] == "127.0.0.1" and fields["te"] == "trailers"
    assert not {"x-hop", "connection", "keep-alive", "host", "content-length", "user-agent"} & set(fields)


def test_a_request_with_every_field_of_ours(h2c):
    """Nothing of the client's makes room for them: no Host, no Content-Length, no TE."""
    router, up = h2c()
    for count in range(8):
        client, target = router.connect(), f"/a?query={'0123456789' * 5}"
        client.send(get(target, "Content-Type: application/grpc", *[f"X-{i}: v" for i in range(count)], method="POST", host=None, version="1.0"))
        assert client.response().status == 200
        fields = dict(up.requests[-1].fields)
        assert [fields[name] for name in (":path", "x-forwarded-for", "te", "content-length")] == [target, "127.0.0.1", "trailers", "0"]


def test_one_connection_for_all(h2c):
    router, up = h2c()
    for _ in range(20):
        assert ask(router).status == 200
    assert len(up.connections) == 1 and [s.number for s in up.requests] == list(range(1, 41, 2))


def test_at_once_while_it_opens(h2c):
    """Requests of one turn share the connection that the first of them opens."""
    gate = threading.Event()

    def on_stream(stream):
        gate.wait(20)
        stream.answer()

    router, up = h2c(on_stream)
    client = Http2(router.connect())
    streams = [client.request() for _ in range(50)]
    wait_until("all have come", lambda: len(up.requests) == 50)
    gate.set()
    assert all(client.answer(stream).status == 200 for stream in streams)
    assert len(up.connections) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("status", [200, 204, 304, 404])
def test_answers_without_body(h2c, method, status):
    router, up = h2c(lambda stream: stream.head(status, end=True))
    answer = ask(router, method=method)
    assert (answer.status, answer.body) == (status, b"")
    assert up.requests[0].get("content-length") is None


def test_head_keeps_the_length(h2c):
    router, _ = h2c(lambda stream: stream.head(200, ("content-length", "77"), end=True))
    assert ask(router, method="HEAD").get("content-length") == "77"


def test_preserved_path_and_host(routed, h2server):
    up = h2server()
    router = routed({"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}},
                     "services": {"all": {"loadBalancer": {"passHostHeader": False, "servers": [
                         {"url": f"h2c://127.0.0.1:{up.port}/base/", "preservePath": True}]}}}})
    assert ask(router, "/x?").status == 200
    assert up.requests[0].get(":path") == "/base/x?" and up.requests[0].get(":authority") == f"127.0.0.1:{up.port}"


def test_no_blanks_around_what_middlewares_make(routed, h2server):
    """Servers reset a stream that has them."""
    up = h2server(lambda stream: stream.answer(b"ok"))
    made = {"s": {"stripPrefixRegex": {"regex": ["/[^/]*"]}}}
    router = routed({"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all", "middlewares": ["s"]}}, "middlewares": made,
                     "services": {"all": {"loadBalancer": {"servers": [{"url": f"h2c://127.0.0.1:{up.port}"}]}}}})
    assert ask(router, "/a%20/b").status == 200
    stream = up.requests[-1]
    assert (stream.get(":path"), stream.get("x-forwarded-prefix")) == ("/b", "/a")


# ---- bodies ----

@pytest.mark.parametrize("size", [0, 1, 16384, 100_000, 3_000_000])
def test_bodies_both_ways(h2c, size):
    def on_stream(stream):
        stream.answer(stream.body())

    router, up = h2c(on_stream)
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    for client in (router.connect(), router.connect()):
        client.send(get("/", f"Content-Length: {size}", method="POST") + body)
        answer = client.response()
        assert (answer.status, len(answer.body), answer.body == body) == (200, size, True)
    assert up.requests[0].get("content-length") == str(size) and not up.errors


def test_chunked_body_and_trailers(h2c):
    def on_stream(stream):
        body = stream.body()
        stream.head(200, ("trailer", "x-sum"))
        stream.data(body)
        stream.end(("x-sum", stream.trailers["x-check"]))

    router, up = h2c(on_stream)
    client = router.connect()
    client.send(get("/", "Transfer-Encoding: chunked", "Trailer: X-Check", "TE: trailers", method="POST") +
                chunked(b"one", b"two", trailers="X-Check: 9\r\n"))
    answer = client.response()
    assert answer.body == b"onetwo" and answer.trailers.lower() == b"x-sum: 9\r\n"
    assert up.requests[0].get("content-length") is None


def test_a_slow_client_stops_its_own_stream_alone(h2c):
    """Nothing is read by one client while another one gets megabytes over the same connection."""
    big = b"x" * 4_000_000
    router, up = h2c(lambda stream: stream.answer(big if stream.get(":path") == "/big" else b"small"))
    before = router.resident_kib()
    slow = Http2(router.connect())
    slow.window = False
    stopped = [slow.request("/big") for _ in range(20)]
    slow.until(lambda: len(slow.streams[stopped[0]].heads) > 0)
    wait_until("all of them are there", lambda: len(up.requests) == len(stopped))
    cut = list(up.requests)
    for _ in range(5):
        assert ask(router, "/small").body == b"small"
    answer = ask(router, "/big")
    assert answer.body == big and len(up.connections) == 1
    assert router.resident_kib() - before < 24 * 1024
    slow.peer.reset()
    wait_until("the server was told", lambda: all(s.cancelled.is_set() for s in cut))
    assert all(s.code == CANCEL for s in cut)
    assert ask(router, "/small").body == b"small" and len(up.connections) == 1


def test_a_slow_server_stops_its_own_stream_alone(h2c):
    """It gives no window to one request: the client is stopped, others go on."""
    def on_stream(stream):
        if stream.get(":path") == "/stuck":
            stream.cancelled.wait(20)
        else:
            stream.answer(stream.body())

    router, up = h2c(on_stream, window=False)
    stuck = router.connect()
    stuck.sock.settimeout(1)
    stuck.send(get("/stuck", "Content-Length: 100000000", method="POST"))
    with pytest.raises(TimeoutError):
        while True:
            stuck.send(b"x" * 65536)
    assert len(up.connections) == 1
    up.connections[0].send(WindowUpdateFrame(0, window_increment=65535))
    client = router.connect()
    client.send(get("/", "Content-Length: 5", method="POST") + b"hello")
    assert client.response().body == b"hello"
    stuck.reset()
    wait_until("the server was told", lambda: up.requests[0].code == CANCEL)


def test_early_answer(h2c):
    """The answer is complete before the request is: the rest of that is not waited for."""
    router, up = h2c(lambda stream: stream.answer(b"no", status=413))
    client = router.connect()
    client.send(get("/", "Content-Length: 1000000", method="POST") + b"x" * 1000)
    answer = client.response()
    assert (answer.status, answer.body) == (413, b"no")
    wait_until("the stream is let go", lambda: up.requests[0].code == NO_ERROR)


def test_expect_continue_and_interim_answers(h2c):
    def on_stream(stream):
        stream.head(103, ("link", "</a.css>"))
        stream.head(100)
        stream.answer(stream.body())

    router, up = h2c(on_stream)
    client = router.connect()
    client.send(get("/", "Content-Length: 4", "Expect: 100-continue", method="POST"))
    hints, proceed = client.head(), client.head()
    assert (hints.status, hints.get("link"), proceed.status) == (103, "</a.css>", 100)
    client.send(b"body")
    assert client.response().body == b"body"


def test_the_body_goes_without_the_servers_word(h2c):
    router, up = h2c(lambda stream: stream.answer(stream.body()))
    client = router.connect()
    client.send(get("/", "Content-Length: 4", "Expect: 100-continue", method="POST"))
    assert client.head().status == 100
    client.send(b"body")
    assert client.response().body == b"body"


# ---- ends ----

def test_a_client_that_goes_away(h2c):
    arrived = threading.Event()

    def on_stream(stream):
        stream.head(200)
        stream.data(b"begin")
        arrived.set()
        stream.cancelled.wait(20)

    router, up = h2c(on_stream)
    client = router.connect()
    client.send(get())
    client.until(b"begin")
    client.reset()
    wait_until("the server was told", lambda: up.requests[0].code == CANCEL)
    assert not up.connections[0].ended.is_set()


def test_a_client_that_resets_its_stream(h2c):
    from hyperframe.frame import RstStreamFrame
    router, up = h2c(lambda stream: stream.cancelled.wait(20))
    client = Http2(router.connect())
    stream = client.request()
    wait_until("it came", lambda: up.requests)
    client.send(RstStreamFrame(stream, error_code=CANCEL))
    wait_until("the server was told", lambda: up.requests[0].code == CANCEL)
    assert ask_h2(client, up) == 200


def ask_h2(client, up):
    up.on_stream = lambda stream: stream.answer()
    return client.get().status


@pytest.mark.parametrize("begun", [False, True])
def test_a_server_that_resets_its_stream(h2c, begun):
    seen = threading.Event()

    def on_stream(stream):
        if begun:
            stream.head(200)
            stream.data(b"part")
            seen.wait(20)
        stream.reset(2)

    router, up = h2c(on_stream)
    client = Http2(router.connect())
    stream = client.request()
    if begun:
        client.until(lambda: client.streams[stream].body == b"part")
        seen.set()
    answer = client.answer(stream)
    if begun:
        assert answer.status == 200 and answer.reset is not None and answer.body == b"part"
    else:
        assert answer.status == 502
    assert len(up.requests) == 1 and not up.connections[0].ended.is_set()


def test_a_connection_that_breaks(h2c):
    def on_stream(stream):
        if stream.get(":path") == "/part":
            stream.head(200)
            stream.data(b"part")
        elif stream.get(":path") == "/break":
            stream.connection.peer.reset()
        else:
            stream.answer()

    router, up = h2c(on_stream)
    client = Http2(router.connect())
    part = client.request("/part")
    client.until(lambda: client.streams[part].body == b"part")
    broken = client.request("/break", method="POST")
    assert client.answer(broken).status == 502
    assert client.answer(part).reset is not None
    assert client.get("/").status == 200
    assert len(up.connections) == 2


def test_an_answer_that_is_whole_outlives_its_connection(h2c):
    """The server is gone before a slow client has read."""
    body = b"x" * 60_000

    def on_stream(stream):
        stream.answer(body)
        stream.connection.peer.sock.shutdown(2)

    router, up = h2c(on_stream)
    client = Http2(router.connect(), settings={SettingsFrame.INITIAL_WINDOW_SIZE: 100})
    client.window = False
    stream = client.request()
    client.until(lambda: len(client.streams[stream].body) == 100)
    assert up.connections[0].ended.wait(20)
    client.send(WindowUpdateFrame(stream, window_increment=100_000))
    assert client.answer(stream).body == body and client.streams[stream].reset is None


def test_nobody_listens(proxy, h2server):
    client = Http2(proxy(free_port(), scheme="h2c").connect())
    streams = [client.request() for _ in range(5)]
    assert [client.answer(stream).status for stream in streams] == [502] * 5


def test_next_server_when_one_does_not_listen(proxy, h2server):
    up = h2server()
    client = Http2(proxy(free_port(), up, free_port(), scheme="h2c").connect())
    streams = [client.request() for _ in range(9)]
    assert [client.answer(stream).status for stream in streams] == [200] * 9


def test_header_timeout(h2c):
    router, up = h2c(lambda stream: stream.cancelled.wait(20), header_timeout="1500ms")
    assert ask(router).status == 504
    wait_until("the server was told", lambda: up.requests[0].code == CANCEL)
    up.on_stream = lambda stream: stream.answer()
    assert ask(router).status == 200 and len(up.connections) == 1


# ---- how many streams, how many connections ----

@pytest.mark.parametrize("most", [1, 3])
def test_the_servers_bound(h2c, most):
    """Beyond it there is one more connection, and never more streams at a time on one."""
    gate, lock, at_once, worst = threading.Event(), threading.Lock(), {}, []

    def on_stream(stream):
        with lock:
            at_once[stream.connection] = at_once.get(stream.connection, 0) + 1
            worst.append(at_once[stream.connection])
        gate.wait(20)
        with lock:
            at_once[stream.connection] -= 1
        stream.answer()

    router, up = h2c(settings={MAX_STREAMS: most})
    assert ask(router).status == 200  # its settings are known
    up.on_stream = on_stream
    client = Http2(router.connect())
    streams = [client.request() for _ in range(6)]
    wait_until("all are there", lambda: len(up.requests) == 7)
    gate.set()
    assert all(client.answer(stream).status == 200 for stream in streams)
    assert max(worst) <= most and len(up.connections) == 6 // most


def test_refused_streams_are_asked_again(h2c):
    """Before the server's settings are known too many may be opened: it refuses, and no client sees that."""
    lock, open_now = threading.Lock(), {}

    def on_stream(stream):
        with lock:
            count = open_now[stream.connection] = open_now.get(stream.connection, 0) + 1
        if count > 2:
            stream.reset(REFUSED)
        else:
            pass_time("so that streams are open beside each other", 0.05)
            stream.answer(stream.body())
        with lock:
            open_now[stream.connection] -= 1

    router, up = h2c(on_stream, settings={MAX_STREAMS: 2})
    client = Http2(router.connect())
    streams = [client.request(method="POST", end=False) for _ in range(10)]
    for stream in streams:
        client.data(stream, b"body", end=True)
    assert [client.answer(stream).body for stream in streams] == [b"body"] * 10


def test_a_server_that_refuses_for_ever(h2c):
    router, up = h2c(lambda stream: stream.reset(REFUSED))
    assert ask(router).status == 502
    assert len(up.requests) == 4


def test_refused_after_its_body_left(h2c):
    def on_stream(stream):
        stream.body()
        stream.reset(REFUSED)

    router, up = h2c(on_stream)
    client = router.connect()
    client.send(get("/", "Content-Length: 4", method="POST") + b"body")
    assert client.response().status == 502 and len(up.requests) == 1


def test_goaway(h2c):
    """What it has not looked at is asked elsewhere, what is under way ends there, new requests go to another connection."""
    go = threading.Event()

    def on_stream(stream):
        if stream.get(":path") == "/first":
            stream.head(200)
            stream.data(b"a")
            go.wait(20)
            stream.data(b"b", end=True)
        elif stream.connection is up.connections[0]:
            stream.connection.goaway(last=1)
        else:
            stream.answer(b"second")

    router, up = h2c(on_stream)
    client = Http2(router.connect())
    first = client.request("/first")
    client.until(lambda: client.streams[first].body == b"a")
    assert client.get("/second", method="POST").body == b"second"
    assert client.get("/third").body == b"second"
    go.set()
    assert client.answer(first).body == b"ab"
    assert up.connections[0].ended.wait(20)
    assert len(up.connections) == 2


def test_a_kept_connection_that_was_closed(h2c):
    """Closed by the server while it was idle: the next request does not notice."""
    router, up = h2c()
    for _ in range(3):
        assert ask(router).status == 200
        up.connections[-1].peer.reset()
    assert ask(router).status == 200


def test_idle_timeout(h2c):
    router, up = h2c(server_idle="300ms")
    assert ask(router).status == 200
    assert up.connections[0].ended.wait(20)
    assert up.connections[0].goaways and up.connections[0].goaways[0].error_code == NO_ERROR
    assert ask(router).status == 200 and len(up.connections) == 2


def test_no_idle_connections(h2c):
    router, up = h2c(max_idle=-1)
    for i in range(3):
        assert ask(router).status == 200
        assert up.connections[i].ended.wait(20)


def test_ping(routed, h2server):
    """Silence is looked into; a server that does not answer is given up, and its requests with it."""
    up = h2server(lambda stream: stream.cancelled.wait(20))
    router = routed({
        "routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}},
        "services": {"all": {"loadBalancer": {"serversTransport": "st", "servers": [{"url": f"h2c://127.0.0.1:{up.port}"}]}}},
        "serversTransports": {"st": {"forwardingTimeouts": {"readIdleTimeout": "200ms", "pingTimeout": "3s"}}}})
    client = Http2(router.connect())
    stream = client.request(method="POST")
    wait_until("it was asked", lambda: up.connections and up.connections[0].pings >= 2)
    up.connections[0].quiet = True
    assert client.answer(stream).status == 502
    assert up.connections[0].ended.wait(20)


# ---- other protocols, other generations ----

def test_websocket_to_such_a_server_is_http1(proxy, server):
    """A switch of protocols is a matter of HTTP/1, as Traefik has it."""
    def handler(peer, up):
        head = peer.head()
        up.requests.append(head)
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        peer.send(peer.exactly(4))

    up = server(handler)
    client = proxy(up, scheme="h2c").connect()
    client.send(get("/", "Connection: Upgrade", "Upgrade: websocket"))
    assert client.head().status == 101
    client.send(b"ping")
    assert client.exactly(4) == b"ping"


def test_streams_over_a_change(routed, h2server):
    """Streams that are open at a change of configuration end as if there had been none; the connection is kept."""
    go = threading.Event()

    def on_stream(stream):
        stream.head(200)
        stream.data(b"before")
        go.wait(20)
        stream.data(b"after")
        stream.end(("x-end", "1"))

    up = h2server(on_stream)
    routers = {"all": {"rule": "PathPrefix(`/`)", "service": "all"}}
    http = {"routers": routers, "services": {"all": {"loadBalancer": {"servers": [{"url": f"h2c://127.0.0.1:{up.port}"}]}}}}
    router = routed(http)
    client = Http2(router.connect())
    streams = [client.request() for _ in range(5)]
    client.until(lambda: all(client.streams[s].body == b"before" for s in streams))
    for i in range(5):
        routers[f"more{i}"] = {"rule": f"Path(`/{i}`)", "service": "all"}
        router.change(http)
    go.set()
    for stream in streams:
        answer = client.answer(stream)
        assert answer.body == b"beforeafter" and dict(answer.heads[-1]) == {"x-end": "1"}
    up.on_stream = lambda stream: stream.answer()
    assert client.get("/2").status == 200 and len(up.connections) == 1


def test_streams_over_the_end_of_their_service(routed, h2server):
    """The server is in no configuration any more: its streams end all the same."""
    go = threading.Event()

    def on_stream(stream):
        stream.head(200)
        stream.data(b"before")
        go.wait(20)
        stream.data(b"after", end=True)

    old, new = h2server(on_stream), h2server()

    def to(server):
        return {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}},
                "services": {"all": {"loadBalancer": {"servers": [{"url": f"h2c://127.0.0.1:{server.port}"}]}}}}

    router = routed(to(old), server_idle="300ms")
    client = Http2(router.connect())
    stream = client.request()
    client.until(lambda: client.streams[stream].body == b"before")
    router.change(to(new))
    assert client.get().body == b"ok" and len(new.requests) == 1
    go.set()
    assert client.answer(stream).body == b"beforeafter"
    assert old.connections[0].ended.wait(20)


def test_gauges(h2c):
    """What is shown of connections: in use, idle, opened, used again."""
    gate = threading.Event()
    router, up = h2c(lambda stream: (gate.wait(20), stream.answer()))
    client = Http2(router.connect())
    streams = [client.request() for _ in range(3)]
    wait_until("all have come", lambda: len(up.requests) == 3)
    board = Board(router.router.pid)
    try:
        assert (board.gauges()["upstream_active"], board.gauges()["upstream_idle"]) == (1, 0)
        gate.set()
        for stream in streams:
            client.answer(stream)
        wait_until("it is idle", lambda: (board.gauges()["upstream_active"], board.gauges()["upstream_idle"]) == (0, 1))
    finally:
        board.close()


# ---- Kubernetes ----

def test_schemes_of_kubernetes(h2server, weir, manifests):
    """A route's `scheme`, and the annotation of a Service."""
    up = h2server()

    def service(name, annotation=""):
        return f"""apiVersion: v1
kind: Service
metadata: {{name: {name}{annotation}}}
spec: {{ports: [{{name: main, port: 8000}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: main, port: {up.port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
---
"""

    manifests.write("all.yaml", service("routed") + service(
        "annotated", ", annotations: {traefik.ingress.kubernetes.io/service.serversscheme: h2c}") + """apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: routed}
spec: {routes: [{kind: Rule, match: Path(`/routed`), services: [{name: routed, port: 8000, scheme: h2c}]}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: annotated}
spec: {rules: [{http: {paths: [{path: /annotated, pathType: Exact, backend: {service: {name: annotated, port: {number: 8000}}}}]}}]}
""")
    router = weir(f"--providers.kubernetesCRD.manifests={manifests.path}", f"--providers.kubernetesIngress.manifests={manifests.path}")
    for path in ("/routed", "/annotated"):
        assert curl(router.ports["web"], path).body == "ok", path
    assert [stream.get(":path") for stream in up.requests] == ["/routed", "/annotated"]
