"""`weir status`: what it says of a tree in each of its states; it must work when the tree does not."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import pytest

import conftest
from conftest import BINARY, DEADLINE, READY, Weir, curl, free_port, wait_port, wait_until
from test_life_upgrade import Installed, upgrade
from processes import freeze, gone
from test_processes import dynamic, serving  # noqa: F401 (serving is a fixture)


def run(*args, binary=BINARY, **kw):
    done = subprocess.run([binary, "status", *args], capture_output=True, text=True, timeout=DEADLINE, **kw)
    return done.returncode, done.stdout, done.stderr


def status(router, binary=BINARY):
    code, out, err = run("--json", "--pid", str(router.pid), binary=binary)
    assert (code, err) == (0, "")
    return json.loads(out)


def text(router):
    code, out, err = run("--pid", str(router.pid))
    assert (code, err) == (0, "")
    return out


def calm(router, states):
    """What it says once the workers are in these states: on a slow machine one may have been silent for a moment."""
    def look():
        tree = status(router)
        return tree if [slot["state"] for slot in tree["slots"]] == states else None
    return wait_until(f"workers are {states}", look)


def line(router, pattern):
    out = text(router)
    match = re.search(rf"(?m)^.*{pattern}.*$", out)
    assert match, f"no line has {pattern!r} in:\n{out}"
    return match.group(0)


def slot_of(router, number):
    """The guard shows a slot some time after it has started its first worker."""
    return wait_until(f"slot {number} is shown", lambda: status(router)["slots"][number:number + 1])[0]


# ---- at rest ----
def test_a_tree_at_rest(serving):  # noqa: F811
    router = serving(workers=2)
    for _ in range(3):
        curl(router.web)
    tree = calm(router, ["serving", "serving"])
    assert (tree["ready"], tree["reason"], tree["stopping"]) == (True, "", False)
    assert tree["guard"]["pid"] == router.pid
    assert tree["master"]["pid"] == router.master()
    assert [slot["pid"] for slot in tree["slots"]] == [router.worker(0), router.worker(1)]
    assert [slot["slot"] for slot in tree["slots"]] == [0, 1]
    assert all(slot["starts"] == 1 and slot["startsIn"] is None for slot in tree["slots"])
    assert all(slot["generation"] == tree["generation"] and slot["mappedGenerations"] == 1 for slot in tree["slots"])
    newest = tree["generations"][0]
    assert (newest["number"], newest["routers"], newest["withdrawn"]) == (tree["generation"], 1, None)
    assert 0 <= newest["age"] <= tree["guard"]["age"] < 3600
    assert [(p["name"], p["error"]) for p in tree["providers"]] == [("file", "")]
    assert tree["reload"]["result"] == "published" and "who@file" in tree["reload"]["text"]
    assert tree["entryPoints"] == [{"name": "web", "address": f"127.0.0.1:{router.web}", "sockets": 2, "left": None}]
    assert tree["counters"]["requests"] == 3 and tree["counters"]["connections"] == 3
    assert tree["counters"]["reasons"]["no_route"] == 0


def test_the_memory_budget_and_the_laps(serving):  # noqa: F811
    router = serving("--limits.memory=200000000", workers=1)
    assert curl(router.web).status == 200

    def measured():
        tree = status(router)
        return tree if tree["memory"]["used"] else None
    tree = wait_until("it is measured", measured)
    assert tree["memory"]["of"] == "tree" and tree["memory"]["budget"] == 150000000 and tree["memory"]["level"] == "calm"
    assert tree["counters"]["refusedConnections"] == tree["counters"]["shedIdle"] == tree["counters"]["shedBusy"] == 0
    [slot] = tree["slots"]
    assert slot["memory"] > 0
    assert sum(slot["laps"]["wall"]) > 0 and len(slot["laps"]["cpu"]) == len(slot["laps"]["wall"])
    assert slot["laps"]["longest"]["in"]
    assert len(slot["slowLaps"]) <= sum(slot["laps"]["cpu"])  # mostly none
    assert all(lap["wallUs"] >= lap["us"] > 2000 for lap in slot["slowLaps"])
    line(router, r"memory +\d+ MiB of 143 MiB \(\d+ %\), 0 connections refused, 0 idle ones closed, "
                 r"0 requests or answers broken off")


def test_as_text(serving):  # noqa: F811
    router = serving(workers=2)
    curl(router.web)
    version = subprocess.run([BINARY, "version"], capture_output=True, text=True, timeout=DEADLINE).stdout
    calm(router, ["serving", "serving"])
    out = text(router)
    build = re.search(r"Build: +(\w+)", version).group(1)
    assert re.match(rf"weir \S+, build {build}: ready\n", out)
    for pattern in [rf"guard +pid {router.pid}, since 20\d\d-", r"master +pid \d+, since .*, (heart \d\.\d s ago|silent for )", r"settings +read 20",
                    r"reload +20.* ms, published: .*who@file", r"provider +file: read 20", r" +1  20.* 2 of 2",
                    r"   1 +\d+  (serving|silent) ", rf"entry point  web on 127.0.0.1:{router.web}, 2 sockets", r"requests +1 over 1 conn",
                    r"upstream +1 connections opened"]:
        assert re.search(rf"(?m)^{pattern}", out), f"{pattern!r} is not in:\n{out}"


def test_connections_and_exchanges_are_counted(serving):  # noqa: F811
    router = serving(delay="60s", workers=1)
    with socket.create_connection(("127.0.0.1", router.web), DEADLINE) as busy:
        busy.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        router.wait_log(r"router who@file")
        wait_until("the request is at the server", lambda: status(router)["slots"][0]["upstreamActive"] == 1)
        [slot] = status(router)["slots"]
        assert (slot["connections"], slot["exchanges"], slot["upstreamIdle"]) == (1, 1, 0)
        os.kill(router.pid, signal.SIGTERM)  # and while it drains
        router.wait_log(r"Stopping \(Terminated\)")
        wait_until("the worker drains", lambda: status(router)["slots"][0]["state"] == "draining")
        tree = status(router)
        assert (tree["ready"], tree["reason"], tree["stopping"]) == (False, "stopping", True)
        os.kill(router.pid, signal.SIGTERM)
    assert router.wait() == 0


# ---- when something is wrong ----
def test_a_worker_that_hangs(serving):  # noqa: F811
    router = serving(workers=2)
    victim = slot_of(router, 1)
    mark = router.mark()
    freeze(victim["pid"])
    router.wait_log(r"Worker 1 .* is silent: worker 0 accepts for it too", mark)
    slot = wait_until("it is lent", lambda: next((s for s in status(router)["slots"] if s["lentTo"] is not None), None))
    assert (slot["slot"], slot["pid"], slot["lentTo"]) == (1, victim["pid"], 0)
    assert (slot["state"], slot["stopped"]) == ("stopped", True)
    assert slot["heartbeat"] >= 0.3 and slot["lent"] is not None
    assert re.search(r"stopped .* silent for \d+\.\d s  lent to worker 0 for \d", line(router, "silent for"))
    os.kill(victim["pid"], signal.SIGCONT)
    wait_until("it is given back", lambda: status(router)["slots"][1]["lentTo"] is None)
    assert status(router)["slots"][1]["pid"] == victim["pid"]


def test_everything_stands_still(serving):  # noqa: F811
    """Nobody has to take part."""
    router = serving(workers=2)
    before = status(router)
    pids = [*router.workers(2), router.master(), router.pid]
    try:
        for pid in reversed(pids):  # the guard first: it would replace the others
            freeze(pid)
        wait_until("the master counts as silent", lambda: status(router)["master"]["silent"])
        tree = status(router)
        assert tree["guard"]["stopped"] and tree["master"]["stopped"]
        assert [slot["state"] for slot in tree["slots"]] == ["stopped", "stopped"]
        assert tree["generations"][0]["number"] == before["generations"][0]["number"]
        assert re.search(r"silent for \d+\.\d s, stopped", line(router, "master "))
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_worker_that_waits_for_its_next_start(serving):  # noqa: F811
    """It dies again and again: starts are counted, an empty slot says when the next one comes."""
    router = serving(workers=2)

    def died_again():
        slot = slot_of(router, 1)
        if slot["pid"] is None:
            return slot
        try:
            os.kill(slot["pid"], signal.SIGKILL)
        except ProcessLookupError:
            pass  # reaped already, and not said yet
        return None
    slot = wait_until("an empty slot", died_again)
    assert slot["state"] == "empty" and slot["startsIn"] <= 1 and slot["generation"] == 0 and slot["starts"] >= 1
    slot = wait_until("a new worker", lambda: (s := status(router)["slots"][1])["state"] == "serving" and s)
    assert slot["starts"] >= 2 and slot["generation"] == status(router)["generation"]
    assert re.search(r"\d+ starts", line(router, "^   1 "))


def test_a_source_that_cannot_be_read(serving, tmp_path):  # noqa: F811
    router = serving()
    mark = router.mark()
    (tmp_path / "dynamic.yml").unlink()
    router.wait_log(r"Provider file: .*stays in force", mark)
    [provider] = wait_until("it is said", lambda: (p := status(router)["providers"])[0]["error"] and p)
    assert provider["read"] is not None and "dynamic.yml" in provider["error"]
    assert "; cannot be read now: " in line(router, "provider ")


def test_generations_that_were_withdrawn(serving, tmp_path, whoami):  # noqa: F811
    router = serving(workers=2)
    workers = router.workers(2)
    for pid in workers:
        freeze(pid)
    mark = router.mark()
    dynamic(tmp_path, whoami("two"), name="changed")
    router.wait_log(r"Configuration changed", mark)
    tree = status(router)
    assert {slot["generation"] for slot in tree["slots"]} == {tree["generation"] - 1}
    assert "not the newest generation" in text(router)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    _, match = router.wait_log(r"Generation (\d+) is withdrawn", mark)
    tree = wait_until("all have the good one", lambda: (t := status(router)) and t["generation"] == int(match.group(1)) + 1 and
                      all(slot["generation"] == t["generation"] for slot in t["slots"]) and t)
    good, bad, first = tree["generations"]
    assert good["withdrawn"] is None and bad["withdrawn"] is not None and first["withdrawn"] is None
    assert good["routers"] == first["routers"] == 1
    assert "withdrawn" in line(router, rf"^ +{bad['number']}  20")


def test_fewer_workers(weir, tmp_path):
    """A retired slot is shown until its worker has gone, and an entry point's old address until it is empty."""
    settings, port, other = tmp_path / "weir.yml", free_port(), free_port()
    body = "entryPoints: {{web: {{address: '127.0.0.1:{}'}}}}\nlog: {{level: DEBUG}}\nworkers: {}\n"
    settings.write_text(body.format(port, 2))
    router = weir(f"--configFile={settings}", web=False, workers=None)
    settings.write_text(body.format(other, 1))
    os.kill(router.pid, signal.SIGHUP)
    seen, wanted = set(), {rf"(?m)^   1 .*retiring.*retired for", rf"127\.0\.0\.1:{port}.*moved away", rf"web on 127\.0\.0\.1:{other}"}

    def all_seen():  # each for some seconds only
        out = text(router)
        seen.update(pattern for pattern in wanted if re.search(pattern, out))
        return seen == wanted
    wait_until("all of it was shown", all_seen)


