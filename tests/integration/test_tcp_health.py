"""Health checks of TCP services: what a server is asked, what comes of its answers, parents that are told."""
import json
import ssl
import subprocess

import pytest

from conftest import BINARY, wait_until
from ports import free_port
from tcpkit import connect, routers, stand, tcp_server  # noqa: F401
from tlskit import Maker, Pair

SOON, NEVER = "20ms", "1h"


class App:
    """Answers PING as `pong` says (a list: pieces; None: nothing), every other line with its name."""

    def __init__(self, tcp_server, name, pong=b"PONG\n", context=None):
        self.name, self.pong, self.pings, self.asked, self.context = name, pong, 0, b"", context
        self.server = tcp_server(self.serve)
        self.port = self.server.port

    def serve(self, peer):
        if self.context:
            peer.sock = self.context.wrap_socket(peer.sock, server_side=True)
        while (line := peer.until(b"\n")):
            if line == b"PING\n":
                self.pings += 1  # before the answer, of which others learn at once
                for piece in self.pong if isinstance(self.pong, list) else [self.pong or b""]:
                    peer.send(piece)
            else:
                peer.send(self.name.encode() + b"\n")


def service(*apps, check="", tls=False, transport=""):
    addresses = ", ".join("{address: '127.0.0.1:%d'%s}" % (getattr(app, "port", app), ", tls: true" if tls else "") for app in apps)
    return f"{{loadBalancer: {{{transport}servers: [{addresses}]{check and f', healthCheck: {{{check}}}'}}}}}"


def check(send="PING\\n", expect="PONG\\n", interval=SOON, more=""):
    return f'send: "{send}", expect: "{expect}", interval: {interval}, timeout: 20s{more}'


def text(to="s", **services):
    return "tcp:\n" + routers(r=f"HostSNI(`*`) -> {to}") + "  services:\n" + "".join(f"    {k}: {v}\n" for k, v in services.items())


def names(stand, count=8):
    """Whom clients of all workers get; empty: nobody, the connection was closed."""
    found = set()
    for _ in range(count):
        client = connect(stand.port)
        try:
            client.send(b"who\n")
            found.add(client.until(b"\n").decode().strip())
        except (EOFError, ConnectionError):
            found.add("")
        client.close()
    return found


def failed(stand, app, start=0, words=""):
    return stand.router.wait_log(rf"WRN Health check failed\. .*targetAddress=\"?127\.0\.0\.1:{getattr(app, 'port', app)}.*{words}"
                                 rf"|WRN Health check failed\. .*{words}.*targetAddress=\"?127\.0\.0\.1:{getattr(app, 'port', app)}", start)


def recovered(stand, app, start=0):
    return stand.router.wait_log(rf"INF Health check passed: .*targetAddress=\"?127\.0\.0\.1:{app.port}", start)


def test_out_and_in_again(stand, tcp_server):
    a, b = App(tcp_server, "a"), App(tcp_server, "b")
    stand.start(text(s=service(a, b, check=check())), workers=2)
    assert names(stand) == {"a", "b"}
    kept = connect(stand.port, b"who\n")
    kept.until(b"\n")
    for _ in range(2):
        mark = stand.router.mark()
        a.pong = b"ERROR\n"
        failed(stand, a, mark, "unexpected health check response")
        assert names(stand) == {"b"}
        a.pong = [b"PO", b"NG", b"\n and more"]
        recovered(stand, a, mark)
        assert names(stand) == {"a", "b"}
    mark = stand.router.mark()
    a.pong = b.pong = b"PONG?"
    failed(stand, a, mark), failed(stand, b, mark)
    assert names(stand) == {""}
    kept.send(b"again\n")  # who is connected stays
    assert kept.until(b"\n") in (b"a\n", b"b\n")
    kept.close()


def test_status_names_servers_that_are_down(stand, tcp_server):
    a, b = App(tcp_server, "a"), App(tcp_server, "b", pong=b"NO\n")
    stand.start(text(s=service(a, b, check=check())))
    failed(stand, b)
    said = subprocess.run([BINARY, "status", "--json", "--pid", str(stand.router.pid)], capture_output=True, text=True, check=True).stdout
    assert [(one["service"], one["url"], one["state"]) for one in json.loads(said)["servers"]] == [("s@file", f"127.0.0.1:{b.port}", "down")]


def test_a_connection_is_enough(stand, tcp_server):
    """Nothing to send, nothing to expect; who cannot be connected to is down without a client that found out."""
    app, away = App(tcp_server, "app", None), free_port()
    stand.start(text(s=service(app, away, check=f"interval: {SOON}")))
    failed(stand, away, words="connecting: ")
    assert names(stand) == {"app"} and not app.pings
    assert stand.router.log().count("failed: Connection refused") == 0
    wait_until("it is asked again and again", lambda: len(app.server.peers) > 12)


