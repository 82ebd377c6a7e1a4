"""compare_proxy.py - the same headers of the PROXY protocol to Traefik and to weir; prints every difference.

Good and odd headers of both versions go to entry points that trust the sender, do not, or trust everybody, before HTTP, TLS and TCP,
whole and in pieces. Compared are what becomes of the connection, and whom rules, access lists, X-Forwarded-For and the servers of TCP
(which are told by headers of both versions) take for the client. Not here: which router a connection gets otherwise (compare_tcp.py).

usage: compare_proxy.py --traefik PATH --weir PATH [--verbose]
"""
import contextlib
import json
import pathlib
import re
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from paired import Totals, arguments, both  # noqa: E402
from tlskit import Maker, context  # noqa: E402

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FOUR, SIX = ("192.0.2.7", "198.51.100.1"), ("2001:db8::7", "2001:db8::1")
HTTP_POINTS = ("trusted", "untrusted", "insecure", "all")
TRUST = {"trusted": ["trustedIPs=127.0.0.1,::1"], "untrusted": ["trustedIPs=10.0.0.0/8"], "insecure": ["insecure=true"], "all": ["trustedIPs=127.0.0.1"]}
LENIENT = ("1 zeros", "1 port plus", "1 words", "1 space at end", "1 zone", "1 long")
ENDED = ("ended",)
ACCEPTED = [
    (lambda question, traefik, weir: question[1] in LENIENT and weir == ENDED, "numbers and words are written in one way only"),
    (lambda question, traefik, weir: question[1][0] == "1" and question[2] and traefik == ENDED, "the rest of a header is waited for"),
    (lambda question, traefik, weir: question[1] in ("1 cr", "2 signature only") and (traefik, weir) == (ENDED, ("silent", "")), "the rest of a header is waited for"),
    (lambda question, traefik, weir: question[1].startswith("2 unix") and traefik == ENDED, "a UNIX socket names nobody"),
    (lambda question, traefik, weir: question[1] in ("2 protocol 3", "2 stream without family") and weir == ENDED, "a family or a protocol that there is none of is malformed"),
    (lambda question, traefik, weir: question[1] == "1 mixed" and traefik == ENDED, "addresses of two families are told as IPv6"),
    (lambda question, traefik, weir: question[1].startswith("2 udp") and weir[-1] == re.sub(r"(\d)2 (12|36)", r"\g<1>1 \2", traefik[-1]) or traefik == ('["PROXY UNKNOWN", "end"]',), "servers are told of the connection, which is one of TCP"),
]


def line(source="192.0.2.7", destination="198.51.100.1", family="TCP4", ports="4660 443"):
    return f"PROXY {family} {source} {destination} {ports}\r\n".encode()


def addresses(source, destination):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    return b"".join(socket.inet_pton(family, address) for address in (source, destination)) + struct.pack("!HH", 4660, 443)


def binary(body=None, command=0x21, family=None, length=None):
    body = addresses(*FOUR) if body is None else body
    return SIGNATURE + struct.pack("!BBH", command, (0x21 if len(body) >= 36 else 0x11) if family is None else family, len(body) if length is None else length) + body


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


