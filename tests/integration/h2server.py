"""A server that speaks HTTP/2 from the first byte on, and says what a test wants it to say.

`H2Server(handler)` calls handler(stream) in a thread of its own for each stream once its head is there; a Stream has .fields (the
head), .read() (the next piece of the body, b"" at its end), .body(), .trailers, .head(status, *fields, end=), .data(bytes, end=),
.end(*trailers), .reset(code), .cancelled (an event: the client took the request back). What it takes opens windows at once, unless
`window=False`. `settings` are those it says. `.connections` are Connection objects: .goaway(last, code), .send(*frames), .ended.
"""
import queue
import select
import socket
import ssl
import threading

import pytest
from hpack import Decoder, Encoder
from hyperframe.frame import (ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame,
                              SettingsFrame, WindowUpdateFrame)

from rawhttp import SECONDS, Server

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PIECE = 16384


class Stream:
    def __init__(self, connection, number, fields):
        self.connection, self.number, self.fields = connection, number, fields
        self.pieces, self.trailers, self.code = queue.Queue(), {}, None
        self.cancelled = threading.Event()
        self.window = connection.first_window

    def get(self, name, default=None):
        return dict(self.fields).get(name, default)

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def read(self):
        piece = self.pieces.get(timeout=SECONDS)
        if piece and self.connection.server.window:
            self.connection.send(WindowUpdateFrame(self.number, window_increment=len(piece)))
        return piece

    def body(self):
        return b"".join(iter(self.read, b""))

    def head(self, status=200, *fields, end=False):
        self.connection.headers(self.number, [(":status", str(status)), *fields], end)

    def data(self, data=b"", end=False):
        """As the client's windows allow."""
        while True:
            with self.connection.changed:
                self.connection.changed.wait_for(lambda: min(self.window, self.connection.window) > 0 or not data or self.gone, SECONDS)
                if self.gone:
                    raise ConnectionError("the stream or its connection is gone")
                size = min(len(data), PIECE, self.window, self.connection.window)
                self.window -= size
                self.connection.window -= size
            last = size == len(data)
            self.connection.send(DataFrame(self.number, data[:size], flags=["END_STREAM"] if end and last else []))
            data = data[size:]
            if last:
                return

    @property
    def gone(self):
        return self.cancelled.is_set() or self.connection.ended.is_set()

    def end(self, *trailers):
        self.connection.headers(self.number, list(trailers), True)

    def reset(self, code=0):
        self.connection.send(RstStreamFrame(self.number, error_code=code))

    def answer(self, body=b"ok", *fields, status=200):
        self.head(status, *fields, end=not body)
        if body:
            self.data(body, end=True)


