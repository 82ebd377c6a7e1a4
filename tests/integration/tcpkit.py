"""TCP for tests: servers that do as a test says, a stand with one dynamic file, clients.

`tcp_server(serve)` starts a server that calls serve(peer) on a thread for each connection (rawhttp's Peer); .port, .peers (as they
came). `Stand(weir, path)`: .change(text) writes the dynamic file, .start(flags) the router with the entry point web.
"""
import contextlib
import socket
import threading

import pytest

from ports import listen
from rawhttp import SECONDS, Peer
from waiting import wait_until


class Server:
    def __init__(self, serve, backlog=16):
        self.socket = listen(backlog)
        self.port = self.socket.getsockname()[1]
        self.peers, self._serve = [], serve
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            peer = Peer(sock)
            self.peers.append(peer)
            threading.Thread(target=self._run, args=(peer,), daemon=True).start()

    def _run(self, peer):
        with contextlib.suppress(OSError, EOFError):
            self._serve(peer)
        with contextlib.suppress(OSError):
            peer.sock.close()

    def peer(self, number=0):
        wait_until(f"connection {number} at the server", lambda: len(self.peers) > number)
        return self.peers[number]

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for peer in self.peers:
            peer.sock.close()


def echo(peer):
    while True:
        piece = peer.sock.recv(65536)
        if not piece:
            peer.sock.shutdown(socket.SHUT_WR)
            return
        peer.send(piece)


def named(name):
    """Says its name first, then echoes."""
    def serve(peer):
        peer.send(f"{name}\n".encode())
        echo(peer)
    return serve


@pytest.fixture
def tcp_server():
    running = []

    def start(serve=echo, **kw):
        running.append(Server(serve, **kw))
        return running[-1]

    yield start
    for one in running:
        one.close()


class Stand:
    """Routers by short forms: `routers(r="HostSNI(`*`) -> s")` with options in braces behind it."""

    def __init__(self, weir, path):
        self.weir, self.path = weir, path / "dynamic.yml"

    def change(self, text):
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.rename(self.path)

    def start(self, text, *flags, **kw):
        self.change(text)
        self.router = self.weir(f"--providers.file.filename={self.path}", *flags, **kw)
        self.port = self.router.ports["web"]
        return self.router

    def switch(self, text, workers=1):
        start = self.router.mark()
        self.change(text)
        self.router.in_force(start, workers=workers)


@pytest.fixture
def stand(weir, tmp_path):
    return Stand(weir, tmp_path)


def services(_transport="", **ports):
    """Of each name its servers' ports; all of them have the transport."""
    named = "serversTransport: t, " if _transport else ""
    return (f"  serversTransports: {{t: {{{_transport}}}}}\n" if _transport else "") + "  services:\n" + "".join(
        f"    {name}: {{loadBalancer: {{{named}servers: [" +
        ", ".join(f"{{address: '127.0.0.1:{port}'}}" for port in (got if isinstance(got, (list, tuple)) else [got])) + "]}}\n"
        for name, got in ports.items())


def routers(**lines):
    """name="RULE -> SERVICE" or "RULE -> SERVICE, more: options"."""
    text = "  routers:\n"
    for name, line in lines.items():
        rule, _, rest = line.rpartition(" -> ")
        service, _, more = rest.partition(", ")
        text += f"    {name}: {{rule: '{rule}', service: {service}{', ' + more if more else ''}}}\n"
    return text


def connect(port, data=b""):
    peer = Peer(socket.create_connection(("127.0.0.1", port), SECONDS))
    if data:
        peer.send(data)
    return peer