UNIX = b"/run/a".ljust(108, b"\0") * 2
GOOD = {
    "none": b"", "1": line(), "1 six": line(*SIX, "TCP6"), "1 mapped": line("::ffff:192.0.2.7", "::ffff:198.51.100.1", "TCP6"), "1 unknown": b"PROXY UNKNOWN\r\n", "2": binary(), "2 six": binary(addresses(*SIX)),
    "2 mapped": binary(addresses("::ffff:192.0.2.7", "::ffff:198.51.100.1")), "2 local": binary(b"", 0x20, 0), "2 tlvs": binary(addresses(*FOUR) + tlv(1, b"h2") + tlv(4, b"\0" * 300)),
    "1 another": line("203.0.113.9"), "2 another": binary(addresses("203.0.113.9", "198.51.100.1")),
}
ODD = {
    "1 unknown words": b"PROXY UNKNOWN what ever it says\r\n", "1 unknown addresses": line(family="UNKNOWN"), "1 unknown no space": b"PROXY UNKNOWNX\r\n", "1 lower": line().lower(), "1 lf": line().replace(b"\r", b""), "1 cr": line().replace(b"\n", b""),
    "1 six as four": line(*SIX, "TCP4"), "1 four as six": line(family="TCP6"), "1 mixed": line("192.0.2.7", "2001:db8::1", "TCP6"), "1 zeros": line(ports="04660 00443"), "1 octets": line("192.000.002.007"), "1 port 0": line(ports="0 0"), "1 port 65536": line(ports="65536 443"),
    "1 port negative": line(ports="-1 443"), "1 port plus": line(ports="+1 443"), "1 port word": line(ports="x 443"), "1 words": line(ports="4660 443 more"), "1 few": b"PROXY TCP4 192.0.2.7 198.51.100.1 4660\r\n", "1 fewer": b"PROXY TCP4\r\n", "1 bare": b"PROXY\r\n",
    "1 space only": b"PROXY \r\n", "1 spaces": line().replace(b" ", b"  "), "1 space at end": line(ports="4660 443 "), "1 tab": line().replace(b" ", b"\t"), "1 udp": line(family="UDP4"), "1 zone": line("fe80::1%lo", "fe80::2", "TCP6"), "1 name": line("a.test"), "1 long": line(ports="4660 443" + " " * 60),
    "1 longer": b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", "1 too long": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", "1 much too long": b"PROXY UNKNOWN " + b"x" * 5000 + b"\r\n", "1 endless": b"PROXY " + b"x" * 300, "1 other word": b"PROXYTCP4 1.2.3.4 5.6.7.8 1 2\r\n", "1 twice": line() + line("203.0.113.9"),
    "1 then 2": line() + binary(addresses("203.0.113.9", "198.51.100.1")), "1 zero address": line("0.0.0.0", "0.0.0.0"), "1 same as http": b"PROPFIND / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", "1 nul": line("192.0.2.7\0"),
    "2 local addresses": binary(command=0x20), "2 local unspecified": binary(b"xxxx", 0x20, 0), "2 unspecified": SIGNATURE + b"\x21\x00\x00\x00", "2 unspecified bytes": SIGNATURE + b"\x21\x00\x00\x04xxxx", "2 local 0 0": SIGNATURE + b"\x20\x00\x00\x00", "2 udp": binary(family=0x12),
    "2 udp six": binary(addresses(*SIX), family=0x22), "2 unix": binary(UNIX, family=0x31), "2 unix datagram": binary(UNIX, family=0x32), "2 family 4": binary(family=0x41), "2 protocol 3": binary(family=0x13), "2 stream without family": binary(family=0x01), "2 version 1": binary(command=0x11),
    "2 version 3": binary(command=0x31), "2 command 2": binary(command=0x22), "2 short": binary(b"\0" * 4, family=0x11), "2 short six": binary(addresses(*FOUR), family=0x21), "2 empty": binary(b"", family=0x11), "2 tlv cut": binary(addresses(*FOUR) + b"\x04\x01\x00xx"), "2 tlv stub": binary(addresses(*FOUR) + b"\x04"),
    "2 crc wrong": binary(addresses(*FOUR) + tlv(3, b"abcd")), "2 many": binary(addresses(*FOUR) + tlv(4, b"\0" * 2000)), "2 4096": binary(addresses(*FOUR) + tlv(4, b"\0" * (4096 - 15))), "2 huge": binary(addresses(*FOUR) + tlv(4, b"\0" * 60000)), "2 twice": binary() + binary(addresses("203.0.113.9", "198.51.100.1")),
    "2 then 1": binary() + line("203.0.113.9"), "2 zero address": binary(addresses("0.0.0.0", "0.0.0.0")), "2 signature only": SIGNATURE, "2 signature odd": SIGNATURE[:-1] + b"X" + b"\x21\x11\x00\x0c" + addresses(*FOUR), "2 multicast": binary(addresses("224.0.0.1", "198.51.100.1")),
}


def heads(bytes_):
    """What the bytes begin with: a header as words, and the rest."""
    if bytes_.startswith(SIGNATURE):
        command, family, length = struct.unpack("!BBH", bytes_[12:16])
        body, width = bytes_[16:16 + length], {1: 4, 2: 16}.get(family >> 4, 0)
        who = [socket.inet_ntop(socket.AF_INET if width == 4 else socket.AF_INET6, body[at:at + width]) for at in (0, width)] if width else []
        return f"{command:02x} {family:02x} {length} {who} {list(struct.unpack('!HH', body[2 * width:2 * width + 4])) if width else ''}", bytes_[16 + length:]
    first, _, rest = bytes_.partition(b"\r\n")
    return (first.decode("latin-1"), rest) if bytes_.startswith(b"PROXY") else ("", bytes_)


