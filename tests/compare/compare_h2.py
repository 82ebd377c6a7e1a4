"""compare_h2.py - the same HTTP/2 requests, good ones and odd ones, to Traefik and to weir; prints every difference.

Requests are written frame by frame, in the clear (prior knowledge), to servers of HTTP/1.1 and of h2c behind both, which answer
with what they got. Compared are how the stream or the connection ends, status, fields, body and trailers, and what the server saw.
Not here: windows and floods (tests/integration/test_h2.py).

usage: compare_h2.py --traefik PATH --weir PATH [--verbose]
"""
import contextlib
import json
import pathlib
import re
import socket
import sys
import tempfile
import threading

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import h2.config  # noqa: E402
import h2.connection  # noqa: E402
import h2.events  # noqa: E402
import h2.exceptions  # noqa: E402
from hpack import Decoder, Encoder  # noqa: E402
from hyperframe.frame import (DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame,  # noqa: E402
                              WindowUpdateFrame)
from paired import arguments, both  # noqa: E402

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HOSTS = ("h1.test", "h2.test")
# (pattern over "title | difference", reason): differences that docs/differences.md explains.
MALFORMED = r"another host|host with port|hosts|te gzip|te both|(proxy-)?connection|keep-alive|transfer-encoding|upgrade|spaces|length x|length 5 none|lengths|(GET|HEAD|POST) (shorter|longer|empty body with length)|path '(\*|x|/a b|http:.*|\?x)'|method '(G T|)'|authority ('a b'|''|None|'/'|'h..test/x')|empty authority and host"
ACCEPTED = [
    (rf"^h..test ({MALFORMED}) \| (ended: traefik 'whole' weir 'reset 1'|heads: .* weir \[\]|body: .* weir '')$", "a malformed request is a stream error (RFC 9113 8.1.1)"),
    (r"path '/a%zz'|authority 'u@", "a bad target is told by 400"),
    (r"scheme '(ftp|HTTP|)'", "the scheme is nobody's business"),
    (r"te capital", "names of codings know no letter case"),
    (r"connect proper|method 'CONNECT'|connect with port", "CONNECT is not served"),
    (r"^h1.test extended '[Ww]eb.*(traefik 'reset 1' weir 'whole'|weir \[\[\[':status', '200'\]\]\]|weir '\(what the server saw\)')$", "WebSocket over HTTP/2 is served"),
    (r"^h2.test extended '[Ww]eb.*(traefik 'reset 1' weir 'whole'|weir \[\[\[':status', '502'.*|weir 'Bad Gateway')$", "servers are asked for WebSocket by HTTP/1.1"),
    (r"extended 'connect-udp'.*(traefik 'reset 1' weir 'whole'|weir \[\[\[':status', '501'.*)$", "protocols that are not served are told by 501"),
    (r"very long \| ", "a field of HTTP/2 has at most 64 KiB"),
    (r"POST empty body \| (seen fields: .*Content-Length|heads: .*content-length)", "a body that ends before it begins is empty"),
    (r"trailers \| (seen (trailers: traefik \[\] weir \[\[|fields: .*Trailer)|heads: .*content-length)|announced odd trailers", "trailers of requests arrive, announced or not, but for those that are none"),
    (r"answer odd .*x-hop", "what is for one hop is not passed on"),
    (r"answer cut ", "how much of a cut answer arrives is a matter of time"),
    (r"h2.test trailer field", "a request without trailers may name some"),
    (r"answer trailers .*'trailer', 'X-Last'", "names of fields are as the server wrote them"),
    (r"answer reset .*(500|Internal Server Error)", "the server is at fault"),
    (r"expect \| (seen fields: traefik \[\] weir \[\['Expect', '100-continue'\]\]|heads: .*content-length)", "whether a body is wanted is for the server to say"),
]


def told(line, fields, body, trailers=()):
    """What a server says of a request: one text."""
    shown = sorted((name.title(), value) for name, value in fields if name.lower() not in ("user-agent", "accept-encoding"))
    return json.dumps([line, shown, body.decode("latin-1")[:200], sorted((name.title(), value) for name, value in trailers)]).encode()


