"""Bodies that are too long for memory: they go to the worker's file and come back whole, and nothing of them stays."""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import threading
import zlib

import pytest

import conftest
from board import Board
from conftest import DEADLINE, curl, wait_until
from h2server import H2Server
from marathon import another_build
from ports import free_port
from processes import descriptors, threads
from proxying import Proxy, server  # noqa: F401 a fixture
from rawhttp import answer_each, answer_in_turn, get, ok, post
from routing import balancer, one_route, routed, write  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")

MIB = 1 << 20
SLOT = 65536
BODY = random.Random(7).randbytes(3 * MIB + 12345)
KEY = hashlib.sha256(BODY).hexdigest()
LITTLE = {"memRequestBodyBytes": 1000, "memResponseBodyBytes": 1000}


def buffering(**options):
    return {"b": {"buffering": {**LITTLE, **options}}}


echo = answer_each(lambda request: ok(request.body))


def says(*statuses):
    return answer_in_turn(lambda status: ok(status=f"{status} Said"), *statuses)


def ask(proxied, data):
    client = proxied.connect()
    client.send(data)
    return client.response()


def gauge(proxied, name):
    """Of all workers."""
    board = Board(proxied.router.pid)
    try:
        return board.gauges()[name]
    finally:
        board.close()


def spooled(proxied):
    """Slots in use."""
    return gauge(proxied, "spooled")


def files(pid):
    """Of a worker: where the descriptors of spool files are. It is a thread that has one."""
    return [f"/proc/{pid}/task/{thread}/fd/{fd}" for thread in threads(pid) for fd, target in descriptors(pid, thread).items()
            if target.startswith("/") and target.endswith("(deleted)") and not target.startswith("/memfd:")]


def disk(proxied, *pids):
    """Bytes that are set aside for them."""
    return sum(os.stat(file).st_blocks * 512 for pid in pids or proxied.pids for file in files(pid))


def gone(proxied):
    wait_until("no slot is in use and the disk has got all of it back", lambda: spooled(proxied) == 0 and disk(proxied) == 0)


def install(path, content):
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.chmod(0o755)
    part.rename(path)


