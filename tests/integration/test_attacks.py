"""Attacks that once worked: each stays here, so that it never works again."""
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

import conftest
from conftest import BINARY, curl, wait_until
from crowd import Crowd, allow_descriptors
from ports import listen
from proxying import proxy, server  # noqa: F401 (fixtures)
from processes import freeze, processor_seconds
from rawhttp import answer_all, connect, get, ok
from routing import balancer, routed, url  # noqa: F401 (a fixture)
from tlskit import client_hello, hello


def test_trailers_in_many_pieces_cost_no_more_than_in_one(proxy, server):
    """Each piece is read by itself: memory stays in proportion to what was sent, and the request is served."""
    def patient(peer, up):
        peer.sock.settimeout(600)
        answer_all()(peer, up)
    router = proxy(server(patient), read_timeout="600s")
    client, other = router.connect(), router.connect()

    def round_trip():
        other.send(get("/nope"))
        assert other.response().status == 404

    for _ in range(2500):  # fills the ring of the log, which would else be counted
        round_trip()
    before = router.resident_kib()
    client.send(get("/", "Transfer-Encoding: chunked", method="POST") + b"0\r\nX-T: ")
    for _ in range(2500):
        client.send(b"abc")
        round_trip()
    assert router.resident_kib() - before < 2048
    client.send(b"\r\n\r\n")
    assert client.response().status == 200


def test_bytes_behind_the_chunked_body_of_an_upgrade_reach_the_server(proxy, server):
    """What the client sends at once behind its request belongs to the new protocol, however the request was framed."""
    begun = threading.Event()

    def handler(peer, _):
        peer.head()
        assert peer.exactly(8) == b"3\r\nabc\r\n"
        begun.set()
        assert peer.exactly(5) == b"0\r\n\r\n"
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n")
        peer.send(b"got " + peer.exactly(5))
    up = server(handler)
    client = proxy(up).connect()
    client.send(get("/", "Connection: Upgrade", "Upgrade: foo", "Transfer-Encoding: chunked", method="POST"))
    client.send(b"3\r\nabc\r\n")
    assert begun.wait(20)
    client.send(b"0\r\n\r\nearly")
    assert client.head().status == 101, up.errors
    assert client.exactly(9) == b"got early"


@pytest.mark.parametrize("expression", [r"^/(.|\n)*admin", r"^/([a-z]|[0-9])*admin", r"^/(foo|bar|.)*admin$"])
def test_an_expression_that_gives_up_lets_nobody_past_its_router(server, routed, expression):
    """A long path made it do so, and the next router, which asks for nothing, took the request."""
    app = server()
    port = routed({"routers": {"guarded": {"rule": f"PathRegexp(`{expression}`)", "service": "app", "middlewares": ["deny"], "priority": 1000},
                               "open": {"rule": "PathPrefix(`/`)", "service": "app", "priority": 1}},
                   "middlewares": {"deny": {"ipAllowList": {"sourceRange": ["192.0.2.1"]}}}, "services": {"app": balancer(app)}}).port
    for length in (1, 1000, 30000, 100000):
        client = connect(port)
        client.send(get("/" + "a" * length + "admin"))
        assert client.response().status in (403, 404)
    client = connect(port)
    client.send(get("/other"))
    assert client.response().status == 200
    assert [request.line for request in app.requests] == ["GET /other HTTP/1.1"]


SLOW = "^(([A-Za-z])+.)+[0-9]([a-z])+$"
LETTERS = "a" * 40


