"""Waiting for what no event tells: another process's files under /proc, a port that accepts."""
import os
import socket
import threading
import time

DEADLINE = float(os.environ.get("WEIR_TEST_DEADLINE", "30"))


def wait_until(what, condition, seconds=DEADLINE):
    """Asks until the answer is true, and returns it; an AssertionError when the time is over."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        pause.wait(0.01)


def wait_port(port, seconds=DEADLINE, host="127.0.0.1"):
    def connects():
        try:
            socket.create_connection((host, port), 1).close()
            return True
        except OSError:
            return False
    wait_until(f"a listener on {port}", connects, seconds)
