"""What every integration test stands on: the real binary, real backends, free ports, no process left behind.

`weir`     a factory: weir(args..., env=..., entry_points={"web": port}) starts the router and waits until it says
           that it is ready; stopped at the end of the test, with its exit status checked. Before that, nothing may be
           left over of the test (leftovers.py); weir(leftovers="reason") says why that is not so.
`whoami`   a factory: whoami(name="v1") starts `weir whoami` on a free port.
Waiting is for events: a line in the log, a port that accepts, a process that is gone.
"""
import functools
import http.client
import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import rawhttp
from board import Board
from leftovers import Leftovers
from ports import free_port
from processes import Tree
from waiting import DEADLINE, wait_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("WEIR", str(ROOT / "build/weir"))
SCENARIOS = pathlib.Path(__file__).parent / "scenarios"


def chaos():
    """`make chaos`: what delays the processes of weir at random. What delays the tests themselves: dawdle.py."""
    return {"LD_PRELOAD": os.environ["CHAOS"], "LD_CHAOS_SEED": os.environ["CHAOS_SEED"]} if "CHAOS" in os.environ else {}


class Program:
    """A started program whose output is read line by line."""

    def __init__(self, command, env=None, cwd=None):
        full = {k: v for k, v in os.environ.items() if not k.startswith(("TRAEFIK_", "WEIR_"))}
        full.update({**chaos(), **(env or {})})
        self.command = [str(c) for c in command]
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=full, cwd=cwd,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        self.signalled = None  # who takes SIGTERM, when it is not the process itself
        self.lines = []
        self._queue = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for raw in self.process.stdout:
            self._queue.put(raw.decode(errors="replace").rstrip("\n"))
        self._queue.put(None)

    def _drain(self, block_until=None):
        try:
            while True:
                timeout = None if block_until is None else max(0.0, block_until - time.monotonic())
                line = self._queue.get(timeout != 0 and block_until is not None, timeout)
                if line is None:
                    self._queue.put(None)
                    return False
                self.lines.append(line)
                if block_until is not None:
                    return True
        except queue.Empty:
            return True

    def wait_log(self, pattern, start=0, seconds=DEADLINE):
        """The first line from index `start` on that matches; returns (index, match)."""
        end = time.monotonic() + seconds
        at = start
        while True:
            self._drain()
            while at < len(self.lines):
                match = re.search(pattern, self.lines[at])
                if match:
                    return at, match
                at += 1
            if time.monotonic() > end or not self._drain(end):
                self._drain()
                if at < len(self.lines):
                    continue
                raise AssertionError(f"no line matches {pattern!r} in:\n" + "\n".join(self.lines[-60:]))

    def log(self):
        self._drain()
        return "\n".join(self.lines)

    def mark(self):
        """Where the log is now: for wait_log(start=...)."""
        self._drain()
        return len(self.lines)

    @property
    def pid(self):
        return self.process.pid

    def wait(self, seconds=DEADLINE):
        status = self.process.wait(seconds)
        self._thread.join(5)
        self._drain()
        return status

    def stop(self, seconds=DEADLINE):
        if self.process.poll() is None:
            os.kill(self.signalled or self.pid, signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                raise AssertionError("did not end on SIGTERM:\n" + self.log())
        self._thread.join(5)
        self._drain()
        return self.process.returncode


READY = r"INF Ready: "


@functools.cache
def inspectable():
    """Workers are not dumpable: their /proc/PID/fd and maps are root's. A plain user is that in a user namespace of its own."""
    wrap = ["unshare", "--user", "--map-root-user"]
    return wrap if os.geteuid() != 0 and subprocess.run([*wrap, "true"], stderr=subprocess.DEVNULL).returncode == 0 else []


class Weir(Tree, Program):
    def __init__(self, args, env=None, cwd=None, ports=None, prefix=(), binary=None):
        super().__init__([*inspectable(), *prefix, binary or BINARY, *args], env=env, cwd=cwd)
        self.ports = ports or {}
        self.leftovers = None  # what it held while idle, once it was ready

    def accepting(self, workers, start=0):
        """Until so many workers have taken their sockets; connections that come before wait."""
        for slot in range(workers):
            self.wait_log(rf"entry point \S+: accepting process=\"worker {slot}\"", start)

    def kill_master(self, held=None):
        """Ends it by SIGKILL (held: its pid, when it was stopped before). The mark behind the line that tells of it: what it
        had said itself stands before that, however late it was written out, also when its successor writes it once more."""
        mark, pid = self.mark(), held or self.master()
        own = re.search(r"(?m)^NSpid:.*?(\d+)$", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)  # as weir itself knows it
        os.kill(pid, signal.SIGKILL)
        return 1 + self.wait_log(rf"The master \(pid {own}\) was ended by signal 9", mark)[0]

    def in_force(self, start, words="", workers=1):
        """Until every worker serves what changed behind line `start` of the log, or what came later."""
        at, _ = self.wait_log(r"Configuration changed" + (f".*{words}" if words else ""), start)
        generation = int(re.search(r"generation=(\d+)", self.lines[at]).group(1))

        def serving():
            self.log()
            said = [re.search(r"generation (\d+) in force process=\"(worker \d+)\"", line) for line in self.lines[start:]]
            return len({match.group(2) for match in said if match and int(match.group(1)) >= generation}) >= workers
        wait_until(f"{workers} workers serve generation {generation}", serving)
        return at

    def everywhere(self, workers):
        """Until all workers serve what is the last generation now, of which one has shown something already."""
        board = Board(self.pid)
        try:
            last = board.published()
            wait_until(f"{workers} workers serve generation {last}",
                       lambda: sum(number >= last for number, _ in board.acknowledged()) >= workers)
        finally:
            board.close()


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: needs the machine for itself: latencies are bounded")
    config.addinivalue_line("markers", "crowd: thousands of clients or much memory: few such tests at a time")
    config.addinivalue_line("markers", "long: waits for many seconds: begins first, so that nobody waits for it at the end")
    if "CHAOS_STEPS" in os.environ:
        import dawdle  # which knows this file
        dawdle.install()


def pytest_runtest_setup(item):
    if "CHAOS_STEPS" in os.environ:
        import dawdle
        dawdle.begin(item.nodeid, os.environ["CHAOS_STEPS"])


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.passed = outcome.get_result().passed


def left_over(running):
    """What the test left behind in routers that still run, once its clients are gone."""
    rawhttp.close_clients()
    found = []
    for program in running:
        if getattr(program, "leftovers", None) and program.process.poll() is None:
            wrong = program.leftovers.settled(DEADLINE / 2)
            found += [f"left over: {problem}" for problem in wrong] + ([program.log()[-3000:]] if wrong else [])
    return found


@pytest.fixture
def programs(request):
    running = []
    yield running
    passed = getattr(request.node, "passed", False)
    problems = left_over(running) if passed else []
    for program in reversed(running):
        try:
            status = program.stop()
            if getattr(program, "expected_status", 0) not in (None, status):
                problems.append(f"{program.command[:3]} ended with {status}:\n" + "\n".join(program.lines[-60:]))
        except AssertionError as error:
            problems.append(str(error))
        log = program.log()
        if not passed:
            print(f"---- {' '.join(program.command)[:300]}\n{log[-20000:]}")
        if "ERROR: AddressSanitizer" in log or "runtime error:" in log or "LeakSanitizer" in log:
            problems.append(log)
    assert not problems, "\n".join(problems)


@pytest.fixture
def whoami(programs):
    class Backend:
        def __init__(self, name, host, port, program):
            self.name, self.host, self.port, self.program = name, host, port, program
            self.address = f"{host}:{port}"
            self.url = f"http://{self.address}"

    def start(name="whoami", *args, host="127.0.0.1"):
        port = free_port()
        program = Program([BINARY, "whoami", "--port", port, "--name", name, "--bind", host, *args])
        program.expected_status = None
        programs.append(program)
        wait_port(port, host=host)
        return Backend(name, host, port, program)

    return start


@pytest.fixture
def weir(programs):
    def start(*args, env=None, cwd=None, web=True, workers=1, wait=True, leftovers=None, prefix=()):
        ports = {}
        full = list(args)
        if web:
            ports["web"] = free_port()
            full.insert(0, f"--entryPoints.web.address=127.0.0.1:{ports['web']}")
        full += [f"--workers={workers}"] if workers else []
        if not any(a.lower().startswith("--log.level") for a in full):
            full.append("--log.level=DEBUG")
        program = Weir(full, env=env, cwd=cwd, ports=ports, prefix=prefix)
        programs.append(program)
        if wait:
            program.wait_log(READY)
            if leftovers is None:
                program.leftovers = Leftovers(program)
        return program

    return start


class Answer:
    def __init__(self, status, headers, body, raw):
        self.status, self.headers, self.body, self.raw = status, headers, body, raw

    def header(self, name):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None


def curl(port, path="/", host=None, method="GET", headers=(), data=None, extra=()):
    """A request by the real curl; the answer with its headers in order."""
    command = ["curl", "-sS", "-i", "--path-as-is", "--max-time", str(DEADLINE), "-X", method]
    if method == "HEAD":
        command[command.index("-X"):] = ["-I"]
    if host:
        command += ["-H", f"Host: {host}"]
    for header in headers:
        command += ["-H", header]
    if data is not None:
        command += ["--data-binary", "@-"]
    command += [*extra, f"http://127.0.0.1:{port}{path}"]
    done = subprocess.run(command, input=data, capture_output=True, timeout=DEADLINE + 5)
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    while head.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")):
        head, _, body = body.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    pairs = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines[1:]]
    return Answer(int(lines[0].split()[1]), pairs, body.decode("latin-1"), done.stdout)


