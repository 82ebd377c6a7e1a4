"""/ping, /ready and `weir healthcheck`: what each says while weir starts, lives and stops."""
import os
import re
import signal
import subprocess
import threading

import pytest

import conftest
from conftest import BINARY, DEADLINE, curl, free_port, wait_until
from ports import listen
from processes import freeze
from test_life_upgrade import Installed, upgrade

ROUTES = "http: {routers: {r: {rule: 'Path(`/x`)', service: s}}, services: {s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}}}"
LATE = "INF Ready"


def appear(path):
    """As a whole: a watch may look between the making of a file and its last byte."""
    part = path.with_suffix(".part")
    part.write_text(ROUTES)
    part.rename(path)


@pytest.fixture
def healthy(weir, tmp_path):
    """A weir with ping on the entry point traefik; `file` is its provider's, which need not be there."""
    def start(*flags, file=True, wait=True, **kw):
        path = tmp_path / "dynamic.yml"
        if file:
            appear(path)
        port = free_port()
        router = weir("--ping", f"--entryPoints.traefik.address=127.0.0.1:{port}", f"--providers.file.filename={path}",
                      *flags, wait=wait, **kw)
        router.path, router.ping = path, port
        if not wait:
            router.wait_log(r"Configuration changed")
            wait_until("an answer", lambda: status(port, "/ping") is not None)
        return router
    return start


def ask(port, path, method="GET"):
    answer = curl(port, path, method=method)
    return answer.status, answer.body


def status(port, path):
    try:
        return curl(port, path).status
    except AssertionError:
        return None


# ---- ping ----
def test_ping_is_traefiks(healthy):
    router = healthy()
    for method, path in [("GET", "/ping"), ("POST", "/ping"), ("OPTIONS", "/ping"), ("FOO", "/ping"), ("GET", "/pingpong"),
                         ("GET", "/ping/x?y=1")]:
        answer = curl(router.ping, path, method=method)
        assert (answer.status, answer.body) == (200, "OK"), (method, path)
        assert [name for name, _ in answer.headers] == ["Date", "Content-Length"]
    answer = curl(router.ping, "/ping", method="HEAD")
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, "", "2")
    assert curl(router.ping, "/ready/x").status == 404  # it is a path, not a prefix


@pytest.mark.parametrize("flag,code,body", [([], 503, "Service Unavailable"), (["--ping.terminatingStatusCode=204"], 204, ""),
                                            (["--ping.terminatingStatusCode=599"], 599, "")])
def test_stopping_is_said_at_once_during_the_accept_grace(healthy, flag, code, body):
    router = healthy("--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=60s", *flag)
    assert ask(router.ping, "/ready") == (200, "ready\n")
    os.kill(router.pid, signal.SIGTERM)
    router.wait_log(r"Stopping \(Terminated\): new requests for 60000 ms")
    assert ask(router.ping, "/ping") == (code, body)
    assert ask(router.ping, "/ready") == (503, "stopping\n")
    os.kill(router.pid, signal.SIGTERM)  # at once
    assert router.wait() == 0


# ---- ready ----
def test_not_ready_until_the_provider_has_synced(healthy):
    router = healthy(file=False, wait=False, workers=2)
    assert ask(router.ping, "/ready") == (503, "waiting for provider file\n")
    assert ask(router.ping, "/ping") == (200, "OK")
    assert "Ready" not in router.log()
    appear(router.path)
    router.wait_log(LATE)
    assert ask(router.ping, "/ready") == (200, "ready\n")
    router.path.unlink()  # a source that goes away takes nothing back
    router.wait_log(r"Provider file: .*stays in force")
    assert ask(router.ping, "/ready") == (200, "ready\n")


def test_not_ready_until_every_worker_has_it(healthy):
    router = healthy(file=False, wait=False, workers=2)
    router.wait_log(r"entry point traefik: accepting process=\"worker 1\"")
    worker = router.worker(1)
    freeze(worker)
    mark = router.mark()
    appear(router.path)
    router.wait_log(r"Configuration changed.*generation=2", mark)
    wait_until("only worker 1 is missing", lambda: ask(router.ping, "/ready") == (
        503, "worker 1 has not acknowledged generation 2\n"))  # says worker 0, to whom it is lent
    assert "Ready" not in router.log()
    os.kill(worker, signal.SIGCONT)
    router.wait_log(LATE)
    assert ask(router.ping, "/ready") == (200, "ready\n")


