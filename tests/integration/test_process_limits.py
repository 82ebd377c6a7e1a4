"""Limits of memory that the system sets to the processes (ulimit -d): what says so, and that workers serve on."""
import os
import signal

from conftest import curl
from processes import limit_data
from test_processes import dynamic, serving  # noqa: F401 (serving is a fixture)


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
