"""A test that is slow beside weir: what `make chaos` does to weir's processes is done here to the steps of the tests themselves.

install(seed): each step of a test (a look at the log, a request, a signal, a piece that a client or a server sends or waits for)
is now and then put off by some tenths of a second, as on a machine that has no time for it. The first steps of a test are put
off more often, later ones seldom: it takes longer, not for ever.
"""
import functools
import os
import random
import threading

import conftest
import h2kit
import rawhttp
import udpkit
from waiting import pass_time

MOST = 0.4  # s
ALWAYS, SELDOM = 12, 24  # so many steps are put off one time in three, then one in so many
STEPS = [(conftest.Program, "wait_log"), (conftest.Program, "mark"), (rawhttp.Peer, "send"), (rawhttp.Peer, "_more"),
         (rawhttp.Peer, "close"), (rawhttp.Peer, "reset"), (h2kit.Http2, "send"), (udpkit.Client, "ask"), (os, "kill")]

_lock = threading.Lock()
_random, _steps = random.Random(), 0


def begin(name, seed):
    """A test of that name begins."""
    global _steps
    with _lock:
        _random.seed(f"{seed} {name}")
        _steps = 0


def _put_off():
    global _steps
    with _lock:
        _steps += 1
        seconds = MOST * _random.random() ** 2 if _random.random() < (1 / 3 if _steps < ALWAYS * 3 else 1 / SELDOM) else 0
    if seconds:
        pass_time("until the machine has time for this step", seconds)


def _slow(step):
    @functools.wraps(step)
    def slowly(*args, **kw):
        _put_off()
        return step(*args, **kw)
    return slowly


def install():
    for owner, name in STEPS:
        setattr(owner, name, _slow(getattr(owner, name)))
