"""What TLS costs a worker: an idle connection, thousands of certificates. Left out of sanitizer builds."""
import contextlib
import pathlib
import ssl

from conftest import wait_until
from tlskit import Maker, context, hello

CERTIFICATES = 2000
CONNECTIONS = 400


def anonymous_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))


def routes(backend, tls):
    return ("http: {routers: {r: {rule: 'PathPrefix(`/`)', service: s, tls: {}}}, services: {s: {loadBalancer: {servers: "
            f"[{{url: 'http://127.0.0.1:{backend.port}'}}]}}}}}}}}\ntls:\n{tls}")


def indented(text):
    return "".join(f"        {line}\n" for line in text.splitlines())


def test_idle_connections_cost_at_most_20_kib(weir, whoami, tmp_path):
    dynamic = tmp_path / "dynamic.yml"
    dynamic.write_text(routes(whoami(), "  options: {}\n"))
    router = weir(f"--providers.file.filename={dynamic}")
    worker, port = router.children("worker")[0], router.ports["web"]
    for version in ("TLSv1_2", "TLSv1_3"):
        made, clients = context(version=version), []
        with contextlib.closing(hello(port, "a.test", made).sock) as first:  # contexts, areas, records
            first.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            assert first.recv(65536)
        before = anonymous_kib(worker)
        try:
            for _ in range(CONNECTIONS):
                clients.append(hello(port, "a.test", made))
                assert clients[-1].get("a.test")[0] == 200
            assert anonymous_kib(worker) - before < 20 * CONNECTIONS
        finally:
            for client in clients:
                client.sock.close()


def test_thousands_of_certificates(weir, whoami, tmp_path):
    """The same certificate under other names of equal length: nobody verifies whom it says who signed it."""
    pair = Maker(tmp_path).own("template", ["DNS:n00000.test"], common="n00000.test")
    key, entries = indented(pair.key_pem), ["  certificates:\n"]
    for i in range(CERTIFICATES):
        pem = ssl.DER_cert_to_PEM_cert(pair.der.replace(b"n00000.test", b"n%05d.test" % i))
        entries.append(f"    - certFile: |\n{indented(pem)}      keyFile: |\n{key}")
    dynamic = tmp_path / "dynamic.yml"
    dynamic.write_text(routes(whoami(), "".join(entries)))
    router = weir(f"--providers.file.filename={dynamic}")
    made, worker = context(), router.children("worker")[0]
    before = anonymous_kib(worker)
    for i in range(0, CERTIFICATES, 4):
        client = hello(router.ports["web"], f"n{i:05}.test", made)
        with contextlib.closing(client.sock):
            assert b"n%05d.test" % i in client.der
    wait_until("contexts are let go of", lambda: anonymous_kib(worker) - before < 8 * 1024)