class Servers:
    def __init__(self):
        self.ports = {}
        for host, serve in (("h1.test", self.one), ("h2.test", self.two)):
            listener = socket.create_server(("127.0.0.1", 0))
            self.ports[host] = listener.getsockname()[1]
            threading.Thread(target=self.accept, args=(listener, serve), daemon=True).start()

    @staticmethod
    def accept(listener, serve):
        def guarded(peer):
            with contextlib.suppress(OSError, ValueError, h2.exceptions.ProtocolError), peer:
                serve(peer)

        while True:
            peer, _ = listener.accept()
            threading.Thread(target=guarded, args=(peer,), daemon=True).start()

    @staticmethod
    def head(reader):
        lines = []
        while (line := reader.readline()) not in (b"\r\n", b""):
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        return lines

    def one(self, peer):
        reader = peer.makefile("rb")
        while lines := self.head(reader):
            fields = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines[1:]]
            low, body, trailers = {name.lower(): value for name, value in fields}, b"", []
            if low.get("transfer-encoding") == "chunked":
                while size := int(reader.readline().split(b";")[0], 16):
                    body += reader.read(size)
                    reader.readline()
                trailers = [tuple(line.split(": ", 1)) for line in self.head(reader)]
            else:
                body = reader.read(int(low.get("content-length", "0")))
            answer = told(lines[0], fields, body, trailers)
            mode, more, end = low.get("x-answer", ""), b"", b""
            if low.get("upgrade") == "websocket":
                peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + answer)
                return
            if mode == "trailers":
                chunk = b"%x\r\n%s\r\n0\r\nX-Last: one\r\nGrpc-Status: 0\r\n\r\n" % (len(answer), answer)
                peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Last, Grpc-Status\r\nContent-Type: application/grpc\r\n\r\n" + chunk)
                continue
            if mode == "odd":
                more = b"Connection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nX-UPPER: Y\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
            if mode.startswith("crowd "):
                more = b"".join(b"X-Crowd-%d: %d\r\n" % (i, i) for i in range(int(mode[6:])))
            if mode == "early":
                more, end = b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
            if mode == "empty":
                peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                continue
            if mode == "cut":
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
                return
            peer.sendall(end + b"HTTP/1.1 200 OK\r\n" + more + b"Content-Type: text/x\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), b"" if lines[0].startswith("HEAD") else answer))
            if mode == "odd":
                return

    @staticmethod
    def two(peer):
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1", validate_inbound_headers=False))
        connection.initiate_connection()
        peer.sendall(connection.data_to_send())
        heads, bodies, lasts = {}, {}, {}
        while data := peer.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    heads[event.stream_id], bodies[event.stream_id] = event.headers, b""
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.TrailersReceived):
                    lasts[event.stream_id] = event.headers
                elif isinstance(event, h2.events.StreamEnded):
                    at = event.stream_id
                    fields = dict(heads[at])
                    answer = told("h2", heads[at], bodies[at], lasts.get(at, ()))
                    mode = fields.get("x-answer", "")
                    if mode == "only":
                        connection.send_headers(at, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-message", "no")], end_stream=True)
                        continue
                    if mode == "reset":
                        connection.reset_stream(at, 8)
                        continue
                    if mode == "empty":
                        connection.send_headers(at, [(":status", "204")], end_stream=True)
                        continue
                    crowd = [(f"x-crowd-{i}", str(i)) for i in range(int(mode[6:]))] if mode.startswith("crowd ") else []
                    connection.send_headers(at, [(":status", "200"), ("content-type", "text/x"), *crowd, *([("trailer", "x-last")] if mode == "trailers" else [])])
                    if mode == "cut":
                        connection.send_data(at, b"abc")
                        connection.reset_stream(at, 2)
                        continue
                    connection.send_data(at, b"" if fields[":method"] == "HEAD" else answer, end_stream=mode != "trailers")
                    if mode == "trailers":
                        connection.send_headers(at, [("x-last", "one"), ("grpc-status", "0")], end_stream=True)
            peer.sendall(connection.data_to_send())


def request(*fields, method="GET", scheme="http", host="h1.test", path="/p?q=1", body=None, trailers=None):
    """(fields, body, trailers); a pseudo field that is None is left out."""
    pseudo = [(":method", method), (":scheme", scheme), (":authority", host), (":path", path)]
    return [field for field in pseudo if field[1] is not None] + list(fields), body, trailers


def cases():
    for host in HOSTS:
        yield f"{host} plain", request(host=host)
        for name, fields in (("host too", [("host", host)]), ("another host", [("host", "other.test")]), ("host with port", [("host", host + ":80")]), ("hosts", [("host", host), ("host", host)]),
                             ("te", [("te", "trailers")]), ("te gzip", [("te", "gzip")]), ("te both", [("te", "trailers, gzip")]), ("te capital", [("te", "Trailers")]), ("connection", [("connection", "close")]), ("keep-alive", [("keep-alive", "5")]),
                             ("proxy-connection", [("proxy-connection", "x")]), ("transfer-encoding", [("transfer-encoding", "chunked")]), ("upgrade", [("upgrade", "websocket")]), ("cookies", [("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")]),
                             ("upper", [("X-Upper", "1")]), ("underscore", [("x_under", "1")]), ("blank value", [("x-blank", "")]), ("spaces", [("x-space", " a ")]), ("tab", [("x-tab", "a\tb")]), ("latin", [("x-latin", "\xe4")]),
                             ("nul", [("x-nul", "a\0b")]), ("crlf", [("x-crlf", "a\r\nx-b: c")]), ("lf", [("x-lf", "a\nb")]), ("del", [("x-del", "a\x7fb")]), ("odd name", [("x y", "1")]), ("colon name", [("x:y", "1")]), ("no name", [("", "1")]), ("twice", [("x-two", "1"), ("x-two", "2")]),
                             ("unknown pseudo", [(":x", "1")]), ("late pseudo", [("x-a", "1"), (":path", "/z")]), ("two paths", [(":path", "/z")]), ("status", [(":status", "200")]), ("protocol", [(":protocol", "websocket")]),
                             ("expect", [("expect", "100-continue")]), ("expect other", [("expect", "x")]), ("forwarded", [("x-forwarded-for", "1.2.3.4"), ("x-real-ip", "1.2.3.4"), ("forwarded", "for=1.2.3.4"), ("x-forwarded-proto", "https")]), ("via", [("via", "1.0 x")]),
                             ("length 0", [("content-length", "0")]), ("length 5 none", [("content-length", "5")]), ("length x", [("content-length", "x")]), ("lengths", [("content-length", "0"), ("content-length", "0")]), ("trailer field", [("trailer", "x-a")]), ("priority", [("priority", "u=1")]),
                             ("http2-settings", [("http2-settings", "x")]), ("range", [("range", "bytes=0-1")]), ("accept-encoding", [("accept-encoding", "gzip")]), ("long", [("x-long", "a" * 9000)]), ("very long", [("x-long", "a" * 70000)])):
            yield f"{host} {name}", request(*fields, host=host)
        for count in range(4, 72):  # what lists of fields grow by lies between them
            yield f"{host} {count} fields", request(*[(f"x-crowd-{i}", str(i)) for i in range(count)], ("x-answer", f"crowd {count}"), host=host)
        for path in ("/", "", "x", "*", "//x", "/a/../b", "/%2e%2e/x", "/a b", "/#f", "/?", "?x", "http://other.test/x", "/a%zz", "/\xe4", "/a;b=c?d;e", "/a\\b", "/%2F", "/a\0", None):
            yield f"{host} path {path!r}", request(host=host, path=path)
        for method in ("HEAD", "OPTIONS", "TRACE", "PATCH", "get", "", "G T", "CONNECT", "PRI", None):
            yield f"{host} method {method!r}", request(host=host, method=method)
        yield f"{host} options *", request(host=host, method="OPTIONS", path="*")
        yield f"{host} connect proper", request(host=host + ":443", method="CONNECT", scheme=None, path=None)
        yield f"{host} connect proper with body", request(host=host + ":443", method="CONNECT", scheme=None, path=None, body=b"hello")
        yield f"{host} connect with port", request(host=host + ":443", method="CONNECT")
        for protocol in ("websocket", "WebSocket", "connect-udp", ""):
            yield f"{host} extended {protocol!r}", request((":protocol", protocol), ("sec-websocket-version", "13"), host=host, method="CONNECT")
        for scheme in ("https", "ftp", "HTTP", "", None):
            yield f"{host} scheme {scheme!r}", request(host=host, scheme=scheme)
        for authority in (host.upper(), host + ":80", host + ":", host + ".", "u@" + host, "a b", "", None, "/", host + "/x", "[::1]", "other.test"):
            yield f"{host} authority {authority!r}", request(host=authority)
        yield f"{host} only host", request(("host", host), host=None)
        yield f"{host} empty authority and host", request(("host", host), host="")
        for name, body, fields in (("body", b"hello", []), ("body with length", b"hello", [("content-length", "5")]), ("longer", b"hello!", [("content-length", "5")]), ("shorter", b"hell", [("content-length", "5")]), ("empty body", b"", []), ("empty body with length", b"", [("content-length", "5")])):
            for method in ("POST", "GET", "HEAD"):
                yield f"{host} {method} {name}", request(*fields, host=host, method=method, body=body)
        for name, trailers in (("trailers", [("x-trail", "1")]), ("odd trailers", [("content-length", "5"), ("host", "x"), ("x-a", "1")]), ("pseudo in trailers", [(":path", "/x")]), ("upper in trailers", [("X-A", "1")])):
            yield f"{host} {name}", request(host=host, method="POST", body=b"hello", trailers=trailers)
            yield f"{host} announced {name}", request(("trailer", "x-trail, x-a"), host=host, method="POST", body=b"hello", trailers=trailers)
        for mode in ("trailers", "odd", "early", "empty", "cut", "only", "reset"):
            for grpc in ((), (("te", "trailers"), ("content-type", "application/grpc"))):
                yield f"{host} answer {mode} {'grpc' if grpc else ''}", request(("x-answer", mode), *grpc, host=host, method="POST" if grpc else "GET", body=b"\0\0\0\0\0" if grpc else None)
    for host in ("nobody.test", "dead.test", "empty.test", "slow.test", "denied.test"):
        for grpc in ((), (("te", "trailers"), ("content-type", "application/grpc"))):
            yield f"{host} {'grpc' if grpc else ''}", request(*grpc, host=host, method="POST" if grpc else "GET", body=b"\0\0\0\0\0" if grpc else None)


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 5)
        self.sock.settimeout(2)
        self.encoder, self.decoder, self.buffer = Encoder(), Decoder(), b""
        self.sock.sendall(PREFACE + SettingsFrame(0, settings={4: 1 << 20}).serialize() + WindowUpdateFrame(0, 1 << 20).serialize())

    def frame(self):
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            piece = self.sock.recv(65536)
            if not piece:
                raise EOFError
            self.buffer += piece
        frame, length = Frame.parse_frame_header(memoryview(self.buffer[:9]))
        frame.parse_body(memoryview(self.buffer[9:9 + length]))
        self.buffer = self.buffer[9 + length:]
        return frame

    def send(self, fields, body, trailers):
        block = b"".join(self.encoder.encode([field], huffman=False) for field in [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields])
        pieces = [block[i:i + 16000] for i in range(0, len(block), 16000)]
        first = HeadersFrame(1, pieces[0])
        first.flags.add("END_STREAM") if body is None and trailers is None else None
        first.flags.add("END_HEADERS") if len(pieces) == 1 else None
        data = first.serialize()
        for i, piece in enumerate(pieces[1:], 2):
            data += len(piece).to_bytes(3, "big") + bytes([9, 4 if i == len(pieces) else 0]) + (1).to_bytes(4, "big") + piece
        if body is not None:
            data += DataFrame(1, body, flags=[] if trailers else ["END_STREAM"]).serialize()
        if trailers:
            data += HeadersFrame(1, self.encoder.encode(trailers), flags=["END_STREAM", "END_HEADERS"]).serialize()
        self.sock.sendall(data)

    def answer(self):
        heads, body, ended = [], b"", None
        try:
            while ended is None:
                frame = self.frame()
                if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                    self.sock.sendall(SettingsFrame(0, flags=["ACK"]).serialize())
                elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
                    self.sock.sendall(PingFrame(0, frame.opaque_data, flags=["ACK"]).serialize())
                elif isinstance(frame, GoAwayFrame):
                    ended = f"goaway {frame.error_code}"
                elif isinstance(frame, RstStreamFrame):
                    ended = f"reset {frame.error_code}"
                elif isinstance(frame, HeadersFrame):
                    heads.append(sorted((name, value) for name, value in self.decoder.decode(frame.data) if name not in ("date",)))
                elif isinstance(frame, DataFrame):
                    body += frame.data
                if ended is None and "END_STREAM" in frame.flags:
                    ended = "whole"
        except TimeoutError:
            ended = "silent"
        except (EOFError, ConnectionError):
            ended = "closed"
        return ended, heads, body.decode("latin-1")


