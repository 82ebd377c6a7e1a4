"""Two weirs on one port (`reusePort`), as two pods on the network of a node: the old one leaves, nobody notices."""
import os
import re
import signal
import subprocess

import pytest

from conftest import free_port, wait_until
from load import Load, held_by
from rawhttp import connect
from test_processes import dynamic

WORDS = r"Entry point web: new connections go to the other programs on its port"


def listening(port):
    rows = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True).stdout
    return len(rows.splitlines())


@pytest.fixture
def sharing(weir, whoami, tmp_path):
    """start(workers): one more on the port."""
    path, port = dynamic(tmp_path, whoami("one")), free_port()

    def start(workers, host="127.0.0.1", accept="0s"):
        router = weir(f"--entryPoints.web.address={host}:{port}", "--entryPoints.web.reusePort",
                      f"--entryPoints.web.transport.lifeCycle.requestAcceptGraceTimeout={accept}",
                      f"--providers.file.filename={path}", web=False, workers=workers, leftovers="another one shares its connections")
        router.ports["web"] = port
        return router
    start.port = port
    return start


def test_old_one_leaves_the_port_to_the_new_one(sharing):
    old = sharing(2, host="")
    load = Load(sharing.port, fresh=8, kept=4, pause=0)
    load.more()
    new = sharing(1, host="")
    load.more()
    mark = old.mark()
    old.process.terminate()
    old.wait_log(WORDS, mark)
    load.more()
    assert old.wait() == 0
    load.more()
    load.clean()
    assert listening(sharing.port) == 1
    assert not re.search(r" (WRN|ERR) (?!.*is silent: worker)", new.log())  # a machine that is busy keeps a worker waiting


def test_each_update_finds_the_places_that_the_one_before_left(sharing):
    """The gaps that a leaving one makes are filled from behind, so places are in no order of age."""
    routers = [sharing(2)]
    load = Load(sharing.port, fresh=8, kept=2, pause=0)
    for _ in range(2):
        routers.append(sharing(2))
        mark = routers[0].mark()
        routers[0].process.terminate()
        routers[0].wait_log(WORDS, mark)
        load.more()
        assert routers.pop(0).wait() == 0
        load.more()
    load.clean()


def test_nobody_is_sent_to_one_that_leaves_too(sharing):
    leaving, stays = [sharing(1, accept="30s"), sharing(2, accept="30s")], sharing(1)
    for router in leaving:
        mark = router.mark()
        router.process.terminate()
        router.wait_log(WORDS, mark)
    clients = [connect(sharing.port) for _ in range(40)]
    ports = {client.sock.getsockname()[1] for client in clients}
    (worker,) = stays.children("worker")
    wait_until("they are all with the one that stays", lambda: ports <= held_by(worker, sharing.port))
    for router in leaving:
        router.process.terminate()  # at once
        assert router.wait() == 0


def test_last_one_refuses_at_once(sharing):
    router = sharing(2)
    mark = router.mark()
    router.process.terminate()
    assert router.wait() == 0
    assert re.search(r"Stopping \(Terminated\): new requests for 0 ms", "\n".join(router.lines[mark:])), router.log()
    assert WORDS not in router.log()


def test_more_workers_get_connections_although_one_left_before(sharing, weir, whoami, tmp_path):
    """The program of the one that left knows nothing of sockets that come later."""
    old = sharing(1)
    static = tmp_path / "static.yml"

    def write(workers):
        static.write_text(f"entryPoints: {{web: {{address: '127.0.0.1:{sharing.port}', reusePort: true}}}}\nworkers: {workers}\n"
                          f"log: {{level: DEBUG}}\nproviders: {{file: {{filename: '{tmp_path / 'dynamic.yml'}'}}}}\n")
    write(1)
    new = weir(f"--configFile={static}", web=False, workers=None)
    old.process.terminate()
    assert old.wait() == 0
    write(3)
    mark = new.mark()
    os.kill(new.pid, signal.SIGHUP)
    for worker in (1, 2):
        new.wait_log(rf"entry point web: accepting process=\"worker {worker}\"", mark)

    def spread():
        """Again and again: a worker that is there earlier accepts for the others until they serve."""
        clients = [connect(sharing.port) for _ in range(30)]
        try:
            return all(held_by(pid, sharing.port) for pid in new.children("worker"))
        finally:
            for client in clients:
                client.sock.close()
    wait_until("each worker gets connections", spread)
