"""What users are promised of generations, deaths, upgrades, rates and overload (I4, I7, I9, I10), each once in its full form, with figures.

    make soak-full    (about nine minutes; exit status 1 when anything failed)

Parts whose names begin with `mixed` are the same under every protocol (mixture.py), without a word about latencies: the clients are
Python. The short forms of these are in tests/integration/test_life_*.py and test_limits.py, all of it at once is soak.py.
"""
import argparse
import json
import os
import pathlib
import resource
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from blackouts import Blackouts  # noqa: E402
from conftest import READY, Weir, free_port, wait_until  # noqa: E402
from crowd import Crowd, Fountain  # noqa: E402
from load import Load  # noqa: E402
from marathon import SANITIZED, Churn, House, generations  # noqa: E402
from marathon import laps_so_far, slow_callbacks, slow_laps  # noqa: E402
from mixture import Mixture, Servers  # noqa: E402
from null import Null, patience_ms  # noqa: E402
from rawhttp import Server, connect, get, status_of  # noqa: E402
from waiting import pass_time  # noqa: E402

MANY = 300  # seconds for what waits
RATE = 50
WARM = 3
HEAD = b"GET / HTTP/1.1\r\nHost: a.test\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"x" * 1000) for i in range(60))


class Full:
    def __init__(self, folder, programs):
        self.folder, self.programs, self.failed, self.houses, self.servers = pathlib.Path(folder), programs, [], 0, []

    def house(self, mixed=False, **options):
        folder = self.next_folder()
        if mixed:
            self.servers.append(Servers(folder))
        return House(folder, self.programs, servers=self.servers[-1] if mixed else None, **options)

    def next_folder(self):
        self.houses += 1
        folder = self.folder / str(self.houses)
        folder.mkdir()
        return folder

    def expect(self, name, right, words):
        if not right:
            self.failed.append(f"{name}: {words}")

    def say(self, name, load, words="", most=None, null=None):
        """The end of a load: what went wrong on connections that nobody had to lose, and the first bytes of both kinds."""
        load.stop()
        patience = patience_ms(null) if null else 0
        print(f"{name}: {load.done} requests, {load.echoes} echoes, {load.transfers} transfers; errors {load.counts or 'none'}; "
              f"on connections that a killed worker had accepted {load.excused or 'none'}{words}", flush=True)
        for kind in ("fresh", "kept"):
            at = [1000 * load.percentile(part, kind) for part in (0.5, 0.99, 0.999, 1)]
            print(f"    {kind}: {len(load.first_bytes[kind])} answers, first byte ms p50 {at[0]:.1f} p99 {at[1]:.1f} p99.9 "
                  f"{at[2]:.1f} most {at[3]:.1f}", flush=True)
            self.expect(name, not most or SANITIZED or at[2] <= 1000 * most + patience, f"{kind}: first byte later than {most} s at p99.9")
        self.failed += [f"{name}: {problem}" for problem in load.problems[:5]]

    def say_mixed(self, name, load, words=""):
        """The end of a mixture."""
        load.more()
        load.stop()
        print(f"{name}, every protocol: errors {load.counts or 'none'}; on connections that a killed worker had accepted "
              f"{load.excused or 'none'}{words}", flush=True)
        print("    " + ", ".join(f"{kind} {count}" for kind, count in load.figures().items()), flush=True)
        self.failed += [f"{name}: {problem}" for problem in load.problems[:5]]

    def callbacks(self, name, laps, kept, still, cpu, handshakes=False):
        worst = max((one["busiest"] for one in laps), key=lambda most: most["us"])
        slow, excused = slow_callbacks(laps, kept, still, handshakes)
        print(f"    longest callback {worst['us'] / 1000:.2f} ms of CPU in {worst['in']}, "
              f"{slow_laps(laps, handshakes)} over {4 if handshakes else 2} ms in {cpu:.0f} s, "
              f"{len(excused)} of them while a CPU stood still; {still}", flush=True)
        for words in excused:
            print(f"        {words}", flush=True)
        for words in slow:
            self.expect(name, False, f"a callback took too long: {words}")

    # ---- generations ----
    def changes(self, seconds):
        name, blackouts, house, null = f"{seconds} s of changes", Blackouts(), self.house(), Null()
        house.load = Load(house.port, fresh=2, kept=64, websockets=20, downloads=10, uploads=10)
        churn = Churn(house, RATE + 5)  # two changes that come close together are one generation
        pass_time("warming up", WARM)
        first, began, before = generations(house.router), time.monotonic(), house.pss_kib()
        pass_time("changes", seconds)
        rate, after = (generations(house.router) - first) / (time.monotonic() - began), house.pss_kib()
        churn.stop()
        cpu, null = house.cpu_seconds(), null.stop()
        self.say(name, house.load, f"; {rate:.1f} generations a second, PSS {before} -> {after} KiB; any process was woken "
                 f"{null['late_ms']:.1f} ms late at p99.9")
        busy = null["late_ms"] > 1000 / RATE  # nobody comes to his turn often enough
        self.expect(name, SANITIZED or busy or rate >= RATE, f"{rate:.1f} generations a second")
        self.expect(name, SANITIZED or after <= before * 1.1 + 2048, f"PSS {before} -> {after} KiB")
        self.callbacks(name, *house.laps(), blackouts.stop(), cpu)

    def websockets(self, count):
        house = self.house()
        churn, loads, first, most = Churn(house, RATE), [], generations(house.router), 0
        for part in range(1, 21):
            loads.append(Load(house.port, fresh=0, kept=0, websockets=count // 20, echo_pause=1))
            wait_until("more generations", lambda: generations(house.router) >= first + count * part // 20, MANY)
            most = max(most, house.pages())
        made = generations(house.router) - first
        wait_until("four are mapped at most", lambda: house.pages() <= 4)
        churn.stop()
        echoes = [load.echoes for load in loads]
        wait_until("all are alive", lambda: all(l.echoes >= was + 2 * count // 20 for l, was in zip(loads, echoes)), MANY)
        for load in loads:
            load.stop()
            self.failed += load.problems
        print(f"{count} WebSockets over {made} generations: at most {most} mapped at a time, {house.pages()} at the end, "
              f"{sum(load.echoes for load in loads)} echoes", flush=True)
        self.expect("WebSockets", most <= 4, f"{most} generations mapped")

    # ---- deaths ----
    @staticmethod
    def every(pause, seconds, action):
        """How often."""
        end, count = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            began = time.monotonic()
            action(count)
            count += 1
            pass_time("until it is due", max(0, began + pause - time.monotonic()))
        return count

    def deaths(self, seconds, stalled):
        house, null = self.house(workers=4), Null()
        house.load = Load(house.port, fresh=8, kept=8, pause=0.005)
        count = self.every(1, seconds, lambda _: house.stall_worker(0.8) if stalled else house.kill_worker())
        name = f"{count} x {'SIGSTOP' if stalled else 'kill -9'} of a worker in {seconds} s"
        self.late(name, house.load, null.stop(), 0.5 if stalled else 0.25)
        self.expect(name, not stalled or not house.load.excused, "who waits for a worker that hangs is answered when it goes on")

    def late(self, name, load, null, most):
        self.say(name, load, f"; any process was woken {null['late_ms']:.1f} ms late at p99.9", most, null)

    def crash_loop(self, seconds):
        house, count, null = self.house(workers=4), 0, Null()
        house.load = Load(house.port, fresh=8, kept=8, pause=0.005)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            count += house.kill_worker(house.router.children("worker 0"))
        name = f"worker 0 killed at each start, {count} times in {seconds} s"
        self.late(name, house.load, null.stop(), 0.25)
        self.expect(name, count > 2, "it was not started again")

    # ---- the tree ----
    def turns(self, house):
        """In how many seconds how many: another number of workers and of entry points, and each second time another master."""
        def turn(number):
            house.hangup(workers=(4, 2)[number % 2], other=number % 2 == 0)
            if number % 2:
                house.kill_master()
        began, count = time.monotonic(), 0
        while count < 20:
            count += self.every(1, 1, lambda _: turn(count))
        return (f"in {time.monotonic() - began:.0f} s {count // 2} x kill -9 of the master, {count} x SIGHUP with an entry point "
                "more or less and 4, 2, 4... workers")

    def tree(self):
        house = self.house(workers=4)
        house.load = Load(house.port, fresh=4, kept=8, websockets=10, downloads=2, uploads=2, pause=0.005)
        self.say(self.turns(house), house.load)
        self.expect("tree", not house.load.excused, "connections were lost")

    def ten_upgrades(self, house):
        """Five good ones, two of them to another build: workers of two earlier builds may finish what is open."""
        began = time.monotonic()
        for to in ("another", "broken", "same", "broken", "another", "broken", "same", "broken", "same", "broken"):
            self.every(3, 3, lambda _: house.upgrade(to))
        return f"10 x SIGUSR2 in {time.monotonic() - began:.0f} s, five of a broken binary"

    def upgrades(self):
        house = self.house(workers=4)
        house.load = Load(house.port, fresh=4, kept=8, websockets=10, downloads=2, uploads=2, pause=0.005)
        name = self.ten_upgrades(house)
        self.say(name, house.load)
        self.expect(name, not house.load.excused, "connections were lost")

    # ---- all of it with every protocol ----
    def mixed_changes(self, seconds):
        blackouts, house = Blackouts(), self.house(mixed=True)
        house.load = Mixture(house)
        churn = Churn(house, RATE + 5)
        pass_time("warming up", WARM)
        first, began, before = generations(house.router), time.monotonic(), house.pss_kib()
        pass_time("changes", seconds)
        rate, after = (generations(house.router) - first) / (time.monotonic() - began), house.pss_kib()
        churn.stop()
        name, cpu = f"{seconds} s of changes", house.cpu_seconds()
        self.say_mixed(name, house.load, f"; {rate:.1f} generations a second, PSS {before} -> {after} KiB")
        self.expect(name, SANITIZED or after <= before * 1.1 + 2048, f"PSS {before} -> {after} KiB")
        self.callbacks(name, *house.laps(), blackouts.stop(), cpu, handshakes=True)

    def mixed_deaths(self, seconds):
        house = self.house(mixed=True, workers=4)
        house.load = Mixture(house, library=False, reopen=True)
        count = self.every(1, seconds, lambda number: house.stall_worker(0.6) if number % 2 else house.kill_worker())
        self.say_mixed(f"{count} x kill -9 and SIGSTOP of a worker in {seconds} s", house.load)

    def mixed_tree(self):
        house = self.house(mixed=True, workers=4)
        house.load = Mixture(house)
        self.say_mixed(self.turns(house), house.load)
        self.expect("tree, every protocol", not house.load.excused, "connections were lost")

    def mixed_upgrades(self):
        house = self.house(mixed=True, workers=4)
        house.load = Mixture(house)
        name = self.ten_upgrades(house)
        self.say_mixed(name, house.load)
        self.expect(name, not house.load.excused, "connections were lost")

    # ---- overload ----
    def overload(self, limit, size):
        """Too many of three sorts, one after the other. Without a limit nobody is refused: there is room for 4,000."""
        fountain = Fountain(size)
        try:
            self.overloaded(limit, fountain)
        finally:
            fountain.close()

    def overloaded(self, limit, fountain):
        folder, port, blackouts = self.next_folder(), free_port(), Blackouts()
        (folder / "dynamic.json").write_text(json.dumps({"http": {
            "routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all"}},
            "services": {"all": {"loadBalancer": {"servers": [{"url": fountain.url}]}}}}}))
        router = Weir([f"--entryPoints.web.address=127.0.0.1:{port}", f"--providers.file.filename={folder}/dynamic.json",
                       "--log.level=INFO", "--workers=2", f"--limits.memory={limit << 20}"])
        self.programs.append(router)
        router.wait_log(READY)
        workers = wait_until("two workers", lambda: len(w := router.children("worker")) == 2 and w)
        name, words = f"overload, limit of {limit} MiB" if limit else "overload, no limit", []
        for what, count, data in (("slow readers", 4000, get()), ("unfinished heads", 2000, HEAD), ("idle", 4000, b"")):
            crowd = Crowd(port, count, data)
            self.ask(name, port, what, limit)
            refused, closed, _ = crowd.ended()
            words.append(f"{count} {what}: {refused} refused, {closed} closed")
            crowd.close()
            wait_until("an answer as before", lambda: status_of(port) == 200, MANY)
            self.expect(name, bool(limit) or refused + closed == 0, f"{what}: refused without a limit")
        print(f"{name}: {'; '.join(words)}", flush=True)
        self.expect(name, router.children("worker") == workers, "a worker died")
        cpu = sum(sum(int(t) for t in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])
                  for pid in workers) / os.sysconf("SC_CLK_TCK")
        self.callbacks(name, *laps_so_far(router.pid), blackouts.stop(), cpu)
        router.stop()

    # ---- rates ----
    def rates(self, seconds):
        """100 a second over four workers, asked by 64 connections without a pause, over a SIGHUP and a change."""
        folder, port, app, got, stop = self.next_folder(), free_port(), Server(), [], threading.Event()
        http = {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "all", "middlewares": ["r"]}}, "middlewares": {"r": {"rateLimit": {"average": 100}}},
                "services": {"all": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{app.port}"}]}}}}
        (folder / "dynamic.json").write_text(json.dumps({"http": http}))
        router = Weir([f"--entryPoints.web.address=127.0.0.1:{port}", f"--providers.file.filename={folder}/dynamic.json", "--log.level=INFO",
                       "--workers=4"])
        self.programs.append(router)
        router.wait_log(READY)

        def asking():
            client, mine = connect(port), []
            while not stop.is_set():
                client.send(get())
                mine.append((client.response().status, time.monotonic()))
            client.close()
            got.extend(mine)
        threads = [threading.Thread(target=asking) for _ in range(64)]
        for thread in threads:
            thread.start()
        pass_time("as it was", seconds / 3)
        os.kill(router.pid, signal.SIGHUP)
        pass_time("behind a SIGHUP", seconds / 3)
        http["routers"]["more"] = {"rule": "Path(`/more`)", "service": "all"}
        (folder / "part").write_text(json.dumps({"http": http}))
        (folder / "part").rename(folder / "dynamic.json")
        pass_time("behind a change", seconds / 3 + 0.2)
        stop.set()
        for thread in threads:
            thread.join()
        router.stop()
        app.close()
        passed = sorted(at for status, at in got if status == 200)
        count = sum(at <= passed[0] + seconds for at in passed)
        name = f"{seconds} s at 100 a second"
        print(f"{name}: {count} admitted, {sum(status == 429 for status, _ in got)} refused", flush=True)
        self.expect(name, SANITIZED or abs(count - 100 * seconds) <= seconds and {status for status, _ in got} == {200, 429}, f"{count} admitted")

    def ask(self, name, port, what, limit):
        for _ in range(20):
            status = status_of(port)
            self.expect(name, status in ((200, 503) if limit else (200,)), f"{what}: others got {status}")


def main():
    parts = ("changes", "websockets", "deaths", "stalls", "crash_loop", "tree", "upgrades", "rates", "mixed_changes", "mixed_deaths",
             "mixed_tree", "mixed_upgrades", "overload")
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--websockets", type=int, default=1000)
    parser.add_argument("--only", choices=parts, action="append", help="these parts; else all")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    programs = []
    with tempfile.TemporaryDirectory(prefix="weir-full-") as folder:
        full = Full(folder, programs)

        def overload():
            full.overload(0, 1 << 18)  # a GiB in the kernel's buffers, which has a limit of its own for all
            full.overload(100, 1 << 20)
        run = {"changes": lambda: full.changes(options.seconds), "websockets": lambda: full.websockets(options.websockets),
               "deaths": lambda: full.deaths(options.seconds, stalled=False),
               "stalls": lambda: full.deaths(options.seconds, stalled=True),
               "crash_loop": lambda: full.crash_loop(options.seconds), "tree": full.tree, "upgrades": full.upgrades,
               "rates": lambda: full.rates(10),
               "mixed_changes": lambda: full.mixed_changes(options.seconds),
               "mixed_deaths": lambda: full.mixed_deaths(options.seconds), "mixed_tree": full.mixed_tree,
               "mixed_upgrades": full.mixed_upgrades, "overload": overload}
        try:
            for part in options.only or parts:
                run[part]()
        finally:
            for program in reversed(programs):
                program.stop()
            for servers in full.servers:
                servers.close()
    for line in full.failed[:30]:
        print(f"FAILED: {line}")
    return 1 if full.failed else 0


if __name__ == "__main__":
    sys.exit(main())
