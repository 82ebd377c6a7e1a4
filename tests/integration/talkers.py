"""Clients of each protocol on threads of their own, made of the kits: TCP, TLS, HTTP/2, gRPC.

Talkers(ledger).add(kind, talk, count)  so many threads that run talk(link) again and again until stop(): one connection each time.
A talk dials by its link (so that the ledger knows whose connection broke), checks all that comes back, and says link.did() for
each thing that went well; it goes on for as long as link.going(), then ends its connection in order.
"""
import collections
import contextlib
import os
import queue
import socket
import threading
import time

import grpc

from grpckit import call, channel
from h2kit import Http2, Web, message
from ledger import Connection
from load import SECONDS, data
from rawhttp import Peer
from tcpkit import connect
from tlskit import context, hello
from waiting import wait_until

SIZES = (1, 1000, 60000)  # of what a session says
FRAME, ECHO = bytes([0x81, 0x85, 0, 0, 0, 0]) + b"hello", b"\x81\x05hello"  # of a WebSocket
LARGE = 200_000  # more than the first window of a stream


class Wrong(Exception):
    """What came back is not what must."""


def right(is_, what):
    if not is_:
        raise Wrong(what)


class Link:
    """What a talk has in its hands during one connection."""

    def __init__(self, talkers, kind):
        self._talkers, self._kind, self.connection, self._sock = talkers, kind, None, None

    def dial(self, port):
        """A connection in plain, as a Peer."""
        opened = time.monotonic()
        peer = connect(port)
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else small pieces wait for the other side's late ACKs
        self._sock = peer.sock
        self.connection = Connection(None, None, peer.sock.getsockname()[1], opened, self._kind)
        return peer

    def hello(self, port, name, made, session=None):
        """One behind a handshake."""
        peer = hello(port, name, made, session, plain=self.dial(port).sock)
        self._sock = peer.sock
        return peer

    def going(self):
        return not self._talkers.stopping.wait(self._talkers.pause)

    def did(self):
        self._talkers.done[self._kind] += 1

    def close(self):
        if self._sock:
            with contextlib.suppress(OSError):
                self._sock.close()


class Talkers:
    def __init__(self, ledger, pause=0.02):
        self.ledger, self.pause, self.done, self.stopping = ledger, pause, collections.Counter(), threading.Event()
        self._threads = []

    def add(self, kind, make, count=1):
        """make(): a talk of its own for each thread."""
        for _ in range(count):
            self._threads.append(threading.Thread(target=self._run, args=(kind, make()), daemon=True))
            self._threads[-1].start()
        wait_until(f"{kind} goes", lambda: self.done[kind] >= count or self.ledger.problems)

    def _run(self, kind, talk):
        while not self.stopping.is_set():
            link = Link(self, kind)
            try:
                talk(link)
            except (Wrong, EOFError, TimeoutError, OSError, grpc.RpcError) as error:
                self.ledger.problem(self._sort(link, error), f"{kind}: {error!r}"[:500], link.connection)
                self.stopping.wait(self.pause)
            except Exception as error:  # not foreseen: also what the kit makes of bytes that are none of its protocol
                self.ledger.problem("bytes", f"{kind}: {error!r}"[:500], link.connection)
                self.stopping.wait(self.pause)
            finally:
                link.close()

    @staticmethod
    def _sort(link, error):
        kinds = ((Wrong, "bytes"), (EOFError, "short"), (TimeoutError, "late"), (grpc.RpcError, "grpc"))
        kind = next((kind for sort, kind in kinds if isinstance(error, sort)), "reset")
        return "connect" if kind == "reset" and not link.connection else kind

    def stop(self):
        self.stopping.set()
        for thread in self._threads:
            thread.join(SECONDS + 5)
        assert not any(thread.is_alive() for thread in self._threads)


