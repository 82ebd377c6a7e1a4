"""Ports for listeners: no other test has them, in this process or another, and no client gets one by chance.

They lie outside of the range from which the kernel takes the ports of clients. A process takes a block of them and marks it
by an abstract socket that bears its name: whoever finds the name taken looks further; it ends with the process.

Servers of tests listen on such ports as well (listen()): one that the kernel chose would be another test's as soon as its
server has ended, and who asks for that server would be answered by a stranger.
"""
import collections
import errno
import pathlib
import random
import socket

LOWEST, HIGHEST, BLOCK = 10000, 65535, 64

_marks = []  # kept open
_left = []
_given = collections.deque()  # oldest first


def _outside(first):
    low, high = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return first + BLOCK <= low or first > high


def _block():
    """A block that is ours from now on."""
    starts = [first for first in range(LOWEST, HIGHEST - BLOCK + 2, BLOCK) if _outside(first)]
    random.shuffle(starts)
    for first in starts:
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            mark.bind(f"\0weir-test-ports-{first}")
        except OSError:
            mark.close()
            continue
        _marks.append(mark)
        return list(range(first, first + BLOCK))
    if not _given:
        raise AssertionError("no ports are left for tests")
    return [_given.popleft() for _ in range(len(_given) // 2 + 1)][::-1]  # all are taken: those that were ours long ago


def _is_free(port):
    """For TCP and UDP, of both families."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for family, any_address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
            try:
                s = socket.socket(family, kind)
            except OSError:
                continue  # this machine has no such addresses
            try:
                s.bind((any_address, port))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    return False
            finally:
                s.close()
    return True


def free_port():
    """A port that nobody listens on and that no run has given out meanwhile."""
    while True:
        if not _left:
            _left.extend(_block())
        port = _left.pop()
        if _is_free(port):
            _given.append(port)
            return port


def listen(backlog=64, host="127.0.0.1"):
    """A listening socket."""
    return socket.create_server((host, free_port()), backlog=backlog)
