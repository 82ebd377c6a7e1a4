"""Workers that die, hang, come and go under load: no connection is refused, none is reset that they had not accepted."""
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import time

import pytest

from conftest import BINARY, DEADLINE, curl, free_port, quick_get, wait_port, wait_until
from load import Load
from null import Null, came_in_time
from processes import freeze, gone
from rawhttp import connect, get
from test_processes import dynamic


@pytest.fixture
def serving(weir, whoami, tmp_path):
    def start(workers):
        router = weir(f"--providers.file.filename={dynamic(tmp_path, whoami('one'))}", workers=workers)
        router.web = router.ports["web"]
        settled(router)
        return router
    return start


def status(router):
    """What `weir status` reads from the board, also while the master stands; nothing while there is nothing to read."""
    done = subprocess.run([BINARY, "status", "--json", "--pid", str(router.pid)], capture_output=True, timeout=DEADLINE)
    return json.loads(done.stdout) if done.returncode == 0 else {"slots": [{"state": "unknown"}], "entryPoints": []}


def settled(router):
    """No slot is lent: a worker that starts first accepts for the others until they serve."""
    wait_until("every slot has its own worker", lambda: all(slot["state"] == "serving" and slot["lentTo"] is None
                                                            for slot in status(router)["slots"]))


def listening(port):
    rows = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True).stdout
    return len(rows.splitlines())


# ---- lending ----
def test_slot_of_a_dead_worker_is_lent_and_given_back(serving):
    router = serving(2)
    mark = router.mark()
    victim = router.worker(1)
    os.kill(victim, signal.SIGKILL)
    router.wait_log(r"Worker 0 accepts for slot 1 too", mark)
    router.wait_log(r"entry point web: accepting for slot 1 too process=\"worker 0\"", mark)
    router.wait_log(r"entry point web: no longer accepting for slot 1 process=\"worker 0\"", mark)
    router.worker(1, other_than=[victim])
    assert len(router.workers(2)) == 2
    wait_until("two sockets", lambda: listening(router.web) == 2)


@pytest.mark.alone
def test_killed_workers_cost_only_what_they_had_accepted(serving):
    router = serving(3)
    fresh, null = Load(router.web, fresh=6, kept=0), Null()
    for _ in range(4):
        os.kill(random.choice(wait_until("a worker", lambda: router.children("worker"))), signal.SIGKILL)
        fresh.more(150)
    counts = fresh.stop()
    assert not counts.get("connect") and not counts.get("status"), fresh.problems
    assert sum(counts.values()) <= 4 * 6, fresh.problems  # at most what was in flight
    assert came_in_time(fresh, 0.999, 0.25, null)
    assert fresh.done > 500


@pytest.mark.alone
def test_stopped_worker_is_noticed_and_its_slot_lent(serving):
    router = serving(3)
    load, null = Load(router.web, fresh=6, kept=0, pause=0.01), Null()
    mark = router.mark()
    victim = router.worker(1)
    freeze(victim)
    router.wait_log(r"WRN Worker 1 .* is silent: worker \d accepts for it too", mark)
    load.more()
    asked = load.done
    wait_until("requests go on", lambda: load.done > asked + 50)
    os.kill(victim, signal.SIGCONT)
    router.wait_log(r"no longer accepting for slot 1", mark)
    load.clean()  # what it had accepted was answered late, but answered
    assert came_in_time(load, 0.9, 0.5, null)
    assert router.worker(1) == victim


@pytest.mark.alone
def test_crash_loop_of_a_worker_keeps_serving(serving):
    router = serving(2)
    load, null, kills = Load(router.web, fresh=4, kept=0), Null(), 0
    while load.done < 300 or kills < 5:
        kills += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(router.worker(1), signal.SIGKILL)
    counts = load.stop()
    assert not counts.get("connect"), load.problems
    assert came_in_time(load, 0.999, 0.25, null)


def test_hung_worker_says_where_it_stood_and_is_replaced(serving):
    router = serving(2)
    victim = router.worker(0)
    mark = router.mark()
    freeze(victim)
    router.wait_log(r"ERR Worker 0 .* has not moved for 10 s", mark)
    at, _ = router.wait_log(r"weir: worker 0: SIGABRT, stack trace:", mark)
    router.wait_log(r"\(\+0x[0-9a-f]+\)", at)
    at, _ = router.wait_log(r"Worker 0 .* was ended by signal 6", mark)
    router.wait_log(r"entry point web: accepting process=\"worker 0\"", at)
    gone(victim)
    assert curl(router.web).status == 200


def test_killed_master_costs_nothing(serving):
    router = serving(2)
    load = Load(router.web, websockets=6)
    for _ in range(3):
        router.wait_log(r"Configuration changed", router.kill_master())
        load.more()
    load.clean()


