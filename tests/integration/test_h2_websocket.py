"""WebSocket over HTTP/2 (extended CONNECT, RFC 8441): the switch, both directions with their windows and ends, changes, refusals."""
import base64
import hashlib
import queue
import socket
import ssl
import threading

import h2.config
import h2.connection
import h2.events
import pytest
from hyperframe.frame import DataFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from conftest import wait_until
from h2kit import Web
from proxying import server  # noqa: F401 (fixture)
from rawhttp import Peer, ok
from routing import one_route, routed  # noqa: F401 (fixture)
from tlskit import Maker, hello

CONNECT_ERROR, PROTOCOL_ERROR, CANCEL = 10, 1, 8
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def switch(peer, web, protocol="websocket"):
    """The server's part of the handshake."""
    request = peer.request()
    web.requests.append(request)
    accept = base64.b64encode(hashlib.sha1(request.get("sec-websocket-key").encode() + GUID).digest()).decode()
    peer.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: {protocol}\r\nConnection: Upgrade\r\n"
              f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n".encode())


def echo(peer, web):
    switch(peer, web)
    while True:
        data = peer.buffer or peer.sock.recv(65536)
        peer.buffer = b""
        if not data:
            return
        peer.send(data)


@pytest.fixture
def stand(routed, server):  # noqa: F811
    def start(handler=echo, middlewares=None, **options):
        up = server(handler)
        router = routed(one_route(up, middlewares or {}), **options)
        client = Web(router.connect())
        client.server, client.router = up, router
        return client
    return start


def test_switch_and_echo(stand):
    client = stand(middlewares={"c": {"compress": {}}, "b": {"buffering": {}}})
    stream, answer = client.opened("/chat?room=1")
    assert answer.status == 200 and answer.fields["sec-websocket-protocol"] == "chat"
    assert not {"sec-websocket-accept", "upgrade", "connection", "content-length", "content-encoding"} & set(answer.fields)
    seen = client.server.requests[0]
    assert seen.line == "GET /chat?room=1 HTTP/1.1"
    assert seen.get("upgrade") == "websocket" and seen.get("connection") == "Upgrade" and seen.get("host") == "a.test"
    assert len(base64.b64decode(seen.get("sec-websocket-key"))) == 16 and seen.get("sec-websocket-version") == "13"
    assert seen.get("origin") == "http://a.test" and seen.get("content-length") is None and seen.get("transfer-encoding") is None
    assert seen.get("x-forwarded-for") == "127.0.0.1"
    for size in (1, 1000, 16384):
        assert client.says(stream, b"x" * size) == b"x" * size
    other, second = client.opened()  # streams do not mix, and each has a key of its own
    assert second.status == 200 and client.says(other, b"other") == b"other" and client.says(stream, b"first") == b"first"
    assert client.server.requests[1].get("sec-websocket-key") != seen.get("sec-websocket-key")


def test_settings_announce_it(stand):
    client = stand()
    frame = client.frame()
    while not isinstance(frame, SettingsFrame) or "ACK" in frame.flags:
        frame = client.frame()
    assert frame.settings[8] == 1


def test_the_h2_library_over_tls(weir, server, tmp_path):  # noqa: F811
    pair, up, path = Maker(tmp_path).own("a.test", ["DNS:a.test"]), server(echo), tmp_path / "dynamic.yml"
    path.write_text("http:\n  routers:\n    r: {rule: \"PathPrefix(`/`)\", service: s, tls: {}}\n  services:\n"
                    f"    s: {{loadBalancer: {{servers: [{{url: \"http://127.0.0.1:{up.port}\"}}]}}}}\n"
                    f"tls:\n  certificates:\n    - {{certFile: {pair.crt}, keyFile: {pair.key}}}\n")
    router = weir(f"--providers.file.filename={path}")
    peer = hello(router.ports["web"], "a.test", alpn=["h2"])
    web = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    web.initiate_connection()
    status, data, ended = None, b"", False

    def turn():
        nonlocal status, data, ended
        if web.data_to_send:
            peer.send(web.data_to_send())
        for event in web.receive_data(peer.sock.recv(65536)):
            if isinstance(event, h2.events.ResponseReceived):
                status = dict(event.headers)[":status"]
            elif isinstance(event, h2.events.DataReceived):
                data += event.data
                web.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            ended = ended or isinstance(event, h2.events.StreamEnded)
        peer.send(web.data_to_send())

    while not web.remote_settings.enable_connect_protocol:
        turn()
    stream = web.get_next_available_stream_id()
    web.send_headers(stream, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/"),
                              (":authority", "a.test"), ("sec-websocket-version", "13")])
    peer.send(web.data_to_send())
    while status is None:
        turn()
    assert status == "200" and up.requests[0].get("x-forwarded-proto") in ("wss", "https")
    frame = b"\x81\x85abcd" + bytes(a ^ b for a, b in zip(b"hello", b"abcda"))
    web.send_data(stream, frame)
    peer.send(web.data_to_send())
    while len(data) < len(frame):
        turn()
    assert data == frame
    web.end_stream(stream)
    peer.send(web.data_to_send())
    while not ended:
        turn()
    peer.close()