@pytest.mark.parametrize("rule, options, request_", [
    (f"HeaderRegexp(`X-A`, `{SLOW}`)", {}, get("/", *[f"X-A: {LETTERS}!"] * 900)),
    (f"QueryRegexp(`a`, `{SLOW}`)", {}, get("/?" + "&".join([f"a={LETTERS}!"] * 900))),
    ("PathRegexp(`^/[a-z]*[a-z]*[0-9]`)", {}, get("/" + "a" * 200_000 + "!9")),
    ("PathPrefix(`/`)", {"authResponseHeadersRegex": SLOW}, get("/", *[f"X_{LETTERS}{i}!: 1" for i in range(900)])),
], ids=["fields", "parameters", "path", "names"])
def test_an_expression_holds_nobody_up_however_much_there_is_to_judge(server, routed, rule, options, request_):
    app = server()
    router = routed({"routers": {"app": {"rule": rule, "service": "app", "middlewares": ["auth"] if options else []}}, "services": {"app": balancer(app)},
                     "middlewares": {"auth": {"forwardAuth": {"address": url(app), **options}}}}, max_header_bytes=1_000_000)
    client, before = router.connect(), processor_seconds(router.pids[0])
    client.send(request_)
    assert client.response().status == (200 if options else 404)
    assert processor_seconds(router.pids[0]) - before < 0.8  # it was more than 2 s


def test_a_rule_is_judged_once_however_often_its_words_stand_there(server, routed):
    """It was judged for each of them, and the worker was taken for one that hangs."""
    router = routed({"routers": {f"r{i}": {"rule": f"PathRegexp(`needle{i:02d}/.*[0-9]x$`)", "service": "app"} for i in range(60)},
                     "services": {"app": balancer(server())}}, max_header_bytes=1_000_000)
    client, before = router.connect(), processor_seconds(router.pids[0])
    client.send(get("/" + "needle07/" * 8000))
    assert client.response().status == 404
    assert processor_seconds(router.pids[0]) - before < 0.8


def test_last_of_many_forwarded_for_lines_is_not_lost(proxy, server):
    """The last line is the trusted proxy's own: whoever sends many before it must not push it out."""
    up = server()
    client = proxy(up, insecure=True).connect()
    client.send(get("/", *[f"X-Forwarded-For: 6.6.6.6{',6.6.6.6' * 120}"] * 900, "X-Forwarded-For: 9.9.9.9"))
    assert client.response().status == 200
    assert up.requests[0].get("x-forwarded-for").endswith("6.6.6.6, 9.9.9.9, 127.0.0.1")


