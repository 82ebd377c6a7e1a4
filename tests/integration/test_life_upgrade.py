"""SIGUSR2: another binary takes the guard's place, under load; a broken one leaves all as it was."""
import os
import pathlib
import re
import signal

import pytest

import conftest
from conftest import BINARY, READY, Program, Weir, curl, free_port, quick_get, wait_until
from load import Load
from marathon import another_build
from processes import alive, children, gone, title
from test_processes import dynamic


STARVE = pathlib.Path(BINARY).parent / "tests/starve.so"


class Installed:
    """A binary in a place of its own that is replaced as a package manager does it."""

    def __init__(self, folder):
        self.path = folder / "bin/weir"
        self.path.parent.mkdir()
        self.good = pathlib.Path(BINARY).read_bytes()
        self.install(self.good)

    def install(self, data, mode=0o755):
        part = self.path.with_suffix(".part")
        part.write_bytes(data)
        part.chmod(mode)
        part.rename(self.path)

    def install_build(self, number):
        self.install(another_build(self.good, number))


@pytest.fixture
def installed(tmp_path):
    return Installed(tmp_path)


@pytest.fixture
def serving(installed, programs, whoami, tmp_path, monkeypatch):
    def start(workers=2, *flags, env=None):
        monkeypatch.setattr(conftest, "BINARY", str(installed.path))
        port = free_port()
        backend = whoami("one")
        router = Weir([f"--entryPoints.web.address=127.0.0.1:{port}", f"--workers={workers}", "--log.level=DEBUG",
                       f"--providers.file.filename={dynamic(tmp_path, backend)}", *flags], env=env)
        programs.append(router)
        router.wait_log(READY)
        router.web = port
        return router
    return start


def upgrade(router):
    mark = router.mark()
    os.kill(router.pid, signal.SIGUSR2)
    return mark


def test_same_build_keeps_everything(serving, installed):
    router = serving()
    before = [*router.workers(2), router.master()]
    load = Load(router.web, websockets=8)
    for _ in range(3):
        installed.install(installed.good)
        mark = upgrade(router)
        router.wait_log(r"INF Upgraded: the build is the same", mark)
        load.more()
    load.clean()
    assert [*router.workers(2), router.master()] == before
    assert title(router.pid) == "weir: guard"
    mark = router.mark()
    os.kill(router.worker(0), signal.SIGKILL)  # it is still their parent
    mark, _ = router.wait_log(r"Worker 0 .* signal 9", mark)
    router.wait_log(r"entry point web: accepting process=\"worker 0\"", mark)


def test_another_build_takes_over_under_load(serving, installed, tmp_path, whoami):
    router = serving()
    workers, master = router.workers(2), router.master()
    load = Load(router.web, websockets=50, echo_pause=0.2)  # a worker has none of them once in 10^15
    installed.install_build(1)
    mark = upgrade(router)
    router.wait_log(r"INF Upgraded: another build", mark)
    router.wait_log(r"The new workers serve: 2 of the earlier build finish", mark)
    gone(master)
    assert all(alive(pid) for pid in workers)  # with their WebSockets
    for slot in range(2):  # the new master writes the lines of the old workers too, each of which has its ring
        router.wait_log(rf"Another build serves now: .* process=\"worker {slot}\"", mark)
    load.more()
    installed.install_build(2)
    mark = upgrade(router)
    router.wait_log(r"The new workers serve: 2 of the earlier build finish", mark)
    load.more()
    load.clean()
    for pid in workers:
        gone(pid)
    router.workers(2, other_than=workers)  # only the newest are left
    mark = router.mark()  # the new master can change things
    dynamic(tmp_path, whoami("two"))
    router.wait_log(r"Configuration changed: .*who@file", mark)
    wait_until("the new backend answers", lambda: "Name: two" in quick_get(router.web).body)


def test_sets_that_are_gone_cost_the_sessions_of_older_ones_nothing(serving, installed):
    router = serving()
    load = Load(router.web, websockets=4, fresh=1, kept=1)  # in the workers of the first build to the end
    first = set(router.workers(2))
    for number in (1, 2, 3):
        before = set(router.children("worker"))
        installed.install_build(number)
        mark = upgrade(router)
        router.wait_log(r"The new workers serve", mark)
        load.more(20)
        wait_until("the last set is gone", lambda: not (before - first) & set(router.children("worker")))
    load.clean()


BROKEN = {
    "not a program": (b"garbage", r"cannot be (executed|started)"),
    "a script that says yes": (b"#!/bin/sh\nexit 0\n", r"self-test|cannot be executed"),
    "another program": (pathlib.Path("/bin/true").read_bytes(), r"self-test"),
    "one that fails": (pathlib.Path("/bin/false").read_bytes(), r"`check` says"),
    "half a file": (pathlib.Path(BINARY).read_bytes()[:20000], r"`check`|executed"),
}


