"""The log: one writer for all processes. What nobody takes costs lines, which are counted, and nothing else.

Every request here is answered with 404 and leaves one line of about a kilobyte with its number in the log of its worker.
"""
import contextlib
import http.client
import os
import re
import resource
import signal
import subprocess
import threading

import pytest

from conftest import BINARY, DEADLINE, free_port, wait_port, wait_until
from processes import Tree, freeze

PADDING = "x" * 900
OVERFLOW = 1000  # requests whose lines fit nowhere: ring, pipe and the buffers of a reader together hold less
LOST = r"ERR (\d+) log lines? w[ea][rs]e? lost: .* of=\"worker 0\""


class Guard(Tree, subprocess.Popen):
    """Its output goes where the test wants it."""


class Load:
    """Numbered requests, one after the other; each is answered or the test fails."""

    def __init__(self, port):
        self.port, self.sent, self.connection = port, 0, None

    def send(self, count=1):
        for _ in range(count):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
            self.connection.request("GET", f"/n{self.sent:06d}/{PADDING}")
            answer = self.connection.getresponse()
            answer.read()
            assert answer.status == 404
            self.sent += 1

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def settle(self):
        """An answer leaves before its line is written: behind another one, that has no number, they all are. Where lines are
        lost, its own may be one of them."""
        self.connection.request("GET", "/settle")
        self.connection.getresponse().read()


def numbers(text):
    """Of the requests whose lines are there; lines that are not whole do not count."""
    return [int(n) for n in re.findall(rf"(?m)^\S+ DBG GET \S*/n(\d{{6}})/{PADDING}: .* process=\"worker 0\" reason=no_route$", text)]


@pytest.fixture
def load():
    made = []

    def start(port):
        made.append(Load(port))
        return made[-1]
    yield start
    for one in made:
        one.close()


@pytest.fixture
def start():
    """start(stdout, flags...) -> the Guard, with .port; killed at the end if it is there."""
    started = []

    def run(stdout, *flags):
        port = free_port()
        process = Guard([BINARY, f"--entryPoints.web.address=127.0.0.1:{port}", "--workers=1", "--log.level=DEBUG",
                         *flags], stdout=stdout, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        process.port = port
        started.append(process)
        wait_port(port)
        process.master(), process.worker()
        return process
    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def reader(tmp_path):
    """A program that copies a pipe to a file: .stdin is for weir, .text() what it has taken."""
    path = tmp_path / "taken"
    with open(path, "wb") as out:
        process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=out)
    process.text = lambda: path.read_text(errors="replace")
    yield process
    process.kill()
    process.stdin.close()
    process.wait()


def said(reader, pattern, after=0):
    return wait_until(f"the log says {pattern}", lambda: re.search(pattern, reader.text()[after:]))


def taken(reader, number):
    """Once the whole line of that request is there: a part of it may be for a moment."""
    wait_until(f"the log has the line of request {number}", lambda: number in numbers(reader.text()))


# ---- nobody reads ----
def test_reader_that_stops_stops_nothing(start, reader, load):
    """Requests are answered, a worker is replaced, the guard's own lines are not crowded out, losses are counted."""
    router = start(reader.stdin)
    requests = load(router.port)
    said(reader, "INF Ready")
    freeze(reader.pid)
    requests.send(OVERFLOW)
    worker = router.worker()
    requests.close()
    os.kill(worker, signal.SIGKILL)
    router.worker(other_than=[worker])
    requests.send(10)
    assert not re.search(LOST, reader.text())
    reader.send_signal(signal.SIGCONT)
    lost = int(said(reader, LOST).group(1))
    said(reader, r"ERR Worker 0 \(pid \d+\) was ended by signal 9 .* process=guard")
    requests.send(3)
    taken(reader, requests.sent - 1)  # and on it goes
    found = numbers(reader.text())
    assert found == sorted(set(found))
    assert 0 < requests.sent - len(found) <= lost  # other lines are lost too
    requests.close()
    router.terminate()
    assert router.wait(DEADLINE) == 0
    said(reader, "INF Stopped process=guard")