def quick_get(port, path="/", host=None, headers=()):
    """The same of a GET without a process for it: for who asks again and again until the answer is another one."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        client.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
        for name, value in (("Host", host or f"127.0.0.1:{port}"), ("Accept", "*/*"), ("Connection", "close"), *(header.split(": ", 1) for header in headers)):
            client.putheader(name, value)
        client.endheaders()
        answer = client.getresponse()
        body = answer.read()
        return Answer(answer.status, answer.getheaders(), body.decode("latin-1"), body)
    finally:
        client.close()


def raw(port, data, close_write=False, seconds=DEADLINE):
    """Bytes in, all bytes out until the peer closes or falls silent at the end of a complete answer."""
    with socket.create_connection(("127.0.0.1", port), seconds) as s:
        s.settimeout(seconds)
        s.sendall(data)
        if close_write:
            s.shutdown(socket.SHUT_WR)
        got = b""
        while True:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                return got
            if not piece:
                return got
            got += piece


@pytest.fixture
def manifests(tmp_path):
    """A directory of manifests: manifests.write(name, text), manifests.copy(scenario)."""
    class Directory:
        path = tmp_path / "manifests"

        def write(self, name, text):
            part = self.path / f".{name}.part"
            part.write_text(text)
            part.rename(self.path / name)

        def copy(self, *names):
            for name in names:
                self.write(name, (SCENARIOS / name).read_text())

        def apply(self, name):
            """As kubectl: an object of the same kind, namespace and name is replaced."""
            for document in re.split(r"(?m)^---\s*$", (SCENARIOS / name).read_text()):
                kind = re.search(r"(?m)^kind: (\S+)", document)
                if kind:
                    meta = document[document.index("metadata:"):]
                    key = [kind.group(1), re.search(r"(?m)^  name: (\S+)", meta).group(1)]
                    namespace = re.search(r"(?m)^  namespace: (\S+)", meta)
                    self.write("-".join(key + [namespace.group(1) if namespace else "default"]) + ".yaml", document)

        def remove(self, name):
            (self.path / name).unlink()

    Directory.path.mkdir()
    return Directory()


def pytest_unconfigure(config):
    """Last of all and one line each: who sees only the end of a long output sees what failed. Also added to the file that
    FAILED_TESTS names, for who runs pytest several times."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    lines = []
    for kind in ("failed", "error"):
        for report in reporter.stats.get(kind, []) if reporter else []:
            words = str(report.longrepr).strip().splitlines()
            wrong = [line for line in words if line.startswith("E ")]
            lines.append(f"{kind}: {report.nodeid}: {(wrong or words or ['?'])[0][:300]}\n")
    print(*lines, sep="", end="")
    if lines and "FAILED_TESTS" in os.environ:
        with open(os.environ["FAILED_TESTS"], "a") as file:
            file.writelines(lines)
