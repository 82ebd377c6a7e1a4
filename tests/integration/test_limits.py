"""Budgets (I10): whoever asks for more than there is gets a refusal; never does the kernel have to end a process.

Each case runs with the option limits.memory, measured by weir itself, and, where a control group can be made, in one of
100 MiB, measured by the kernel, whose own count of ended processes must stay at zero.
"""
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from conftest import BINARY, DEADLINE, free_port, wait_until
from crowd import Crowd, Deaf, Fountain, allow_descriptors
from processes import freeze, own_kib
from rawhttp import get, status_of
from test_memory import tree

pytestmark = pytest.mark.crowd

LIMIT = 100 * 1024 * 1024
BODY = 1024 * 1024
HEAD = b"GET / HTTP/1.1\r\nHost: a.test\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"x" * 1000) for i in range(60))


class Group:
    """A control group of its own for memory, of whichever version there is."""

    def __init__(self, folder, limit_file, v2):
        self.folder, self.v2 = folder, v2
        folder.mkdir()
        try:
            (folder / limit_file).write_text(str(LIMIT))
            if v2:
                (folder / "memory.swap.max").write_text("0")
        except OSError:
            folder.rmdir()
            raise
        self.limit_file = folder / limit_file

    def prefix(self):
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.folder / "cgroup.procs")]

    def kills(self):
        text = (self.folder / ("memory.events" if self.v2 else "memory.oom_control")).read_text()
        return int(re.search(r"(?m)^oom_kill (\d+)$", text).group(1))

    def remove(self):
        def gone():
            try:
                self.folder.rmdir()
                return True
            except OSError:
                return False
        wait_until("the control group empty", gone)