def test_stop_in_time_although_nobody_reads(start, reader, load):
    router = start(reader.stdin)
    requests = load(router.port)
    said(reader, "INF Ready")
    freeze(reader.pid)
    requests.send(OVERFLOW)
    requests.close()
    router.terminate()
    assert router.wait(DEADLINE) == 0


def test_pipe_that_is_never_read(start, load):
    reading, writing = os.pipe()
    router = start(writing)
    requests = load(router.port)
    master, worker = router.master(), router.worker()
    requests.send(OVERFLOW)
    assert (router.master(), router.worker()) == (master, worker)
    requests.close()
    router.terminate()
    assert router.wait(DEADLINE) == 0
    os.close(reading)
    os.close(writing)


def test_dead_pipe_stops_nothing(start, load):
    reading, writing = os.pipe()
    router = start(writing)
    requests = load(router.port)
    master, worker = router.master(), router.worker()
    os.close(reading)
    os.close(writing)
    requests.send(OVERFLOW)
    assert (router.master(), router.worker()) == (master, worker)
    requests.close()
    router.terminate()
    assert router.wait(DEADLINE) == 0


# ---- files ----
def test_full_disk_costs_lines_that_are_counted(start, load, tmp_path):
    """/dev/full is a disk without space; SIGUSR1 finds a file in its place: what fitted the rings is there."""
    path, real = tmp_path / "weir.log", tmp_path / "real.log"
    path.symlink_to("/dev/full")
    router = start(subprocess.DEVNULL, f"--log.filePath={path}")
    requests = load(router.port)
    master, worker = router.master(), router.worker()
    requests.send(OVERFLOW)
    requests.settle()
    assert (router.master(), router.worker()) == (master, worker)
    path.unlink()
    path.symlink_to(real)
    router.send_signal(signal.SIGUSR1)
    wait_until("it says what was lost", lambda: real.exists() and re.search(LOST, real.read_text()))
    text = real.read_text()
    found = numbers(text)
    assert found == list(range(len(found))) and len(found) > 20  # the first ones, up to the brim
    assert int(re.search(LOST, text).group(1)) - (requests.sent - len(found)) in (0, 1)  # with that of settle()
    assert "INF Started process=guard" in text
    requests.send()
    wait_until("the next one is written", lambda: numbers(real.read_text())[-1] == requests.sent - 1)
    requests.close()
    router.terminate()
    assert router.wait(DEADLINE) == 0
    assert "INF Stopped process=guard" in real.read_text()


def test_file_that_may_not_grow_is_a_full_disk(start, load, tmp_path):
    """Its signal, SIGXFSZ, would end the process."""
    path = tmp_path / "weir.log"
    router = start(subprocess.DEVNULL, f"--log.filePath={path}")
    requests = load(router.port)
    wait_until("it is written to", lambda: path.exists() and "INF Ready" in path.read_text())
    master = router.master()
    _, most = resource.prlimit(master, resource.RLIMIT_FSIZE)
    resource.prlimit(master, resource.RLIMIT_FSIZE, (20000, most))
    requests.send(20)
    wait_until("it is full", lambda: path.stat().st_size == 20000)  # before lines are lost: else later ones would fit again
    requests.send(OVERFLOW)
    requests.settle()
    resource.prlimit(master, resource.RLIMIT_FSIZE, (most, most))
    lost = wait_until("it says what was lost", lambda: re.search(LOST, path.read_text()))
    assert router.master() == master
    found = numbers(path.read_text())
    assert found == list(range(len(found)))  # the line that was cut has gone on where it was cut
    assert int(lost.group(1)) - (requests.sent - len(found)) in (0, 1)  # with that of settle()
    requests.close()
    router.terminate()
    assert router.wait(DEADLINE) == 0


