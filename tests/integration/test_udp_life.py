"""UDP sessions while weir changes: workers come, go and die, another build takes over, configurations change."""
import contextlib
import os
import pathlib
import re
import signal

import pytest

import conftest
from conftest import BINARY, READY, Weir, free_port, wait_until
from marathon import another_build
from processes import freeze, gone
from udpkit import Client, Crowd, Server, Traffic, ports_of, udp_file

STATIC = """\
workers: {workers}
log: {{level: DEBUG}}
providers: {{file: {{filename: "{file}"}}}}
entryPoints:
"""


class Installed:
    """A binary in a place of its own that is replaced as a package manager does it."""

    def __init__(self, folder):
        self.path, self.good = folder / "bin/weir", pathlib.Path(BINARY).read_bytes()
        self.path.parent.mkdir()
        self.install(self.good)

    def install(self, data):
        part = self.path.with_suffix(".part")
        part.write_bytes(data)
        part.chmod(0o755)
        part.rename(self.path)


class House:
    def __init__(self, folder, programs, monkeypatch):
        self.folder, self.programs = folder, programs
        self.static, self.file, self.opened = folder / "weir.yml", folder / "udp.yml", []
        self.installed = Installed(folder)
        monkeypatch.setattr(conftest, "BINARY", str(self.installed.path))

    def configure(self, workers, points):
        part = self.static.with_suffix(".part")
        part.write_text(STATIC.format(workers=workers, file=self.file) +
                        "".join(f"  {name}: {{address: \"127.0.0.1:{port}/udp\", udp: {{timeout: 60s}}, "
                        "transport: {lifeCycle: {graceTimeOut: 100ms}}}\n"
                                for name, port in points.items()))
        part.rename(self.static)

    def start(self, workers, points):
        self.configure(workers, points)
        self.router = Weir([f"--configFile={self.static}"])
        self.programs.append(self.router)
        self.router.wait_log(READY)
        return self.router

    def hangup(self, workers, points):
        self.configure(workers, points)
        mark = self.router.mark()
        os.kill(self.router.pid, signal.SIGHUP)
        self.router.wait_log(r"Static configuration from|The static configuration is refused", mark)
        return mark

    def upgrade(self, number=None):
        self.installed.install(another_build(self.installed.good, number) if number else self.installed.good)
        mark = self.router.mark()
        os.kill(self.router.pid, signal.SIGUSR2)
        return mark

    def keep(self, one):
        self.opened.append(one)
        return one


@pytest.fixture
def house(tmp_path, programs, monkeypatch):
    made = House(tmp_path, programs, monkeypatch)
    yield made
    for one in reversed(made.opened):
        one.close()


def sessions_of(pid, ports):
    """Which of the ports are those of sockets of that process."""
    return ports_of(pid) & set(ports)


def spread(router, ports, workers):
    """Pids of the workers, once all sessions are theirs and each has some."""
    def all_of_them():
        pids = router.children("worker")
        try:
            found = [sessions_of(pid, ports) for pid in pids]
        except OSError:
            return None
        return pids if len(pids) == workers and all(found) and set().union(*found) == set(ports) else None
    return wait_until(f"the sessions are with {workers} workers", all_of_them)


def test_a_thousand_sessions_keep_their_ports(house):
    server, port = house.keep(Server("a")), free_port()
    udp_file(house.file, {"r": (["u"], "s")}, {"s": [server.address]})
    points = {"u": port}
    router = house.start(2, points)
    crowd = house.keep(Crowd(port, 1000))
    told = crowd.ask()
    ports = [p for _, p in told]
    assert len(set(ports)) == 1000
    traffic = house.keep(Traffic(port))
    spread(router, ports, 2)
    for workers in (4, 1, 2):
        house.hangup(workers, points)
        spread(router, ports, workers)
        assert crowd.ask() == told
        traffic.more()
    before = router.children("worker")
    mark = house.upgrade()
    router.wait_log("Upgraded: the build is the same", mark)
    assert crowd.ask() == told and router.children("worker") == before
    for number in (1, 2):
        mark = house.upgrade(number)
        router.wait_log("The new workers serve", mark)
        for pid in before:
            gone(pid)
        before = spread(router, ports, 2)
        assert crowd.ask() == told
        traffic.more()