class Servers:
    """"http" answers with the fields that tell of the client, "tcp" with what it heard before and up to `end`."""

    def __init__(self):
        self.ports = {}
        for name, host, serve in (("http", "127.0.0.1", self.http), ("tcp", "127.0.0.1", self.tcp), ("tcp6", "::1", self.tcp)):
            listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
            self.ports[name] = listener.getsockname()[1]
            threading.Thread(target=self.accept, args=(listener, serve), daemon=True).start()

    @staticmethod
    def accept(listener, serve):
        def guarded(peer):
            with contextlib.suppress(OSError), peer:
                peer.settimeout(10)
                serve(peer)

        while True:
            threading.Thread(target=guarded, args=(listener.accept()[0],), daemon=True).start()

    @staticmethod
    def http(peer):
        reader = peer.makefile("rb")
        while True:
            fields = []
            while (read := reader.readline()) not in (b"\r\n", b""):
                fields.append(read.strip())
            if not fields:
                return
            body = b"\n".join(sorted(field for field in fields if field.startswith((b"X-Forwarded-For", b"X-Forwarded-Port", b"X-Forwarded-Proto", b"X-Real-Ip", b"X-Mark", b"PROP"))))
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    @staticmethod
    def tcp(peer):
        heard = b""
        while not heard.endswith(b"end") and (piece := peer.recv(65536)):
            heard += piece
        peer.sendall(json.dumps([*heads(heard)[:1], heads(heard)[1].decode("latin-1")]).encode())