def half_sent(proxied, in_memory=20000):
    """A client whose body is in the file but for its end."""
    client = proxied.connect()
    before = spooled(proxied)
    client.send(get("/x", f"Content-Length: {len(BODY)}", method="POST") + BODY[:-1])
    wait_until("it is in the file", lambda: spooled(proxied) - before >= (len(BODY) - in_memory) // SLOT)
    return client


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []  # no file of it ever has a name


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
@pytest.mark.parametrize("upstream", ["http", "h2c"])
def test_long_bodies_both_ways(server, routed, place, version, upstream):
    body = BODY if upstream == "http" else BODY[:MIB]
    key, got = hashlib.sha256(body).hexdigest(), []

    def stream_echo(stream):
        got.append((stream.get("content-length"), stream.body()))
        stream.answer(got[-1][1], ("content-type", "application/x"))
    app = server(echo) if upstream == "http" else H2Server(stream_echo)
    config = one_route(app, buffering())
    config["services"]["all"]["loadBalancer"]["servers"][0]["url"] = f"{upstream}://127.0.0.1:{app.port}"
    proxied = routed(config, f"--spoolDir={place}")
    for transfer in ([], ["-H", "Transfer-Encoding: chunked"] if version == "--http1.1" else []):
        answer = curl(proxied.port, method="POST", data=body, extra=[version, "-H", "Expect:", *transfer])
        assert answer.status == 200 and hashlib.sha256(answer.raw.partition(b"\r\n\r\n")[2]).hexdigest() == key
    if upstream == "http":
        got = [(request.get("content-length"), request.body) for request in app.requests]
    assert [(length, hashlib.sha256(one).hexdigest()) for length, one in got] == [(str(len(body)), key)] * len(got)
    gone(proxied)
    if upstream == "h2c":
        app.close()


def test_memory_is_bounded(server, routed, place):
    """Sixteen clients that send 3 MiB each: all of it is in the file, little in memory."""
    app = server(echo)
    proxied = routed(one_route(app, buffering(memRequestBodyBytes=100000)), f"--spoolDir={place}")
    clients = [half_sent(proxied, 200000) for _ in range(16)]
    assert spooled(proxied) * SLOT > 16 * 2 * MIB
    assert gauge(proxied, "buffers") <= 16 * 6  # of 64 KiB at most; more than 700 would hold what came
    for client in clients:
        client.send(BODY[-1:])
        assert hashlib.sha256(client.response().body).hexdigest() == KEY
        client.close()
    gone(proxied)


def test_clients_that_leave(server, routed, place):
    go = threading.Event()

    def slow(peer, server):
        server.requests.append(peer.request())
        go.wait(DEADLINE)
        with contextlib.suppress(ConnectionError):
            peer.send(ok(BODY * 8, "Connection: close"))  # more than sockets hold
    app = server(slow)
    proxied = routed(one_route(app, buffering()), f"--spoolDir={place}")
    early, reading = half_sent(proxied), proxied.connect()
    early.reset()
    gone(proxied)
    assert not app.requests
    reading.send(get("/x"))
    wait_until("the server is asked", lambda: app.requests)
    go.set()
    assert reading.exactly(1000)
    assert spooled(proxied) > 0
    reading.reset()
    gone(proxied)


def test_a_client_of_http2_that_leaves(server, routed, place, tmp_path):
    app = server(echo)
    proxied = routed(one_route(app, buffering()), f"--spoolDir={place}")
    (tmp_path / "body").write_bytes(BODY * 8)
    curl = subprocess.Popen(["curl", "-s", "--http2-prior-knowledge", "--limit-rate", "4M", "--data-binary", f"@{tmp_path / 'body'}",
                             f"http://127.0.0.1:{proxied.port}/"], stdout=subprocess.DEVNULL)
    wait_until("some of it is in the file", lambda: spooled(proxied) > 2)
    curl.kill()
    curl.wait()
    gone(proxied)
    assert not app.requests


def test_a_client_that_reads_slowly_gets_all_of_it(server, routed, place):
    app = server(echo)
    proxied = routed(one_route(app, buffering()), f"--spoolDir={place}")
    slow = proxied.connect()
    slow.send(post(BODY))
    head = slow.head()
    assert ask(proxied, post(BODY)).body == BODY  # others are served meanwhile
    assert hashlib.sha256(slow.body(head, response=True)).hexdigest() == KEY


def test_servers_that_break_off(server, routed, place):
    def half(peer, server):
        peer.request()
        peer.send(ok(BODY)[:2 * MIB])
    proxied = routed(one_route(server(half), buffering()), f"--spoolDir={place}")
    assert ask(proxied, get("/x")).status == 502
    gone(proxied)


def test_bounds_hold_in_the_file(server, routed, place):
    app = server(echo)
    proxied = routed(one_route(app, buffering(maxRequestBodyBytes=2 * MIB)), f"--spoolDir={place}")
    client = proxied.connect()
    client.send(get("/x", "Transfer-Encoding: chunked", method="POST") + b"%x\r\n%s\r\n" % (3 * MIB, BODY[:3 * MIB]))
    assert client.response().status == 413
    gone(proxied)
    config = one_route(server(lambda peer, server: (peer.request(), peer.send(ok(BODY)))), buffering(maxResponseBodyBytes=2 * MIB))
    proxied.change(config)
    assert ask(proxied, get("/x")).status == 500
    gone(proxied)


def test_sent_again_from_the_file(server, routed, place):
    app = server(says(500, 502, 200))
    config = one_route(app, {**buffering(retryExpression="ResponseCode() >= 500 && Attempts() < 4"), "i": {"buffering": LITTLE}})
    proxied = routed(config, f"--spoolDir={place}")
    assert ask(proxied, post(BODY)).status == 200
    assert [request.body == BODY for request in app.requests] == [True] * 3
    gone(proxied)


@pytest.mark.parametrize("between", [{}, {"z": {"compress": {"minResponseBodyBytes": 1}}}])
def test_two_of_them(server, routed, place, between):
    app = server(echo)
    proxied = routed(one_route(app, {**buffering(), **between, "i": {"buffering": LITTLE}}), f"--spoolDir={place}")
    answer = ask(proxied, post(BODY, "Accept-Encoding: gzip"))
    body = zlib.decompress(answer.body, 31) if between else answer.body
    assert body == BODY and app.requests[0].body == BODY
    assert answer.get("content-length") == str(len(answer.body))
    gone(proxied)


def test_retry_failover_forward_auth_and_mirrors(server, routed, place):
    main, fallback, auth, mirror = server(says(500)), server(says(500, 200)), server(says(200)), server(says(200))
    config = one_route(main, {"a": {"forwardAuth": {"address": f"http://127.0.0.1:{auth.port}/", "forwardBody": True}},
                              "r": {"retry": {"attempts": 3, "status": ["500"], "retryNonIdempotentMethod": True, "maxRequestBodyBytes": 16 * MIB}}},
                       copied={"mirroring": {"service": "over", "mirrors": [{"name": "mirror", "percent": 100}]}},
                       over={"failover": {"service": "main", "fallback": "fallback", "errors": {"status": ["500"], "maxRequestBodyBytes": 16 * MIB}}},
                       main=balancer(main), fallback=balancer(fallback), mirror=balancer(mirror))
    config["routers"]["all"]["service"] = "copied"
    proxied = routed(config, f"--spoolDir={place}")
    assert ask(proxied, post(BODY)).status == 200
    wait_until("the mirror has it", lambda: mirror.requests)
    for one in (main, fallback, auth, mirror):
        assert {hashlib.sha256(request.body).hexdigest() for request in one.requests} == {KEY}
    assert (len(main.requests), len(fallback.requests), len(auth.requests)) == (2, 2, 1)
    gone(proxied)


@pytest.mark.parametrize("slowly", [False, True])
def test_what_is_too_long_to_be_kept_passes(server, routed, place, slowly):
    """Its beginning lies in the file and is given first, the rest follows."""
    app, mirror = server(says(500)), server(says(200))
    body = BODY * 3
    config = one_route(app, {"r": {"retry": {"attempts": 3, "status": ["500"], "retryNonIdempotentMethod": True, "maxRequestBodyBytes": 7 * MIB}}},
                       copied={"mirroring": {"service": "main", "maxBodySize": 5 * MIB, "mirrors": [{"name": "mirror", "percent": 100}]}},
                       main=balancer(app), mirror=balancer(mirror))
    config["routers"]["all"]["service"] = "copied"
    proxied = routed(config, f"--spoolDir={place}")
    client = proxied.connect()
    client.send(get("/x", "Transfer-Encoding: chunked", method="POST"))
    for start in range(0, len(body), 100000):
        piece = body[start:start + 100000]
        client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        if slowly and start == 4000000:
            wait_until("it is in the file", lambda: spooled(proxied) >= (4000000 - 2 * MIB) // SLOT)
    client.send(b"0\r\n\r\n")
    assert client.response().status == 500
    assert [request.body == body for request in app.requests] == [True] and not mirror.requests
    gone(proxied)


@pytest.mark.parametrize("of", ["request", "answer"])
def test_no_more_than_the_bound(server, routed, place, of):
    app = server(echo if of == "request" else lambda peer, server: (peer.request(), peer.send(ok(BODY))))
    proxied = routed(one_route(app, buffering()), f"--spoolDir={place}", f"--limits.spool={2 * MIB}")
    client = proxied.connect()
    client.send(post(BODY) if of == "request" else get("/x"))
    assert client.response().status == 503
    proxied.router.wait_log("WRN Spool file: 2 MiB of bodies are there: more were refused")
    proxied.router.wait_log("reason=spool_full")
    gone(proxied)
    if of == "request":
        assert ask(proxied, post(BODY[:MIB])).body == BODY[:MIB]


def test_bound_is_that_of_all_workers(server, routed, place):
    proxied = routed(one_route(server(says(200)), buffering()), f"--spoolDir={place}", f"--limits.spool={8 * MIB}", workers=3)
    clients, refused = [], 0
    for _ in range(6):
        client = proxied.connect()
        before = spooled(proxied)
        client.send(get("/x", f"Content-Length: {3 * MIB}", method="POST") + BODY[:3 * MIB - 1])
        wait_until("it is in the file, or refused", lambda: spooled(proxied) - before >= 45 or not client.silent(0.01))
        clients.append(client)
    for client in clients:
        if client.silent(0.01):
            client.send(BODY[3 * MIB - 1:3 * MIB])
        refused += client.response().status == 503
    assert refused == 4


@pytest.mark.parametrize("of", ["request", "answer"])
def test_disk_is_full(server, routed, place, of):
    """As far as one can have it everywhere: no file of the worker may grow beyond 2 MiB."""
    app = server(echo if of == "request" else lambda peer, server: (peer.request(), peer.send(ok(BODY))))
    proxied = routed(one_route(app, buffering()), f"--spoolDir={place}")
    _, hard = resource.prlimit(proxied.pids[0], resource.RLIMIT_FSIZE)
    resource.prlimit(proxied.pids[0], resource.RLIMIT_FSIZE, (2 * MIB, hard))
    client = proxied.connect()
    client.send(post(BODY) if of == "request" else get("/x"))
    assert client.response().status == 503
    proxied.router.wait_log("WRN Spool file: File too large: bodies that it would have held were refused")
    gone(proxied)
    resource.prlimit(proxied.pids[0], resource.RLIMIT_FSIZE, (hard, hard))
    assert ask(proxied, post(BODY) if of == "request" else get("/x")).body == BODY
    assert proxied.router.workers(1) == proxied.pids


def test_a_request_whose_end_the_disk_does_not_take_reaches_nobody(server, routed, place):
    """The last piece that goes to the file is full with the last bytes of the body; only what is written counts as held."""
    heads, pieces = [], 40
    app = server(lambda peer, server: heads.append(peer.head()))
    proxied = routed(one_route(app, buffering()), f"--spoolDir={place}")
    _, hard = resource.prlimit(proxied.pids[0], resource.RLIMIT_FSIZE)
    resource.prlimit(proxied.pids[0], resource.RLIMIT_FSIZE, ((pieces - 1) * SLOT, hard))
    client = proxied.connect()
    client.send(post(BODY[:(16 << 10) + pieces * (SLOT - 24) + 100]))
    assert client.response().status == 503
    gone(proxied)
    assert not heads


def test_without_a_folder_bodies_stay_in_memory(server, routed, tmp_path):
    app = server(echo)
    proxied = routed(one_route(app, buffering()), f"--spoolDir={tmp_path / 'none'}")
    proxied.router.wait_log(f"WRN Spool file: {tmp_path / 'none'}: No such file or directory. Long bodies stay in memory; "
                            "name a folder by spoolDir, or say limits.spool=0")
    assert files(proxied.pids[0]) == []
    assert ask(proxied, post(BODY)).body == BODY
    client = proxied.connect()
    client.send(get("/x", f"Content-Length: {64 * MIB + 1}", method="POST"))
    assert client.response().status == 413  # without a file one bound holds all the same


def test_switched_off(server, routed, place):
    proxied = routed(one_route(server(echo), buffering()), f"--spoolDir={place}", "--limits.spool=0")
    assert ask(proxied, post(BODY)).body == BODY
    assert files(proxied.pids[0]) == [] and "Spool" not in proxied.router.log()


def test_change_in_the_middle(server, routed, place):
    first, second = server(echo), server(says(200))
    config = one_route(first, buffering())
    proxied = routed(config, f"--spoolDir={place}")
    client = half_sent(proxied)
    config["services"]["all"] = balancer(second)
    config["middlewares"] = buffering(maxRequestBodyBytes=10)
    proxied.change(config)
    client.send(BODY[-1:])
    assert client.response().body == BODY
    assert ask(proxied, post(b"a" * 11)).status == 413


def test_stop_waits_for_it(server, routed, place):
    proxied = routed(one_route(server(echo), buffering()), f"--spoolDir={place}", "--entryPoints.web.transport.lifeCycle.graceTimeOut=60s")
    client = half_sent(proxied)
    os.kill(proxied.router.pid, signal.SIGTERM)
    proxied.router.wait_log("no longer accepting")
    client.send(BODY[-1:])
    assert client.response().body == BODY
    client.close()
    assert proxied.router.wait() == 0


def test_another_build_takes_over(weir, server, place, tmp_path, monkeypatch):
    """SIGUSR2: a body that lies in the file of an old worker is finished there."""
    binary = tmp_path / "weir"
    good = pathlib.Path(conftest.BINARY).read_bytes()
    install(binary, good)
    monkeypatch.setattr(conftest, "BINARY", str(binary))
    write(tmp_path / "dynamic.json", one_route(server(echo), buffering()))
    router = weir(f"--providers.file.filename={tmp_path / 'dynamic.json'}", f"--spoolDir={place}", leftovers="another build has other descriptors")
    proxied = Proxy(router)
    client = half_sent(proxied)
    install(binary, another_build(good, 1))
    mark = router.mark()
    os.kill(router.pid, signal.SIGUSR2)
    router.wait_log("The new workers serve: 1 of the earlier build finish", mark)
    assert ask(proxied, post(BODY)).body == BODY
    client.send(BODY[-1:])
    assert client.response().body == BODY


def test_a_worker_that_retires_finishes_what_it_has(weir, server, place, tmp_path):
    port, path = free_port(), tmp_path / "traefik.yml"

    def static(workers):
        part = tmp_path / "part"
        part.write_text(json.dumps({"entryPoints": {"web": {"address": f"127.0.0.1:{port}"}}, "workers": workers, "log": {"level": "DEBUG"},
                                    "spoolDir": str(place), "providers": {"file": {"filename": str(tmp_path / "dynamic.json")}}}))
        part.rename(path)
    write(tmp_path / "dynamic.json", one_route(server(echo), buffering()))
    static(2)
    router = weir(f"--configFile={path}", web=False, workers=None)
    router.ports["web"] = port
    proxied = Proxy(router, 2)
    clients = []
    while not all(disk(proxied, pid) for pid in proxied.pids):
        clients.append(half_sent(proxied))
    static(1)
    mark = router.mark()
    os.kill(router.pid, signal.SIGHUP)
    router.wait_log("The sockets of slot 1 are closed", mark)
    for client in clients:
        client.send(BODY[-1:])
        assert client.response().body == BODY
        client.close()
    router.wait_log(r"Worker 1 \(pid \d+\) has finished", mark)


def test_workers_that_end(server, routed, place):
    """One that is killed leaves nothing; its successor has a file of its own."""
    proxied = routed(one_route(server(echo), buffering()), f"--spoolDir={place}")
    client = half_sent(proxied)
    os.kill(proxied.pids[0], signal.SIGKILL)
    assert client.rest() == b""
    proxied.pids = [proxied.router.worker(other_than=proxied.pids)]
    wait_until("nothing is in use", lambda: spooled(proxied) == 0)
    wait_until("the successor has a file", lambda: files(proxied.pids[0]))
    wait_until("... and serves", lambda: ask(proxied, post(BODY)).body == BODY)
