"""A house that lives fast: one weir with everything that can be changed, killed and replaced under it, one call each.

House(folder, programs)  starts backends and weir (two providers, a static file, a binary of its own to be replaced), then
change(), kill_worker(), stall_worker(), kill_master(), hangup(), upgrade(): what an operator or a bad day may do, in any
order. The short marathons (test_life_marathons.py) and `make soak` are made of these. servers: those of mixture.py, with entry
points of every protocol for them. `load` is told which connections
a killed worker had accepted: only those may fail.
"""
import itertools
import json
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import threading
import time

from blackouts import without
from conftest import BINARY, READY, Program, Weir, free_port, wait_port, wait_until
from load import held_by
from processes import freeze, pss_kib
from waiting import pass_time

OVER = 6  # the first column of a histogram (shm/laps.h) beyond 2 ms
OVER_NS = 2 ** 21  # where it begins
FINISHING_MOST = 2  # sets of workers of earlier builds
SILENCE = 0.5  # a stalled worker is noticed after 300 ms, its slot is lent at once
SANITIZED = b"__asan_init" in pathlib.Path(BINARY).read_bytes()

STATIC = """
entryPoints:
  web:
    address: "127.0.0.1:{port}"
    transport:
      lifeCycle:
        graceTimeOut: 2s
{more}{extra}
workers: {workers}
log:
  level: {level}
providers:
  file:
    filename: {folder}/dynamic.json
  kubernetesCRD:
    manifests: {folder}/manifests
"""
MANIFEST = """
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata:
  name: churn
  namespace: default
spec:
  routes:
    - match: Host(`churn{turn}.test`)
      kind: Rule
      services:
        - name: one
          port: 80
---
apiVersion: v1
kind: Service
metadata:
  name: one
  namespace: default
  annotations:
    weir.dev/addresses: "{address}"
spec:
  ports:
    - port: 80
"""
BAD = [  # objects that are wrong, each in its own way; they take down no other
    {"rule": "Hots(`bad`)", "service": "one"},
    {"rule": "Host(`bad`)", "service": "nowhere"},
    {"rule": "Host(`bad`)", "service": "one", "middlewares": ["nowhere"]},
    {"rule": "HostRegexp(`(`)", "service": "one"},
]


def another_build(binary, number):
    """The same program with another build id, as a new version would have."""
    sections, size, count, _ = struct.unpack_from("<Q", binary, 40)[0], *struct.unpack_from("<HHH", binary, 58)
    changed = bytearray(binary)
    for i in range(count):
        kind, offset, length = struct.unpack_from("<4xI16xQQ", binary, sections + i * size)
        if kind == 7 and binary[offset + 12:offset + 16] == b"GNU\0" and binary[offset + 8] == 3:
            for byte in range(4):
                changed[offset + length - 1 - byte] ^= number >> 8 * byte & 255
            return bytes(changed)
    raise AssertionError("no build id")


def replace(path, content, mode=0o644):
    part = path.with_name(f".{path.name}.{threading.get_ident()}")
    part.write_bytes(content if isinstance(content, bytes) else content.encode())
    part.chmod(mode)
    part.rename(path)