def configuration(ports, pairs):
    """`/rule` and `/listed` ask who the client is; tcpV.test ends TLS in front of servers that are told by version V."""
    http = lambda rule, **more: {"rule": rule, "service": "http", "entryPoints": [*HTTP_POINTS], **more}
    routers = {"all": http("PathPrefix(`/`)", priority=1), "rule": http("Path(`/rule`) && ClientIP(`192.0.2.0/24`, `2001:db8::/32`)", middlewares=["mark"]), "listed": http("Path(`/listed`)", middlewares=["list"])}
    routers |= {f"{name}-tls": {**router, "tls": {}} for name, router in routers.items()}
    routers["ready"] = {"rule": "Path(`/ready-here`)", "service": "http", "entryPoints": ["ready"]}
    tcp = {f"v{version}{six}": {"rule": f"HostSNI(`tcp{version}{six}.test`)", "service": f"v{version}{six}", "entryPoints": [*HTTP_POINTS], "tls": {}} for version in "012" for six in ("", "6")}
    tcp |= {"own": {"rule": "HostSNI(`listed.test`) && ClientIP(`192.0.2.0/24`)", "service": "v1", "entryPoints": [*HTTP_POINTS], "tls": {}}, "deny": {"rule": "HostSNI(`deny.test`)", "service": "v1", "middlewares": ["list"], "entryPoints": [*HTTP_POINTS], "tls": {}}}
    tcp |= {f"raw{version}": {"rule": "HostSNI(`*`)", "service": f"v{version}", "entryPoints": [f"raw{version}"]} for version in "012"}
    tcp |= {f"six{version}": {"rule": "HostSNI(`*`)", "service": f"v{version}6", "entryPoints": [f"six{version}"]} for version in "12"}
    services = {f"v{version}{six}": {"loadBalancer": {"servers": [{"address": f"{'[::1]' if six else '127.0.0.1'}:{ports['tcp' + six]}"}], **({"serversTransport": f"t{version}"} if version != "0" else {})}} for version in "012" for six in ("", "6")}
    listed = {"sourceRange": ["192.0.2.0/24", "2001:db8::/32"]}
    return {"http": {"routers": routers, "services": {"http": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{ports['http']}"}]}}}, "middlewares": {"mark": {"headers": {"customRequestHeaders": {"X-Mark": "1"}}}, "list": {"ipAllowList": listed}}},
            "tcp": {"routers": tcp, "services": services, "middlewares": {"list": {"ipAllowList": listed}}, "serversTransports": {f"t{version}": {"proxyProtocol": {"version": int(version)}} for version in "12"}},
            "tls": {"certificates": [{"certFile": str(pair.crt), "keyFile": str(pair.key)} for pair in pairs]}}


def points():
    """Entry points and their options; those of TCP alone get their connections at once."""
    made = {name: [f"proxyProtocol.{option}" for option in options] + ["forwardedHeaders.trustedIPs=203.0.113.0/24"] for name, options in TRUST.items()}
    made |= {f"raw{version}": ["proxyProtocol.trustedIPs=127.0.0.1"] for version in "012"}
    return made | {f"six{version}": ["proxyProtocol.trustedIPs=::1,127.0.0.1"] for version in "12"}


class Talk:
    """A connection that sends a header (in pieces of `cut` bytes, or in one segment with what follows), then plain bytes or TLS."""

    def __init__(self, host, port, header, cut, sni):
        self.sock, self.held, self.tls = socket.create_connection((host, port), 5), header, None
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(1.5)
        if cut:
            for at in range(0, len(header), cut):
                self.sock.sendall(header[at:at + cut])
                time.sleep(0.005)
            self.held = b""
        if sni is not None:
            self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = context().wrap_bio(self.incoming, self.outgoing, server_hostname=sni or None)
            self.until(self.tls.do_handshake)

    def write(self, data):
        self.sock.sendall(self.held + data)
        self.held = b""

    def until(self, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.write(self.outgoing.read())
                if not (piece := self.sock.recv(65536)):
                    raise ssl.SSLError("ended") from None
                self.incoming.write(piece)

    def send(self, data):
        if self.tls:
            self.tls.write(data)
            data = self.outgoing.read()
        self.write(data)

    def receive(self):
        if self.tls:
            with contextlib.suppress(ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return self.until(lambda: self.tls.read(65536))
            return b""
        return self.sock.recv(65536)


def ask(ports, point, title, cut, sni, words):
    """What comes of it: certificate, status and what the server said, or how the connection ends."""
    host, port = "::1" if point.startswith("six") else "127.0.0.1", ports[point]
    heard, shown = b"", ()
    try:
        talk = Talk(host, port, {**GOOD, **ODD}[title], cut, sni)
        with talk.sock:
            if sni is not None:
                named = re.findall(rb"\x06\x03U\x04\x03[\x0c\x13].([ -~]+?)0", talk.tls.getpeercert(True))[-1].decode()
                shown = ("the default one" if "default" in named.lower() else named,)
            talk.send(words)
            while piece := talk.receive():
                heard += piece
                length = re.search(rb"(?s)Content-Length: (\d+).*?\r\n\r\n", heard, re.I)
                if length and len(heard) >= length.end() + int(length[1]):
                    break
            own = talk.sock.getsockname()[1]
    except TimeoutError:
        return (*shown, "silent", heard.decode("latin-1"))
    except OSError:
        return (*shown, "ended")
    text = re.sub(rf"\b{own}\b", "OWN", re.sub(rf"\b{port}\b", "PORT", heard.decode("latin-1")))
    if text.startswith("HTTP/1."):
        return (*shown, text.split()[1], text.partition("\r\n\r\n")[2])
    return (*shown, text or "ended")


def questions():
    """(point, title of the header, cut, sni, words)"""
    request = lambda path, more="": f"GET {path} HTTP/1.1\r\nHost: a.test\r\n{more}\r\n".encode()
    for point in HTTP_POINTS:
        odd = ODD if point != "all" else ()
        for title in [*GOOD, *odd]:
            yield point, title, 0, None, request("/")
        for title in GOOD:
            yield point, title, 7, None, request("/")
            for path in ("/rule", "/listed"):
                yield point, title, 1000, None, request(path)
            yield point, title, 0, None, request("/", "X-Forwarded-For: 8.8.8.8\r\nX-Real-Ip: 8.8.8.8\r\n")
            for cut in (0, 5):
                yield point, title, cut, "a.test", request("/")
            yield point, title, 0, "", request("/listed")  # the certificate is that of the address
            for sni in ("tcp0.test", "tcp1.test", "tcp2.test", "tcp16.test", "tcp26.test", "listed.test", "deny.test"):
                yield point, title, 0, sni, b"end"
        for title in odd:
            yield point, title, 0, "tcp2.test", b"end"
    for version in "012":
        for title in [*GOOD, *ODD]:
            yield f"raw{version}", title, 0, None, b"end"
    for version in "12":
        for title in GOOD:
            yield f"six{version}", title, 0, None, b"end"


def main():
    args = arguments(sets=False)
    totals, servers = Totals(args.verbose), Servers()
    with tempfile.TemporaryDirectory(prefix="weir-compare-proxy-") as temporary:
        directory = pathlib.Path(temporary)
        maker = Maker(directory)
        pairs = [maker.own("named", ["DNS:a.test"]), maker.own("address", ["IP:198.51.100.1"]), maker.own("tcp", ["DNS:*.test"])]
        (directory / "dynamic.yaml").write_text(json.dumps(configuration(servers.ports, pairs)))
        with both(args, directory, directory / "dynamic.yaml", points()) as ports:
            totals.ask_all(0, ports, questions(), ask, ACCEPTED)
    print(f"{totals.asked} connections, {totals.different} different, {totals.accepted} different on purpose")
    return 1 if totals.different else 0


if __name__ == "__main__":
    sys.exit(main())
