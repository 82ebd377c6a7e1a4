"""TCP sessions and the life of the processes: SIGHUP, SIGUSR2, SIGTERM, an entry point that goes, many generations, what is given back."""
import os
import pathlib
import signal
import socket

import conftest
from board import Board
from conftest import wait_until
from marathon import another_build
from ports import free_port, listen
from tcpkit import connect, named, routers, services, stand, tcp_server  # noqa: F401


def open_session(port, name=b"s\n"):
    client = connect(port)
    assert client.until(b"\n") == name
    return client


def talks(client):
    client.send(b"still here")
    return client.exactly(10) == b"still here"


def test_many_generations_are_not_held_by_open_sessions(stand, tcp_server):
    server = tcp_server(named("s"))
    router = stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=server.port))
    clients = []
    for number in range(8):
        clients.append(open_session(stand.port))
        stand.switch("tcp:\n" + routers(r=f"HostSNI(`*`) -> s, priority: {number + 5}") + services(s=server.port))
    board = Board(router.pid)
    wait_until("old generations are gone", lambda: board.gauges()["generations"] <= 2)
    board.close()
    assert all(talks(client) for client in clients)
    for client in clients:
        client.close()


def test_sighup_with_another_number_of_workers(stand, tcp_server, tmp_path):
    server = tcp_server(named("s"))
    static = tmp_path / "static.yml"
    port = free_port()

    def write(workers):
        static.write_text(f"entryPoints: {{web: {{address: '127.0.0.1:{port}'}}}}\nworkers: {workers}\nlog: {{level: DEBUG}}\n"
                          f"providers: {{file: {{filename: {stand.path}}}}}\n")
    stand.change("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=server.port))
    write(2)
    router = stand.weir(f"--configFile={static}", web=False, workers=None)
    clients = [open_session(port) for _ in range(6)]
    for workers in (3, 1):
        start = router.mark()
        write(workers)
        os.kill(router.pid, signal.SIGHUP)
        router.wait_log(rf"{workers} workers? instead of", start)
        clients.append(open_session(port))
        assert all(talks(client) for client in clients)
    for client in clients:
        client.close()


def test_another_build_takes_over_and_sessions_stay(stand, tcp_server, tmp_path, monkeypatch):
    """SIGUSR2: those that were open stay in the old workers, new ones go to the new build."""
    binary = tmp_path / "weir"
    good = pathlib.Path(conftest.BINARY).read_bytes()
    binary.write_bytes(good)
    binary.chmod(0o755)
    monkeypatch.setattr(conftest, "BINARY", str(binary))
    server = tcp_server(named("s"))
    router = stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=server.port), leftovers="another build has other descriptors")
    before = open_session(stand.port)
    part = tmp_path / "part"
    part.write_bytes(another_build(good, 1))
    part.chmod(0o755)
    part.rename(binary)
    mark = router.mark()
    os.kill(router.pid, signal.SIGUSR2)
    router.wait_log("The new workers serve: 1 of the earlier build finish", mark)
    after = open_session(stand.port)
    assert talks(before) and talks(after)
    before.close()
    assert talks(after)
    after.close()


def test_sigterm_lets_sessions_finish_within_the_grace(stand, tcp_server):
    server = tcp_server(named("s"))
    router = stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=server.port),
                         "--entryPoints.web.transport.lifeCycle.graceTimeOut=600s")
    client = open_session(stand.port)
    os.kill(router.pid, signal.SIGTERM)
    router.wait_log("no longer accepting")
    assert talks(client)
    client.close()
    assert router.wait() == 0


def test_a_server_that_does_not_answer_costs_its_time_out(stand, tcp_server):
    """Its queue is full: a connection is neither accepted nor refused. The next server gets it."""
    full = listen(backlog=0)
    port = full.getsockname()[1]
    pending = []
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", port))
        pending.append(sock)
    server = tcp_server(named("s"))
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services("dialTimeout: 2s", s=[port, server.port]))
    for _ in range(2):
        client = open_session(stand.port)
        client.close()
    assert len(server.peers) == 2  # one of the two was in turn for the other server
    for sock in pending:
        sock.close()
    full.close()


def test_an_entry_point_that_goes_cuts_its_sessions_after_the_grace(stand, tcp_server, tmp_path):
    server = tcp_server(named("s"))
    static = tmp_path / "static.yml"
    port, other = free_port(), free_port()

    def write(*points):
        static.write_text("entryPoints:\n" + "".join(
            f"  {name}: {{address: '127.0.0.1:{number}', transport: {{lifeCycle: {{graceTimeOut: 1s}}}}}}\n" for name, number in points) +
            f"workers: 1\nlog: {{level: DEBUG}}\nproviders: {{file: {{filename: {stand.path}}}}}\n")
    stand.change("tcp:\n" + routers(r="HostSNI(`*`) -> s, entryPoints: [db, web]") + services(s=server.port))
    write(("db", port), ("web", other))
    router = stand.weir(f"--configFile={static}", web=False, workers=None)
    client, stays = open_session(port), open_session(other)
    write(("web", other))
    os.kill(router.pid, signal.SIGHUP)
    assert client.at_end()
    assert talks(stays)
    client.close()
    stays.close()
