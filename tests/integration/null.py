"""What the machine itself does to a process that does nothing: the measure beside a measure of callbacks.

The kernel charges interrupts and the network's own work (thousands of timers of connections, packets of others) to whoever has
the CPU just then, and in a virtual machine a page that the host has to find first costs whoever touches it milliseconds. So
the CPU time of a callback may jump though weir did little. Null() starts a process that spins a fifth of the time: it reads
its own CPU clock and touches 64 KiB of new memory now and then, as a worker does. stop() tells how the clock jumped, and how
late the process was woken when it slept: on a busy machine every step of a request waits that long.
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
OVER = 2 ** 21  # ns: where the column of histograms begins that counts as over 2 ms (shm/laps.h)


class Null:
    def __init__(self):
        self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self):
        """{"cpu": seconds of CPU it had, "over": jumps of more than 2 ms, "most_ms", "late_ms": woken so late, at p99.9}"""
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


def allowed(null, cpu):
    """How many callbacks over 2 ms are the machine's, in so many seconds of CPU."""
    return null["over"] * cpu / null["cpu"] if null["cpu"] else 0


def touch():
    with mmap.mmap(-1, BUFFER) as memory:
        for at in range(0, BUFFER, mmap.PAGESIZE):
            memory[at] = 1


def main():
    over = most = spun = 0
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    gc.disable()
    late, slept = [], time.perf_counter()
    while not stop.wait(REST):
        late.append(time.perf_counter() - slept - REST)
        end, before = time.perf_counter() + SPIN, time.thread_time_ns()
        began = before
        touch()
        while time.perf_counter() < end:
            now = time.thread_time_ns()
            if now - before > most:
                most = now - before
            over += now - before >= OVER
            before = now
        spun += before - began
        slept = time.perf_counter()
    late.sort()
    print(json.dumps({"cpu": spun / 1e9, "over": over, "most_ms": most / 1e6,
                      "late_ms": 1000 * late[int(len(late) * 0.999)] if late else 0}))


if __name__ == "__main__":
    main()
