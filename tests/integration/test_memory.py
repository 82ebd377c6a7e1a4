"""What weir costs while nothing happens: the process tree at rest, an idle connection, a router.

Not for sanitizer builds, whose shadow memory makes the figures meaningless: `make asan` leaves this file out.
"""
import json
import pathlib
import socket

import pytest

from conftest import curl, wait_until
from processes import children

pytestmark = pytest.mark.alone


def pss_kib(pid):
    total = 0
    for p in [pid, *children(pid)]:
        for line in pathlib.Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def configuration(path, backend, routers):
    path.write_text(json.dumps({"http": {
        "routers": {f"r{i}": {"rule": f"Host(`h{i}.test`) && PathPrefix(`/some/path/{i}`)", "service": "s"} for i in range(routers)}
        | {"main": {"rule": "Host(`a.test`)", "service": "s"}},
        "services": {"s": {"loadBalancer": {"servers": [{"url": backend.url}]}}}}}))


def test_at_rest_and_idle_connections(weir, whoami, tmp_path):
    configuration(tmp_path / "routes.json", whoami(), 0)
    router = weir(f"--providers.file.filename={tmp_path}/routes.json", "--log.level=INFO", workers=2)
    curl(router.ports["web"], "/", host="a.test")
    rest = pss_kib(router.pid)
    assert rest < 14 * 1024, f"{rest} KiB at rest"
    held = []
    for _ in range(800):
        s = socket.create_connection(("127.0.0.1", router.ports["web"]))
        s.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += s.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        held.append(s)
    idle = pss_kib(router.pid)
    assert (idle - rest) / len(held) <= 4, f"{(idle - rest) / len(held):.2f} KiB for each idle connection"
    for s in held:
        s.close()


def test_routes_and_churn(weir, whoami, tmp_path):
    backend = whoami()
    configuration(tmp_path / "routes.json", backend, 0)
    router = weir(f"--providers.file.filename={tmp_path}/routes.json", "--log.level=INFO", workers=2)
    rest = pss_kib(router.pid)
    configuration(tmp_path / "next.json", backend, 5000)
    start = router.mark()
    (tmp_path / "next.json").rename(tmp_path / "routes.json")
    router.wait_log(r"Configuration changed.*5000 added", start)
    wait_until("the route in force", lambda: curl(router.ports["web"], "/some/path/7", host="h7.test").status == 200)
    full = pss_kib(router.pid)
    assert full - rest <= 40 * 1024, f"{full - rest} KiB for 5,000 routers"

    def change(turn):
        configuration(tmp_path / "next.json", backend, 5000 - 1 - turn % 2)
        start = router.mark()
        (tmp_path / "next.json").rename(tmp_path / "routes.json")
        router.wait_log(r"Configuration changed", start)

    # The master works with a second model while it compiles, so the size right after a change is not yet at rest.
    for turn in range(3):
        change(turn)
    wait_until("at rest after the first changes", lambda: pss_kib(router.pid) - rest <= 40 * 1024)
    for turn in range(3, 15):
        change(turn)
    wait_until("as small as with the first changes", lambda: pss_kib(router.pid) <= full * 1.1 + 2048)
