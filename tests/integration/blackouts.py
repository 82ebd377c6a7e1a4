"""When the machine itself stood still: the measure beside a measure of callbacks.

A host takes a CPU away from a virtual machine for some milliseconds now and then. The guest is not
told, and the time counts as CPU of whoever ran there. Blackouts() has each CPU watched
(blackouts.c); stop() tells when it stood still. Where threads of the highest priority are not
permitted nothing is seen, and so nothing is excused.
"""
import os
import pathlib
import subprocess
import tempfile

WEIR = os.environ.get("WEIR", pathlib.Path(__file__).resolve().parents[2] / "build/weir")
PROGRAM = pathlib.Path(WEIR).parent / "tests/blackouts"


class Blackouts:
    def __init__(self):
        self._said, self._wrong = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=self._said,
                                         stderr=self._wrong)
        self.pid = self._process.pid

    def stop(self):
        self._process.communicate()
        self._said.seek(0)
        self._wrong.seek(0)
        spans = [tuple(map(int, line.split())) for line in self._said]
        return Still(spans, self._wrong.read().strip())


class Still:
    """Of each CPU the times in which it stood still. spans: (cpu, from, to) in ns of
    time.monotonic_ns(), which may overlap."""

    def __init__(self, spans, wrong=""):
        self.wrong, self._cpus = wrong, {}
        for cpu, begin, end in sorted(spans):
            seen = self._cpus.setdefault(cpu, [])
            if seen and begin <= seen[-1][1]:
                seen[-1] = seen[-1][0], max(end, seen[-1][1])
            else:
                seen.append((begin, end))

    def within(self, begin, end):
        """How long between these the CPU did for which that was longest, in ns."""
        return max((sum(max(0, min(end, to) - max(begin, since)) for since, to in seen)
                    for seen in self._cpus.values()), default=0)

    def __repr__(self):
        if self.wrong:
            return f"nobody could see whether CPUs stood still ({self.wrong})"
        words = []
        for cpu, seen in self._cpus.items():
            lengths = [(to - since) / 1e6 for since, to in seen]
            words.append(f"CPU {cpu} stood still {len(seen)} times, {sum(lengths):.0f} ms in all, "
                         f"at most {max(lengths):.1f} ms")
        return "; ".join(words) or "no CPU stood still"


def without(slow, still):
    """The CPU time of a lap (slowLaps of status --json) less what a CPU stood still, in ns."""
    ended = 1000 * slow["endedUs"]
    return 1000 * slow["us"] - still.within(ended - 1000 * slow["wallUs"], ended)
