"""What the machine does to a process that does nothing: the measure beside a measure of latencies.

Null() starts a process that spins a fifth of the time and touches 64 KiB of new memory now and
then, as a worker does. stop() tells how late it was woken when it slept: on a busy machine every
step of a request waits that long.
"""
import gc
import json
import mmap
import subprocess
import sys
import threading
import time

SPIN, REST = 0.005, 0.02
BUFFER = 65536


class Null:
    def __init__(self):
        self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self):
        """{"late_ms": woken so late, at p99.9}"""
        said, _ = self._process.communicate("")
        return json.loads(said)


STEPS = 4  # of a request: to weir, to the server, and back


def patience_ms(null):
    """How late a first byte is because of the machine."""
    return STEPS * null["late_ms"]


def came_in_time(load, part, most, null):
    """Ends a Null(): whether that part of the load's first bytes came within so many seconds and what the machine and the clients
    themselves took."""
    return load.percentile(part) < most + patience_ms(null.stop()) / 1000 + load.late_itself()


def touch():
    with mmap.mmap(-1, BUFFER) as memory:
        for at in range(0, BUFFER, mmap.PAGESIZE):
            memory[at] = 1


def main():
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    gc.disable()
    late, slept = [], time.perf_counter()
    while not stop.wait(REST):
        late.append(time.perf_counter() - slept - REST)
        end = time.perf_counter() + SPIN
        touch()
        while time.perf_counter() < end:
            pass
        slept = time.perf_counter()
    late.sort()
    print(json.dumps({"late_ms": 1000 * late[int(len(late) * 0.999)] if late else 0}))


if __name__ == "__main__":
    main()
