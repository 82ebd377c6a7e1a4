"""What somebody could do who took a worker over: nothing of it may outlive that worker or reach guard, master and the others.

The test acts in the worker's place: with its channels, its listening sockets, its view of the board.
"""
import ctypes
import errno
import os
import re
import signal
import socket
import struct
import subprocess

from board import layout
from conftest import BINARY, DEADLINE, curl, quick_get, wait_until
from processes import descriptors
from test_life_slots import settled
from test_processes import dynamic, serving  # noqa: F401 (a fixture)

libc = ctypes.CDLL(None, use_errno=True)
PIDFD_GETFD = 438


def taken(pid, number):
    """A descriptor of that process, as our own; None when it has been closed meanwhile."""
    pidfd = os.pidfd_open(pid)
    fd = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
    os.close(pidfd)
    assert fd >= 0 or ctypes.get_errno() == errno.EBADF, os.strerror(ctypes.get_errno())
    return fd if fd >= 0 else None


def numbers(pid, pattern):
    return [number for number, target in descriptors(pid).items() if re.search(pattern, target)]


def listening(pid):
    found = []
    for fd in filter(None, [taken(pid, number) for number in numbers(pid, "socket:")]):
        s = socket.socket(fileno=fd)
        if s.family in (socket.AF_INET, socket.AF_INET6) and s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found.append(s)
    return found


def shared(pid, name):
    """The board or the log's rings, to write to."""
    [number, *_] = numbers(pid, f"memfd:weir-{name}")
    return os.open(f"/proc/{pid}/fd/{number}", os.O_RDWR | os.O_CLOEXEC)


def kill_all_but_the_guard(router, count):
    """And waits until all are there again."""
    workers, master = router.workers(count), router.master()
    for pid in [*workers, master]:
        os.kill(pid, signal.SIGKILL)
    router.workers(count, other_than=workers)
    router.master(other_than=[master])


def test_a_listening_socket_that_was_ended_listens_again(serving):
    router = serving(workers=2)
    nowhere = struct.pack("H14x", socket.AF_UNSPEC)
    mark = router.mark()
    settled(router)
    router.accepting(2)
    workers = router.workers(2)
    for worker in workers:
        for s in listening(worker):
            assert libc.connect(s.fileno(), nowhere, 16) == 0
            s.close()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    for _ in range(2):
        mark, _ = router.wait_log("did not listen any more and was opened again", mark)
        mark += 1
    router.workers(2, other_than=workers)
    for _ in range(20):
        assert curl(router.web).status == 200


def test_a_damaged_head_of_the_board_keeps_nobody_from_starting(serving, whoami, tmp_path):
    router = serving(workers=2)
    board = shared(router.pid, "board")
    for noise in (b"\xff" * 40, os.urandom(40)):
        os.pwrite(board, noise, 0)
        kill_all_but_the_guard(router, 2)
        assert curl(router.web).status == 200
    os.close(board)
    dynamic(tmp_path, whoami("two"))
    wait_until("the new backend answers", lambda: "Name: two" in quick_get(router.web).body)


def test_what_is_said_of_the_tree_does_not_stay(serving):
    """The words that tell workers how the tree is: noise there is gone within a heartbeat of who knows better."""
    router = serving("--ping", "--ping.entryPoint=web", "--limits.memory=500000000", workers=1)

    def well():
        try:
            return curl(router.web, "/ping").status == 200 and curl(router.web, "/x").status == 200
        except AssertionError:  # while memory counts as used up, connections are closed
            return False
    workers = router.children("worker")
    board = shared(router.pid, "board")
    where, size = layout()["tree"], layout()["tree_bytes"]
    for noise in (b"\xff" * size, os.urandom(size)):
        os.pwrite(board, noise, where)
        wait_until("all is well again", well)
    os.close(board)
    assert router.children("worker") == workers


def test_status_of_a_scribbled_board(serving):
    router = serving(workers=1, leftovers="the gauges are noise")
    board = shared(router.pid, "board")
    for _ in range(5):
        os.pwrite(board, os.urandom(layout()["words"] - 4096), 4096)
        for flags in ([], ["--json"]):
            done = subprocess.run([BINARY, "status", "--pid", str(router.pid), *flags], capture_output=True, timeout=DEADLINE)
            assert done.returncode == 0, done.stderr
    os.close(board)
    kill_all_but_the_guard(router, 1)
    wait_until("it serves", lambda: quick_get(router.web).status == 200)