# ---- another number of workers, other entry points ----
STATIC = """
entryPoints:
  web:
    address: "{address}"
{extra}
workers: {workers}
log:
  level: DEBUG
providers:
  file:
    filename: {file}
"""


@pytest.fixture
def by_file(weir, whoami, tmp_path):
    class Static:
        path = tmp_path / "traefik.yml"

        def write(self, address, workers=2, extra=""):
            part = tmp_path / ".static"
            part.write_text(STATIC.format(address=address, workers=workers, extra=extra, file=tmp_path / "dynamic.yml"))
            part.rename(self.path)

        def start(self, address, workers=2):
            dynamic(tmp_path, whoami("one"))
            self.write(address, workers)
            self.router = weir(f"--configFile={self.path}", web=False, workers=None)
            self.router.accepting(workers)
            settled(self.router)
            return self.router

        def hangup(self, address, workers=2, extra=""):
            self.write(address, workers, extra)
            mark = self.router.mark()
            os.kill(self.router.pid, signal.SIGHUP)
            self.router.wait_log(r"Static configuration from file", mark)
            return mark
    return Static()


def test_number_of_workers_changes_under_load(by_file):
    port = free_port()
    address = f"127.0.0.1:{port}"
    router = by_file.start(address, workers=4)
    stay = sorted([router.worker(0), router.worker(1)])
    load = Load(port, fresh=8, kept=8)
    mark = by_file.hangup(address, workers=2)
    router.wait_log(r"2 workers instead of 4", mark)
    router.wait_log(r"The sockets of slot 3 are closed", mark)
    router.wait_log(r"Worker 3 \(pid \d+\) has finished", mark)
    assert router.workers(2) == stay
    wait_until("two sockets", lambda: listening(port) == 2)
    mark = by_file.hangup(address, workers=4)
    router.wait_log(r"accepting process=\"worker 2\"", mark)
    router.wait_log(r"accepting process=\"worker 3\"", mark)
    wait_until("four sockets", lambda: listening(port) == 4)
    load.more()
    load.clean()
    assert sorted([router.worker(0), router.worker(1)]) == stay
    assert not [line for line in router.lines[mark:] if re.search(r" (ERR|WRN) (?!.*(flags are ignored|is silent: worker))", line)]


@pytest.mark.parametrize("who", ["master", "worker"])
def test_closed_socket_of_a_slot_takes_nobody_while_others_hold_it(by_file, who):
    """The master has a copy of each socket, and a hung worker one of its own: nobody may be left in their queues."""
    port = free_port()
    router = by_file.start(f"127.0.0.1:{port}", workers=4)
    stands = router.master() if who == "master" else router.worker(3)
    mark = by_file.hangup(f"127.0.0.1:{port}", workers=2)
    wait_until("the guard empties two slots", lambda: sum(slot["retired"] is not None for slot in status(router)["slots"]) == 2)
    freeze(stands)
    try:
        wait_until("two sockets are left", lambda: [point["sockets"] for point in status(router)["entryPoints"]] == [2])
        for _ in range(40):  # soon done: who stands for ten seconds is ended
            assert quick_get(port).status == 200
    finally:
        os.kill(stands, signal.SIGCONT)
    router.wait_log(r"The sockets of slot 3 are closed", mark)
    router.wait_log(r"Worker 3 \(pid \d+\) has finished", mark)
    assert not [line for line in router.lines[mark:] if " ERR " in line]


def test_retired_worker_keeps_its_sessions_and_comes_back(by_file):
    port = free_port()
    address = f"127.0.0.1:{port}"
    router = by_file.start(address, workers=4)
    before = router.workers(4)
    load = Load(port, fresh=4, kept=4, websockets=100, echo_pause=0.2)  # one slot has none of them once in 10^12
    mark = by_file.hangup(address, workers=2)
    router.wait_log(r"The sockets of slot 2 are closed", mark)
    assert router.workers(4) == before  # WebSockets are open there
    for workers in (4, 2, 4, 2, 4):
        by_file.hangup(address, workers=workers)
        load.more(100)
    wait_until("four sockets", lambda: listening(port) == 4)
    load.clean()
    assert router.workers(4) == before


def test_entry_points_come_and_go_under_load(by_file):
    port, other = free_port(), free_port()
    router = by_file.start(f"127.0.0.1:{port}")
    load = Load(port, websockets=6)
    for i in range(6):
        extra = f"  other:\n    address: \"127.0.0.1:{other}\"" if i % 2 == 0 else ""
        mark = by_file.hangup(f"127.0.0.1:{port}", extra=extra)
        router.wait_log(r"Listening .*entryPointName=other" if extra else r"Closing entry point other", mark)
        if extra:
            wait_port(other)
            wait_until("it serves", lambda: quick_get(other).status == 200)
        load.more()
    load.clean()


