"""UDP routes from Kubernetes objects: the scenarios' manifests, endpoints that come and go, weights."""
import pytest

from conftest import free_port
from kube import endpoint_slice
from udpkit import Client, Server


@pytest.fixture
def servers():
    made = [Server(f"pod-{i}", host=f"127.0.0.{i + 1}") for i in range(2)]
    yield made
    for server in made:
        server.close()


def asked(port, count):
    """Whom so many new clients meet."""
    clients = [Client(port) for _ in range(count)]
    try:
        return [client.ask()[0] for client in clients]
    finally:
        for client in clients:
            client.close()


def test_udp_scenario(weir, manifests, servers):
    manifests.copy("udp-whoami.yaml")
    manifests.write("slices.yaml", endpoint_slice("whoamiudp", servers, "udp"))
    port = free_port()
    router = weir(f"--providers.kubernetesCRD.manifests={manifests.path}", f"--entryPoints.udpep.address=127.0.0.1:{port}/udp",
                  "--entryPoints.udpep.udp.timeout=60s", "--entryPoints.udpep.transport.lifeCycle.graceTimeOut=100ms",
                  "--entryPoints.web.transport.lifeCycle.graceTimeOut=100ms", workers=2, leftovers="sessions stay for a minute")
    assert sorted(asked(port, 6)) == ["pod-0"] * 3 + ["pod-1"] * 3
    stays = Client(port)
    told = stays.ask()
    mark = router.mark()
    gone = next(server for server in servers if server.name == told[0])
    manifests.write("slices.yaml", endpoint_slice("whoamiudp", [s for s in servers if s is not gone], "udp"))
    router.in_force(mark, workers=2)
    assert told[0] not in asked(port, 4)
    assert stays.ask() == told  # its session goes on
    stays.close()


def test_weights_of_a_route(weir, manifests, servers):
    port = free_port()
    manifests.write("objects.yaml", "\n---\n".join(
        [f"""apiVersion: v1
kind: Service
metadata: {{name: {server.name}}}
spec:
  ports: [{{protocol: UDP, name: udp, port: 8080}}]
""" + "---\n" + endpoint_slice(server.name, [server], "udp") for server in servers] + ["""apiVersion: traefik.io/v1alpha1
kind: IngressRouteUDP
metadata: {name: weighted}
spec:
  entryPoints: [u]
  routes:
  - services:
    - {name: pod-0, port: 8080, weight: 3}
    - {name: pod-1, port: 8080, weight: 1}
"""]))
    weir(f"--providers.kubernetesCRD.manifests={manifests.path}", f"--entryPoints.u.address=127.0.0.1:{port}/udp", workers=2,
         leftovers="sessions stay for three seconds")
    names = asked(port, 8)
    assert (names.count("pod-0"), names.count("pod-1")) == (6, 2)