@pytest.mark.parametrize("another", [False, True])
def test_a_machine_that_refuses_the_new_guard_its_memory(serving, installed, another):
    """Behind execve() there is no way back: it asks again until it gets what it needs, and nobody's session notices."""
    router = serving(env={"LD_PRELOAD": str(STARVE), "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
    load = Load(router.web, websockets=4)
    installed.install(another_build(installed.good, 1) if another else installed.good)
    mark = upgrade(router)
    _, match = router.wait_log(r"^starve: refused (\d+)", mark)
    assert int(match[1]) > 2  # with malloc(), which a sanitizer brings itself, a hundred times as often
    router.wait_log(r"The new workers serve" if another else r"INF Upgraded: the build is the same", mark)
    load.more()
    load.clean()
    mark = router.mark()  # it guards: who ends is started again
    os.kill(router.master(), signal.SIGKILL)
    router.wait_log(r"The master .*signal 9", mark)


def test_broken_binaries_change_nothing(serving, installed):
    router = serving()
    before = [*router.workers(2), router.master()]
    load = Load(router.web, websockets=4)
    for data, words in BROKEN.values():
        installed.install(data)
        mark = upgrade(router)
        line, _ = router.wait_log(r"ERR Upgrade to .* is refused, all stays as it was: ", mark)
        assert re.search(words, router.lines[line]), router.lines[line]
    installed.path.unlink()
    mark = upgrade(router)
    router.wait_log(r"ERR Upgrade to .* is refused, .*No such file", mark)
    load.clean()
    assert [*router.workers(2), router.master()] == before
    installed.install(installed.good)
    mark = upgrade(router)
    router.wait_log(r"INF Upgraded: ", mark)
    assert curl(router.web).status == 200


def test_a_fifo_is_no_binary(serving, installed):
    router = serving()
    installed.path.unlink()
    os.mkfifo(installed.path, 0o755)
    mark = upgrade(router)
    router.wait_log(r"ERR Upgrade to .* is refused, .*Permission denied", mark)
    assert curl(router.web).status == 200


def test_configuration_that_the_new_binary_could_not_serve(serving, installed, tmp_path):
    router = serving()
    (tmp_path / "dynamic.yml").write_text("http: [")
    mark = upgrade(router)
    router.wait_log(r"ERR Upgrade to .* is refused, all stays as it was: `check` says: .*error: .*dynamic\.yml", mark)
    assert curl(router.web).status == 200


@pytest.mark.parametrize("another", [False, True])
def test_object_with_an_error_does_not_forbid_the_upgrade(serving, installed, tmp_path, another):
    """It is left out by the old one as well."""
    router = serving()
    text = (tmp_path / "dynamic.yml").read_text()
    (tmp_path / ".part").write_text(text.replace("routers:", "routers:\n    broken: {rule: Nonsense(`a`), service: who}"))
    (tmp_path / ".part").rename(tmp_path / "dynamic.yml")
    router.wait_log(r"ERR .*broken@file")
    if another:
        installed.install_build(1)
    mark = upgrade(router)
    router.wait_log(r"WRN Upgrade to .*: it leaves out objects that have errors: .*dynamic\.yml.*Nonsense", mark)
    router.wait_log(r"INF Upgraded: ", mark)
    if another:
        router.wait_log(r"The new workers serve", mark)
    assert curl(router.web).status == 200


def test_orderly_stop_after_an_upgrade(serving, installed):
    router = serving(2, "--entryPoints.web.transport.lifeCycle.graceTimeOut=300ms")
    load = Load(router.web, websockets=4, fresh=1, kept=1)
    installed.install_build(1)
    mark = upgrade(router)
    router.wait_log(r"The new workers serve", mark)
    old = router.children("worker")  # those of the first build that have no WebSocket may have gone
    os.kill(router.pid, signal.SIGTERM)
    assert router.wait() == 0
    load.stop()
    assert not any(alive(pid) for pid in old)


def test_as_pid_1_of_a_namespace(installed, whoami, tmp_path, programs):
    port = free_port()
    unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        unshare += ["--map-root-user"]
    router = Program([*unshare, installed.path, f"--entryPoints.web.address=127.0.0.1:{port}", "--log.level=DEBUG",
                      "--workers=2", f"--providers.file.filename={dynamic(tmp_path, whoami('one'))}"])
    programs.append(router)
    router.wait_log(READY)
    [guard] = children(router.pid)
    load = Load(port, websockets=6)
    installed.install_build(1)
    mark = router.mark()
    os.kill(guard, signal.SIGUSR2)
    router.wait_log(r"The new workers serve", mark)
    installed.install(b"garbage")
    os.kill(guard, signal.SIGUSR2)
    router.wait_log(r"Upgrade to .* is refused", mark)
    os.kill(guard, signal.SIGHUP)
    router.wait_log(r"SIGHUP", mark)
    load.more()
    load.clean()
    assert curl(port).status == 200
    os.kill(guard, signal.SIGTERM)
    assert router.wait() == 0
