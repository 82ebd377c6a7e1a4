"""Which callbacks are slow because a CPU stood still (blackouts.py); no work looks like that."""
import os
import signal
import subprocess
import sys
import time

import pytest

from blackouts import Blackouts, Still
from marathon import OVER, OVER_NS, slow_callbacks
from processes import freeze
from waiting import pass_time

MS = 1000000
SHARE = 0.2  # of a time in which nobody stands still; hosts take less
BURN = """
import ctypes, os, resource, sys, time
cpu, kernel = int(sys.argv[1]), sys.argv[2] == "kernel"
os.sched_setaffinity(0, {cpu})
poll, reader = ctypes.CDLL(None).poll, os.pipe()[0]
fds = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (fds, fds))
fds = min(fds, 1 << 17)
polled = (ctypes.c_uint64 * fds)(*[reader | 1 << 32] * fds)  # struct pollfd: POLLIN of the pipe
for _ in range(50):
    began, end = time.monotonic_ns(), time.thread_time_ns() + 20000000
    while time.thread_time_ns() < end:
        if kernel:
            poll(polled, fds, 0)
    print(began, time.monotonic_ns())
"""


@pytest.mark.alone
@pytest.mark.parametrize("where", ["user", "kernel"])
def test_who_works_long_stands_not_still(where):
    blackouts = Blackouts()
    burners = [subprocess.Popen([sys.executable, "-c", BURN, str(cpu), where],
                                stdout=subprocess.PIPE) for cpu in os.sched_getaffinity(0)]
    windows = [tuple(map(int, line.split()))
               for burner in burners for line in burner.communicate()[0].splitlines()]
    still = blackouts.stop()
    if still.wrong:
        pytest.skip(str(still))
    assert len(windows) == 50 * len(burners)
    burned = sum(end - begin for begin, end in windows)
    assert sum(still.within(*window) for window in windows) < SHARE * burned, still


def test_what_nobody_waited_or_worked_for_is_a_blackout():
    blackouts = Blackouts()
    pass_time("it watches", 0.1)
    freeze(blackouts.pid)  # for who is stopped no interrupt does anything
    began = time.monotonic_ns()
    pass_time("nothing comes", 0.05)
    ended = time.monotonic_ns()
    os.kill(blackouts.pid, signal.SIGCONT)
    pass_time("it watches again", 0.1)
    still = blackouts.stop()
    if still.wrong:
        pytest.skip(str(still))
    assert still.within(began, ended) > 30 * MS, still


def test_one_cpu_at_a_time():
    still = Still([(1, 90, 120), (0, 10, 30), (0, 20, 40), (0, 20, 25), (0, 60, 70)])
    assert still.within(0, 100) == 40
    assert still.within(35, 65) == 10
    assert still.within(95, 110) == 15
    assert still.within(40, 60) == still.within(120, 500) == 0
    assert Still([]).within(0, 100) == 0


def lap(ended_ms, wall_ms, cpu_ms):
    return {"us": 1000 * cpu_ms, "in": ["client"], "wallUs": 1000 * wall_ms,
            "endedUs": 1000 * ended_ms}


@pytest.mark.parametrize("spans, handshakes, explained", [
    ([], False, False),
    ([(0, 91, 94)], False, True),
    ([(0, 91, 93)], False, False),  # 3 ms are left
    ([(0, 91, 93)], True, True),
    ([(0, 91, 92), (0, 95, 97)], False, True),  # together
    ([(0, 91, 92), (1, 95, 97)], False, False),  # it was on one CPU
    ([(0, 80, 90), (0, 100, 120)], False, False),  # before and afterwards
    ([(0, 80, 93.5)], False, True)])
def test_which_slow_callback_is_whose(spans, handshakes, explained):
    still = Still((cpu, int(since * MS), int(to * MS)) for cpu, since, to in spans)
    histogram = {"cpu": [0] * 7 + [1] + [0] * 8}
    weirs, excused = slow_callbacks([histogram], [lap(100, 10, 5)], still, handshakes)
    assert len(excused) == explained and len(weirs) == (not explained), weirs


def test_what_is_not_kept_is_weirs():
    still = Still([(0, 0, 1000 * MS)])
    histogram = {"cpu": [9] * OVER + [2, 3] + [0] * 8}
    two, three = [lap(100, 10, OVER_NS / MS), lap(200, 10, 5)], [lap(100, 10, 5)] * 3
    weirs, excused = slow_callbacks([histogram], two, still)
    assert weirs == ["3 more, which nobody kept"] and len(excused) == 2
    weirs, excused = slow_callbacks([histogram], three, still, handshakes=True)
    assert weirs == [] and len(excused) == 3