def test_shared_port_loses_nobody_to_a_retired_worker(weir, whoami, tmp_path):
    """Nobody knows the places in a group that other programs are in, so connections come until the socket is closed: its
    worker takes what waits in the very moment. Two may still come between its last look and the end, and more when the machine
    takes the CPU from it just then: that comes and goes, what weir loses it loses each time."""
    file, port = tmp_path / "traefik.yml", free_port()
    dynamic(tmp_path, whoami("one"))

    def write(workers):
        part = tmp_path / ".static"
        part.write_text(STATIC.format(address=f"127.0.0.1:{port}", workers=workers, file=tmp_path / "dynamic.yml",
                                      extra="    reusePort: true"))
        part.rename(file)

    def lost():
        """When three of four retire."""
        load = Load(port, fresh=16, kept=0, pause=0)
        load.more()
        write(1)
        mark = router.mark()
        os.kill(router.pid, signal.SIGHUP)
        for slot in (1, 2, 3):
            router.wait_log(rf"The sockets of slot {slot} are closed", mark)
        load.more(1000)
        load.stop()
        return load.counts
    write(4)
    router, counts = weir(f"--configFile={file}", web=False, workers=None), []
    while len(counts) < 4:
        counts.append(lost())
        if sum(counts[-1].values()) <= 2:
            return
        wait_until("three have gone", lambda: len(router.children("worker")) == 1)
        write(4)
        mark = router.mark()
        os.kill(router.pid, signal.SIGHUP)
        for slot in (1, 2, 3):
            router.wait_log(rf"entry point web: accepting process=\"worker {slot}\"", mark)
    raise AssertionError(counts)


def test_removed_entry_point_resets_nobody(by_file):
    """Whoever was let in is served; whoever comes later is refused."""
    other = free_port()
    web = f"127.0.0.1:{free_port()}"
    by_file.start(web)
    by_file.hangup(web, extra=f"  other:\n    address: \"127.0.0.1:{other}\"")
    wait_port(other)
    load = Load(other, fresh=8, kept=0)
    load.more()
    by_file.hangup(web)
    wait_until("it is refused", lambda: load.counts.get("connect"))
    load.stop()
    assert set(load.counts) == {"connect"} and not [p for p in load.problems if "Refused" not in p], load.counts


def test_removed_entry_point_finishes_what_is_open(by_file):
    """Requests in flight to their end, kept connections with their next answer; what is idle ends with the grace."""
    other = free_port()
    extra = (f"  other:\n    address: \"127.0.0.1:{other}\"\n"
             "    transport: {lifeCycle: {graceTimeOut: 6s}}")
    web = f"127.0.0.1:{free_port()}"
    router = by_file.start(web)
    by_file.hangup(web, extra=extra)
    wait_port(other)
    used, unused, slow = connect(other), connect(other), connect(other)
    for client in (used, unused):
        client.send(get(host="one"))
        assert client.response().status == 200
    slow.send(get("/?wait=1s", host="one"))
    began = time.monotonic()
    mark = by_file.hangup(web)
    for worker in (0, 1):
        router.wait_log(rf"entry point other: no longer accepting process=\"worker {worker}\"", mark)
    used.send(get(host="one"))
    answer = used.response()
    assert answer.status == 200 and answer.get("connection") == "close" and used.at_end()
    assert slow.response().status == 200 and slow.at_end()
    assert unused.at_end() and time.monotonic() - began > 6


@pytest.mark.parametrize("master_dies", [False, True])
def test_port_is_taken_again_while_it_is_emptied(by_file, master_dies):
    """It is still ours, for a new master too: not a port that another program has."""
    here, there = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    router = by_file.start(here)
    mark = by_file.hangup(there)
    router.wait_log(rf"Listening .*address={there}", mark)
    if master_dies:
        router.wait_log(r"\d+ workers: ", router.kill_master())
    mark = by_file.hangup(here)
    _, found = router.wait_log(rf"Listening .*address={here}|the old one stays: (.*)", mark)
    assert found.group(1) is None, found.group(1)
    assert curl(int(here.split(":")[1])).status == 200


def test_entry_point_moves_to_another_address_of_its_port(by_file):
    port = free_port()
    router = by_file.start(f":{port}")
    wait_until("two sockets", lambda: listening(port) == 2)
    load = Load(port, websockets=4)
    for address, where in ((f"127.0.0.1:{port}", rf"127\.0\.0\.1:{port}"), (f":{port}", rf"\[::\]:{port}")):
        mark = by_file.hangup(address)
        router.wait_log(rf"Listening .*entryPointName=web address={where}", mark)
        wait_until("the old sockets are closed", lambda: listening(port) == 2)
    for _ in range(4):  # there and back while older ones are still being emptied
        by_file.hangup(f"127.0.0.1:{port}")
        by_file.hangup(f":{port}")
    wait_until("the old sockets are closed", lambda: listening(port) == 2)
    load.clean()