# ---- other trees, other builds, other users ----
def test_an_upgrade_shows_who_still_drains(tmp_path, programs, whoami, monkeypatch):
    installed = Installed(tmp_path)
    monkeypatch.setattr(conftest, "BINARY", str(installed.path))
    port = free_port()
    router = Weir([f"--entryPoints.web.address=127.0.0.1:{port}", "--workers=1", "--log.level=DEBUG",
                   f"--providers.file.filename={dynamic(tmp_path, whoami('one', '--delay', '60s'))}"])
    programs.append(router)
    router.wait_log(READY)
    worker = router.worker()
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as busy:
        busy.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        router.wait_log(r"router who@file")
        before = status(router)
        installed.install_build(1)
        mark = upgrade(router)
        router.wait_log(r"The new workers serve: 1 of the earlier build finishes", mark)
        code, out, err = run("--pid", str(router.pid))
        assert (code, out) == (1, "") and f"pid {router.pid} runs another build" in err and f"/proc/{router.pid}/exe status" in err
        tree = wait_until("the old master is gone", lambda: (t := status(router, str(installed.path)))["oldProcesses"] == 1 and t)
        [old] = tree["old"]
        assert (old["pid"], old["what"]) == (worker, "worker") and old["age"] is not None
        assert tree["guard"]["pid"] == router.pid and tree["guard"]["upgrades"] == 1
        assert tree["guard"]["age"] > before["guard"]["age"] > 0  # since the first of them
        assert tree["guard"]["upgraded"] is not None
        assert tree["ready"]
        code, out, _ = run("--pid", str(router.pid), binary=str(installed.path))
        assert code == 0 and f"old  {worker:7}  finishes what an earlier build had open" in out
        assert "1 upgrade to another build" in out
    gone(worker)


