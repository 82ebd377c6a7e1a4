"""Configuration that changes while traffic flows: what is in force, what is said about it, what it must not disturb."""
import contextlib
import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import threading

import pytest

from conftest import curl, free_port, quick_get, wait_port, wait_until
from ports import listen
from processes import descriptors, freeze

ROUTE = """    {name}:
      rule: "{rule}"
      service: {service}
"""
SERVICE = """    {name}:
      loadBalancer:
        servers:
          - url: "{url}"
"""


class Configuration:
    """A file of the file provider, always replaced as a whole."""

    def __init__(self, folder):
        self.path = folder / "dynamic.yml"
        self.part = folder / ".part"

    def write(self, text):
        self.part.write_text(text)
        self.part.rename(self.path)

    def routes(self, routes, services, extra=""):
        self.write("http:\n  routers:\n" +
                   "".join(ROUTE.format(name=n, rule=r, service=s) for n, r, s in routes) + "  services:\n" +
                   "".join(SERVICE.format(name=n, url=b.url) for n, b in services) + extra)


@pytest.fixture
def configuration(tmp_path):
    return Configuration(tmp_path)


@pytest.fixture
def serving(weir, whoami, configuration):
    def start(*flags, **kw):
        router = start.backend = whoami("one")
        configuration.routes([("one", "Host(`one`)", "one")], [("one", start.backend)])
        router = weir(f"--providers.file.filename={configuration.path}", *flags, **kw)
        router.web = router.ports["web"]
        return router
    return start


def generation(line):
    return int(re.search(r"generation=(\d+)", line).group(1))


def changed(router, mark, words=""):
    at, _ = router.wait_log(r"Configuration changed" + (f": .*{words}" if words else ""), mark)
    return router.lines[at]


# ---- what changes ----
def test_change_is_live_and_said(serving, configuration, whoami):
    router = serving(workers=2)
    two = whoami("two")
    mark = router.mark()
    configuration.routes([("one", "Host(`one`)", "two"), ("two", "Host(`two`)", "two")],
                         [("one", serving.backend), ("two", two)])
    line = changed(router, mark)
    assert "routers: 1 added (two@file), 1 changed (one@file)" in line
    assert "services: 1 added (two@file)" in line
    assert "compileMs=" in line
    for host in ("one", "two"):
        wait_until("it is live", lambda: "Name: two" in quick_get(router.web, host=host).body)

    mark = router.mark()
    configuration.routes([("two", "Host(`two`)", "two")], [("two", two)])
    line = changed(router, mark)
    assert "routers: 1 removed (one@file)" in line
    assert "services: 1 removed (one@file)" in line
    wait_until("it is gone", lambda: quick_get(router.web, host="one").status == 404)


def test_tcp_udp_and_tls_are_counted_and_take_nothing_down(serving, configuration):
    router = serving()
    first = generation(changed(router, 0))
    mark = router.mark()
    configuration.routes([("one", "Host(`one`)", "one")], [("one", serving.backend)],
                         "tcp:\n  routers: {db: {rule: \"HostSNI(`a.test`)\", service: db, tls: {}}}\n"
                         "  services: {db: {loadBalancer: {servers: [{address: \"127.0.0.1:1\"}]}}}\n"
                         "tls: {certificates: [{certFile: a.pem, keyFile: hidden.pem}]}\n")
    line = changed(router, mark)
    for words in ("TCP routers: 1 added (db@file)", "TCP services: 1 added (db@file)", "TLS certificates: 1 added"):
        assert words in line
    assert generation(line) == first + 1
    said = "\n".join(router.lines[mark:])
    assert "hidden" not in said
    assert curl(router.web, host="one").status == 200


def test_same_content_is_not_published_again(serving, configuration, whoami):
    router = serving()
    first = generation(changed(router, 0))
    text = configuration.path.read_text()
    mark = router.mark()
    configuration.write(text + "# only a comment\n")
    router.wait_log(r"Nothing changed", mark)
    configuration.routes([("other", "Host(`other`)", "one")], [("one", serving.backend)])
    assert generation(changed(router, mark)) == first + 1