def test_a_killed_worker_loses_only_its_own(house):
    server, port = house.keep(Server("a")), free_port()
    udp_file(house.file, {"r": (["u"], "s")}, {"s": [server.address]})
    router = house.start(4, {"u": port})
    crowd = house.keep(Crowd(port, 200))
    told = crowd.ask()
    ports = [p for _, p in told]
    spread(router, ports, 4)
    victim = router.worker(1)
    lost = sessions_of(victim, ports)
    os.kill(victim, signal.SIGKILL)
    again = crowd.ask()
    changed = {p for (_, p), (_, q) in zip(told, again) if p != q}
    assert changed <= lost and len(lost - changed) <= 2  # a new session may get the very port by chance
    ports = [p for _, p in again]
    router.worker(1, other_than=[victim])
    spread(router, ports, 4)  # it has its shards again, with the sessions that began meanwhile
    assert crowd.ask() == again
    master = router.master()
    os.kill(master, signal.SIGKILL)
    assert crowd.ask() == again
    router.master(other_than=[master])
    assert crowd.ask() == again


def test_a_generation_is_for_new_sessions(house):
    a, b, port = house.keep(Server("a")), house.keep(Server("b")), free_port()
    udp_file(house.file, {"r": (["u"], "s")}, {"s": [a.address]})
    router = house.start(2, {"u": port})
    crowd = house.keep(Crowd(port, 50))
    told = crowd.ask()
    assert {name for name, _ in told} == {"a"}
    mark = router.mark()
    udp_file(house.file, {"r": (["u"], "t")}, {"t": [b.address]})
    router.in_force(mark, workers=2)
    assert crowd.ask() == told
    new = house.keep(Client(port))
    assert new.ask()[0] == "b"
    mark = router.mark()
    udp_file(house.file, {"r": (["other"], "t")}, {"t": [b.address]})
    router.in_force(mark, workers=2)
    assert crowd.ask() == told and new.ask()[0] == "b"
    assert house.keep(Client(port)).unanswered()


def test_hangup_opens_and_closes_entry_points(house):
    server, port, other = house.keep(Server("a")), free_port(), free_port()
    udp_file(house.file, {"r": ([], "s")}, {"s": [server.address]})
    house.start(2, {"u": port})
    crowd = house.keep(Crowd(port, 50))
    told = crowd.ask()
    house.hangup(2, {"u": port, "v": other})
    new = house.keep(Crowd(other, 20))
    first = new.ask()
    assert crowd.ask() == told
    house.hangup(2, {"u": port})
    wait_until("nobody has the port", lambda: not re.search(rf":{other:04X} 00000000:0000", pathlib.Path("/proc/net/udp").read_text()))
    assert crowd.ask() == told
    house.hangup(2, {"u": port, "v": other})
    assert len(set(new.ask()) & set(first)) <= 4  # a new session may get the very port of one before: five of 20 once in 10^11
    taken = house.keep(Server("taken", port=free_port()))
    mark = house.hangup(2, {"u": port, "w": taken.port})
    house.router.wait_log(rf"entry point \"w\": cannot listen on 127.0.0.1:{taken.port}/udp: Address already in use", mark)
    assert crowd.ask() == told and new.ask()


@pytest.mark.parametrize("master_dies", [False, True])
def test_an_entry_point_comes_back_while_a_worker_hangs(house, master_dies):
    """The worker has the sockets of before until it is ended; that is no other program."""
    server, port, other = house.keep(Server("a")), free_port(), free_port()
    udp_file(house.file, {"r": ([], "s")}, {"s": [server.address]})
    house.start(2, {"u": port, "v": other})
    worker = house.router.worker(1)
    freeze(worker)
    mark = house.hangup(2, {"u": port})
    house.router.wait_log("Closing entry point v", mark)
    if master_dies:
        house.router.wait_log("Static configuration from", house.router.kill_master())
    house.router.wait_log("Listening .*entryPointName=v", house.hangup(2, {"u": port, "v": other}))
    assert "cannot listen" not in house.router.log()
    with contextlib.suppress(ProcessLookupError):  # it hung for too long, and another one has its place
        os.kill(worker, signal.SIGCONT)
    wait_until("those of before are gone", lambda: len(re.findall(rf":{other:04X} 00000000:0000", pathlib.Path("/proc/net/udp").read_text())) == 32)
    assert house.keep(Crowd(other, 20)).ask()