class House:
    def __init__(self, folder, programs, workers=2, routers=0, regex=False, level="INFO", seed=None, servers=None,
                 start=Weir):
        self.folder, self.random = pathlib.Path(folder), random.Random(seed)
        self.port, self.other, self.workers, self.level = free_port(), free_port(), workers, level
        self.routers, self.regex, self.servers = routers, regex, servers
        self.turn, self.builds, self.extra, self.finishing, self.datagrams = 0, 0, "", [], True
        self.load = None
        self.writing, self.deaths = threading.RLock(), threading.RLock()
        backend_port = free_port()
        backend = Program([BINARY, "whoami", "--port", backend_port, "--name", "one"])
        backend.expected_status = None
        programs.append(backend)
        wait_port(backend_port)
        self.backend, self.backend_pid = f"127.0.0.1:{backend_port}", backend.pid
        self.binary, self.static = self.folder / "weir", self.folder / "traefik.yml"
        self.good = pathlib.Path(BINARY).read_bytes()
        replace(self.binary, self.good, 0o755)
        (self.folder / "manifests").mkdir()
        self.change_file()
        self.change_manifest()
        self.write_static()
        self.router = start([f"--configFile={self.static}"], binary=self.binary)
        programs.append(self.router)
        self.router.wait_log(READY)

    # ---- configuration ----
    def write_static(self):
        more = self.servers.entry_points(self.datagrams) if self.servers else ""
        replace(self.static, STATIC.format(port=self.port, more=more, extra=self.extra, workers=self.workers, level=self.level,
                                           folder=self.folder))

    def change_file(self, bad=False):
        with self.writing:
            self._change_file(bad)

    def _change_file(self, bad):
        self.turn += 1
        routers = {"one": {"rule": "Host(`one`)", "service": "one"}, "refused": {"rule": "Host(`refused`)", "service": "refused"},
                   f"turn{self.turn % 7}": {"rule": f"Host(`turn{self.turn}.test`)", "service": "churn"}}
        for i in range(self.routers):
            rule = f"HostRegexp(`^r{i}-[a-z]+[.]test$`)" if self.regex else f"Host(`r{i}.test`) && PathPrefix(`/{i}`)"
            routers[f"r{i}"] = {"rule": rule, "service": "one"}
        if bad:
            routers["bad"] = self.random.choice(BAD)
        services = {"one": [self.backend], "churn": [self.backend] * (1 + self.turn % 3), "refused": ["127.0.0.1:1"]}
        http = {"routers": routers, "services": {
            name: {"loadBalancer": {"servers": [{"url": f"http://{a}"} for a in addresses]}}
            for name, addresses in services.items()}}
        sections, more_routers, more_services = self.servers.dynamic(self.turn) if self.servers else ({}, {}, {})
        routers.update(more_routers)
        http["services"].update(more_services)
        replace(self.folder / "dynamic.json", json.dumps({"http": http, **sections}))

    def break_file(self):
        """What no provider can read: all that was stays in force."""
        with self.writing:
            replace(self.folder / "dynamic.json", '{"http": ')

    def change_manifest(self):
        self.turn += 1
        replace(self.folder / "manifests/churn.yaml", MANIFEST.format(turn=self.turn, address=self.backend))

    def hangup(self, workers=None, other=None, datagrams=True):
        """Static configuration anew: another number of workers, the second entry point there (True) or not (False), that for
        UDP there or not."""
        self.workers, self.datagrams = workers or self.workers, datagrams
        if other is not None:
            self.extra = f"  other:\n    address: \"127.0.0.1:{self.other}\"\n" if other else ""
            if other and self.servers:
                self.extra += f"  datagrams:\n    address: \"127.0.0.1:{self.other}/udp\""
        self.write_static()
        mark = self.router.mark()
        os.kill(self.router.pid, signal.SIGHUP)
        _, said = self.router.wait_log(r"INF Static configuration from file|ERR The static configuration is refused.*", mark)
        assert said[0].startswith("INF"), said[0]
        return mark

    # ---- processes ----
    def worker_pids(self):
        return self.router.children("worker")

    def a_worker(self):
        return self.random.choice(wait_until("a worker", self.worker_pids))

    def _held(self, pid):
        """Whose connections it holds."""
        ports = [self.port] + (list(self.servers.ports.values()) if self.servers else [])
        return set().union(*(held_by(pid, port) for port in ports))

    def _stopped(self, pid):
        """It accepts no more; whose connections it holds."""
        freeze(pid)
        return self._held(pid)

    def kill_worker(self, pids=None):
        """One of these, if there is one; else any. Whether it was killed."""
        with self.deaths:
            return pids != [] and self._kill_worker(self.random.choice(pids) if pids else self.a_worker())

    def _kill_worker(self, pid):
        try:
            held = self._stopped(pid)
            self.load.excuse(held)
            when = time.monotonic()
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, FileNotFoundError):
            return False  # it has just finished by itself
        wait_until("it is gone", lambda: pid not in self.worker_pids())
        if self.servers:
            self.load.killed(when, self.worker_pids())
        return True

    def stall_worker(self, seconds):
        """SIGSTOP and, some time later, SIGCONT: what it had accepted waits and goes on."""
        with self.deaths:
            self._stall_worker(seconds)

    def _stall_worker(self, seconds):
        pid = self.a_worker()
        try:
            self.load.excuse(self._stopped(pid), until=time.monotonic() + seconds + SILENCE)
            pass_time("it hangs", seconds)
            os.kill(pid, signal.SIGCONT)
        except (ProcessLookupError, FileNotFoundError):
            pass

    def kill_master(self):
        mark, _ = self.router.wait_log(r"Configuration changed|stays in force", self.router.kill_master())
        self.change_file()  # it may be a broken one that was found
        self.router.wait_log(r"Configuration changed", mark + 1)

    def upgrade(self, to="another"):
        """To "another" build, the one that "same" now runs, or a "broken" one, which changes nothing. Two sets of workers of
        earlier builds may finish what is open; with the next upgrade the oldest is ended with all it still has."""
        with self.deaths:
            self._upgrade(to)

    def _upgrade(self, to):
        if to == "another":
            wait_until("no start is due", lambda: len(set(self.worker_pids()).difference(*self.finishing)) >= self.workers)
            self.builds += 1
            self.finishing = [alive for alive in ({p for p in s if p in self.worker_pids()} for s in self.finishing) if alive]
            for pid in self.finishing[0] if len(self.finishing) == FINISHING_MOST else ():
                self.load.excuse(self._held(pid))
            now = set(self.worker_pids()) - set().union(*self.finishing)
            self.finishing = self.finishing[-1:] + [now] if len(self.finishing) == FINISHING_MOST else self.finishing + [now]
        running = another_build(self.good, self.builds) if self.builds else self.good
        replace(self.binary, self.good[:20000] if to == "broken" else running, 0o755)
        with self.writing:  # nothing that `check` would refuse
            self.change_file()
            mark = self.router.mark()
            os.kill(self.router.pid, signal.SIGUSR2)
            self.router.wait_log({"broken": r"ERR Upgrade to .* is refused", "same": r"INF Upgraded: the build is the same",
                                  "another": r"The new workers serve"}[to], mark)

    # ---- what it costs ----
    def laps(self):
        """Stops weir; the histograms of its workers and the slow laps that are kept, as they say
        them at their end."""
        self.level = "DEBUG"
        mark = self.hangup()
        self.router.wait_log(r"Configuration changed: options of the static", mark)
        self.change_file()
        for pid in self.worker_pids():  # from here on all of them say more
            name = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()[len("weir: "):]
            self.router.wait_log(rf"DBG generation \d+ in force process=\"{name}\"", mark)
        self.router.stop()
        said = re.findall(r"laps of slot \d+: (\{.*?\]\}\})", self.router.log())
        assert said, self.router.log()[-2000:]
        slow = re.findall(r"slow lap of slot \d+: (\{.*?\})", self.router.log())
        return [json.loads(text) for text in said], [json.loads(text) for text in slow]

    def laps_so_far(self):
        return laps_so_far(self.router.pid)[0]

    def cpu_seconds(self):
        """What weir has used so far, with what its dead processes had."""
        def used(pid, first, last):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            return sum(int(ticks) for ticks in fields[first:last]) / os.sysconf("SC_CLK_TCK")
        return used(self.router.pid, 13, 15) + sum(used(pid, 11, 13) for pid in self.worker_pids())

    def pages(self, name="routes"):
        """How many of one kind of page the worker with most of them has mapped."""
        def count(pid):
            try:
                return pathlib.Path(f"/proc/{pid}/maps").read_text().count(f"memfd:weir-{name}")
            except OSError:
                return 0
        return max((count(pid) for pid in self.worker_pids()), default=0)

    def processes(self):
        return [self.router.pid] + self.router.children("")

    def pss_kib(self):
        return pss_kib(set(self.processes()))

    def descriptors(self):
        """Without idle connections to the backend, which go when their time has come."""
        backend = self.backend.rsplit(":", 1)[1]
        return sum(len(os.listdir(f"/proc/{pid}/fd")) - len(held_by(pid, backend, "dport")) for pid in set(self.processes()))