@pytest.mark.parametrize("send,expect,pong,well", [
    ("PING\\n", "", b"anything", True), ("PING\\n", "PO", b"PONG\n", True), ("PING\\n", "PONG\\n", None, False)])
def test_what_is_sent_and_expected(stand, tcp_server, send, expect, pong, well):
    app = App(tcp_server, "app", pong)
    stand.start(text(s=service(app, check=check(send, expect).replace("20s", "20s" if well else "100ms"))))
    wait_until("it was asked again and again", lambda: app.pings > 2)
    if well:
        assert "Health check failed" not in stand.router.log() and names(stand) == {"app"}
    else:
        failed(stand, app, words="no answer within 100 ms")
        assert names(stand) == {""}


def test_a_server_that_speaks_first(stand, tcp_server):
    def serve(peer):
        peer.send(b"SSH-2.0-x\r\n")
        peer.rest()
    good, bad = tcp_server(serve), tcp_server(lambda peer: peer.send(b"SSH-1.0-x\r\n"))
    silent = tcp_server(lambda peer: None)
    stand.start(text(s=service(good, bad, silent, check=check("", "SSH-2.0-"))))
    failed(stand, bad, words="unexpected")
    failed(stand, silent, words="closed by the server|connection reset by peer")
    wait_until("the good one was asked", lambda: len(good.peers) > 2)
    client = connect(stand.port)
    assert client.until(b"\n") == b"SSH-2.0-x\r\n"
    client.close()


def test_another_port_and_the_intervals(stand, tcp_server):
    app, checker = App(tcp_server, "app"), App(tcp_server, "checker", b"no\n")
    stand.start(text(s=service(app, check=check(interval=NEVER, more=f", port: {checker.port}, unhealthyInterval: {SOON}"))))
    failed(stand, app)
    assert names(stand) == {""} and not app.pings
    checker.pong = b"PONG\n"
    recovered(stand, app)
    assert names(stand) == {"app"}
    before = checker.pings
    stand.change(text(s=service(app, check=check(interval=NEVER, more=f", port: {app.port}"))))
    wait_until("another question begins anew", lambda: app.pings == 1)
    assert checker.pings == before


def test_health_stays_over_generations(stand, tcp_server):
    a, b = App(tcp_server, "a", b"no\n"), App(tcp_server, "b")
    stand.start(text(s=service(a, b, check=check(interval=NEVER))))
    failed(stand, a)
    mark = stand.router.mark()
    stand.switch(text(s=service(a, b, check=check(interval=NEVER))).replace("HostSNI(`*`)", "HostSNI(`*`) && ClientIP(`127.0.0.1`)"))
    assert names(stand) == {"b"}
    assert "Health check failed" not in "".join(stand.router.lines[mark:])


def test_parents_are_told(stand, tcp_server):
    a, b = App(tcp_server, "a"), App(tcp_server, "b")
    weighted = "{weighted: {services: [{name: inner, weight: 3}, {name: two}], healthCheck: {}}}"
    inner = "{weighted: {services: [{name: one}], healthCheck: {}}}"
    stand.start(text("app", app=weighted, inner=inner, one=service(a, check=check()), two=service(b, check=check())), workers=2)
    assert names(stand, 12) == {"a", "b"}
    a.pong = b"no\n"
    mark = stand.router.mark()
    failed(stand, a)
    assert names(stand) == {"b"}
    b.pong = b"no\n"
    failed(stand, b)
    assert names(stand) == {""}
    a.pong = b"PONG\n"
    recovered(stand, a, mark)
    assert names(stand) == {"a"}


def test_a_parent_without_a_check_is_not_told(stand, tcp_server):
    a, b = App(tcp_server, "a", b"no\n"), App(tcp_server, "b")
    stand.start(text("app", app="{weighted: {services: [{name: one}, {name: two}]}}", one=service(a, check=check()), two=service(b)))
    failed(stand, a)
    assert names(stand) == {"", "b"}


def test_over_tls(stand, tcp_server, tmp_path):
    maker = Maker(tmp_path)
    maker.own("server", ["DNS:db.test"])
    pair = Pair(tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.crt, pair.key)
    good, unknown = App(tcp_server, "good", context=context), App(tcp_server, "unknown", context=context)
    stand.start(text("w", w="{weighted: {services: [{name: one}, {name: two}], healthCheck: {}}}",
                     one=service(good, check=check(), tls=True, transport="serversTransport: t, "),
                     two=service(unknown, check=check(), tls=True)) +
                f"  serversTransports: {{t: {{tls: {{serverName: db.test, rootCAs: [{pair.crt}]}}}}}}\n")
    failed(stand, unknown, words="TLS: ")
    wait_until("it was asked again and again", lambda: good.pings > 2)
    assert names(stand) == {"good"} and not unknown.pings