def test_rotation_under_load_loses_and_doubles_nothing(start, load, tmp_path):
    """The load is never so far ahead of the writer that a slow machine would have to drop lines."""
    path = tmp_path / "weir.log"
    router = start(subprocess.DEVNULL, f"--log.filePath={path}")
    requests = load(router.port)
    stop = threading.Event()
    wrong = []

    def written():
        text = ""
        for file in [*sorted(tmp_path.glob("weir.log.*")), path]:
            with contextlib.suppress(FileNotFoundError):  # it is being renamed
                text += file.read_text()
        return text

    def work():
        try:
            while not stop.is_set():
                requests.send(20)
                wait_until("most is written", lambda: len(numbers(written())) > requests.sent - 40)
        except (AssertionError, OSError, http.client.HTTPException) as error:
            wrong.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for turn in range(1, 6):
            wait_until("it is written to", lambda: path.exists() and len(numbers(path.read_text())) > 10)
            path.rename(tmp_path / f"weir.log.{turn}")
            router.send_signal(signal.SIGUSR1)
        wait_until("it was opened again", path.exists)
    finally:
        stop.set()
        thread.join()
    assert not wrong
    requests.close()
    router.terminate()
    assert router.wait(DEADLINE) == 0
    assert numbers(written()) == list(range(requests.sent))
    assert "lost" not in written()


def test_path_that_cannot_be_opened_keeps_the_old_file(start, load, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "weir.log"
    router = start(subprocess.DEVNULL, f"--log.filePath={path}")
    requests = load(router.port)
    wait_until("it is written to", lambda: path.exists() and "INF Ready" in path.read_text())
    moved = tmp_path / "moved"
    folder.rename(moved)
    router.send_signal(signal.SIGUSR1)
    wait_until("the old file has the error", lambda: re.search(
        rf"ERR log\.filePath: cannot open \\?\"{path}\\?\": No such file", (moved / "weir.log").read_text()))
    requests.send()
    wait_until("the old file is written to", lambda: numbers((moved / "weir.log").read_text()) == [0])
    requests.close()
    router.terminate()
    assert router.wait(DEADLINE) == 0


# ---- deaths ----
def test_lines_wait_while_there_is_no_master(start, reader, load):
    router = start(reader.stdin)
    requests = load(router.port)
    said(reader, "INF Ready")
    master = router.master()
    freeze(master)
    requests.send(20)
    assert numbers(reader.text()) == []
    os.kill(master, signal.SIGKILL)
    taken(reader, 19)
    assert numbers(reader.text()) == list(range(20))
    said(reader, r"ERR The master \(pid \d+\) was ended by signal 9")
    requests.close()
    router.terminate()
    assert router.wait(DEADLINE) == 0
    said(reader, "INF Stopped process=guard")


def test_last_lines_of_a_killed_worker(start, reader, load):
    router = start(reader.stdin)
    requests = load(router.port)
    said(reader, "INF Ready")
    master, worker = router.master(), router.worker()
    freeze(master)
    requests.send(20)
    requests.settle()
    os.kill(worker, signal.SIGKILL)
    requests.close()
    router.worker(other_than=[worker])
    os.kill(master, signal.SIGCONT)
    requests.send(20)
    taken(reader, 39)
    assert numbers(reader.text()) == list(range(40))
    order = re.search(r"(?s)/n000019/.*Worker 0 \(pid \d+\) was ended by signal 9.*/n000020/", reader.text())
    assert order, reader.text()


def test_guard_writes_what_no_master_will(start, reader, load):
    """A master that hangs is killed at the end of the stop: what it should have written the guard writes."""
    router = start(reader.stdin)
    requests = load(router.port)
    said(reader, "INF Ready")
    freeze(router.master())
    requests.send(20)
    requests.close()
    router.terminate()
    assert router.wait(DEADLINE) == 0
    said(reader, "INF Stopped process=guard")
    assert numbers(reader.text()) == list(range(20))