def test_several_trees(serving):  # noqa: F811
    first, second = serving(), serving()
    code, out, err = run()
    assert (code, out) == (1, "") and "choose one by --pid" in err
    assert str(first.pid) in err and str(second.pid) in err
    assert status(first)["entryPoints"][0]["address"] == f"127.0.0.1:{first.web}"
    assert status(second)["entryPoints"][0]["address"] == f"127.0.0.1:{second.web}"


def test_the_only_tree_is_found(programs):
    """In a namespace of its own, as in a container."""
    port = free_port()
    unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        unshare += ["--map-root-user"]
    script = f'"$0" status; echo "first: $?"; "$0" --entryPoints.web.address=127.0.0.1:{port} --workers=1 --log.level=INFO & ' \
             'read -r go; "$0" status --json; "$0" status | head -n 2; kill $!; wait $!'
    command = [*unshare, "sh", "-c", script, BINARY]
    shell = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = []
        for output in shell.stdout:
            lines.append(output)
            if re.search(READY, output):
                break
        rest, _ = shell.communicate("go\n", DEADLINE)
    finally:
        shell.kill()
        shell.wait()
    assert lines[:2] == ["weir status: no weir runs here\n", "first: 1\n"]
    [tree] = [json.loads(part) for part in rest.splitlines() if part.startswith("{")]
    assert tree["ready"] and [slot["generation"] for slot in tree["slots"]] == [1]
    assert re.search(rf"guard +pid {tree['guard']['pid']}, since", rest)


