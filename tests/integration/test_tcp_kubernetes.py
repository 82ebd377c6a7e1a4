"""IngressRouteTCP: the scenarios of TCP with MongoDB, their manifests unchanged, a scripted server in its place."""
import base64

import pytest

from conftest import curl, wait_until
from kube import endpoint_slice
from ports import free_port
from tcpkit import connect, named, tcp_server  # noqa: F401
from tlskit import Maker, hello


class Pod:
    def __init__(self, server):
        self.host, self.port = "127.0.0.1", server.port


@pytest.fixture
def mongo(weir, manifests, tcp_server, tmp_path):
    """The router with the entry point mongo; .server is behind the Service."""
    class Mongo:
        server = tcp_server(named("mongo"))
        maker = Maker(tmp_path)
        port = free_port()

        def start(self, *flags):
            manifests.write("slices.yaml", endpoint_slice("mongo-traefik", [Pod(self.server)]))
            self.router = weir(f"--providers.kubernetesCRD.manifests={manifests.path}",
                               f"--entryPoints.mongo.address=127.0.0.1:{self.port}", *flags)

        def secret(self, pair):
            def line(data):
                return base64.b64encode(data.encode()).decode()
            manifests.write("secret.yaml", "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: traefik-mongo-certs, "
                            f"namespace: default}}\ndata:\n  tls.crt: {line(pair.pem)}\n  tls.key: {line(pair.key_pem)}\n")
    return Mongo()


def test_s36_plain(mongo, manifests):
    manifests.copy("tcp-mongo-step1-plain.yaml")
    mongo.start()
    client = connect(mongo.port)
    assert client.until(b"\n") == b"mongo\n"
    client.close()


def test_s35_a_route_before_its_entry_point(weir, manifests, tcp_server):
    manifests.copy("tcp-mongo-step1-plain.yaml")
    manifests.write("slices.yaml", endpoint_slice("mongo-traefik", [Pod(tcp_server(named("mongo")))]))
    router = weir(f"--providers.kubernetesCRD.manifests={manifests.path}")
    router.wait_log('entryPoint "mongo" doesn\'t exist')
    assert curl(router.ports["web"]).status == 404


def test_s37_http_beside_tcp(mongo, manifests, whoami):
    manifests.apply("tcp-mongo-step1-plain.yaml")
    manifests.copy("tcp-http-same-entrypoint.yaml", "whoami-app.yaml")
    manifests.write("whoami-slices.yaml", endpoint_slice("whoami", [whoami("pod")], "web"))
    mongo.start()
    client = connect(mongo.port, b"GET / HTTP/1.1\r\nHost: who.qikqiak.com\r\n\r\n")
    assert client.until(b"\n") == b"mongo\n"  # with HostSNI(`*`) it is the server's to answer
    client.close()
    start = mongo.router.mark()
    manifests.apply("tcp-mongo-step2-tls.yaml")
    mongo.router.in_force(start)
    assert curl(mongo.port, host="who.qikqiak.com").status == 200


def test_s38_s39_s40_tls(mongo, manifests):
    pair = mongo.maker.own("mongo", ["DNS:mongo.local"])
    mongo.secret(pair)
    manifests.apply("tcp-mongo-step1-plain.yaml")
    manifests.apply("tcp-mongo-step2-tls.yaml")
    mongo.start()
    client = connect(mongo.port, b"\x3f\x00\x00\x00 no TLS \r\n\r\n")  # S38: closed, and nothing reaches the server
    client.rest()
    client.close()
    assert not mongo.server.peers
    client = hello(mongo.port, "mongo.k8s.local")  # S40: the default certificate, and nothing reaches the server
    assert b"weir default certificate" in client.der
    client.send(b"x\r\n\r\n")
    client.rest()
    client.sock.close()
    assert not mongo.server.peers
    client = hello(mongo.port, "mongo.local")  # S39
    assert client.der == pair.der and client.until(b"\n") == b"mongo\n"
    client.sock.close()


def test_s41_a_route_with_a_resolver(mongo, manifests):
    """Until there is the certificate that it asks for the default one serves it."""
    manifests.apply("tcp-mongo-step1-plain.yaml")
    manifests.apply("tcp-mongo-step3-acme.yaml")
    mongo.start()
    client = hello(mongo.port, "mongo.qikqiak.com")
    assert b"weir default certificate" in client.der
    assert client.until(b"\n") == b"mongo\n"
    client.sock.close()


def test_a_new_endpoint_takes_new_connections(mongo, manifests, tcp_server):
    manifests.copy("tcp-mongo-step1-plain.yaml")
    mongo.start()
    first = connect(mongo.port)
    assert first.until(b"\n") == b"mongo\n"
    manifests.write("slices.yaml", endpoint_slice("mongo-traefik", [Pod(tcp_server(named("other")))]))

    def fresh():
        client = connect(mongo.port)
        try:
            return client.until(b"\n")
        finally:
            client.close()
    wait_until("the new server", lambda: fresh() == b"other\n")
    first.send(b"old")
    assert first.exactly(3) == b"old"
    first.close()
