"""Nothing is left over: after every test the workers of a running weir hold what they held before it, and no more.

Leftovers(router) notes what the workers hold while all is idle; settled() waits until it is so again: nobody is connected,
no exchange is open, every pooled buffer was given back, each connection to a server that is still open is one that is
kept idle, and of pipes, files and channels there are as many as before. Listening sockets come and go with entry points
and slots: they are not counted here. A log file may have come.
"""
import collections
import os
import pathlib
import time

from board import Board

AT_REST = ("connections", "exchanges", "upstream_active")


def _inodes(path, column, keep=lambda words: True):
    lines = pathlib.Path(path).read_text().splitlines()[1:]
    return {words[column] for words in map(str.split, lines) if len(words) > column and keep(words)}


def held(pid):
    """What a process has open, counted by kind; "connections" are sockets that neither listen nor lead to relatives."""
    net = f"/proc/{pid}/net"
    listening = set()
    for name in ("tcp", "tcp6"):
        if os.path.exists(f"{net}/{name}"):
            listening |= _inodes(f"{net}/{name}", 9, lambda words: words[3] == "0A")
    channels = _inodes(f"{net}/unix", 6)
    counts = collections.Counter()
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{entry}")
        except FileNotFoundError:  # closed meanwhile, or the descriptor of this very listing
            continue
        if target.startswith("socket:["):
            inode = target[8:-1]
            counts["listening" if inode in listening else "channels" if inode in channels else "connections"] += 1
        elif target.startswith(("pipe:[", "anon_inode:", "/memfd:")):
            counts[target.split(" ")[0].split("[")[0] if target[0] == "p" else target] += 1
        else:
            counts["files"] += 1
    counts.pop("listening", None)
    return counts


class Leftovers:
    def __init__(self, router):
        self.router = router
        self.start = {pid: self._fixed(held(pid)) for pid in router.children("worker")}
        self.buffers = self._gauges()["buffers"]

    def _gauges(self):
        board = Board(self.router.pid)
        try:
            return board.gauges()
        finally:
            board.close()

    @staticmethod
    def _fixed(counts):
        return {kind: count for kind, count in counts.items() if kind != "connections"}

    def _as_before(self, pid, counts):
        now, before = self._fixed(counts), self.start.get(pid)
        return before is None or now == before or now == {**before, "files": before.get("files", 0) + 1}

    def problems(self):
        """Sentences about what is too much, or too little; none when all is as it was."""
        found, kept = [], 0
        gauges = self._gauges()
        found += [f"gauge {name} is {gauges[name]}" for name in AT_REST if gauges[name] != 0]
        if gauges["buffers"] != self.buffers:
            found.append(f"{gauges['buffers']} buffers are taken, {self.buffers} were at the start")
        for pid in self.router.children("worker"):
            counts = held(pid)
            kept += counts["connections"]
            if not self._as_before(pid, counts):
                found.append(f"worker {pid} holds {self._fixed(counts)}, at the start {self.start[pid]}")
        if kept != gauges["upstream_idle"]:
            found.append(f"{kept} connections are open, {gauges['upstream_idle']} of them to servers and idle")
        return found

    def settled(self, seconds):
        """Asks until nothing is wrong (no event tells); the problems that remain."""
        end = time.monotonic() + seconds
        while True:
            try:
                found = self.problems()
            except (OSError, StopIteration) as error:  # a process ended while it was looked at
                if self.router.process.poll() is not None:
                    return []
                found = [repr(error)]
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.01)