def slow_laps(laps, handshakes=False):
    """How many callbacks took over 2 ms of CPU; where there are whole handshakes of TLS over 4 ms: with the small BoringSSL one
    takes more than 1 ms, and it may begin in a turn of the loop that has lasted 1 ms (worker/tls_accept.c)."""
    if SANITIZED:
        return 0  # it makes everything slower, some things fifty times
    return sum(sum(one["cpu"][OVER + handshakes:]) for one in laps)


def laps_so_far(pid):
    said = subprocess.run([BINARY, "status", "--json", "--pid", str(pid)], capture_output=True,
                          check=True)
    slots = json.loads(said.stdout)["slots"]
    return [slot["laps"] for slot in slots], [lap for slot in slots for lap in slot["slowLaps"]]


def slow_callbacks(laps, kept, still, handshakes=False):
    """Those that weir is to blame for, and those that may be slow because a CPU stood still, in
    words. weir is also to blame for one that was counted and is not kept.

    Nobody knows when exactly a lap had the CPU: where it shared it with others for long, what stood
    still may have been their time."""
    if SANITIZED:
        return [], []
    most, weirs, excused = OVER_NS << handshakes, [], []
    for lap in kept:
        if 1000 * lap["us"] >= most:
            rest = without(lap, still)
            (weirs if rest >= most else excused).append(
                f"{lap['us'] / 1000:.2f} ms of CPU in {lap['in']}, {lap['wallUs'] / 1000:.2f} ms "
                f"on the wall up to {lap['endedUs'] / 1e6:.4f}, of which a CPU stood still "
                f"{lap['us'] / 1000 - rest / 1e6:.2f} ms")
    lost = slow_laps(laps, handshakes) - len(weirs) - len(excused)
    return weirs + [f"{lost} more, which nobody kept"] * (lost > 0), excused


def short_callbacks(house, live, windows=5):
    """live() is a while of weir's life in which no callback may be slow. A clock of CPU also counts what a hypervisor or
    somebody else's interrupt takes from a thread: that comes and goes, whereas what weir does takes as long in every window."""
    for _ in range(windows):
        before = slow_laps(house.laps_so_far())
        live()
        laps = house.laps_so_far()
        if slow_laps(laps) == before:
            return
    raise AssertionError(f"slow callbacks in each of {windows} windows: {laps}")


class Churn:
    """Changes the configuration of a house `rate` times a second, through both providers in turn, until stop(). A change
    that comes late shortens the pause behind it."""

    def __init__(self, house, rate):
        self._changes, self._pause, self._stop = itertools.cycle((house.change_file, house.change_manifest)), 1 / rate, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        due = time.monotonic()
        for change in self._changes:
            change()
            due = max(due + self._pause, time.monotonic() - 1)
            if self._stop.wait(max(0, due - time.monotonic())):
                return

    def stop(self):
        self._stop.set()
        self._thread.join()


def generations(router):
    return max((int(n) for n in re.findall(r"generation=(\d+)", router.log())), default=0)