class Connection:
    def __init__(self, server, peer):
        self.server, self.peer, self.encoder, self.decoder = server, peer, Encoder(), Decoder()
        self.lock, self.changed = threading.Lock(), threading.Condition()
        self.window = self.first_window = 65535
        self.streams, self.ended, self.goaways, self.pings = {}, threading.Event(), [], 0
        self.quiet = False
        peer.sock.settimeout(None)

    def raw(self, data):
        with self.lock:
            self.peer.send(data)

    def send(self, *frames):
        self.raw(b"".join(frame.serialize() for frame in frames))

    def headers(self, number, fields, end=False):
        with self.lock:
            block = self.encoder.encode(fields)
            pieces = [block[i:i + PIECE] for i in range(0, len(block), PIECE)] or [b""]
            frames = [HeadersFrame(number, pieces[0], flags=["END_STREAM"] if end else [])]
            frames += [ContinuationFrame(number, piece) for piece in pieces[1:]]
            frames[-1].flags.add("END_HEADERS")
            self.peer.send(b"".join(frame.serialize() for frame in frames))

    def goaway(self, last=None, code=0):
        self.send(GoAwayFrame(0, last_stream_id=max(self.streams, default=0) if last is None else last, error_code=code))

    def serve(self):
        try:
            assert self.peer.exactly(len(PREFACE)) == PREFACE
            if self.server.settings is not None:
                self.send(SettingsFrame(0, settings=self.server.settings))
            while True:
                self.frame()
        except (EOFError, ConnectionError, OSError):
            pass
        finally:
            self.ended.set()
            with self.changed:
                self.changed.notify_all()
            for stream in list(self.streams.values()):
                stream.cancelled.set()
                stream.pieces.put(b"")

    def frame(self):
        head = self.peer.exactly(9)
        frame, length = Frame.parse_frame_header(memoryview(head))
        frame.parse_body(memoryview(self.peer.exactly(length)))
        getattr(self, "on_" + type(frame).__name__, lambda _: None)(frame)

    def on_SettingsFrame(self, frame):
        if "ACK" not in frame.flags:
            with self.changed:
                self.first_window = frame.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, self.first_window)
            self.send(SettingsFrame(0, flags=["ACK"]))

    def on_PingFrame(self, frame):
        if "ACK" not in frame.flags:
            self.pings += 1
            if not self.quiet:
                self.send(PingFrame(0, frame.opaque_data, flags=["ACK"]))

    def on_GoAwayFrame(self, frame):
        self.goaways.append(frame)

    def on_WindowUpdateFrame(self, frame):
        with self.changed:
            where = self if frame.stream_id == 0 else self.streams.get(frame.stream_id)
            if where:
                where.window += frame.window_increment
            self.changed.notify_all()

    def on_RstStreamFrame(self, frame):
        stream = self.streams.get(frame.stream_id)
        if stream:
            stream.code = frame.error_code
            stream.cancelled.set()
            stream.pieces.put(b"")
            with self.changed:
                self.changed.notify_all()

    def on_HeadersFrame(self, frame):
        block, flags = frame.data, frame.flags
        while "END_HEADERS" not in flags:
            head = self.peer.exactly(9)
            more, length = Frame.parse_frame_header(memoryview(head))
            more.parse_body(memoryview(self.peer.exactly(length)))
            block, flags = block + more.data, more.flags
        fields = self.decoder.decode(block)
        stream = self.streams.get(frame.stream_id)
        if stream:
            stream.trailers = dict(fields)
        else:
            stream = self.streams[frame.stream_id] = Stream(self, frame.stream_id, fields)
            self.server.requests.append(stream)
        if "END_STREAM" in frame.flags:
            stream.pieces.put(b"")
        if not stream.trailers:
            threading.Thread(target=self.handle, args=(stream,), daemon=True).start()

    def handle(self, stream):
        try:
            self.server.on_stream(stream)
        except Exception as error:  # shown by the test that looks
            if not self.server.closing and not stream.gone:
                self.server.errors.append(error)

    def on_DataFrame(self, frame):
        stream = self.streams[frame.stream_id]
        if frame.flow_controlled_length and self.server.window:
            self.send(WindowUpdateFrame(0, window_increment=frame.flow_controlled_length))
        if frame.data:
            stream.pieces.put(bytes(frame.data))
        if "END_STREAM" in frame.flags:
            stream.pieces.put(b"")


class H2Server(Server):
    def __init__(self, on_stream=None, settings=(), window=True):
        self.on_stream = on_stream or (lambda stream: stream.answer())
        self.settings = None if settings is None else dict(settings)
        self.window, self.connections = window, []
        super().__init__(self.connection)

    def connection(self, peer, server):
        connection = Connection(self, peer)
        self.connections.append(connection)
        connection.serve()


class TlsFront(Server):
    """TLS before a server that speaks none: bytes both ways, a thread for each connection. `.protocols` are those agreed on."""

    def __init__(self, pair, behind, alpn=("h2", "http/1.1")):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pair.crt, pair.key)
        self.context.set_alpn_protocols(list(alpn))
        self.behind, self.protocols, self.gate = behind, [], threading.Event()
        self.gate.set()  # cleared: handshakes wait
        super().__init__(self.relay)

    def relay(self, peer, server):
        self.gate.wait(SECONDS)
        outer = self.context.wrap_socket(peer.sock, server_side=True)
        peer.sock = outer
        self.protocols.append(outer.selected_alpn_protocol())
        with outer, socket.create_connection(("127.0.0.1", self.behind.port), SECONDS) as inner:
            outer.settimeout(None)
            while True:
                ready = [outer] if outer.pending() else select.select([outer, inner], [], [])[0]
                for one, other in ((outer, inner), (inner, outer)):
                    if one in ready:
                        piece = one.recv(65536)
                        if not piece:
                            return
                        other.sendall(piece)


@pytest.fixture
def h2server():
    made = []

    def start(on_stream=None, **kw):
        made.append(H2Server(on_stream, **kw))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def h2c(proxy, h2server):
    """Weir before one such server: (proxy, server)."""
    def start(on_stream=None, settings=(), window=True, **options):
        up = h2server(on_stream, settings=settings, window=window)
        return proxy(up, scheme="h2c", **options), up

    return start
