"""UDP routes from Kubernetes objects: the scenarios' manifests with whoami and socat, endpoints that come and go, weights."""
import contextlib
import subprocess

import pytest

from conftest import BINARY, DEADLINE, Program, curl, free_port
from kube import endpoint_slice
from udpkit import Client, Server


@pytest.fixture
def servers():
    made = [Server(f"pod-{i}", host=f"127.0.0.{i + 1}") for i in range(2)]
    yield made
    for server in made:
        server.close()


@pytest.fixture
def pods(manifests, programs):
    """Two of whoami with --udp behind the Service of udp-whoami.yaml."""
    class Pod:
        def __init__(self, number):
            self.host, self.port = f"127.0.0.{number}", free_port()
            program = Program([BINARY, "whoami", "--udp", "--bind", self.host, "--port", self.port, "--name", f"pod-{number}"])
            program.expected_status = None
            programs.append(program)
            program.wait_log("listens on udp")
    manifests.copy("udp-whoami.yaml")
    manifests.write("slices.yaml", endpoint_slice("whoamiudp", [Pod(1), Pod(2)], "udp"))


class Socat:
    """As an operator has it: a line becomes a datagram."""

    def __init__(self, port):
        self.process = subprocess.Popen(["socat", "-T", str(DEADLINE), "-", f"udp4-datagram:127.0.0.1:{port}"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, words):
        """The first line of the answer."""
        self.process.stdin.write(f"{words}\n")
        return self.process.stdout.readline().rstrip("\n")

    def close(self):
        self.process.kill()
        self.process.communicate()


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


def test_s43_socat(weir, manifests, pods):
    port = free_port()
    weir(f"--providers.kubernetesCRD.manifests={manifests.path}", f"--entryPoints.udpep.address=127.0.0.1:{port}/udp",
         "--entryPoints.udpep.udp.timeout=60s", "--entryPoints.udpep.transport.lifeCycle.graceTimeOut=100ms",
         "--entryPoints.web.transport.lifeCycle.graceTimeOut=100ms", workers=2, leftovers="sessions stay for a minute")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(Socat(port))) for _ in range(4)]
        assert [client.ask("othermessage") for client in clients] == ["Received: othermessage"] * 4
        assert sorted(client.ask("WHO") for client in clients) == ["Name: pod-1"] * 2 + ["Name: pod-2"] * 2


def test_s44_one_port_for_both(weir, manifests, pods, whoami):
    port = free_port()
    manifests.copy("tcp-udp-shared-port.yaml", "whoami-app.yaml")
    manifests.write("whoami-slices.yaml", endpoint_slice("whoami", [whoami("web")], "web"))
    weir(f"--providers.kubernetesCRD.manifests={manifests.path}", f"--entryPoints.udpep.address=127.0.0.1:{port}/udp",
         f"--entryPoints.tcpecho.address=127.0.0.1:{port}/tcp", leftovers="sessions stay for three seconds")
    with contextlib.closing(Socat(port)) as client:
        assert client.ask("WHO").startswith("Name: pod-")
        assert "Name: web" in curl(port).body


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
