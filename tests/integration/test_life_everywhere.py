"""A whole life under load of every protocol (deaths, SIGHUP, other numbers of workers, upgrades) as pid 1 of a namespace and as a plain user."""
import os
import pathlib
import signal
import tempfile

import pytest

from conftest import READY, Weir, quick_get, wait_until
from marathon import House
from mixture import Mixture, Servers
from processes import children
from test_life_slots import listening

NOBODY = 65534


def pid_namespace():
    return ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] + (["--map-root-user"] if os.geteuid() else [])


def plain_user():
    if os.geteuid() != 0:
        return []  # it is one already
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]


@pytest.fixture
def folder():
    """One that everybody may read."""
    with tempfile.TemporaryDirectory(prefix="weir-") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


WAYS = pytest.mark.parametrize("wrap, nested", [(pid_namespace, True), (plain_user, False)], ids=["pid 1", "plain user"])


class Wrapped(Weir):
    """Whose guard is a child of the program that was started."""
    guard = None

    @property
    def pid(self):
        return self.guard or self.process.pid

    def wait_log(self, pattern, start=0, **more):
        found = super().wait_log(pattern, start, **more)
        if pattern == READY:
            self.guard = children(self.process.pid)[0]
        return found


@pytest.fixture
def servers(folder):
    made = Servers(folder)
    for key in folder.glob("*.key"):
        key.chmod(0o644)
    yield made
    made.close()


@WAYS
def test_a_whole_life(wrap, nested, programs, folder, servers):
    def start(args, binary):
        return (Wrapped if nested else Weir)(args, prefix=wrap(), binary=binary)
    house = House(folder, programs, workers=3, seed=1, servers=servers, start=start)
    house.load = load = Mixture(house)
    house.kill_master()
    house.hangup(workers=2, other=True)
    wait_until("another entry point serves", lambda: quick_get(house.other, host="one").status == 200)
    wait_until("two sockets", lambda: listening(house.port) == 2)
    for to in ("another", "broken", "another"):
        house.upgrade(to)
        load.more()
    mark = house.hangup(workers=3, other=False)
    house.router.wait_log(r"Closing entry point other", mark)
    wait_until("three sockets", lambda: listening(house.port) == 3)
    load.more()
    load.clean()

    house.load = load = Mixture(house, library=False, reopen=True)
    assert house.kill_worker()
    load.more()
    load.stop()
    assert not load.problems, load.problems
    house.hangup(datagrams=False)  # its sessions would last a while
    os.kill(house.router.pid, signal.SIGTERM)
    assert house.router.wait() == 0