@pytest.mark.parametrize("name,text", [("d.yml", "http: {}\nhttp: {}\n"), ("d.json", '{"http": {},\n"http": {}}')])
def test_error_without_a_column_keeps_its_words(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    done = subprocess.run([BINARY, "check", f"--providers.file.filename={tmp_path / name}"], capture_output=True, text=True)
    assert done.returncode == 1
    assert f'{name}:2: the key "http" is there twice' in done.stdout + done.stderr


def test_connections_leave_descriptors_for_servers_and_changes(weir, server, tmp_path, monkeypatch):
    """Whoever opens all the connections there can be shuts out new ones, not the requests of those that are in, and not the
    next configuration."""
    limited = tmp_path / "limited"
    limited.write_text(f'#!/bin/sh\nulimit -n 300\nexec {BINARY} "$@"\n')
    limited.chmod(0o755)
    monkeypatch.setattr(conftest, "BINARY", str(limited))
    port = server().port
    dynamic = tmp_path / "d.yml"

    def route(path):
        (tmp_path / "part").write_text(
            f"http:\n  routers:\n    a: {{rule: 'Path(`{path}`)', service: s}}\n  services:\n    s: {{loadBalancer: "
            f"{{servers: [{{url: 'http://127.0.0.1:{port}'}}]}}}}\n")
        (tmp_path / "part").rename(dynamic)

    route("/one")
    router = weir(f"--providers.file.filename={dynamic}")
    clients = [connect(router.ports["web"]) for _ in range(400)]
    router.wait_log(r"WRN entry point web: cannot accept .*Too many open files")
    for client in clients[:20]:
        client.send(get("/one"))
    assert [client.response().status for client in clients[:20]] == [200] * 20
    route("/two")

    def changed():
        clients[0].send(get("/two"))
        return clients[0].response().status == 200
    wait_until("the change is in force", changed)
    for client in clients:
        client.close()
    assert curl(router.ports["web"], "/two").status == 200


def with_descriptors(number):
    return ["sh", "-c", f'ulimit -n {number} && exec "$@"', "sh"]


def test_few_descriptors_are_used_again_at_once(weir, server, tmp_path):
    """A queue full of clients that have gone already: each makes room for the next one, it takes no turn of a timer each."""
    allow_descriptors()
    (tmp_path / "d.yml").write_text(f"http:\n  routers: {{a: {{rule: PathPrefix(`/`), service: s}}}}\n  services:\n    s: {{loadBalancer: "
                                    f"{{servers: [{{url: 'http://127.0.0.1:{server().port}'}}]}}}}\n")
    router = weir(f"--providers.file.filename={tmp_path / 'd.yml'}", prefix=with_descriptors(64))
    clients = [connect(router.ports["web"]) for _ in range(2500)]
    router.wait_log(r"WRN entry point web: cannot accept .*Too many open files")
    for client in clients:
        client.close()
    began = time.monotonic()
    assert curl(router.ports["web"]).status == 200
    assert time.monotonic() - began < 10  # 13 at a time, ten times a second, are 19 s


@pytest.mark.parametrize("number,words", [(20, "20 descriptors are too few, at least 40 are needed"),
                                          (64, "64 descriptors are too few: 10 workers and 1 entry point need 70; take fewer workers or")])
def test_too_few_descriptors_are_told_at_the_start(number, words):
    with listen() as taken:  # nothing is opened before: that would fail too
        done = subprocess.run([*with_descriptors(number), BINARY, f"--entryPoints.web.address=127.0.0.1:{taken.getsockname()[1]}",
                               "--workers=10"], capture_output=True, text=True, timeout=conftest.DEADLINE)
    assert done.returncode == 1
    [line] = (done.stdout + done.stderr).strip().splitlines()
    assert words in line and "raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile of containers)" in line


@pytest.mark.parametrize("says,status", [(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200), (b"", 502)])
def test_server_that_speaks_or_ends_before_it_is_asked(proxy, says, status):
    """Its bytes, or its end, arrive in one event with the connection: they are noticed, nobody waits for ever."""
    listener = listen(backlog=0)
    filler = socket.create_connection(listener.getsockname())  # the queue is full: the next connection has to wait
    router = proxy(listener.getsockname()[1])
    worker = router.pids[0]
    client = router.connect()
    client.send(get("/nope"))
    assert client.response().status == 404  # it has accepted
    idle = router.descriptors()
    client.send(get())
    wait_until("the worker connects", lambda: router.descriptors() > idle)
    freeze(worker)
    try:
        listener.accept()[0].close()
        filler.close()
        listener.settimeout(20)
        peer = listener.accept()[0]
        peer.sendall(says)
        if not says:
            peer.shutdown(socket.SHUT_WR)
    finally:
        os.kill(worker, signal.SIGCONT)
    assert client.response().status == status
    peer.close()
    listener.close()


def test_an_answer_that_nobody_asked_for_meets_no_request(proxy, server):
    """It comes on an idle connection in the turn of the loop in which a request would take that: behind it, in the list of events."""
    app = server(answer_all(b"asked for"))
    router = proxy(app)
    client = router.connect()
    client.send(get())
    assert client.response().body == b"asked for"
    worker = router.pids[0]
    freeze(worker)
    try:
        client.send(get())
        app.peers[0].send(ok(b"not asked for"))
    finally:
        os.kill(worker, signal.SIGCONT)
    assert client.response().body == b"asked for"
    assert len(app.peers) == 2  # the next one went over a connection of its own


def test_clients_that_fall_silent_within_the_handshake_keep_nobody_out(weir):
    """More of them than a worker has handshakes under way at once; each would have a minute."""
    router = weir("--entryPoints.web.http.tls=true")
    silent = Crowd(router.ports["web"], 700, client_hello("a.test"))
    wait_until("all places are taken", lambda: silent.answered() >= 256)
    client = hello(router.ports["web"], "a.test")  # patient for 20 s
    assert client.get("a.test")[0] == 404
    client.close()
    silent.close()
