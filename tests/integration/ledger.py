"""What clients notice, by kind, and what they had to bear: connections that a process killed on purpose had accepted.

problem(kind, words, connection) notes what went wrong; excuse(ports, until) says of which clients (their ports) connections that
are open now may break. What goes wrong on those is counted apart, in `excused`. Several threads may write.
"""
import collections
import threading
import time

# `port`: the client's own; `reader` and `writer` are None where somebody else reads and writes
Connection = collections.namedtuple("Connection", "reader writer port opened kind")
Problem = collections.namedtuple("Problem", "when kind words port opened")


def _clock(when):
    """The wall clock of a moment of the monotonic one, as weir's log has it."""
    return time.strftime("%H:%M:%SZ", time.gmtime(time.time() - time.monotonic() + when))


class Ledger:
    def __init__(self):
        self.all_problems = []
        self._excuses, self._lock = {}, threading.Lock()

    def problem(self, kind, words, connection=None):
        self.all_problems.append(Problem(time.monotonic(), kind, words, connection.port if connection else 0,
                                         connection.opened if connection else 0.0))

    def excuse(self, ports, until=None):
        """Connections of these clients that are open now may break, or wait until `until`."""
        with self._lock:
            for port in ports:
                self._excuses.setdefault(port, []).append((time.monotonic(), until or float("inf")))

    def is_excused(self, port, opened, when):
        with self._lock:
            return any(opened <= since <= when <= until for since, until in self._excuses.get(port, ()))

    def _parted(self, excused):
        return [p for p in self.all_problems if self.is_excused(p.port, p.opened, p.when) == excused]

    @property
    def problems(self):
        return [f"{_clock(p.when)} {p.kind}: {p.words}, client port {p.port}" for p in self._parted(False)[:50]]

    @property
    def counts(self):
        return dict(collections.Counter(p.kind for p in self._parted(False)))

    @property
    def excused(self):
        return dict(collections.Counter(p.kind for p in self._parted(True)))