def test_once_ready_ready(healthy):
    router = healthy(workers=2)
    mark = router.mark()
    os.kill(router.pid, signal.SIGHUP)
    router.wait_log(r"SIGHUP", mark)
    assert ask(router.ping, "/ready") == (200, "ready\n")
    master, victim = router.master(), router.worker(0)
    freeze(master)  # so that a new worker cannot get a generation
    os.kill(victim, signal.SIGKILL)
    router.worker(0, other_than=[victim])
    assert ask(router.ping, "/ready") == (200, "ready\n")
    mark = router.kill_master(master)
    assert ask(router.ping, "/ready") == (200, "ready\n")
    router.wait_log(r"Configuration changed", mark)
    assert ask(router.ping, "/ready") == (200, "ready\n")
    assert ask(router.ping, "/ping") == (200, "OK")


def test_ready_over_an_upgrade(healthy, tmp_path, monkeypatch):
    installed = Installed(tmp_path)
    monkeypatch.setattr(conftest, "BINARY", str(installed.path))
    router = healthy(workers=2)
    answers, over = [], threading.Event()

    def look():
        while not over.is_set():
            answers.append(ask(router.ping, "/ready"))
    thread = threading.Thread(target=look)
    thread.start()
    try:
        for build in (1, 2):
            installed.install_build(build)
            mark = upgrade(router)
            router.wait_log(r"The new workers serve: 2 of the earlier build finish", mark)
    finally:
        over.set()
        thread.join()
    assert set(answers) == {(200, "ready\n")}


# ---- healthcheck ----
def check(*args):
    done = subprocess.run([BINARY, "healthcheck", *args], capture_output=True, text=True, timeout=DEADLINE)
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("address", [":{}", "0.0.0.0:{}", "[::]:{}", "[::1]:{}", "localhost:{}", "127.0.0.1:{}/tcp"])
def test_healthcheck_finds_every_form_of_address(weir, address):
    flags = ["--ping", f"--entryPoints.traefik.address={address.format(free_port())}"]
    weir(*flags)
    shown = flags[1].partition("=")[2].removesuffix("/tcp")
    assert check(*flags) == (0, f"OK: http://{shown}/ping")
    assert check("--ready", *flags) == (0, f"OK: http://{shown}/ready")


def test_healthcheck_finds_the_entry_point(weir):
    port = free_port()
    flags = ["--ping", "--ping.entryPoint=other", f"--entryPoints.other.address=127.0.0.1:{port}"]
    weir(*flags)
    assert check(*flags) == (0, f"OK: http://127.0.0.1:{port}/ping")
    assert check(*flags, "--ready") == (1, "Bad healthcheck status: 404 Not Found: 404 page not found")  # users' own paths


def test_healthcheck_says_what_is_missing(healthy):
    router = healthy(file=False, wait=False)
    flags = ["--ping", f"--entryPoints.traefik.address=127.0.0.1:{router.ping}"]
    assert check(*flags) == (0, f"OK: http://127.0.0.1:{router.ping}/ping")
    assert check(*flags, "--ready") == (1, "Bad healthcheck status: 503 Service Unavailable: waiting for provider file")


@pytest.mark.parametrize("flags,words", [
    ([], r"please enable `ping` to use health check"),
    (["--ping", "--ping.entryPoint=none"], r"entry ?[pP]oint"),
    (["--ping", "--entryPoints.traefik.address=127.0.0.1:{closed}"],
     r'Error calling healthcheck: Head "http://127.0.0.1:\d+/ping": Connection refused'),
    (["--ping", "--ready", "--entryPoints.traefik.address=:{closed}"],
     r'Error calling healthcheck: Get "http://:\d+/ready": Connection refused'),
    (["--ping", "--nonsense"], r"nonsense"),
])
def test_healthcheck_that_cannot_ask(flags, words):
    code, text = check(*(flag.replace("{closed}", str(free_port())) for flag in flags))
    assert code == 1 and re.search(words, text), text


def test_healthcheck_of_what_is_no_http():
    with listen() as server:
        def answer():
            peer, _ = server.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"SSH-2.0-nonsense\r\n")
        thread = threading.Thread(target=answer)
        thread.start()
        code, text = check("--ping", f"--entryPoints.traefik.address=127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert code == 1 and text.endswith("the answer is not HTTP")
