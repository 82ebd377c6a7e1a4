"""What users are promised of generations, deaths and upgrades (I4, I9), each once in its full form, with figures.

    make soak-full    (about five minutes; exit status 1 when anything failed)

The short forms of these are in tests/integration/test_life_*.py, all of it at once is soak.py.
"""
import argparse
import pathlib
import resource
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from conftest import wait_until  # noqa: E402
from load import Load  # noqa: E402
from marathon import SANITIZED, Churn, House, generations  # noqa: E402

MANY = 300  # seconds for what waits


class Full:
    def __init__(self, folder, programs):
        self.folder, self.programs, self.failed, self.houses = pathlib.Path(folder), programs, [], 0

    def house(self, **options):
        self.houses += 1
        folder = self.folder / str(self.houses)
        folder.mkdir()
        return House(folder, self.programs, **options)

    def say(self, name, load, words=""):
        load.stop()
        print(f"{name}: {load.done} requests, {load.echoes} echoes, {load.transfers} transfers; errors "
              f"{load.counts or 'none'}; on connections that a killed worker had accepted {load.excused or 'none'}; first "
              f"byte ms p50 {1000 * load.percentile(0.5):.1f} p99 {1000 * load.percentile(0.99):.1f} p99.9 "
              f"{1000 * load.percentile(0.999):.1f}{words}", flush=True)
        self.failed += [f"{name}: {problem}" for problem in load.problems[:5]]

    def changes(self, seconds):
        house = self.house()
        house.load = Load(house.port, fresh=2, kept=64, websockets=20, downloads=10, uploads=10)
        churn, first = Churn(house, 50), generations(house.router)
        time.sleep(seconds)
        made = generations(house.router) - first
        churn.stop()
        self.say(f"{seconds} s of changes", house.load, f"; {made / seconds:.0f} generations a second")
        slow = [one["busiest"] for one in house.laps()]
        print(f"    longest callback {max(most['us'] for most in slow) / 1000:.2f} ms of CPU", flush=True)

    def websockets(self, count):
        house = self.house()
        churn, loads, first, most = Churn(house, 50), [], generations(house.router), 0
        for part in range(1, 21):
            loads.append(Load(house.port, fresh=0, kept=0, websockets=count // 20, echo_pause=1))
            wait_until("more generations", lambda: generations(house.router) >= first + count * part // 20, MANY)
            most = max(most, house.pages())
        made = generations(house.router) - first
        wait_until("four are mapped at most", lambda: house.pages() <= 4)
        churn.stop()
        echoes = [load.echoes for load in loads]
        wait_until("all are alive", lambda: all(l.echoes >= was + count // 20 for l, was in zip(loads, echoes)), MANY)
        for load in loads:
            load.stop()
            self.failed += load.problems
        print(f"{count} WebSockets over {made} generations: at most {most} mapped at a time, "
              f"{sum(load.echoes for load in loads)} echoes", flush=True)

    def deaths(self, seconds, stalled):
        house = self.house(workers=4)
        house.load = Load(house.port, fresh=8, kept=8, pause=0.005)
        end, count = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            began = time.monotonic()
            house.stall_worker(0.8) if stalled else house.kill_worker()
            count += 1
            time.sleep(max(0, began + 1 - time.monotonic()))
        name, most = ("SIGSTOP", 0.5) if stalled else ("kill -9", 0.25)
        self.say(f"{count} x {name} of a worker", house.load)
        if house.load.percentile(0.999) > most and not SANITIZED:
            self.failed.append(f"{name}: first byte later than {most} s at p99.9")

    def tree(self):
        house = self.house(workers=4)
        house.load = Load(house.port, fresh=4, kept=8, websockets=10, downloads=2, uploads=2, pause=0.005)
        for turn in range(20):
            began = time.monotonic()
            house.hangup(workers=(4, 2)[turn % 2], other=turn % 2 == 0)
            if turn % 2:
                house.kill_master()
            time.sleep(max(0, began + 1 - time.monotonic()))
        self.say("10 x kill -9 of the master, 20 x SIGHUP with an entry point more or less and 4, 2, 4... workers", house.load)
        house.hangup(workers=4)
        house.load = Load(house.port, fresh=4, kept=8, websockets=10, downloads=2, uploads=2, pause=0.005, reopen=True)
        for turn in range(10):
            house.upgrade("broken" if turn % 2 else ("another", "same")[turn // 2 % 2])
        self.say("10 x SIGUSR2, five of a broken binary", house.load)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--websockets", type=int, default=1000)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    programs = []
    with tempfile.TemporaryDirectory(prefix="weir-full-") as folder:
        full = Full(folder, programs)
        try:
            full.changes(options.seconds)
            full.websockets(options.websockets)
            full.deaths(options.seconds, stalled=False)
            full.deaths(options.seconds, stalled=True)
            full.tree()
        finally:
            for program in reversed(programs):
                program.stop()
    for line in full.failed[:30]:
        print(f"FAILED: {line}")
    return 1 if full.failed else 0


if __name__ == "__main__":
    sys.exit(main())