def test_object_with_an_error_takes_no_other_down(serving, configuration):
    router = serving()
    mark = router.mark()
    configuration.routes([("one", "Host(`one`)", "one"), ("bad", "Hots(`bad`)", "one"), ("lost", "Host(`lost`)", "nowhere")],
                         [("one", serving.backend)])
    changed(router, mark)
    errors = [line for line in router.lines[mark:] if " ERR " in line]
    assert any("bad@file" in line and "dynamic.yml:" in line for line in errors), errors
    assert any("lost@file" in line and "nowhere" in line for line in errors), errors
    assert curl(router.web, host="one").status == 200
    assert curl(router.web, host="bad").status == 404

    mark = router.mark()  # the same errors are not said again
    configuration.routes([("one", "Host(`one`)", "one"), ("bad", "Hots(`bad`)", "one"), ("lost", "Host(`lost`)", "nowhere"),
                          ("new", "Host(`new`)", "one")], [("one", serving.backend)])
    changed(router, mark, "new@file")
    assert not [line for line in router.lines[mark:] if " ERR " in line]


def test_file_that_cannot_be_read_leaves_the_old_in_force(serving, configuration):
    router = serving()
    mark = router.mark()
    good = configuration.path.read_text()
    configuration.write(good + "  - this: is [no YAML\n")
    router.wait_log(r" ERR .*dynamic\.yml:\d+", mark)
    assert curl(router.web, host="one").status == 200
    mark = router.mark()
    configuration.write(good.replace("Host(`one`)", "Host(`mended`)"))
    changed(router, mark)
    wait_until("it is live", lambda: quick_get(router.web, host="mended").status == 200)


def test_burst_costs_few_generations(serving, configuration):
    router = serving()
    first = generation(changed(router, 0))
    mark = router.mark()
    for i in range(300):
        configuration.routes([(f"r{i}", f"Host(`r{i}`)", "one")], [("one", serving.backend)])
    line = changed(router, mark, "r299@file")
    assert generation(line) - first < 100
    wait_until("the last is live", lambda: quick_get(router.web, host="r299").status == 200)
    assert curl(router.web, host="r298").status == 404


# ---- what it must not disturb ----
def test_connection_stays_over_many_generations(serving, configuration):
    router = serving()
    connection = http.client.HTTPConnection("127.0.0.1", router.web, timeout=30)
    local = None
    for i in range(10):
        mark = router.mark()
        configuration.routes([("one", "Host(`one`)", "one"), (f"r{i}", f"Host(`r{i}`)", "one")], [("one", serving.backend)])
        changed(router, mark, f"r{i}@file")
        connection.request("GET", "/", headers={"Host": "one"})
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        local = local or connection.sock.getsockname()
        assert connection.sock.getsockname() == local


def test_request_finishes_on_the_generation_it_began_on(serving, configuration, whoami):
    router = serving()
    slow = whoami("slow", "--delay", "700ms")
    mark = router.mark()
    configuration.routes([("slow", "Host(`slow`)", "slow")], [("slow", slow)])
    changed(router, mark)
    wait_until("it is live", lambda: quick_get(router.web, host="one").status == 404)
    answer = {}
    asking = threading.Thread(target=lambda: answer.update(got=curl(router.web, host="slow")))
    mark = router.mark()
    asking.start()
    router.wait_log(r"router slow@file", mark)
    configuration.routes([("one", "Host(`one`)", "one")], [("one", serving.backend)])
    changed(router, mark, "slow@file")
    wait_until("the new is live", lambda: quick_get(router.web, host="one").status == 200)
    asking.join()
    assert answer["got"].status == 200
    assert "Name: slow" in answer["got"].body


