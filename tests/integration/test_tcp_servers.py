"""Real servers behind TCP routers: PostgreSQL (plain, STARTTLS ended here, passed through) and Redis (plain, TLS, a kill in between)."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import DEADLINE, Program, wait_port, wait_until
from ports import free_port
from tcpkit import routers, services, stand  # noqa: F401
from test_life_everywhere import NOBODY, plain_user
from tlskit import Maker

BIN = next(iter(sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), pathlib.Path("/nowhere"))


@pytest.fixture(scope="module")
def folder():
    """The server's own: PostgreSQL refuses to run as root, and to read keys of others."""
    with tempfile.TemporaryDirectory(prefix="weir-pg-") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@pytest.fixture(scope="module")
def made(folder):
    maker = Maker(folder)
    return {name: maker.own(name, ["DNS:db.test", "DNS:cache.test"]) for name in ("ours", "theirs")}


@pytest.fixture(scope="module")
def postgres(folder, made):
    data, port = folder / "data", free_port()
    data.mkdir()
    for path in (made["theirs"].crt, made["theirs"].key):
        shutil.copy(path, folder / f"server{path.suffix}")
    os.chmod(folder / "server.key", 0o600)
    if os.geteuid() == 0:
        for path in (data, folder / "server.key", folder / "server.crt"):
            shutil.chown(path, NOBODY, NOBODY)
    subprocess.run([*plain_user(), BIN / "initdb", "-D", data, "-U", "weir", "--auth=trust", "--no-sync", "--no-locale", "-E", "UTF8"],
                   check=True, capture_output=True, timeout=DEADLINE * 3)
    server = subprocess.Popen([*plain_user(), BIN / "postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c",
                               "unix_socket_directories=", "-c", "ssl=on", "-c", f"ssl_cert_file={folder}/server.crt", "-c",
                               f"ssl_key_file={folder}/server.key", "-c", "fsync=off"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until("PostgreSQL takes connections",
                   lambda: subprocess.run([BIN / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0, DEADLINE * 3)
        yield port
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(DEADLINE)


@pytest.fixture
def redis(programs, tmp_path):
    port = free_port()
    program = Program(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
                      env={"LD_PRELOAD": ""})  # its allocator reads a file before a library of `make chaos` is ready
    program.expected_status = None
    programs.append(program)
    wait_port(port)
    return port


def psql(port, mode, query, root=None):
    root = f" sslrootcert={root}" if root else ""
    return subprocess.run([BIN / "psql", "-XAt", f"host=db.test hostaddr=127.0.0.1 port={port} user=weir dbname=postgres sslmode={mode}{root}",
                           "-c", query], capture_output=True, text=True, timeout=DEADLINE)


def certificate(pair):
    return f"tls: {{certificates: [{{certFile: {pair.crt}, keyFile: {pair.key}}}]}}\n"


ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def test_postgresql_without_tls(stand, postgres):
    stand.start("tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=postgres))
    assert psql(stand.port, "disable", ENCRYPTED).stdout == "f\n"


def test_postgresql_with_tls_that_ends_here(stand, postgres, made):
    """The client sees our certificate, the server a plain connection; a bulk of rows comes whole."""
    stand.start("tcp:\n" + routers(r="HostSNI(`db.test`) -> s, tls: {}") + services(s=postgres) + certificate(made["ours"]))
    assert psql(stand.port, "verify-full", ENCRYPTED, made["ours"].crt).stdout == "f\n"
    assert psql(stand.port, "verify-full", ENCRYPTED, made["theirs"].crt).returncode != 0
    rows = psql(stand.port, "require", "SELECT repeat('x', 1000) || i FROM generate_series(1, 5000) i").stdout.splitlines()
    assert rows == ["x" * 1000 + str(i) for i in range(1, 5001)]


def test_postgresql_with_tls_passed_through(stand, postgres, made):
    stand.start("tcp:\n" + routers(r="HostSNI(`db.test`) -> s, tls: {passthrough: true}") + services(s=postgres) + certificate(made["ours"]))
    assert psql(stand.port, "verify-full", ENCRYPTED, made["theirs"].crt).stdout == "t\n"
    assert psql(stand.port, "verify-full", ENCRYPTED, made["ours"].crt).returncode != 0


def redis_cli(port, *words, tls=()):
    return subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(port), *tls, *words], capture_output=True, text=True, timeout=DEADLINE)


def test_redis_plain_and_over_tls_on_one_port(stand, redis, made):
    stand.start("tcp:\n" + routers(plain="HostSNI(`*`) -> s", tls="HostSNI(`cache.test`) -> s, tls: {}") + services(s=redis) +
                certificate(made["ours"]))
    tls = ("--tls", "--sni", "cache.test", "--cacert", str(made["ours"].crt))
    assert redis_cli(stand.port, "set", "key", "y" * 100000, tls=tls).stdout == "OK\n"
    assert redis_cli(stand.port, "get", "key").stdout == "y" * 100000 + "\n"


def test_redis_subscribers_outlive_changes(stand, redis):
    """Open sessions of a configuration that is gone, over a new one and SIGHUP."""
    text = "tcp:\n" + routers(r="HostSNI(`*`) -> s") + services(s=redis)
    stand.start(text)
    with subprocess.Popen(["redis-cli", "-h", "127.0.0.1", "-p", str(stand.port), "subscribe", "news"], stdout=subprocess.PIPE,
                          text=True) as reader:
        try:
            assert [reader.stdout.readline().strip() for _ in range(3)] == ["subscribe", "news", "1"]
            stand.switch(text.replace(" r:", " other:"))
            mark = stand.router.mark()
            os.kill(stand.router.pid, signal.SIGHUP)
            stand.router.wait_log(r"INF Static configuration from", mark)
            assert redis_cli(stand.port, "publish", "news", "hello").stdout == "1\n"
            assert [reader.stdout.readline().strip() for _ in range(3)] == ["message", "news", "hello"]
        finally:
            reader.kill()