def make_group():
    """None where none can be made."""
    name = f"weir-test-{os.getpid()}-{time.monotonic_ns()}"
    own = dict(line.split(":", 2)[1:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines())
    memory = next((path for controllers, path in own.items() if "memory" in controllers.split(",")), None)
    try:
        if memory is not None:
            return Group(pathlib.Path(f"/sys/fs/cgroup/memory{memory}") / name, "memory.limit_in_bytes", False)
        return Group(pathlib.Path("/sys/fs/cgroup") / name, "memory.max", True)
    except OSError:
        return None


def ways():
    group = make_group()
    if group is None:
        return ["option"]
    group.remove()
    return ["option", "group"]


@pytest.fixture
def fountain():
    made = Fountain(BODY)
    yield made
    made.close()


@pytest.fixture
def deaf():
    made = Deaf()
    yield made
    made.close()


@pytest.fixture(params=ways())
def bounded(request, weir, fountain, deaf, tmp_path, programs):
    """weir(...) with a limit of 100 MiB; at the end nothing may have been ended by the kernel and all is as it was."""
    descriptors = allow_descriptors()
    if descriptors < 16000:
        pytest.fail(f"RLIMIT_NOFILE is {descriptors}: these tests need 16000")
    group = make_group() if request.param == "group" else None
    (tmp_path / "dynamic.yml").write_text(f"""http:
  routers:
    all: {{entryPoints: [web], rule: "PathPrefix(`/`)", service: all}}
    deaf: {{entryPoints: [web], rule: "PathPrefix(`/deaf`)", service: deaf}}
  services:
    all: {{loadBalancer: {{servers: [{{url: "{fountain.url}"}}]}}}}
    deaf: {{loadBalancer: {{servers: [{{url: "{deaf.url}"}}]}}}}
tcp:
  routers: {{deaf: {{entryPoints: [tcp], rule: "HostSNI(`*`)", service: deaf}}}}
  services: {{deaf: {{loadBalancer: {{servers: [{{address: "127.0.0.1:{deaf.port}"}}]}}}}}}
""")
    tcp = free_port()
    flags = [f"--providers.file.filename={tmp_path}/dynamic.yml", "--log.level=INFO", f"--entryPoints.tcp.address=127.0.0.1:{tcp}"]
    if group is None:
        router = weir(*flags, f"--limits.memory={LIMIT}", workers=2)
    else:
        router = weir(*flags, workers=2, prefix=group.prefix())
    place = re.escape(str(group.limit_file)) if group else r"limits\.memory"
    router.wait_log(rf"INF Memory limit: 100 MiB \({place}\); the budget is 75 MiB")
    for payload in (b"", HEAD, get()):  # the code that is used has been used once
        Crowd(router.ports["web"], 100, payload).close()
    assert ask(router) == 200
    router.group, router.tcp, router.behind = group, tcp, fountain.port
    router.at_rest = router.workers(2)
    router.rest = own_kib(tree(router))
    yield router
    try:
        recovered(router)
    finally:
        router.stop()
        if group:
            kills = group.kills()
            group.remove()
            assert kills == 0
    assert not re.search(r"was ended by|has not moved", router.log()), router.log()


def ask(router, port=None):
    """One request as any other client makes it: the status."""
    return status_of(port or router.ports["web"])


def others_are_answered(router):
    """With one thing or the other, and without waiting."""
    for _ in range(20):
        assert asked_in_time(router) in (200, 503)


def asked_in_time(router):
    """A body of 1 MiB takes some milliseconds; where it takes longer, its server by itself takes its time as well."""
    began = time.monotonic()
    status = ask(router)
    took = time.monotonic() - began
    if took >= 3:
        began = time.monotonic()
        assert ask(router, router.behind) == 200
        assert took < 3 + 10 * (time.monotonic() - began)
    return status


def recovered(router):
    wait_until("an answer as before", lambda: ask(router) == 200)
    wait_until(f"as small as before ({router.rest} KiB)", lambda: own_kib(tree(router)) <= router.rest * 1.25)
    assert router.workers(len(router.at_rest)) == router.at_rest
    if router.group:
        assert router.group.kills() == 0


def refused(router, crowd):
    """Refusals are seen, and others are still answered."""
    wait_until("refusals", lambda: crowd.ended()[0] > 0)
    others_are_answered(router)


def told(router):
    """What the log says: that it begins, and once it is over connections refused, idle ones closed, requests and answers
    broken off."""
    router.wait_log(r"WRN Memory budget: \d+ % of \d+ MiB used.*: new connections are refused")
    match = router.wait_log(r"INF Memory budget: .*taken again; until now (\d+) were refused, (\d+) idle ones closed, "
                            r"(\d+) requests")[1]
    return [int(n) for n in match.groups()]


def test_idle_connections(bounded):
    crowd = Crowd(bounded.ports["web"], 10000)
    refused(bounded, crowd)
    wait_until("idle connections closed", lambda: crowd.ended()[1] > 0)
    wait_until("room for others", lambda: ask(bounded) == 200)
    crowd.close()
    new, idle, _ = told(bounded)
    assert new > 0 and idle > 0


def test_unfinished_heads(bounded):
    """Measuring goes on without a master."""
    master = bounded.master()
    freeze(master)
    try:
        crowd = Crowd(bounded.ports["web"], 2000, HEAD)
        refused(bounded, crowd)
        crowd.close()
    finally:
        os.kill(master, signal.SIGCONT)
    new, _, broken = told(bounded)  # by its writer
    assert new + broken > 0


def test_unfinished_handshakes(bounded):
    """As many connections as there may be, each with the beginning of a ClientHello: they make room."""
    crowd = Crowd(bounded.ports["web"], 10000, b"\x16\x03\x01\x00\xff\x01\x00")
    wait_until("some are ended", lambda: crowd.ended()[1] > 0)
    wait_until("room for others", lambda: ask(bounded) == 200)
    crowd.close()
    told(bounded)


def test_slow_readers(bounded):
    crowd = Crowd(bounded.ports["web"], 5000, get())
    refused(bounded, crowd)
    crowd.close()
    assert told(bounded)[0] > 0


def orphans(*ports):
    """Sockets of these ports that are closed, whose bytes the kernel keeps because nobody takes them. Not FIN-WAIT-2: there all
    is taken, and a client that was refused has not closed its side."""
    where = " or ".join(f"{end} = :{port}" for port in ports for end in ("sport", "dport"))
    rows = subprocess.run(["ss", "-Htane", f"( {where} )"], capture_output=True, text=True, check=True).stdout.splitlines()
    return sum("ino:0 " in row and row.startswith(("FIN-WAIT-1", "CLOSING", "LAST-ACK")) for row in rows)


@pytest.mark.parametrize("way", ["tunnel", "upload"])
def test_deaf_servers(bounded, deaf, way):
    """Who sends to a server that reads nothing costs what waits on both sides, and the end of it gives all of that back."""
    head = b" /deaf HTTP/1.1\r\nHost: a.test\r\n"
    if way == "tunnel":
        crowd = Crowd(bounded.tcp, 600, b"x")
        crowd.sockets += Crowd(bounded.ports["web"], 600, b"GET" + head + b"Connection: Upgrade\r\nUpgrade: deaf\r\n\r\n").sockets
    else:
        crowd = Crowd(bounded.ports["web"], 1200, b"POST" + head + b"Content-Length: 1000000000\r\n\r\n")

    quiet = 0

    def pumped():
        nonlocal quiet
        quiet = 0 if crowd.pump(b"x" * 65536) else quiet + 1
        refused, closed, _ = crowd.ended()
        return refused + closed > 100 or quiet == 50
    wait_until("some are ended, or all that they may send fits", pumped)
    others_are_answered(bounded)
    wait_until("nothing of them stays in the kernel", lambda: orphans(bounded.tcp, bounded.ports["web"], deaf.port) <= 50)
    ended = quiet < 50
    crowd.close()
    deaf.hang_up()
    if ended:
        told(bounded)


def test_tight(bounded):
    """More than half of the budget is used: nobody is refused, and small buffers make nobody slow."""
    crowd = Crowd(bounded.ports["web"], 750, HEAD)
    for _ in range(30):
        assert asked_in_time(bounded) == 200
    assert crowd.ended() == (0, 0, 750)
    crowd.close()


def test_too_little_address_space_is_told_at_the_start():
    done = subprocess.run(["sh", "-c", 'ulimit -v 8000000 && exec "$@"', "sh", BINARY, "--workers=1"], capture_output=True, text=True,
                          timeout=DEADLINE)
    assert done.returncode == 1 and "address space are too few" in done.stderr and "ulimit -v, LimitAS= of systemd" in done.stderr


def test_too_little_data_is_told_at_the_start():
    done = subprocess.run(["prlimit", "--data=50000000", BINARY, "--workers=1"], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1 and "50000000 bytes of data (RLIMIT_DATA) are too few" in done.stderr
    assert "ulimit -d, LimitDATA= of systemd" in done.stderr