def test_another_users_tree(serving):  # noqa: F811
    target, options = 1, {}
    if os.geteuid() == 0:
        target, options = serving().pid, {"user": 65534, "group": 65534, "extra_groups": []}
    binary = os.open(BINARY, os.O_RDONLY)
    try:
        code, out, err = run("--pid", str(target), binary=f"/proc/self/fd/{binary}", pass_fds=[binary], **options)
    finally:
        os.close(binary)
    assert (code, out) == (1, "") and f"pid {target} is another user's" in err


def test_a_binary_with_capabilities():
    """It is closed to its own user at first, whom `status` is for."""
    options = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        binary = pathlib.Path(folder) / "weir"
        shutil.copy(BINARY, binary)
        if os.geteuid() == 0:  # only root can give capabilities; everybody else sees the plain case
            bind_low_ports = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service+ep
            os.setxattr(binary, "security.capability", bind_low_ports)
            options = {"user": 65534, "group": 65534, "extra_groups": []}
        port = free_port()
        guard = subprocess.Popen([binary, f"--entryPoints.web.address=127.0.0.1:{port}", "--workers=1"], stdout=subprocess.DEVNULL,
                                 **options)
        try:
            wait_port(port)
            code, out, err = run("--json", "--pid", str(guard.pid), binary=binary, **options)
            assert (code, err) == (0, "") and json.loads(out)["guard"]["pid"] == guard.pid
        finally:
            guard.terminate()
            assert guard.wait(DEADLINE) == 0


@pytest.mark.parametrize("args", [["--pid"], ["--pid", "x"], ["--pid=0"], ["--nonsense"], ["123"]])
def test_wrong_arguments(args):
    code, out, err = run(*args)
    assert (code, out) == (2, "") and "usage: weir status [--json] [--pid N]" in err


def test_no_weir_behind_a_pid():
    with subprocess.Popen(["sleep", "60"]) as other:  # this very process may hold the board of another test's
        code, out, err = run("--pid", str(other.pid))
        other.kill()
    assert (code, out) == (1, "") and f"pid {other.pid} has no board of weir" in err
