"""Waiting for what no event tells: another process's files under /proc, a port that accepts, somebody who is held up; and the
one place where time itself is passed."""
import os
import socket
import time

DEADLINE = float(os.environ.get("WEIR_TEST_DEADLINE", "30"))


def wait_until(what, condition, seconds=DEADLINE, pause=0.01):
    """Asks until the answer is true, and returns it; an AssertionError when the time is over."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        pass_time("until it is asked again", pause)


def wait_still(what, figure, seconds=0.3):
    """Until a figure has not moved for so long: whoever moves it is held up. Returns it."""
    def still():
        before = figure()
        pass_time("in which it could move", seconds)
        return before == figure()
    wait_until(f"{what} stands still", still)
    return figure()


def pass_time(_, seconds):
    """Where a length of time is itself what is wanted (the first argument says for what): a window that is tested, a peer that
    is slow, the pace or the length of a load. Who waits for something to happen asks wait_until()."""
    time.sleep(seconds)


def wait_port(port, seconds=DEADLINE, host="127.0.0.1"):
    def connects():
        try:
            socket.create_connection((host, port), 1).close()
            return True
        except OSError:
            return False
    wait_until(f"a listener on {port}", connects, seconds)
