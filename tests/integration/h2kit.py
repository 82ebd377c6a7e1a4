"""HTTP/2 by hand: a client that may send any frame. `Http2(peer)` says the preface and SETTINGS; .request() opens a stream,
.answer(stream) collects its answer, .frame()/.until() read frames, .raw() sends bytes as they are. Windows and ACKs are the
caller's matter, but for SETTINGS and what answer() takes. `Web(peer)` has long streams too: WebSockets and gRPC calls.
"""
import contextlib

from hpack import Decoder, Encoder
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL_ERROR, ENHANCE_YOUR_CALM = 0, 1, 11


class Answer:
    def __init__(self):
        self.heads, self.body, self.reset, self.ended = [], b"", None, False

    @property
    def fields(self):
        return dict(next(head for head in self.heads if dict(head).get(":status", "1")[0] != "1"))

    @property
    def status(self):
        return int(self.fields[":status"])


class Http2:
    def __init__(self, peer, settings=None, say=True):
        self.peer, self.next, self.streams = peer, 1, {}
        self.encoder, self.decoder = Encoder(), Decoder()
        self.goaways, self.window = [], True
        if say:
            self.raw(PREFACE)
            self.send(SettingsFrame(0, settings=settings or {}))

    def raw(self, data):
        self.peer.send(data)

    def send(self, *frames):
        self.raw(b"".join(frame.serialize() for frame in frames))

    def headers(self, fields, stream=None, end=True):
        if stream is None:
            stream, self.next = self.next, self.next + 2
            self.streams[stream] = Answer()
        return HeadersFrame(stream, self.encoder.encode(fields),
                            flags=["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"])

    def request(self, path="/", *fields, method="GET", host="a.test", end=True):
        frame = self.headers([(":method", method), (":scheme", "http"), (":authority", host), (":path", path), *fields], end=end)
        self.send(frame)
        return frame.stream_id

    def data(self, stream, data=b"", end=False):
        self.send(DataFrame(stream, data, flags=["END_STREAM"] if end else []))

    def frame(self):
        """The next frame, noted with its stream."""
        head = self.peer.exactly(9)
        frame, length = Frame.parse_frame_header(memoryview(head))
        frame.parse_body(memoryview(self.peer.exactly(length)))
        answer = self.streams.get(frame.stream_id, Answer())
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.send(SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, HeadersFrame):
            answer.heads.append(self.decoder.decode(frame.data))
        elif isinstance(frame, DataFrame):
            answer.body += frame.data
            if self.window and frame.data:
                self.send(WindowUpdateFrame(0, window_increment=len(frame.data)))
                if "END_STREAM" not in frame.flags:
                    self.send(WindowUpdateFrame(frame.stream_id, window_increment=len(frame.data)))
        elif isinstance(frame, RstStreamFrame):
            answer.reset = frame.error_code
        elif isinstance(frame, GoAwayFrame):
            self.goaways.append(frame)
        answer.ended = answer.ended or "END_STREAM" in frame.flags and not isinstance(frame, SettingsFrame)
        return frame

    def until(self, condition):
        while not condition():
            self.frame()

    def answer(self, stream):
        got = self.streams[stream]
        self.until(lambda: got.ended or got.reset is not None)
        return got

    def get(self, path="/", *fields, **more):
        return self.answer(self.request(path, *fields, **more))

    def code(self):
        """The error code of the last GOAWAY before the end of the connection."""
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                self.frame()
        return self.goaways[-1].error_code if self.goaways else None


WEBSOCKET = (("sec-websocket-version", "13"), ("origin", "http://a.test"))
GRPC = (("te", "trailers"), ("content-type", "application/grpc"))


class Web(Http2):
    """Streams that stay open: WebSockets (RFC 8441), gRPC calls."""

    def open(self, path="/chat", protocol="websocket", method="CONNECT", fields=WEBSOCKET, host="a.test"):
        frame = self.headers([(":method", method), (":scheme", "http"), (":authority", host), (":path", path),
                              (":protocol", protocol), *fields], end=False)
        self.send(frame)
        return frame.stream_id

    def opened(self, *args, **kw):
        stream = self.open(*args, **kw)
        self.until(lambda: self.streams[stream].heads or self.streams[stream].reset is not None)
        return stream, self.streams[stream]

    def call(self, path, host):
        """A gRPC call, open for messages: message() frames them."""
        return self.request(path, *GRPC, method="POST", host=host, end=False)

    def says(self, stream, data, back=None):
        """Sends it and waits for its echo, or as many bytes as `back` has."""
        got, expected = self.streams[stream], len(data if back is None else back)
        before = len(got.body)
        self.data(stream, data)
        self.until(lambda: len(got.body) >= before + expected or got.ended or got.reset is not None)
        return got.body[before:]


def message(data):
    """As a gRPC stream carries it."""
    return b"\0" + len(data).to_bytes(4, "big") + data
