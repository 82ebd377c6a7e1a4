"""Traffic over changes of the configuration and over the end of the process: nothing in flight is lost (I4)."""
import contextlib
import os
import signal
import threading
import time

import pytest

from conftest import wait_until
from proxying import WEB, server  # noqa: F401 (a fixture)
from rawhttp import connect, get, ok
from test_proxy_http1 import UPGRADE, echo
from waiting import pass_time


class Reloaded:
    """A router whose file can be rewritten; every version answers /version/N with 200 once it is in force."""

    def __init__(self, weir, tmp_path, server_port, tunnel_port, *flags):
        self.file = tmp_path / "dynamic.yml"
        self.ports = (server_port, tunnel_port)
        self.write(0)
        self.router = weir(f"--providers.file.filename={self.file}", *flags)
        self.port = self.router.ports["web"]

    def write(self, version):
        part = self.file.with_suffix(".part")
        part.write_text("http:\n"
                        "  routers:\n"
                        "    all: {rule: 'PathPrefix(`/`)', service: all, priority: 1}\n"
                        "    tunnel: {rule: 'Path(`/chat`)', service: tunnel}\n"
                        f"    version: {{rule: 'Path(`/version/{version}`)', service: all}}\n"
                        "  services:\n"
                        f"    all: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:{self.ports[0]}'}}]}}}}\n"
                        f"    tunnel: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:{self.ports[1]}'}}]}}}}\n")
        part.rename(self.file)

    def change(self, version):
        mark = self.router.mark()
        self.write(version)
        self.router.in_force(mark)

    def mapped_pages(self):
        worker = self.router.worker()
        with open(f"/proc/{worker}/maps") as maps:
            return sum("memfd:" in line and "r--p" in line for line in maps)


def test_nothing_is_lost_over_changes(weir, tmp_path, server):
    block = os.urandom(1000)
    finish = threading.Event()

    def slow(peer, srv):
        """Most answers at once; /download goes on until the test says so."""
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                request = peer.request()
                srv.requests.append(request)
                if request.line.split()[1] != "/download":
                    peer.send(ok())
                    continue
                peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while not finish.wait(0.02):
                    peer.send(b"3e8\r\n" + block + b"\r\n")
                peer.send(b"0\r\n\r\n")
    up, tunnel = server(slow), server(echo)
    router = Reloaded(weir, tmp_path, up.port, tunnel.port)
    before = router.mapped_pages()
    keep, chat, download, upload = (connect(router.port) for _ in range(4))
    chat.send(UPGRADE)
    assert chat.head().status == 101 and chat.exactly(7) == b"welcome"
    download.send(get("/download"))
    assert download.head().status == 200
    upload.send(get("/upload", "Content-Length: 20", method="POST"))
    for version in range(1, 21):
        router.change(version)
        for path in (f"/version/{version}", "/other"):
            keep.send(get(path))
            assert keep.response().body == b"ok"
        chat.send(b"%05d" % version)
        assert chat.exactly(5) == b"%05d" % version
        upload.send(b"x")
    assert upload.response().status == 200
    finish.set()
    body, _ = download.chunks()
    assert body == block * (len(body) // 1000) and body
    assert next(r for r in up.requests if "/upload" in r.line).body == b"x" * 20
    assert len(up.peers) <= 4  # pools live over generations
    wait_until("old generations gone", lambda: router.mapped_pages() <= before)
    chat.send(b"still")
    assert chat.exactly(5) == b"still"
    for client in (keep, chat, download, upload):
        client.close()


def test_tunnels_do_not_hold_generations(weir, tmp_path, server):
    up, tunnel = server(), server(echo)
    router = Reloaded(weir, tmp_path, up.port, tunnel.port)
    before = router.mapped_pages()
    chats = []
    for version in range(1, 11):
        chat = connect(router.port)
        chat.send(UPGRADE)
        assert chat.head().status == 101
        chats.append(chat)
        router.change(version)
    wait_until("one generation mapped", lambda: router.mapped_pages() <= before)
    for chat in chats:
        assert chat.exactly(7) == b"welcome"
        chat.close()


def test_requests_in_flight_are_finished_at_the_end(weir, tmp_path, server):
    arrived, go = threading.Event(), threading.Event()

    def handler(peer, _):
        peer.request()
        arrived.set()
        go.wait(60)
        peer.send(ok(b"finished"))
        peer.rest()
    up, tunnel = server(handler), server()
    router = Reloaded(weir, tmp_path, up.port, tunnel.port, WEB + "transport.lifeCycle.graceTimeOut=60s")
    client = connect(router.port)
    client.send(get("/slow"))
    assert arrived.wait(20)
    router.router.process.send_signal(signal.SIGTERM)
    wait_until("no more accepting", lambda: refused(router.port))
    go.set()
    answer = client.response()
    assert answer.body == b"finished" and answer.get("connection") == "close"
    assert client.at_end()
    assert router.router.wait() == 0


def refused(port):
    try:
        connect(port).close()
        return False
    except ConnectionError:
        return True


def in_a_second(attempt):
    """attempt() -> when its second began: who asks nothing for a second may lose his connection. So may whoever the machine held
    up for that long: he tries again."""
    for _ in range(10):
        began = []
        try:
            return attempt(began)
        except (EOFError, ConnectionError):
            assert time.monotonic() - began[0] > 1
    raise AssertionError("the machine has no second for this")


@pytest.mark.parametrize("grace, slow", [("3s", False), ("20s", True)], ids=["quick", "slow"])
def test_idle_connections_end_with_their_next_answer_or_the_grace(weir, tmp_path, server, grace, slow):
    """slow: it took longer than clients may idle, which counts from its end."""
    def handler(peer, _):
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                if "slow" in peer.request().line:
                    pass_time("an answer takes long", 1.3)
                peer.send(ok(b"served"))

    def attempt(began):
        up, tunnel = server(handler), server()
        router = Reloaded(weir, tmp_path, up.port, tunnel.port, WEB + f"transport.lifeCycle.graceTimeOut={grace}")
        used, unused = connect(router.port), connect(router.port)
        for client, path in ((unused, "/"), (used, "/slow" if slow else "/")):
            client.send(get(path))
            began[:] = [time.monotonic()]
            assert client.response().body == b"served"
        began[0] += 1.3 if slow else 0
        router.router.process.send_signal(signal.SIGTERM)
        wait_until("no more accepting", lambda: refused(router.port))
        used.send(get())
        answer = used.response()
        assert answer.body == b"served" and answer.get("connection") == "close"
        assert used.at_end()
        assert unused.at_end()
        assert router.router.wait() == 0
    in_a_second(attempt)
