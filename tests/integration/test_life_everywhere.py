"""A whole life under load (deaths, SIGHUP, other numbers of workers, upgrades) as pid 1 of a namespace and as a plain user."""
import os
import pathlib
import signal
import tempfile

import pytest

from conftest import READY, Program, Weir, curl, free_port, wait_port, wait_until
from load import Load
from marathon import House
from mixture import Mixture, Servers
from processes import children, title
from test_life_slots import STATIC, listening
from test_life_upgrade import Installed
from test_processes import dynamic

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


@WAYS
def test_a_whole_life(wrap, nested, whoami, programs, folder):
    port, other = free_port(), free_port()
    static = folder / "traefik.yml"
    installed = Installed(folder)

    def write(workers, extra=""):
        part = folder / ".static"
        part.write_text(STATIC.format(address=f"127.0.0.1:{port}", workers=workers, extra=extra,
                                      file=dynamic_file))
        part.rename(static)

    dynamic_file = dynamic(folder, whoami("one"))
    write(3)
    router = Program([*wrap(), installed.path, f"--configFile={static}"])
    programs.append(router)
    router.wait_log(READY)
    guard = children(router.pid)[0] if nested else router.pid
    router.signalled = guard  # unshare passes no signal on

    def find(name):
        """The only one: those of earlier builds have finished."""
        def only():
            found = [pid for pid in children(guard) if title(pid) == f"weir: {name}"]
            return found[0] if len(found) == 1 else None
        return wait_until(name, only)

    def hangup(*args):
        write(*args)
        mark = router.mark()
        os.kill(guard, signal.SIGHUP)
        router.wait_log(r"Static configuration from file", mark)
        return mark

    load = Load(port, websockets=8)
    mark = router.mark()
    os.kill(find("master"), signal.SIGKILL)
    mark, _ = router.wait_log(r"The master .* signal 9", mark)
    router.wait_log(r"Configuration changed", mark)
    load.more()
    mark = hangup(2, f"  other:\n    address: \"127.0.0.1:{other}\"")
    router.wait_log(r"Listening .*entryPointName=other", mark)
    wait_port(other)
    wait_until("it serves", lambda: curl(other).status == 200)
    router.wait_log(r"The sockets of slot 2 are closed", mark)
    wait_until("two sockets", lambda: listening(port) == 2)
    mark = hangup(3)
    router.wait_log(r"Closing entry point other", mark)
    wait_until("three sockets", lambda: listening(port) == 3)
    for number in (1, None, 2):
        mark = router.mark()
        if number:
            installed.install_build(number)
        else:
            installed.install(b"garbage")
        os.kill(guard, signal.SIGUSR2)
        router.wait_log(r"The new workers serve" if number else r"Upgrade to .* is refused", mark)
        load.more()
    load.clean()

    fresh = Load(port, kept=0)
    mark = router.mark()
    os.kill(find("worker 1"), signal.SIGKILL)
    mark, _ = router.wait_log(r"Worker 1 .* signal 9", mark)
    router.wait_log(r"entry point web: accepting process=\"worker 1\"", mark)
    fresh.more()
    counts = fresh.stop()
    assert not counts.get("connect") and not counts.get("late"), fresh.problems
    os.kill(guard, signal.SIGTERM)
    assert router.wait() == 0


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
def test_a_whole_life_of_every_protocol(wrap, nested, programs, folder, servers):
    def start(args, binary):
        return (Wrapped if nested else Weir)(args, prefix=wrap(), binary=binary)
    house = House(folder, programs, workers=3, seed=1, servers=servers, start=start)
    house.load = load = Mixture(house)
    house.kill_master()
    house.hangup(workers=2, other=True)
    house.upgrade("another")
    house.upgrade("broken")
    house.hangup(workers=3, other=False)
    load.more()
    load.clean()

    house.load = load = Mixture(house, library=False, reopen=True)
    assert house.kill_worker()
    load.more()
    load.stop()
    assert not load.problems, load.problems
