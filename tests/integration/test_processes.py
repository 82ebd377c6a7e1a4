"""The life of the processes: start, refusal to start, restart of each, orderly stop. Against the real binary."""
import fcntl
import http.client
import os
import pathlib
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

import rawhttp
from conftest import BINARY, DEADLINE, READY, Program, curl, free_port, quick_get, wait_until
from ports import listen
from processes import alive, children, descriptors, freeze, gone, title


def dynamic(tmp_path, backend, name="who", middlewares=""):
    """A file for the file provider with one router to one backend."""
    path = tmp_path / "dynamic.yml"
    part = tmp_path / ".part"
    part.write_text(f"""
http:
  routers:
    {name}:
      rule: "PathPrefix(`/`)"
      service: {name}
  services:
    {name}:
      loadBalancer:
        servers:
          - url: "{backend.url}"
""")
    part.rename(path)
    return path


@pytest.fixture
def serving(weir, whoami, tmp_path):
    """A router in front of one backend: serving(flags..., workers=2)."""
    def start(*flags, delay=None, **kw):
        backend = whoami("one", *(["--delay", delay] if delay else []))
        router = weir(f"--providers.file.filename={dynamic(tmp_path, backend)}", *flags, **kw)
        router.web = router.ports["web"]
        return router
    return start


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return False
    except ConnectionRefusedError:
        return True


# ---- start ----
def test_titles_of_all_processes(serving):
    router = serving(workers=2)
    assert title(router.pid) == "weir: guard"
    names = [title(pid) for pid in router.children("worker")]
    assert sorted(names) == ["weir: worker 0", "weir: worker 1"]
    master = router.master()
    assert pathlib.Path(f"/proc/{master}/comm").read_text().strip() == "weir: master"
    environment = pathlib.Path(f"/proc/{master}/environ").read_bytes()
    assert b"dynamic.yml" not in title(master).encode() + environment


def test_workers_get_nothing_that_was_left_open(weir):
    router = weir(prefix=("sh", "-c", 'exec "$0" "$@" 9</etc/passwd'))
    assert "/etc/passwd" in descriptors(router.pid).values()
    assert "/etc/passwd" not in descriptors(router.worker()).values()