def test_a_client_without_window_holds_the_server_back(stand):
    size, sent = 32 << 20, []

    def handler(peer, web):
        switch(peer, web)
        for _ in range(size // 65536):
            peer.send(b"y" * 65536)
            sent.append(1)
    client = stand(handler)
    client.window = False
    stream, answer = client.opened()
    client.until(lambda: len(answer.body) == 65535)
    assert len(sent) * 65536 < size  # what kernel and buffers hold, not all of it
    client.window, answer.body = True, bytearray(answer.body)  # grows in place
    client.send(WindowUpdateFrame(0, window_increment=65535), WindowUpdateFrame(stream, window_increment=1 << 20))
    client.until(lambda: answer.ended)
    assert len(answer.body) == size


def test_a_slow_server_holds_the_client_back(stand):
    go, got = threading.Event(), queue.Queue()

    def handler(peer, web):
        switch(peer, web)
        go.wait(20)
        data = peer.rest()
        got.put((len(data), hashlib.sha256(data).digest()))
    client = stand(handler)
    stream, answer = client.opened()
    window, sent, whole = {0: 65535, stream: 65535}, 0, hashlib.sha256()
    client.peer.sock.settimeout(1)

    def more_window():
        frame = client.frame()
        if isinstance(frame, WindowUpdateFrame):
            window[frame.stream_id] += frame.window_increment
        elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            window[stream] += frame.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, 65535) - 65535
    stuck = False
    while sent < 64 << 20:
        piece = bytes([sent >> 14 & 255]) * 16384
        while min(window.values()) < len(piece) and not stuck:
            try:
                more_window()
            except socket.timeout:
                stuck = True
        if stuck:
            break
        client.send(DataFrame(stream, piece))
        whole.update(piece)
        sent += len(piece)
        window[0] -= len(piece)
        window[stream] -= len(piece)
    assert stuck and sent < 64 << 20
    client.peer.sock.settimeout(20)
    go.set()
    client.data(stream, b"", end=True)
    assert got.get(timeout=20) == (sent, whole.digest())
    client.until(lambda: answer.ended)


def test_ends_of_either_side(stand):
    heard = queue.Queue()

    def handler(peer, web):
        switch(peer, web)
        heard.put(peer.rest())
        peer.send(b"last words")
    client = stand(handler)
    stream, answer = client.opened()
    client.data(stream, b"all I had to say", end=True)  # the half-close is passed on
    client.until(lambda: answer.ended)
    assert heard.get(timeout=20) == b"all I had to say" and answer.body == b"last words" and answer.reset is None

    stream, answer = client.opened()
    client.send(RstStreamFrame(stream, error_code=CANCEL))  # a client that is gone ends the server's connection
    assert heard.get(timeout=20) == b""
    assert client.streams[stream].reset is None
    stream, answer = client.opened()  # the connection serves on
    assert answer.status == 200


