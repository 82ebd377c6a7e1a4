"""HTTP by hand: clients and servers that may say anything, byte by byte. For tests of the data path."""
import contextlib
import pathlib
import socket
import struct
import threading
import weakref

from ports import listen

SECONDS = 20
FEW = 1 << 20  # what the kernel is to keep at an end that is pinned; it doubles that

_clients = weakref.WeakSet()


class Peer:
    """One end of a connection, with a buffer for reading."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(SECONDS)
        self.buffer = b""

    def send(self, data):
        self.sock.sendall(data)

    def send_slowly(self, data):
        """Every byte a segment of its own."""
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])

    def _more(self):
        piece = self.sock.recv(65536)
        self.buffer += piece
        return bool(piece)

    def until(self, end):
        while end not in self.buffer:
            if not self._more():
                raise EOFError(f"ended before {end!r}: {self.buffer[:300]!r}")
        at = self.buffer.index(end) + len(end)
        piece, self.buffer = self.buffer[:at], self.buffer[at:]
        return piece

    def exactly(self, count):
        while len(self.buffer) < count:
            if not self._more():
                raise EOFError(f"ended {count - len(self.buffer)} bytes early")
        piece, self.buffer = self.buffer[:count], self.buffer[count:]
        return piece

    def rest(self):
        """All that comes until the end; a reset is an end too."""
        with contextlib.suppress(ConnectionError):
            while self._more():
                pass
        piece, self.buffer = self.buffer, b""
        return piece

    def at_end(self, seconds=SECONDS):
        """True once the peer has closed, without any further byte."""
        self.sock.settimeout(seconds)
        try:
            return not self.buffer and self.sock.recv(1) == b""
        except ConnectionError:
            return True
        except socket.timeout:
            return False
        finally:
            with contextlib.suppress(OSError):
                self.sock.settimeout(SECONDS)

    def silent(self, seconds):
        """True if nothing comes for that long and the connection stays open."""
        self.sock.settimeout(seconds)
        try:
            return not self.buffer and self.sock.recv(1, socket.MSG_PEEK) and False
        except socket.timeout:
            return True
        except ConnectionError:
            return False
        finally:
            self.sock.settimeout(SECONDS)

    def end(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def reset(self):
        """Also while another thread waits for bytes of it, without which the end would wait for that thread."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RD)
        self.sock.close()

    # ---- messages ----
    def head(self):
        return Head(self.until(b"\r\n\r\n"))

    def chunks(self):
        """A chunked body: (payload, trailers)."""
        body = b""
        while True:
            size = int(self.until(b"\r\n").strip(), 16)
            if size == 0:
                break
            body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        trailers = b""
        while True:
            line = self.until(b"\r\n")
            if line == b"\r\n":
                return body, trailers
            trailers += line

    def body(self, head, method=None, response=False):
        if response and (method == "HEAD" or head.status in (204, 304) or head.status < 200):
            return b""
        if head.get("transfer-encoding") == "chunked":
            payload, head.trailers = self.chunks()
            return payload
        length = head.get("content-length")
        if length is not None:
            return self.exactly(int(length))
        return self.rest() if response else b""

    def request(self):
        """The next request, as a server reads it."""
        head = self.head()
        head.body = self.body(head)
        return head

    def response(self, method=None, interim=False):
        """The next final response, as a client reads it; interim ones are collected."""
        passed = []
        while True:
            head = self.head()
            if head.status >= 200 or head.status == 101 or interim:
                break
            passed.append(head)
        head.interim = passed
        head.body = b"" if head.status == 101 else self.body(head, method, response=True)
        return head


class Head:
    def __init__(self, raw):
        self.raw = raw
        lines = raw.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]
        self.status = int(self.line.split()[1]) if self.line.startswith("HTTP/") else 0
        self.body, self.trailers, self.interim = b"", b"", []

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name, default=None):
        found = self.all(name)
        return found[0] if found else default


def connect(port):
    client = Peer(socket.create_connection(("127.0.0.1", port), SECONDS))
    _clients.add(client)
    return client


def close_clients():
    """Those that a test has forgotten, at its end; at once, also with requests that are under way."""
    for client in list(_clients):
        with contextlib.suppress(OSError):  # closed already
            client.reset()


def kernel_takes():
    """Bytes that its buffers grow to of what passes weir: at the two inner ends, which are weir's, and at the outer ones, pinned
    to FEW."""
    return 4 * FEW + sum(int(pathlib.Path(f"/proc/sys/net/ipv4/tcp_{which}mem").read_text().split()[2]) for which in "rw")


def status_of(port):
    """What a client gets on a connection of its own; 0: nothing."""
    client = connect(port)
    try:
        client.send(get())
        return client.response().status
    except (EOFError, ConnectionError):
        return 0
    finally:
        client.close()


def get(path="/", *fields, method="GET", host="a.test", version="1.1"):
    lines = [f"{method} {path} HTTP/{version}"] + ([f"Host: {host}"] if host else []) + list(fields)
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def ok(body=b"ok", *fields, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def post(body, *fields, path="/x", method="POST"):
    return get(path, f"Content-Length: {len(body)}", *fields, method=method) + body


def answer_each(make):
    """A handler: every request is kept and gets what make(request) gives, for as long as they come."""
    def handler(peer, server):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                request = peer.request()
                server.requests.append(request)
                peer.send(make(request))
    return handler


def answer_all(body=b"ok", *fields, status="200 OK"):
    """The same answer to every request."""
    return answer_each(lambda _: ok(body, *fields, status=status))


def answer_when(event, data):
    """Notes the request and answers it once that has happened, unless the client has gone by then."""
    def handler(peer, server):
        server.requests.append(peer.request())
        event.wait()
        with contextlib.suppress(ConnectionError):
            peer.send(data)
            peer.rest()
    return handler


def answer_for_ever(gone):
    """An answer without an end, until the client goes: then that has happened."""
    def handler(peer, _):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                peer.send(b"10000\r\n" + bytes(65536) + b"\r\n")
        except OSError:
            gone.set()
    return handler


def answer_in_turn(make, *statuses):
    """make(status) of one status after the other, of the last one for good."""
    left = list(statuses)
    return answer_each(lambda _: make(left.pop(0) if len(left) > 1 else left[0]))


class Server:
    """A server whose every connection is handled by handler(peer, server) in a thread of its own."""

    def __init__(self, handler=None, backlog=64):
        self.handler = handler or answer_all()
        self.listener = listen(backlog)
        self.port = self.listener.getsockname()[1]
        self.requests, self.peers, self.errors = [], [], []
        self.closing = False
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            peer = Peer(sock)
            self.peers.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            self.handler(peer, self)
        except Exception as error:  # shown by the test that looks
            if not self.closing:
                self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                peer.close()

    def close(self):
        self.closing = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)
