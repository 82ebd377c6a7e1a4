"""What weir costs while nothing happens: the process tree at rest, an idle connection, a router.

Not for sanitizer builds, whose shadow memory makes the figures meaningless: `make asan` leaves this file out.
"""
import json
import pathlib
import socket

import pytest

from api_server import GROUPS, ApiServer
from conftest import curl, quick_get, wait_until
from processes import children, own_kib, pss_kib

pytestmark = pytest.mark.crowd


def tree(router):
    return [router.pid, *children(router.pid)]


def configuration(path, backend, routers):
    path.write_text(json.dumps({"http": {
        "routers": {f"r{i}": {"rule": f"Host(`h{i}.test`) && PathPrefix(`/some/path/{i}`)", "service": "s"} for i in range(routers)}
        | {"main": {"rule": "Host(`a.test`)", "service": "s"}},
        "services": {"s": {"loadBalancer": {"servers": [{"url": backend.url}]}}}}}))


def test_at_rest_and_idle_connections(weir, whoami, tmp_path):
    configuration(tmp_path / "routes.json", whoami(), 0)
    router = weir(f"--providers.file.filename={tmp_path}/routes.json", "--log.level=INFO", workers=2)
    curl(router.ports["web"], "/", host="a.test")
    rest = pss_kib(tree(router))
    assert rest < 14 * 1024, f"{rest} KiB at rest"
    rest = own_kib(tree(router))
    held = []
    for _ in range(800):
        s = socket.create_connection(("127.0.0.1", router.ports["web"]))
        s.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += s.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        held.append(s)
    idle = own_kib(tree(router))
    assert (idle - rest) / len(held) <= 4, f"{(idle - rest) / len(held):.2f} KiB for each idle connection"
    for s in held:
        s.close()


def test_routes_and_churn(weir, whoami, tmp_path):
    backend = whoami()
    configuration(tmp_path / "routes.json", backend, 0)
    router = weir(f"--providers.file.filename={tmp_path}/routes.json", "--log.level=INFO", workers=2)
    rest = own_kib(tree(router))
    configuration(tmp_path / "next.json", backend, 5000)
    start = router.mark()
    (tmp_path / "next.json").rename(tmp_path / "routes.json")
    router.wait_log(r"Configuration changed.*5000 added", start)
    wait_until("the route in force", lambda: quick_get(router.ports["web"], "/some/path/7", host="h7.test").status == 200)
    full = own_kib(tree(router))
    assert full - rest <= 40 * 1024, f"{full - rest} KiB for 5,000 routers"

    def change(turn):
        configuration(tmp_path / "next.json", backend, 5000 - 1 - turn % 2)
        start = router.mark()
        (tmp_path / "next.json").rename(tmp_path / "routes.json")
        router.wait_log(r"Configuration changed", start)

    # The master works with a second model while it compiles, so the size right after a change is not yet at rest.
    for turn in range(3):
        change(turn)
    wait_until("at rest after the first changes", lambda: own_kib(tree(router)) - rest <= 40 * 1024)
    for turn in range(3, 15):
        change(turn)
    wait_until("as small as with the first changes", lambda: own_kib(tree(router)) <= full * 1.1 + 2048)


class Flood(ApiServer):
    """Its list of IngressRoutes is one page, whatever was asked for, of 400 objects of half a megabyte each."""
    count, pad = 400, b"x" * (1 << 19)

    def list(self, handler, path, query):
        if path != GROUPS["IngressRoute"]:
            super().list(handler, path, query)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(sum(map(len, self.pieces()))))
        handler.end_headers()
        for piece in self.pieces():
            handler.wfile.write(piece)

    def pieces(self):
        yield b'{"kind": "List", "metadata": {"resourceVersion": "7"}, "items": ['
        for i in range(self.count):
            yield (b'%s{"metadata": {"name": "r%d", "namespace": "default", "managedFields": [{"manager": "' % (b"," if i else b"", i)
                   + self.pad + b'"}]}, "spec": {"routes": [{"match": "Host(`r%d.test`)", "services": [{"name": "app", "port": 80}]}]}}' % i)
        yield b"]}"


def test_a_list_of_200_megabytes_does_not_need_them(weir, whoami):
    api, backend = Flood(), whoami()
    try:
        api.put({"kind": "Service", "metadata": {"name": "app"}, "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80}]}},
                {"kind": "EndpointSlice", "metadata": {"name": "app", "labels": {"kubernetes.io/service-name": "app"}},
                 "addressType": "IPv4", "ports": [{"port": backend.port}],
                 "endpoints": [{"addresses": [backend.host], "conditions": {"ready": True}}]})
        router = weir(f"--providers.kubernetesCRD.endpoint={api.url}", env={"KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""})
        for host in ("r0.test", f"r{Flood.count - 1}.test"):
            wait_until(f"{host} is served", lambda: quick_get(router.ports["web"], "/", host=host).status == 200)
        master = router.master()
        status = dict(line.split(":\t") for line in pathlib.Path(f"/proc/{master}/status").read_text().splitlines() if ":\t" in line)
        most = int(status["VmHWM"].split()[0])
        assert most < 48 * 1024, f"{most} KiB"
    finally:
        api.stop()