def test_a_server_that_closes_or_dies(stand):
    def handler(peer, web):
        switch(peer, web)
        if web.requests[-1].line.startswith("GET /dies"):
            peer.until(b"now")
            peer.reset()
        else:
            peer.send(b"bye")
    client = stand(handler)
    stream, answer = client.opened()
    client.until(lambda: answer.ended)
    assert answer.body == b"bye"
    stream, answer = client.opened("/dies")
    client.data(stream, b"now")
    client.until(lambda: answer.reset is not None)
    assert answer.reset == CONNECT_ERROR and not answer.ended


def test_changes_do_not_touch_it_and_it_keeps_none(stand):
    client = stand()
    stream, answer = client.opened()
    assert client.says(stream, b"before") == b"before"
    router, up = client.router, client.server
    for i in range(6):
        router.change(one_route(up, {f"m{i}": {"addPrefix": {"prefix": f"/{i}"}}}))
        assert client.says(stream, b"during") == b"during"
    wait_until("one generation is mapped", lambda: generations(router) == 1)
    assert client.says(stream, b"after") == b"after"
    stream, answer = client.opened()
    assert up.requests[-1].line == "GET /5/chat HTTP/1.1" and answer.status == 200


def generations(router):
    """How many route pages the worker has mapped."""
    with open(f"/proc/{router.pids[0]}/maps") as maps:
        return sum("memfd:weir-routes" in line for line in maps)


@pytest.mark.parametrize("answer,status", [
    (ok(b"no", status="403 Forbidden"), 403), (ok(b"what?"), 502), (b"HTTP/1.1 204 No Content\r\n\r\n", 502),
    (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 302), (b"nonsense\r\n\r\n", 502),
    (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n", 502),
], ids=["403", "200", "204", "302", "nonsense", "other-protocol"])
def test_a_server_that_does_not_switch(stand, answer, status):
    def handler(peer, web):
        web.requests.append(peer.request())
        peer.send(answer)
        peer.rest()
    client = stand(handler)
    stream, got = client.opened()
    client.data(stream, b"too early")
    assert got.status == status
    client.until(lambda: got.ended)


def test_what_is_no_such_request(stand):
    client = stand()
    assert client.opened(protocol="connect-udp")[1].status == 501
    assert client.opened(method="GET")[1].reset == PROTOCOL_ERROR
    frame = client.headers([(":method", "CONNECT"), (":authority", "a.test:80")], end=False)
    client.send(frame)
    client.until(lambda: client.streams[frame.stream_id].heads)
    assert client.streams[frame.stream_id].status in (404, 501)
    assert client.says(client.opened()[0], b"still here") == b"still here"


def test_data_before_the_switch_waits(stand):
    def handler(peer, web):
        request = peer.head()
        web.requests.append(request)
        assert peer.silent(0.2)
        accept = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nearly"
        peer.send(accept)
        peer.send(peer.exactly(7))
    client = stand(handler)
    stream = client.open()
    client.data(stream, b"pressed")
    answer = client.answer(stream)
    assert answer.status == 200 and answer.body == b"earlypressed"


def test_a_server_of_https_speaks_http1_for_it(routed, server, tmp_path):  # noqa: F811
    """Though it would choose HTTP/2: an upgrade goes by HTTP/1.1."""
    pair, chosen = Maker(tmp_path).own("b.test", ["IP:127.0.0.1"]), []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.crt, pair.key)
    context.set_alpn_protocols(["h2", "http/1.1"])

    def handler(peer, web):
        tls = Peer(context.wrap_socket(peer.sock, server_side=True))
        chosen.append(tls.sock.selected_alpn_protocol())
        switch(tls, web)
        while data := tls.sock.recv(65536):
            tls.send(data)
        tls.sock.unwrap()

    router = routed({"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}}, "serversTransports": {"t": {"rootCAs": [str(pair.crt)]}},
                     "services": {"all": {"loadBalancer": {"servers": [{"url": f"https://127.0.0.1:{server(handler).port}"}],
                                                           "serversTransport": "t"}}}})
    client = Web(router.connect())
    stream, answer = client.opened()
    assert answer.status == 200
    for size in (1, 5000, 16384):
        assert client.says(stream, b"x" * size) == b"x" * size
    client.data(stream, b"", end=True)
    client.until(lambda: answer.ended or answer.reset is not None)
    assert answer.ended and answer.reset is None
    assert chosen in ([None], ["http/1.1"])
