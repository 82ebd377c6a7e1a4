"""Nothing is left over: after every test the workers of a running weir hold what they held before it, and no more.

Leftovers(router) notes what the workers hold while all is idle; settled() waits until it is so again: nobody is connected,
no exchange is open, every pooled buffer and every slot of a spool file was given back, each connection to a server that is still open is one that is
kept idle, and of pipes and files there are as many as before; a channel too many counts as a connection. Listening
sockets, which the guard has too, come and go with entry points and slots. A log file may have come.
"""
import collections
import contextlib

from board import Board
from processes import descriptors
from waiting import wait_until

AT_REST = ("connections", "exchanges", "upstream_active", "spooled")


def held(pid, guard):
    """What a worker has open, counted by kind. Listening sockets are those that the guard has as well."""
    listening = {target for target in descriptors(guard).values() if target.startswith("socket:")}
    counts = collections.Counter()
    for target in descriptors(pid).values():
        if target.startswith("socket:"):
            counts["sockets"] += target not in listening
        elif target.startswith("pipe:"):
            counts["pipes"] += 1
        else:
            counts[target if target.startswith(("anon_inode:", "/memfd:")) else "files"] += 1
    return counts


class Leftovers:
    def __init__(self, router):
        self.router = router
        self.start = wait_until("no generation is on its way", self._at_rest)
        self.channels = min(counts["sockets"] for counts in self.start.values())  # to guard, master and a thread
        self.buffers = self._gauges()["buffers"]

    def _at_rest(self):
        """What each worker holds; nothing while one is given a generation: then it has descriptors of its pages as well."""
        board = Board(self.router.pid)
        try:
            last, serve = board.published(), {number for number, _ in board.acknowledged()}
            start = {pid: held(pid, self.router.pid) for pid in self._workers()}
            return start if serve == {last} and board.published() == last else None
        except OSError:  # a process ended while it was looked at
            return None
        finally:
            board.close()

    def _gauges(self):
        board = Board(self.router.pid)
        try:
            return board.gauges()
        finally:
            board.close()

    def _workers(self):
        return self.router.children("worker")

    def _too_much(self, pid, counts):
        """By kind: how many more (or fewer) than at the start; of workers that were there then."""
        before = self.start.get(pid, counts)
        more = {kind: counts[kind] - before[kind] for kind in {*counts, *before} - {"sockets"}
                if counts[kind] != before[kind]}
        return {} if more == {"files": 1} else more

    def problems(self):
        """Sentences about what is too much, or too little; none when all is as it was."""
        found, kept = [], 0
        gauges = self._gauges()
        found += [f"gauge {name} is {gauges[name]}" for name in AT_REST if gauges[name] != 0]
        if gauges["buffers"] != self.buffers:
            found.append(f"{gauges['buffers']} buffers are taken, {self.buffers} were at the start")
        for pid in self._workers():
            counts = held(pid, self.router.pid)
            kept += counts["sockets"] - self.channels
            if self._too_much(pid, counts):
                found.append(f"worker {pid} holds more than at the start: {self._too_much(pid, counts)}")
        if kept != gauges["upstream_idle"]:
            found.append(f"{kept} connections are open, {gauges['upstream_idle']} of them to servers and idle")
        return found

    def settled(self, seconds):
        """Asks until nothing is wrong (no event tells); the problems that remain."""
        found = []

        def nothing():
            try:
                found[:] = self.problems()
            except (OSError, StopIteration) as error:  # a process ended while it was looked at
                found[:] = [repr(error)] if self.router.process.poll() is None else []
            return not found
        with contextlib.suppress(AssertionError):
            wait_until("nothing is left", nothing, seconds)
        return found