def test_no_request_fails_while_configurations_change(serving, configuration):
    router = serving(workers=2)
    failures, count, stop = [], [0], threading.Event()

    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", router.web, timeout=30)
        while not stop.is_set():
            try:
                connection.request("GET", "/", headers={"Host": "one"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    failures.append(answer.status)
                count[0] += 1
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))
                connection.close()
    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for i in range(25):
        mark = router.mark()
        configuration.routes([("one", "Host(`one`)", "one"), (f"r{i}", f"Host(`r{i}`)", "one")], [("one", serving.backend)])
        changed(router, mark, f"r{i}@file")
    stop.set()
    for asker in askers:
        asker.join()
    assert not failures, failures[:5]
    assert count[0] > 25


def test_new_master_reads_what_changed_meanwhile(serving, configuration):
    router = serving()
    master = router.master()
    freeze(master)  # so that it is not there to see the change
    configuration.routes([("late", "Host(`late`)", "one")], [("one", serving.backend)])
    changed(router, router.kill_master(master), "late@file")
    wait_until("it is live", lambda: quick_get(router.web, host="late").status == 200)


KEPT = r" WRN .*dynamic\.yml: what this file gave before stays in force"


@pytest.mark.parametrize("text, said", [(None, r" ERR Provider file: .*dynamic\.yml"), ("http:\n  routers: {", KEPT),
                                        ("http:\n\t- nothing\n", KEPT)], ids=["gone", "half", "malformed"])
def test_new_master_that_cannot_read_leaves_what_is_in_force(serving, configuration, text, said):
    router = serving()
    good = configuration.path.read_text()
    mark = router.mark()
    if text is None:
        configuration.path.unlink()
    else:
        configuration.write(text)
    router.wait_log(said, mark)
    mark = router.kill_master()
    router.wait_log(r" WRN Provider file could not be read yet: .*stays in force", mark)
    assert curl(router.web, host="one").status == 200
    configuration.write(good.replace("Host(`one`)", "Host(`mended`)"))
    changed(router, mark)
    wait_until("it is live", lambda: quick_get(router.web, host="mended").status == 200)