def ask(port, fields, body, trailers):
    with contextlib.suppress(ConnectionError):
        client = Client(port)
        with client.sock:
            client.send(fields, body, trailers)
            ended, heads, text = client.answer()
            seen = None
            with contextlib.suppress(ValueError):
                seen, text = json.loads(text), "(what the server saw)"
            return {"ended": ended, "heads": heads, "body": text, "seen": seen}
    return {"ended": "reset connection"}


def configuration(ports):
    address = {"h1.test": f"http://127.0.0.1:{ports['h1.test']}", "h2.test": f"h2c://127.0.0.1:{ports['h2.test']}", "dead.test": "http://127.0.0.1:1", "slow.test": f"http://127.0.0.1:{ports['slow']}"}
    name = lambda host: host.replace(".", "-")
    routers = {name(host): {"rule": f"Host(`{host}`)", "service": name(host), "entryPoints": ["web"]} for host in [*address, "empty.test"]}
    routers["denied"] = {"rule": "Host(`denied.test`)", "service": "h1-test", "entryPoints": ["web"], "middlewares": ["deny"]}
    routers["ready"] = {"rule": "Path(`/ready-here`)", "service": "h1-test", "entryPoints": ["ready"]}
    services = {name(host): {"loadBalancer": {"servers": [{"url": url}], **({"serversTransport": "short"} if host == "slow.test" else {})}} for host, url in address.items()}
    services["empty-test"] = {"loadBalancer": {"servers": []}}
    return {"http": {"routers": routers, "services": services, "middlewares": {"deny": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}}}, "serversTransports": {"short": {"forwardingTimeouts": {"responseHeaderTimeout": "300ms"}}}}}


