"""Ports for listeners: no other test has them, in this process or another, and no client gets one by chance.

They lie outside of the range from which the kernel takes the ports of clients. A process takes a block of them and marks it
by an abstract socket that bears its name: whoever finds the name taken looks further; it ends with the process.
"""
import contextlib
import pathlib
import random
import socket

LOWEST, HIGHEST, BLOCK = 10000, 65535, 64

_marks = []  # kept open
_left = []


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
    raise AssertionError("no ports are left for tests")


def free_port():
    """A port that nobody listens on and that no run has given out meanwhile."""
    while True:
        if not _left:
            _left.extend(_block())
        port = _left.pop()
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("", port))
            return port
