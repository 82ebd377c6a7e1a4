"""make soak: everything at once, for as long as one likes; exit status 1 when a user would have noticed anything.

Phases: changes only, then deaths of workers, then the master, SIGHUP and upgrades, then all of it together (half of the
time). Traffic of every protocol flows all along (mixture.py); first bytes are those of HTTP/1.1 in plain. At the end weir must
be as small as at the beginning. Randomness is seeded: --seed repeats a run's order of actions.
"""
import argparse
import asyncio
import collections
import pathlib
import random
import resource
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from blackouts import Blackouts  # noqa: E402
from conftest import wait_until  # noqa: E402
from load import SECONDS, TRANSFER, Load, data, dechunk  # noqa: E402
from marathon import SANITIZED, Churn, House, generations, slow_callbacks, slow_laps  # noqa: E402
from mixture import Mixture, Servers  # noqa: E402
from null import Null, patience_ms  # noqa: E402
from waiting import pass_time  # noqa: E402

FIRST_BYTE = 0.5 if not SANITIZED else 2.0  # at p99.9, with workers that hang among those that die
SETTLE = 60
CASES = 5
LARGE = 8 * TRANSFER
PULSE = 0.02
WAKES = 2  # of the loop, for a first byte: one to ask, one to hear


class Traffic(Load):
    """Load, and what few ask for: HEAD, small and large POST, a server that is not there, a large answer. How late its own loop
    is, among all the other clients of this process, is noted too."""

    def __init__(self, *args, **options):
        self._lags = []  # seconds
        super().__init__(*args, **options)

    async def _case(self, connection, number):
        """One request; False when the server said that this was the last."""
        reader, writer, began = connection.reader, connection.writer, time.monotonic()
        if number == 0:
            crowd = [f"X-Crowd-{i}: x" for i in range(self.done % 70)]  # lists of fields grow, however long they have to be
            writer.write(self._head("HEAD /data?size=500", *crowd))
            head, length = await self._answer(connection, began)
            right = length == 500
        elif number == 1:
            writer.write(self._head("POST /", "Content-Length: 5") + b"hello")
            head, length = await self._answer(connection, began)
            right = (await self._body(reader, length)).endswith(b"\r\n\r\nhello")
        elif number == 2:
            writer.write(self._head("POST /", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n")
            head, length = await self._answer(connection, began)
            right = dechunk((await self._body(reader, length)).split(b"\r\n\r\n", 1)[1]) == b"hello"
        elif number == 3:
            writer.write(self._head("GET /", host="refused"))
            head, length = await self._answer(connection, began, status=502)
            right = len(await self._body(reader, length)) == length
        else:
            writer.write(self._head(f"GET /data?size={LARGE}"))
            head, length = await self._answer(connection, began)
            right = await asyncio.wait_for(reader.readexactly(length), SECONDS) == data(LARGE)
        if not right:
            self._problem("bytes", f"case {number}", connection)
        self.done += 1
        return "\nconnection: close" not in head

    async def _mixed(self, first):
        async def asking(connection):
            number = first
            while not self._stop.is_set() and await self._case(connection, number % CASES) and number < first + 50:
                number += 1  # after fifty of them another connection
                await asyncio.sleep(0.05)
        while not self._stop.is_set():
            await self._once("mixed", asking)

    async def _own(self):
        while not self._stop.is_set():
            began = time.monotonic()
            await asyncio.sleep(PULSE)
            self._lags.append(time.monotonic() - began - PULSE)

    def _more(self):
        return [self._mixed(first) for first in range(CASES)] + [self._own()]

    def lag_ms(self):
        """How late the loop was since the last time, at p99.9."""
        lags, self._lags = sorted(self._lags), []
        return 1000 * lags[int(len(lags) * 0.999)] if lags else 0


class Actor:
    """One thread that does what `choose` gives it, again and again, and notes what did not work."""

    def __init__(self, choose, pause, failed, counts):
        self._choose, self._pause, self._failed, self._counts = choose, pause, failed, counts
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.wait(self._pause):
            name, action = self._choose()
            try:
                action()
                self._counts[name] += 1
            except Exception as error:  # whatever it was is the result of this run
                self._failed.append(f"{name}: {str(error).splitlines()[0][:300]}")

    def stop(self):
        self._stop.set()
        self._thread.join()


class Soak:
    """Two houses, one after the other: the first is never upgraded, so its histogram tells of all that it did."""

    def __init__(self, folder, programs, seed):
        self.folder, self.programs, self.random = pathlib.Path(folder), programs, random.Random(seed)
        self.house, self.servers, self.failed, self.counts = None, [], [], collections.Counter()

    def move_in(self, name):
        (self.folder / name).mkdir()
        self.counts.clear()
        self.blackouts = Blackouts()
        self.servers.append(Servers(self.folder / name))
        self.house = House(self.folder / name, self.programs, workers=4, seed=self.random.random(), servers=self.servers[-1])
        self.house.load = self.traffic()
        self.phase("warming up", 5)
        self.end_traffic()
        self.at_rest()
        pass_time("in which memory is given back", 2)
        self.before = self.size()
        self.house.load = self.traffic()

    def move_out(self):
        self.end_traffic()
        self.leaks()
        self.callbacks()
        self.failed += [line for line in self.house.router.log().splitlines() if "stack trace:" in line
                        or "AddressSanitizer" in line or "LeakSanitizer" in line or "runtime error:" in line]

    # ---- what may happen ----
    def worker_trouble(self):
        stalled = round(self.random.uniform(0.1, 1.2), 2)
        return self.random.choice([("kill -9 of a worker", self.house.kill_worker),
                                   ("SIGSTOP of a worker", lambda: self.house.stall_worker(stalled))])

    def tree_trouble(self):
        house, workers, other = self.house, self.random.choice([2, 3, 4]), self.random.random() < 0.5
        return self.random.choice([
            ("kill -9 of the master", house.kill_master),
            ("SIGHUP", lambda: house.hangup(workers, other)),
            ("SIGHUP", lambda: house.hangup(workers, other)),
            ("upgrade, same build", lambda: house.upgrade("same")),
            ("upgrade, another build", lambda: house.upgrade("another")),
            ("upgrade, broken", lambda: house.upgrade("broken"))])

    def bad_change(self):
        return self.random.choice([("bad object", lambda: self.house.change_file(bad=True)),
                                   ("unreadable file", self.house.break_file)])

    def phase(self, name, seconds, workers=False, tree=False):
        load, plain = self.house.load, self.house.load.loads[0]
        mark, beside = plain.first_bytes_mark(), Null()
        plain.lag_ms()
        done, echoes, start = load.done, load.echoes, time.monotonic()
        churn = Churn(self.house, 10 if workers or tree else 50)
        actors = [Actor(self.bad_change, 0.7, self.failed, self.counts)]
        if workers:
            actors.append(Actor(self.worker_trouble, 0.7, self.failed, self.counts))
        if tree:
            actors.append(Actor(self.tree_trouble, 0.7, self.failed, self.counts))
        pass_time(name, seconds)
        for actor in actors:
            actor.stop()
        churn.stop()
        null, lag = beside.stop(), plain.lag_ms()
        at = [1000 * plain.percentile(part, since=mark) for part in (0.5, 0.99, 0.999, 1)]
        print(f"{name:34} {time.monotonic() - start:5.0f} s {load.done - done:8} requests {load.echoes - echoes:7} echoes; first "
              f"byte ms p50 {at[0]:.1f} p99 {at[1]:.1f} p99.9 {at[2]:.1f} most {at[3]:.1f}; any process was woken "
              f"{null['late_ms']:.1f} ms late at p99.9, this one's loop {lag:.1f} ms", flush=True)
        if at[2] > 1000 * FIRST_BYTE + patience_ms(null) + WAKES * lag:
            self.failed.append(f"{name}: first byte within {at[2]:.0f} ms at p99.9")

    # ---- the whole ----
    def traffic(self):
        return Mixture(self.house, library=False, reopen=True, make=Traffic, fresh=6, kept=16, websockets=20, downloads=5, uploads=6,
                       pause=0.01)

    def size(self):
        return self.house.pss_kib(), self.house.descriptors()

    def at_rest(self):
        """As at the beginning: as many workers, the last configuration, none that still finishes something."""
        self.house.hangup(workers=4, other=False)
        self.house.change_file()
        wait_until("four workers", lambda: len(self.house.worker_pids()) == 4, SETTLE)

    def websockets(self, count):
        """So many of them opened over as many generations."""
        churn, first, loads, most = Churn(self.house, 50), generations(self.house.router), [], 0
        for part in range(1, 21):
            loads.append(Load(self.house.port, fresh=0, kept=0, websockets=count // 20, echo_pause=1))
            wait_until("more generations", lambda: generations(self.house.router) >= first + count * part // 20, SETTLE)
            most = max(most, self.house.pages())
        wait_until("four pages", lambda: self.house.pages() <= 4)
        echoes = [load.echoes for load in loads]
        wait_until("all are alive", lambda: all(l.echoes >= was + 2 * count // 20 for l, was in zip(loads, echoes)), SETTLE)
        churn.stop()
        for load in loads:
            load.stop()
            self.failed += load.problems
        print(f"{count} WebSockets over {generations(self.house.router) - first} generations: at most {most} mapped at a time", flush=True)

    def run(self, seconds):
        self.move_in("first")
        self.phase("50 changes a second", seconds * 0.15)
        self.end_traffic()
        self.house.load = Load(self.house.port, fresh=1, kept=1)
        self.websockets(max(40, min(1000, int(seconds) * 5 // 3)))
        self.end_traffic()
        self.house.load = self.traffic()
        self.phase("and workers die or hang", seconds * 0.15, workers=True)
        self.move_out()
        self.move_in("second")
        self.phase("master, SIGHUP, upgrades", seconds * 0.2, tree=True)
        self.phase("all of it at once", seconds * 0.4, workers=True, tree=True)
        self.move_out()

    def end_traffic(self):
        load = self.house.load
        load.stop()
        if isinstance(load, Mixture):
            print(f"{'':34} " + ", ".join(f"{kind} {count}" for kind, count in load.figures().items()))
        print(f"{'':34} errors {load.counts or 'none'}; on connections that a killed worker had accepted {load.excused or 'none'}",
              flush=True)
        self.failed += load.problems

    def leaks(self):
        before = self.before
        self.at_rest()
        most = (before[0] * 1.2 + 4096, before[1] + 16)
        try:
            wait_until("small again", lambda: all(is_ <= may for is_, may in zip(self.size(), most)), SETTLE)
            verdict = "no leak"
        except AssertionError:
            verdict = "LEAK" if not SANITIZED else "not judged: a sanitizer keeps what was freed"
            if not SANITIZED:
                self.failed.append(f"not as small as at the beginning: {self.size()} KiB and descriptors, {before} before")
        after = self.size()
        print(f"PSS {before[0]} -> {after[0]} KiB, descriptors {before[1]} -> {after[1]}: {verdict}")

    def callbacks(self):
        print(f"generations {generations(self.house.router)}; " +
              ", ".join(f"{n} x {name}" for name, n in sorted(self.counts.items())))
        cpu = self.house.cpu_seconds()
        laps, kept = self.house.laps()
        still = self.blackouts.stop()
        for kind in ("wall", "cpu"):
            sums = [sum(column) for column in zip(*(one[kind] for one in laps))]
            print(f"laps, {kind:4} (since the last upgrade): " +
                  ", ".join(f"<{65.536 * 2 ** i / 1000:.2g} ms {n}" for i, n in enumerate(sums) if n))
        worst = max((one["busiest"] for one in laps), key=lambda most: most["us"])
        longest = max((one["longest"] for one in laps), key=lambda most: most["us"])
        print(f"longest callback: {worst['us'] / 1000:.2f} ms of CPU in {worst['in']}; on the wall "
              f"{longest['us'] / 1000:.2f} ms in {longest['in']}")
        slow, excused = slow_callbacks(laps, kept, still, handshakes=True)
        print(f"over 4 ms in {cpu:.0f} s of CPU: {slow_laps(laps, handshakes=True)}, "
              f"{len(excused)} of them while a CPU stood still; {still}")
        for words in excused:
            print(f"    {words}")
        self.failed += [f"a callback took more than 4 ms: {words}" for words in slow]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--log", default="build/soak.log", help="where weir's own log is left")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.seconds:.0f} s", flush=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    programs = []
    with tempfile.TemporaryDirectory(prefix="weir-soak-") as folder:
        soak = Soak(folder, programs, options.seed)
        try:
            soak.run(options.seconds)
        finally:
            for program in reversed(programs):
                program.stop()
            for servers in soak.servers:
                servers.close()
            pathlib.Path(options.log).write_text("\n".join(program.log() for program in programs))
    for line in soak.failed[:30]:
        print(f"FAILED: {line}")
    print(f"{len(soak.failed)} failures; the log of weir: {options.log}" if soak.failed else "clean")
    return 1 if soak.failed else 0


if __name__ == "__main__":
    sys.exit(main())
