"""Limits of memory that the system sets to the processes (ulimit -d): what says so, and that workers serve on."""
import os
import re
import signal

from conftest import curl, free_port, wait_until
from processes import limit_data
from test_processes import dynamic, serving  # noqa: F401 (serving is a fixture)
from test_status import calm, line, status, text


def test_master_that_gets_no_threads_says_why(serving):
    router = serving()
    limit_data(router.pid, 30 << 20)
    mark = router.mark()
    os.kill(router.master(), signal.SIGKILL)
    router.wait_log(r"weir: the master cannot start: no 4 threads: .*ulimit -d", mark)
    assert curl(router.ports["web"], host="one").status == 200
    limit_data(router.pid)
    os.kill(router.pid, signal.SIGHUP)
    router.wait_log(r"Configuration changed", mark)
    router.wait_log(r" ERR The master cannot start: no 4 threads: .*ulimit -d", mark)


def test_abort_under_a_limit_of_memory_names_the_limit(serving, tmp_path):
    router = serving()
    limit_data(router.pid, 1 << 30)
    limit_data(router.master(), 1 << 20)
    mark = router.mark()
    rules = "".join(f"    r{i}:\n      rule: Host(`h{i}.test`)\n      service: who\n" for i in range(20000))
    (tmp_path / "dynamic.yml").write_text((tmp_path / "dynamic.yml").read_text().replace("  routers:\n", "  routers:\n" + rules))
    router.wait_log(r"ERR The master \(pid \d+\) was ended by signal 6 \(Aborted\), RLIMIT_DATA is 1073741824 bytes: "
                    r"if memory was out, raise it \(ulimit -d, LimitDATA= of systemd\), next start in", mark)
    assert curl(router.ports["web"], host="one").status == 200
    router.wait_log(r"Configuration changed", mark)


def test_a_master_that_cannot_start(weir, tmp_path):
    settings, port = tmp_path / "weir.yml", free_port()
    settings.write_text(f"entryPoints: {{web: {{address: '127.0.0.1:{port}'}}}}\nlog: {{level: DEBUG}}\nworkers: 1\n")
    router = weir(f"--configFile={settings}", web=False, workers=None)
    good = settings.read_text()
    settings.write_text("entryPoints: [")
    mark = router.mark()
    os.kill(router.pid, signal.SIGHUP)
    router.wait_log(r"static configuration is refused", mark)
    tree = status(router)
    assert "weir.yml" in tree["settings"]["refused"] and tree["master"]["pid"] is not None
    assert "a later SIGHUP was refused: " in line(router, "settings ")
    first = tree["master"]["pid"]
    os.kill(first, signal.SIGKILL)
    tree = wait_until("the next one refuses it too", lambda: (t := status(router))["master"]["pid"] not in (None, first) and t["ready"] and
                      t["settings"]["age"] is not None and "weir.yml" in t["settings"]["refused"] and t)
    limit_data(router.pid, 30 << 20)  # too little for a master's threads
    mark = router.mark()
    os.kill(tree["master"]["pid"], signal.SIGKILL)
    wait_until("there is none", lambda: status(router)["master"]["pid"] is None and status(router)["master"]["starts"] > 1)
    tree = wait_until("the next one waits", lambda: (t := status(router))["master"]["pid"] is None and t)
    assert 0 <= tree["master"]["startsIn"] <= 5
    assert tree["ready"]
    calm(router, ["serving"])
    wait_until("it is said", lambda: re.search(r"(?m)^master .*none: the next one starts in \d\.\d s", text(router)))  # between two starts
    limit_data(router.pid)
    settings.write_text(good)
    os.kill(router.pid, signal.SIGHUP)
    router.wait_log(r"Configuration changed", mark)
    tree = wait_until("it is there", lambda: (t := status(router))["master"]["pid"] is not None and t)
    assert tree["settings"]["refused"] == ""