# ---- sessions of TCP, whose server says its name first ----
def _session(dial, name, rounds):
    def talk(link):
        peer, number = dial(link), 0
        right(peer.until(b"\n") == name, "another server")
        while link.going() and number != rounds:
            piece = os.urandom(SIZES[number % len(SIZES)])
            peer.send(piece)
            right(peer.exactly(len(piece)) == piece, "the echo")
            number += 1
            link.did()
        if type(peer) is Peer:  # TLS knows no half of a connection
            peer.end()
            right(peer.rest() == b"", "the end of the session")
    return lambda: talk


def tcp_sessions(port, name, rounds=None):
    """For ever, or for so many rounds and then another one."""
    return _session(lambda link: link.dial(port), name, rounds)


def tls_sessions(port, host, name, rounds=None):
    made = context(version="TLSv1_3")
    return _session(lambda link: link.hello(port, host, made), name, rounds)


# ---- TLS ----
def resumptions(port, host):
    """Each connection takes up the session of the one before."""
    def make():
        made, session = context(version="TLSv1_3"), None

        def talk(link):
            nonlocal session
            peer = link.hello(port, host, made, session)
            right(peer.reused or session is None, "the session was not resumed")
            status, body = peer.get(host, "/data?size=100")
            right(status == 200 and body.encode() == data(100), f"status {status}")
            session = peer.sock.session
            link.did()
            link.going()
        return talk
    return make


# ---- HTTP/2 ----
def plain(port):
    return lambda link: link.dial(port)


def over_tls(port, host):
    made = context(version="TLSv1_3", alpn=["h2"])
    return lambda link: link.hello(port, host, made)


def h2_requests(dial, host, streams=16):
    """So many at once on one connection, until its server asks for another one."""
    def talk(link):
        web = Http2(dial(link))
        while link.going() and not web.goaways:
            sizes = [LARGE] + [2000] * (streams - 1)
            asked = [web.request(f"/data?size={size}", host=host) for size in sizes]
            for stream, size in zip(asked, sizes):
                got = web.answer(stream)
                right(got.reset is None and got.status == 200 and got.body == data(size),
                      f"stream {stream}: reset {got.reset}, {got.heads}, {len(got.body)} bytes, {web.goaways}")
                del web.streams[stream]
            link.did()
    return lambda: talk


def h2_streams(dial, host, grpc_host, count=4):
    """WebSockets and gRPC calls that stay open on one connection, requests beside them."""
    def talk(link):
        web = Web(dial(link))
        chats = [web.opened("/echo", host=host)[0] for _ in range(count)]
        calls = [web.call("/echo.Echo/Both", grpc_host) for _ in range(count)]
        while link.going():
            said = [(stream, FRAME, ECHO) for stream in chats] + [(stream, message(b"both"), message(b"both")) for stream in calls]
            for stream, there, back in said:
                got, web.streams[stream].body = web.says(stream, there, back), b""
                right(got == back, f"stream {stream}: {web.streams[stream].__dict__} {got!r} {web.goaways}")
            if not web.goaways:
                got = web.get("/data?size=500", host=host)
                right(got.reset is None and got.status == 200 and got.body == data(500), f"beside them: {got.__dict__}")
                del web.streams[web.next - 2]
            link.did()
        for stream in calls:
            web.data(stream, end=True)
            got = web.answer(stream)
            right(dict(got.heads[-1]).get("grpc-status") == "0", f"the end of a call: {got.heads}")
    return lambda: talk


# ---- gRPC, by its own library ----
def grpc_streams(port, credentials=None, options=()):
    """One stream for ever, and calls beside it. Which connections a channel has nobody knows: nothing of it is excused."""
    options = (("grpc.use_local_subchannel_pool", 1), *options)

    def talk(link):
        with channel(port, credentials, options) as made:
            asked, number = queue.Queue(), 0
            answers = call(made, "Both")(iter(asked.get, None))
            try:
                while link.going():
                    asked.put(b"%d" % number)
                    right(next(answers) == b"%d" % number, "the echo")
                    right(call(made, "Unary")(b"%d" % number, timeout=SECONDS) == b"%d" % number, "the answer")
                    number += 1
                    link.did()
            finally:
                asked.put(None)
            right(list(answers) == [], "more messages")
    return lambda: talk