def without_ports(answer, port):
    return json.loads(re.sub(rf"\b{port}\b", "PORT", json.dumps(answer)))


def differences(traefik, weir):
    for key in ("ended", "heads", "body"):
        if traefik.get(key) != weir.get(key):
            yield f"{key}: traefik {traefik.get(key)!r} weir {weir.get(key)!r}"
    one, two = traefik.get("seen"), weir.get("seen")
    if one != two and one and two:
        for place, what in enumerate(("line", "fields", "body", "trailers")):
            if one[place] != two[place]:
                gone = one[place] if place in (0, 2) else [item for item in one[place] if item not in two[place]]
                come = two[place] if place in (0, 2) else [item for item in two[place] if item not in one[place]]
                yield f"seen {what}: traefik {gone!r} weir {come!r}"


def main():
    args = arguments(sets=False)
    asked, different, accepted = 0, 0, 0
    slow = socket.create_server(("127.0.0.1", 0))
    servers = Servers()
    servers.ports["slow"] = slow.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="weir-compare-h2-") as temporary:
        directory = pathlib.Path(temporary)
        (directory / "dynamic.yaml").write_text(json.dumps(configuration(servers.ports)))
        with both(args, directory, directory / "dynamic.yaml") as ports:
            for title, question in cases():
                answers = [without_ports(ask(port, *question), port) for port in ports]
                lines = list(differences(*answers))
                asked += 1
                if not lines:
                    continue
                reasons = [next((why for pattern, why in ACCEPTED if re.search(pattern, f"{title} | {line}")), None) for line in lines]
                if all(reasons):
                    accepted += 1
                else:
                    different += 1
                if args.verbose or not all(reasons):
                    print(f"-- {title}")
                    for line, reason in zip(lines, reasons):
                        print(f"   {line}" + (f" (accepted: {reason})" if reason else ""))
    print(f"{asked} requests, {different} different, {accepted} different on purpose")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