def test_workers_have_no_privileges(serving):
    router = serving(workers=1)
    lines = pathlib.Path(f"/proc/{router.worker()}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapInh"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert curl(router.web).status == 200


@pytest.mark.parametrize("flags, words", [
    (["--entryPoints.web.adress=:80"], ["adress", "address"]),
    (["--entryPoints.web.address=nonsense"], ["web", "nonsense"]),
    (["--entryPoints.web.address=127.0.0.1:{port}", "--workers=4000"], ["workers"]),
])
def test_bad_static_configuration(flags, words):
    port = free_port()
    done = subprocess.run([BINARY, *(flag.format(port=port) for flag in flags)], capture_output=True, text=True,
                          timeout=DEADLINE)
    lines = (done.stdout + done.stderr).strip().splitlines()
    assert done.returncode == 1
    assert len(lines) == 1, lines
    for word in words:
        assert word in lines[0]
    assert refused(port)


def test_bad_file_is_named_with_its_line(tmp_path):
    config = tmp_path / "traefik.yml"
    config.write_text("entryPoints:\n  web:\n    address: \":8000\"\n    adress: \":80\"\n")
    done = subprocess.run([BINARY, f"--configFile={config}"], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1
    assert f"{config}:4" in done.stdout + done.stderr


def test_taken_port_is_an_error_and_nothing_else_is_bound():
    free = free_port()
    with listen() as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([BINARY, f"--entryPoints.aa.address=127.0.0.1:{free}",
                               f"--entryPoints.web.address=:{port}", "--workers=2"],
                              capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1
    line = (done.stdout + done.stderr).strip()
    assert '"web"' in line and f":{port}" in line and "in use" in line
    assert len(line.splitlines()) == 1
    assert refused(free)


def test_a_second_weir_does_not_join_the_ports_of_the_first(serving):
    router = serving(workers=2)
    done = subprocess.run([BINARY, f"--entryPoints.web.address=127.0.0.1:{router.web}", "--workers=2"],
                          capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1
    assert "in use" in done.stdout + done.stderr
    assert curl(router.web).status == 200


def test_wildcard_is_dual_stack(weir):
    port = free_port()
    weir(f"--entryPoints.web.address=:{port}", web=False)
    for address in ("127.0.0.1", "::1"):
        connection = http.client.HTTPConnection(address, port, timeout=DEADLINE)
        connection.request("GET", "/")
        assert connection.getresponse().status == 404
        connection.close()


def test_children_are_not_for_hands():
    for face in (["master"], ["worker", "0"]):
        done = subprocess.run([BINARY, *face], capture_output=True, text=True, timeout=DEADLINE, close_fds=True)
        assert done.returncode == 1
        assert "not by hand" in done.stderr


@pytest.fixture
def bare():
    """Starts a program with plain descriptors of the test's choice; killed at the end if it is still there."""
    started = []

    def start(command, **kw):
        started.append(subprocess.Popen([str(word) for word in command], **kw))
        return started[-1]
    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def read_until(descriptor, word, meanwhile=None):
    """Reads a pipe until the word came; meanwhile() is called before each read."""
    text = b""
    end = time.monotonic() + DEADLINE
    while word not in text:
        assert time.monotonic() < end, text.decode()
        if meanwhile:
            meanwhile()
        if select.select([descriptor], [], [], 0.1)[0]:
            text += os.read(descriptor, 65536)
    return text


def test_inherited_output_stays_blocking(bare):
    reading, writing = os.pipe()
    port = free_port()
    process = bare([BINARY, f"--entryPoints.web.address=127.0.0.1:{port}", "--log.level=INFO"],
                   stdout=writing, stderr=writing, stdin=subprocess.DEVNULL)
    read_until(reading, b"Ready: ")
    assert not fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK
    process.terminate()
    assert process.wait(DEADLINE) == 0
    assert not fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(reading)
    os.close(writing)


def test_all_standard_descriptors_closed(bare):
    """Nothing of ours may land on descriptors 0 to 2, and all still works without them."""
    port = free_port()
    process = bare(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', BINARY, f"--entryPoints.web.address=127.0.0.1:{port}"])
    wait_until("the port answers", lambda: not refused(port))
    assert curl(port).status == 404
    assert os.readlink(f"/proc/{process.pid}/fd/1") == "/dev/null"
    process.terminate()
    assert process.wait(DEADLINE) == 0


# ---- restart ----
def test_killed_worker_comes_back_in_its_slot(serving):
    router = serving(workers=2)
    victim, other = router.worker(0), router.worker(1)
    mark = router.mark()
    os.kill(victim, signal.SIGKILL)
    mark, _ = router.wait_log(r"Worker 0 .* signal 9", mark)
    router.wait_log(r"entry point web: accepting process=\"worker 0\"", mark)
    assert router.workers(2) == sorted([router.worker(0, other_than=[victim]), other])
    for _ in range(20):
        assert curl(router.web).status == 200


def test_who_started_it_ignores_signals(weir):
    """What ends is noticed all the same: a parent that ignores SIGCHLD hands that down, and the kernel keeps nothing to wait for."""
    router = weir(prefix=("env", "--ignore-signal=CHLD,XFSZ,PIPE,HUP,TERM"), leftovers="another worker")
    victim = router.worker()
    os.kill(victim, signal.SIGKILL)
    router.wait_log(rf"Worker 0 \(pid {victim}\) was ended by signal 9")
    router.worker(other_than=[victim])
    assert curl(router.ports["web"]).status == 404


def test_too_small_a_bound_on_files_is_told():
    command = ["prlimit", "--fsize=1000", BINARY, "--entryPoints.web.address=127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "File too large" in done.stderr, (done.returncode, done.stderr)


def test_no_connection_is_refused_while_a_worker_is_away(serving):
    router = serving(workers=1)
    mark = router.mark()
    os.kill(router.worker(), signal.SIGKILL)
    assert curl(router.web).status == 200  # waited in the queue of the slot
    router.wait_log(r"Worker 0 .* signal 9", mark)


def test_worker_that_dies_again_and_again_waits_longer(serving):
    router = serving(workers=1)
    for wait in ("0 ms", "50 ms", "100 ms"):
        mark = router.mark()
        os.kill(router.worker(), signal.SIGKILL)
        mark, _ = router.wait_log(rf"Worker 0 .* next start in {wait}", mark)
        router.wait_log(r"entry point web: accepting", mark)
    assert curl(router.web).status == 200


def test_new_master_knows_the_addresses_of_names(weir, whoami, tmp_path):
    """What the one before it knew lies at the guard: DNS may be down meanwhile."""
    backend = whoami("one")
    (tmp_path / "dynamic.yml").write_text(
        "http:\n  routers: {all: {rule: PathPrefix(`/`), service: all}}\n  services: {all: {loadBalancer: {servers: "
        f"[{{url: 'http://server.invalid:{backend.port}'}}]}}}}}}\n")
    router = weir(f"--providers.file.filename={tmp_path}/dynamic.yml")
    assert curl(router.ports["web"]).status == 503
    memory = next(number for number, target in descriptors(router.pid).items() if target.startswith("/memfd:weir-names"))
    freeze(router.master())  # it writes there too
    pathlib.Path(f"/proc/{router.pid}/fd/{memory}").write_text("weir names 1\nserver.invalid 127.0.0.1\nend\n")
    os.kill(router.master(), signal.SIGKILL)
    wait_until("it is served", lambda: quick_get(router.ports["web"]).status == 200)


def test_killed_master_costs_no_request(serving, tmp_path, whoami):
    router = serving(workers=2)
    workers = router.workers(2)
    connection = http.client.HTTPConnection("127.0.0.1", router.web, timeout=DEADLINE)
    connection.request("GET", "/")
    assert connection.getresponse().read()
    local = connection.sock.getsockname()
    master = router.master()
    failures, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            if curl(router.web).status != 200:
                failures.append("status")
    asking = threading.Thread(target=ask)
    asking.start()
    router.wait_log(r"Configuration changed", router.kill_master())
    stop.set()
    asking.join()
    assert not failures
    assert router.workers(2) == workers
    connection.request("GET", "/")
    assert connection.getresponse().read()
    assert connection.sock.getsockname() == local  # the very connection of before

    mark = router.mark()  # the new master can change things
    dynamic(tmp_path, whoami("two"))
    router.wait_log(r"Configuration changed: .*who@file", mark)
    wait_until("the new backend answers", lambda: "Name: two" in quick_get(router.web).body)


def test_master_restart_opens_no_second_socket(serving):
    router = serving(workers=2)

    def listening():
        rows = subprocess.run(["ss", "-Hltn", f"sport = :{router.web}"], capture_output=True, text=True).stdout
        return len(rows.splitlines())
    assert listening() == 2
    router.wait_log(r"Configuration changed", router.kill_master())
    assert listening() == 2


def test_workers_and_master_die_with_the_guard(serving):
    router = serving(workers=2)
    tree = [*router.workers(2), router.master()]
    router.expected_status = -signal.SIGKILL
    os.kill(router.pid, signal.SIGKILL)
    router.wait()
    for pid in tree:
        gone(pid)
    wait_until("nobody has the port", lambda: refused(router.web))


def test_generation_that_kills_workers_is_withdrawn(serving, tmp_path, whoami):
    """Two workers die while a generation is on its way to them: it is taken back, and not tried again."""
    router = serving(workers=2)
    workers = router.workers(2)
    for pid in workers:
        freeze(pid)
    mark = router.mark()
    dynamic(tmp_path, whoami("two"), name="changed")
    router.wait_log(r"Configuration changed", mark)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    _, match = router.wait_log(r"Generation (\d+) is withdrawn: 2 workers .*changed@file", mark)
    router.wait_log(r"has the content of \d+ again", mark)
    for slot in (0, 1):
        died, _ = router.wait_log(rf"Worker {slot} .* signal 9", mark)
        router.wait_log(rf"entry point web: accepting process=\"worker {slot}\"", died)
    # one that began with the bad one does not say when it has left it
    wait_until("nobody serves it", lambda: all("Name: one" in quick_get(router.web).body for _ in range(10)))


# ---- stop ----
@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_stop_is_orderly(serving, name):
    router = serving(workers=2)
    tree = [*router.workers(2), router.master()]
    os.kill(router.pid, name)
    assert router.wait() == 0
    assert not any(alive(pid) for pid in tree)
    assert refused(router.web)


def test_ctrl_c_reaches_the_whole_group(serving):
    """A terminal sends SIGINT to every process of the group: only the guard may act on it."""
    router = serving(delay="1s")
    answer = {}
    asking = threading.Thread(target=lambda: answer.update(got=curl(router.web)))
    asking.start()
    router.wait_log(r"router who@file")
    os.killpg(router.pid, signal.SIGINT)
    asking.join()
    assert answer["got"].status == 200
    assert router.wait() == 0


def test_request_in_flight_is_finished(serving):
    router = serving(delay="1s")
    answer = {}
    asking = threading.Thread(target=lambda: answer.update(got=curl(router.web)))
    asking.start()
    router.wait_log(r"router who@file")
    os.kill(router.pid, signal.SIGTERM)
    wait_until("new connections are refused", lambda: refused(router.web))
    asking.join()
    assert answer["got"].status == 200
    assert "Name: one" in answer["got"].body
    assert router.wait() == 0


def test_grace_time_ends(serving):
    router = serving("--entryPoints.web.transport.lifeCycle.graceTimeOut=300ms", delay="60s")
    with socket.create_connection(("127.0.0.1", router.web), DEADLINE) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        router.wait_log(r"router who@file")
        os.kill(router.pid, signal.SIGTERM)
        assert router.wait() == 0


def test_idle_connections_hold_nobody_up(serving):
    """The end comes long before the grace time does."""
    router = serving("--entryPoints.web.transport.lifeCycle.graceTimeOut=60s", delay="1ms")
    idle = rawhttp.connect(router.web)
    idle.send(rawhttp.get(host="a"))
    assert idle.response().status == 200
    os.kill(router.pid, signal.SIGTERM)
    assert idle.at_end()
    assert router.wait(30) == 0


def test_second_signal_stops_at_once(serving):
    router = serving("--entryPoints.web.transport.lifeCycle.graceTimeOut=600s", delay="600s")
    with socket.create_connection(("127.0.0.1", router.web), DEADLINE) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        router.wait_log(r"router who@file")
        os.kill(router.pid, signal.SIGTERM)
        router.wait_log(r"Stopping \(Terminated\)")
        os.kill(router.pid, signal.SIGTERM)
        router.wait_log(r"Stopping at once")
        assert router.wait() == 0


def test_new_requests_are_accepted_during_the_accept_grace(serving):
    router = serving("--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=600s", "--ping",
                     f"--entryPoints.traefik.address=127.0.0.1:{(ping := free_port())}")
    assert curl(ping, "/ping").status == 200
    os.kill(router.pid, signal.SIGTERM)
    router.wait_log(r"Stopping \(Terminated\): new requests for 600000 ms")
    assert curl(router.web).status == 200
    assert curl(ping, "/ping").status == 503
    os.kill(router.pid, signal.SIGTERM)  # at once
    assert router.wait() == 0
    assert refused(router.web)


def test_the_accept_grace_ends(serving):
    router = serving("--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout=500ms")
    began = time.monotonic()
    os.kill(router.pid, signal.SIGTERM)
    assert router.wait() == 0
    assert time.monotonic() - began >= 0.5
    assert refused(router.web)


def test_stop_during_a_hung_worker_ends_by_force(serving):
    router = serving("--entryPoints.web.transport.lifeCycle.graceTimeOut=100ms", workers=1)
    freeze(router.worker())
    os.kill(router.pid, signal.SIGTERM)
    router.wait_log(r"workers that are left are killed")
    assert router.wait() == 0


def test_as_pid_1_of_a_namespace(whoami, tmp_path, programs):
    """Pid 1 ignores what it does not handle, and orphans are its children."""
    backend = whoami("one")
    port = free_port()
    unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        unshare += ["--map-root-user"]
    router = Program([*unshare, BINARY, f"--entryPoints.web.address=127.0.0.1:{port}", "--log.level=DEBUG", "--workers=2",
                      f"--providers.file.filename={dynamic(tmp_path, backend)}"])
    programs.append(router)
    router.wait_log(READY)
    [guard] = children(router.pid)
    status = pathlib.Path(f"/proc/{guard}/status").read_text()
    assert next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1] == "1"
    by_title = {title(pid): pid for pid in children(guard)}
    assert set(by_title) == {"weir: master", "weir: worker 0", "weir: worker 1"}
    assert curl(port).status == 200

    mark = router.mark()
    os.kill(by_title["weir: worker 1"], signal.SIGKILL)
    mark, _ = router.wait_log(r"Worker 1 .* signal 9", mark)
    mark, _ = router.wait_log(r"entry point web: accepting process=\"worker 1\"", mark)
    os.kill(by_title["weir: master"], signal.SIGKILL)
    mark, _ = router.wait_log(r"The master .* signal 9", mark)
    mark, _ = router.wait_log(r"Configuration changed", mark)
    os.kill(guard, signal.SIGHUP)
    router.wait_log(r"SIGHUP", mark)
    assert curl(port).status == 200
    os.kill(guard, signal.SIGTERM)
    assert router.wait() == 0


# ---- tools ----
def test_healthcheck(weir):
    ping = free_port()
    flags = ["--ping", f"--entryPoints.traefik.address=127.0.0.1:{ping}"]
    weir(*flags)

    def check(*args):
        done = subprocess.run([BINARY, "healthcheck", *args], capture_output=True, text=True, timeout=DEADLINE)
        return done.returncode, done.stdout.strip()
    assert check(*flags) == (0, f"OK: http://127.0.0.1:{ping}/ping")
    code, text = check("--ping", f"--entryPoints.traefik.address=127.0.0.1:{free_port()}")
    assert code == 1 and "refused" in text
    code, text = check()
    assert code == 1 and "ping" in text


def test_healthcheck_says_the_status(programs):
    """Whatever is not 200 is not healthy."""
    port = free_port()
    backend = Program([BINARY, "whoami", "--port", port])
    backend.expected_status = None
    programs.append(backend)
    backend.wait_log("listens")
    assert curl(port, "/health", method="POST", data=b"503").status == 200
    assert curl(port, "/health").status == 503


def test_version():
    done = subprocess.run([BINARY, "version"], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0
    for word in ("Version:", "Build:", "libuv"):
        assert word in done.stdout


# ---- whoami ----
def test_whoami_answers_as_traefiks(whoami):
    backend = whoami("x")
    body = curl(backend.port, "/a?b=c", headers=["x-zz: 1", "X-aa: 2", "X-AA: 3"]).body
    head, _, rest = body.partition("GET ")
    lines = head.splitlines()
    assert lines[0] == "Name: x"
    assert lines[1] == f"Hostname: {socket.gethostname()}"
    assert "IP: 127.0.0.1" in lines
    assert lines[-1].startswith("RemoteAddr: 127.0.0.1:")
    assert rest.split("\r\n")[:2] == ["/a?b=c HTTP/1.1", f"Host: 127.0.0.1:{backend.port}"]
    assert rest.split("\r\n")[2].startswith("User-Agent: curl/")
    assert rest.endswith("Accept: */*\r\nX-Aa: 2\r\nX-Aa: 3\r\nX-Zz: 1\r\n\r\n")


def test_whoami_echoes_bodies(whoami):
    backend = whoami("x")
    body = b"0123456789abcdef" * 65536
    answer = curl(backend.port, "/", method="POST", data=body)
    assert answer.body.endswith(body.decode())
    assert "Content-Length: 1048576\r\n" in answer.body
    answer = curl(backend.port, "/", method="POST", data=b"hello", headers=["Transfer-Encoding: chunked"])
    assert answer.body.endswith("5\r\nhello\r\n0\r\n\r\n")


def test_whoami_data_and_api(whoami):
    backend = whoami("x")
    assert curl(backend.port, "/data?size=30").body == "|ABCDEFGHIJKLMNOPQRSTUVWXYZ-A|"
    assert len(curl(backend.port, "/data?size=3&unit=MB").body) == 3 * 1024 * 1024
    assert '"name":"x"' in curl(backend.port, "/api").body
    assert curl(backend.port, "/bench").body == "1"


def test_whoami_over_udp(programs):
    port = free_port()
    backend = Program([BINARY, "whoami", "--udp", "--port", port, "--name", "u"])
    backend.expected_status = None
    programs.append(backend)
    backend.wait_log("listens on udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(DEADLINE)
        s.connect(("127.0.0.1", port))
        s.send(b"WHO")
        assert s.recv(4096).startswith(b"Name: u\nHostname: ")
        s.send(b"anything")
        assert s.recv(4096) == b"Received: anything"


def test_whoami_websocket_echo(whoami):
    backend = whoami("x")
    with socket.create_connection(("127.0.0.1", backend.port), DEADLINE) as s:
        s.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        peer = rawhttp.Peer(s)
        head = peer.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # the example of RFC 6455
        s.sendall(bytes([0x81, 0x85, 1, 2, 3, 4]) + bytes(b ^ m for b, m in zip(b"hello", b"\1\2\3\4\1")))
        assert peer.exactly(7) == b"\x81\x05hello"
        s.sendall(bytes([0x88, 0x80, 0, 0, 0, 0]))
        assert peer.rest() == b"\x88\x00"