def test_old_generations_are_unmapped(serving, configuration):
    router = serving(workers=1)
    worker = router.worker()

    def mapped():
        with open(f"/proc/{worker}/maps", encoding="ascii") as maps:
            return len([line for line in maps if "memfd:weir-routes" in line or "memfd:weir-services" in line])
    wait_until("one generation is mapped", lambda: mapped() == 2)
    with socket.create_connection(("127.0.0.1", router.web), 30) as idle:  # an idle connection pins nothing
        idle.sendall(b"GET / HTTP/1.1\r\nHost: one\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
        for i in range(5):
            mark = router.mark()
            configuration.routes([(f"r{i}", f"Host(`r{i}`)", "one")], [("one", serving.backend)])
            changed(router, mark, f"r{i}@file")
            wait_until("it is live", lambda: quick_get(router.web, host=f"r{i}").status == 200)
        wait_until("only the last is mapped", lambda: mapped() == 2)


def inotify(kind, most):
    """A prefix for a program in a user namespace of its own, which has so many of these."""
    return ["unshare", "--user", "--map-root-user", "sh", "-c", f'echo {most} > /proc/sys/user/max_inotify_{kind} && exec "$@"', "sh"]


@pytest.mark.parametrize("kind", ["watches", "instances"])
def test_files_are_read_again_while_inotify_has_nothing_left(serving, configuration, kind):
    router = serving(prefix=inotify(kind, 0))
    said = rf" WRN Provider file: .*dynamic\.yml cannot be watched: .*fs\.inotify\.max_user_{kind}"
    router.wait_log(said)
    configuration.routes([("two", "Host(`two`)", "one")], [("one", serving.backend)])
    wait_until("the change is seen", lambda: quick_get(router.web, host="two").status == 200)
    mark = router.mark()
    subprocess.run(["nsenter", "-t", str(router.pid), "--user", "--preserve-credentials",
                    "sh", "-c", f"echo 100 > /proc/sys/user/max_inotify_{kind}"], check=True)
    router.wait_log(" INF All files of providers are watched again", mark)
    configuration.routes([("three", "Host(`three`)", "one")], [("one", serving.backend)])
    wait_until("that one too", lambda: quick_get(router.web, host="three").status == 200)
    assert len(re.findall(said, router.log())) == 1


# ---- SIGHUP ----
STATIC = """
entryPoints:
  web:
    address: "127.0.0.1:{web}"
{extra}
log:
  level: DEBUG
{log}
providers:
  file:
    filename: {file}
"""


@pytest.fixture
def with_file(weir, whoami, configuration, tmp_path):
    """A router whose static configuration is a file: write(extra=..., log=...) and SIGHUP change it."""
    class Static:
        path = tmp_path / "traefik.yml"
        web = free_port()

        def write(self, extra="", log="", raw=None):
            text = STATIC.format(web=self.web, extra=extra, log=log, file=configuration.path)
            self.path.write_text(raw if raw is not None else text)

        def start(self):
            backend = whoami("one")
            configuration.routes([("one", "Host(`one`)", "one")], [("one", backend)])
            self.write()
            self.router = weir(f"--configFile={self.path}", web=False, workers=None)
            return self.router

        def hangup(self):
            mark = self.router.mark()
            os.kill(self.router.pid, signal.SIGHUP)
            self.router.wait_log(r"SIGHUP", mark)
            return mark
    return Static()


def test_hangup_opens_and_closes_entry_points(with_file):
    router = with_file.start()
    workers = router.children("worker")
    other = free_port()
    with socket.create_connection(("127.0.0.1", with_file.web), 30) as kept:
        with_file.write(extra=f"  other:\n    address: \"127.0.0.1:{other}\"")
        mark = with_file.hangup()
        router.wait_log(rf"Listening .*entryPointName=other address=127\.0\.0\.1:{other}", mark)
        wait_port(other)
        wait_until("it serves", lambda: quick_get(other, host="one").status == 200)
        with_file.write()
        mark = with_file.hangup()
        router.wait_log(r"Closing entry point other", mark)

        def refused():
            try:
                socket.create_connection(("127.0.0.1", other), 5).close()
            except ConnectionRefusedError:
                return True
            return False
        wait_until("it is closed", refused)
        kept.sendall(b"GET / HTTP/1.1\r\nHost: one\r\nConnection: close\r\n\r\n")
        assert kept.recv(100).startswith(b"HTTP/1.1 200 ")
    assert router.children("worker") == workers
    assert curl(with_file.web, host="one").status == 200


def listening(port):
    rows = subprocess.run(["ss", "-Hltne", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return {f"socket:[{inode}]" for inode in re.findall(r"ino:(\d+)", rows)}


@pytest.mark.parametrize("master_dies", [False, True])
def test_entry_point_comes_back_while_a_hung_worker_holds_its_sockets(with_file, master_dies):
    router = with_file.start()
    other = free_port()
    with_file.write(extra=f"  other:\n    address: \"127.0.0.1:{other}\"")
    with_file.hangup()
    wait_port(other)
    wait_until("it serves", lambda: quick_get(other, host="one").status == 200)
    sockets, worker = listening(other), router.worker(0)
    freeze(worker)
    try:
        with_file.write()
        with_file.hangup()

        def held():
            return sockets.intersection(descriptors(router.pid).values())
        wait_until("the guard has closed its own", lambda: not held())
        if master_dies:
            router.wait_log("INF Static configuration from", router.kill_master())
        with_file.write(extra=f"  other:\n    address: \"127.0.0.1:{other}\"")
        mark = with_file.hangup()
        _, said = router.wait_log(r"(INF Listening .*entryPointName=other|ERR The static configuration is refused.*|weir: .*cannot listen.*)", mark)
        assert said[0].startswith("INF"), said[0]
    finally:
        with contextlib.suppress(ProcessLookupError):  # it hung for too long, and another one has its place
            os.kill(worker, signal.SIGCONT)
    wait_port(other)
    wait_until("it serves", lambda: quick_get(other, host="one").status == 200)


def test_hangup_reaches_a_master_that_dies_before_it_looks(with_file):
    router = with_file.start()
    for _ in range(5):  # so that a start after a death waits
        router.wait_log(r"Static configuration from file", router.kill_master())
    master = router.master()
    freeze(master)
    os.kill(router.pid, signal.SIGHUP)
    wait_until("the guard has taken it", lambda: not re.search(
        r"ShdPnd:\t0*1$", open(f"/proc/{router.pid}/status", encoding="ascii").read(), re.M))
    mark = router.mark()
    os.kill(master, signal.SIGKILL)
    at, said = router.wait_log(rf"The master \(pid {master}\) was ended.*, next start in (\d+) ms", mark)
    assert said[1] == "0"
    router.wait_log(r"Static configuration from file", at)


def test_hangup_changes_live_options(with_file):
    router = with_file.start()
    with_file.write(extra="    http:\n      maxHeaderBytes: 1000")
    mark = with_file.hangup()
    changed(router, mark, "options of the static configuration")

    def too_large():
        return curl(with_file.web, host="one", headers=["X-Long: " + "a" * 9000]).status == 431
    wait_until("the smaller bound is in force", too_large)


@pytest.mark.parametrize("raw, words", [
    ("entryPoints: [", "traefik.yml"),
    ("entryPoints:\n  web:\n    adress: \":80\"\n", "adress"),
    ("", "traefik.yml: is empty"),
])
def test_hangup_with_a_bad_file_keeps_the_old(with_file, raw, words):
    router = with_file.start()
    with_file.write(raw=raw)
    mark = with_file.hangup()
    router.wait_log(rf" ERR The static configuration is refused, the old one stays: .*{words}", mark)
    assert curl(with_file.web, host="one").status == 200


def test_hangup_with_a_taken_port_keeps_the_old(with_file):
    router = with_file.start()
    with listen() as taken:
        with_file.write(extra=f"  other:\n    address: \"127.0.0.1:{taken.getsockname()[1]}\"")
        mark = with_file.hangup()
        router.wait_log(r" ERR The static configuration is refused, the old one stays: .*\"other\".*in use", mark)
    assert curl(with_file.web, host="one").status == 200


def as_pipe(path):
    path.unlink()
    os.mkfifo(path)


def as_directory(path):
    path.unlink()
    path.mkdir()


# What a static file may be for a moment, and what is said of it.
UNFINISHED = {
    "broken": (lambda path: path.write_text("entryPoints: ["), r":1"),
    "empty": (lambda path: path.write_text(""), "is empty, and was not"),
    "cut": (lambda path: path.write_text(path.read_text().partition("providers:")[0]), r"is the beginning of what it was, \d+ of \d+ bytes"),
    "gone": (lambda path: path.unlink(), "is not there any more"),
    "loop": (lambda path: (path.unlink(), path.symlink_to(path)), "symbolic links"),
    "directory": (as_directory, "directory"),
    "pipe": (as_pipe, "cannot be read"),
}


@pytest.mark.parametrize("kind", UNFINISHED)
def test_new_master_falls_back_on_the_settings_that_were_in_force(with_file, configuration, kind):
    router = with_file.start()
    whole = with_file.path.read_text()
    spoil, words = UNFINISHED[kind]
    spoil(with_file.path)
    refused = rf" ERR The static configuration is refused, the old one stays: .*traefik\.yml.*{words}"
    for _ in range(2):  # what is kept outlives masters that could not write it anew
        mark = router.kill_master()
        at, _ = router.wait_log(refused, mark)
        router.wait_log(r"Configuration changed", at)
        assert sum(re.search(refused, line) is not None for line in router.lines[mark:]) == 1
    assert not re.search("Closing entry point", router.log())
    assert curl(with_file.web, host="one").status == 200
    configuration.path.write_text(configuration.path.read_text().replace("Host(`one`)", "Host(`two`)"))
    wait_until("providers are followed", lambda: quick_get(with_file.web, host="two").status == 200)

    if with_file.path.is_dir():
        with_file.path.rmdir()
    else:
        with_file.path.unlink(missing_ok=True)
    with_file.path.write_text(whole.replace("web:\n", "web:\n    http:\n      maxHeaderBytes: 1000\n", 1))
    changed(router, with_file.hangup(), "options of the static configuration")


def test_new_master_falls_back_when_a_port_is_taken(with_file):
    router = with_file.start()
    with listen() as taken:
        with_file.write(extra=f"  other:\n    address: \"127.0.0.1:{taken.getsockname()[1]}\"")
        at, _ = router.wait_log(r" ERR The static configuration is refused, the old one stays: .*\"other\".*in use", router.kill_master())
        router.wait_log(r"Configuration changed", at)
    assert curl(with_file.web, host="one").status == 200


def test_hangup_may_mean_the_beginning_of_what_was_there(with_file):
    router = with_file.start()
    whole = with_file.path.read_text()
    with_file.write(raw=whole + "workers: 3\n")
    router.wait_log(r"3 workers instead of", with_file.hangup())
    with_file.write(raw=whole)
    router.wait_log(r"\d workers instead of 3", with_file.hangup())


def test_new_master_takes_another_number_of_workers_too(with_file):
    router = with_file.start()
    workers = router.children("worker")
    with_file.write(raw=with_file.path.read_text() + f"workers: {len(workers) + 1}\n")
    mark = router.kill_master()
    router.wait_log(rf"{len(workers) + 1} workers instead of {len(workers)}", mark)
    router.wait_log(rf"entry point web: accepting process=\"worker {len(workers)}\"", mark)
    assert set(workers) < set(router.workers(len(workers) + 1))
    assert curl(with_file.web, host="one").status == 200


def test_log_file_and_its_rotation(with_file, tmp_path):
    router = with_file.start()
    path = tmp_path / "weir.log"
    with_file.write(log=f"  filePath: {path}")
    with_file.hangup()
    wait_until("the file is there", path.exists)
    assert curl(with_file.web, host="one").status == 200
    wait_until("a worker writes to it", lambda: "process=\"worker " in path.read_text())
    path.rename(tmp_path / "weir.log.1")
    os.kill(router.pid, signal.SIGUSR1)
    wait_until("it was opened again", path.exists)

    def written():
        curl(with_file.web, host="one")
        return "router one@file" in path.read_text()
    wait_until("workers write to the new one", written)


def test_provider_that_appears_later(weir, whoami, tmp_path):
    """The file is not there yet: an error, and it is read when it comes."""
    configuration = Configuration(tmp_path)
    router = weir(f"--providers.file.filename={configuration.path}", wait=False)
    router.wait_log(r" ERR Provider file: .*dynamic\.yml")
    assert curl(router.ports["web"], host="one").status == 404
    configuration.routes([("one", "Host(`one`)", "one")], [("one", whoami("one"))])
    router.wait_log(r"INF Ready: ")
    assert curl(router.ports["web"], host="one").status == 200


# ---- what a machine lacks for a moment ----
@contextlib.contextmanager
def descriptors_left(pid, count):
    """The process gets so many more descriptors and no more."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = descriptors(pid)
    most = next(limit for limit in range(len(used) + 64) if sum(number not in used for number in range(limit)) == count)
    while most in used:
        most += 1
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("left, words", [(0, r"ERR .*dynamic\.yml: cannot open: Too many open files"),
                                         (1, r"ERR The new configuration cannot be compiled, .*: Too many open files; it is tried again")])
def test_change_that_met_a_shortage_is_in_force_when_that_is_over(serving, configuration, left, words):
    """Nobody says when it is."""
    router = serving()
    mark = router.mark()
    with descriptors_left(router.master(), left):
        configuration.routes([("one", "Host(`one`)", "one"), ("two", "Host(`two`)", "two")], [("one", serving.backend), ("two", serving.backend)])
        router.wait_log(words, mark)
        assert curl(router.web, host="one").status == 200
    wait_until("it is in force", lambda: quick_get(router.web, host="two").status == 200)
    assert curl(router.web, host="one").status == 200
    changed(router, mark, "two@file")
