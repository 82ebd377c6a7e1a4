"""What weir says of its objects, before a real API server with the definitions of `weir crds` and the rights of the chart."""
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from cluster import KINDS, Cluster
from conftest import common
from test_live import generation, route, serves, service

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(1, str(ROOT / "tests/chart"))
from chart import of_kind, render  # noqa: E402

def definitions():
    return subprocess.run([common.BINARY, "crds", "traefik.io"], check=True, capture_output=True, text=True).stdout


def rights():
    """The chart's, for the user weir."""
    roles = of_kind(render(namespace="weir"), "ClusterRole", "Role")
    user = {"kind": "User", "name": "weir", "apiGroup": "rbac.authorization.k8s.io"}
    return roles + [{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": f"{role['kind']}Binding", "metadata": role["metadata"],
                     "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": role["metadata"]["name"]},
                     "subjects": [user]} for role in roles]


@pytest.fixture(scope="module")
def the_cluster(tmp_path_factory):
    """One with our definitions: that of the other tests has some that take everything."""
    cluster = Cluster(tmp_path_factory.mktemp("status"))
    try:
        cluster.apply(definitions())
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=180s", "crd", "--all")
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "weir"}})
        cluster.apply(*rights())
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(cluster):
    yield cluster
    cluster.kubectl("delete", "leases", "-n", "weir", "--all")
    cluster.kubectl("delete", "events", "-n", "default", "--all")


@pytest.fixture
def status_weir(cluster, weir):
    def start(*args, pod="weir-0", provider="kubernetesCRD", **options):
        path = cluster.kubeconfig("weir", "weirtoken")
        return weir(f"--providers.{provider}.allowExternalNameServices", *args, **options,
                    env={"KUBECONFIG": str(path), "KUBERNETES_SERVICE_HOST": "", "POD_NAMESPACE": "weir", "POD_NAME": pod})
    return start


def get(cluster, *arguments):
    return json.loads(cluster.kubectl("get", *arguments, "-o", "json").stdout)


def accepted(cluster, name, kind="ingressroutes.traefik.io"):
    conditions = get(cluster, kind, name).get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Accepted"), None)


def holder(cluster, name="weir-kubernetescrd"):
    done = cluster.kubectl("get", "lease", name, "-n", "weir", "-o", "jsonpath={.spec.holderIdentity}", check=False)
    return done.stdout.split("_")[0]


def versions(cluster):
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in get(cluster, "ingressroutes.traefik.io")["items"]}


def test_kubectl_shows_whether_a_route_is_accepted_and_why_not(cluster, status_weir, whoami):
    cluster.apply(service("app", whoami("v1")), route("good", "good.test", "app"), route("bad", "bad.test", "missing"))
    program = status_weir()
    serves(program, "good.test")
    common.wait_until("both have a status", lambda: accepted(cluster, "good") and accepted(cluster, "bad"))
    table = cluster.kubectl("get", "ingressroutes.traefik.io", "-o", "wide").stdout.splitlines()
    assert table[0].split()[:3] == ["NAME", "ACCEPTED", "REASON"] and "MESSAGE" in table[0] and "RULE" in table[0], table
    bad, good = table[1:]
    assert bad.split()[:3] == ["bad", "False", "Refused"] and "the Service default/missing does not exist" in bad
    assert good.split()[:3] == ["good", "True", "Accepted"] and "Host(`good.test`)" in good
    assert accepted(cluster, "bad")["observedGeneration"] == 1
    common.wait_until("the Event is there", lambda: get(cluster, "events.events.k8s.io")["items"])
    (event,) = get(cluster, "events.events.k8s.io")["items"]
    assert (event["type"], event["reason"], event["regarding"]["name"]) == ("Warning", "Refused", "bad")
    assert "the Service default/missing does not exist" in cluster.kubectl("describe", "ingressroutes.traefik.io", "bad").stdout
    cluster.kubectl("wait", "--for=condition=Accepted", "ingressroutes.traefik.io/good", "--timeout=180s")
    bad = route("bad", "bad.test", "app")
    cluster.apply(bad)
    cluster.kubectl("wait", "--for=condition=Accepted", "ingressroutes.traefik.io/bad", "--timeout=180s")


def test_objects_of_all_kinds_have_a_status(cluster, status_weir, whoami):
    meta = {"name": "x", "namespace": "default"}
    tcp = {"entryPoints": ["web"], "routes": [{"match": "HostSNI(`*`)", "services": [{"name": "app", "port": "web"}]}]}
    specs = {"IngressRoute": route("x", "x.test", "app")["spec"], "IngressRouteTCP": tcp,
             "IngressRouteUDP": {"entryPoints": ["web"], "routes": [{"services": [{"name": "app", "port": "web"}]}]},
             "Middleware": {"addPrefix": {"prefix": "/p"}}, "MiddlewareTCP": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}},
             "TraefikService": {"weighted": {"services": [{"name": "app", "port": "web", "weight": 1}]}},
             "ServersTransport": {"serverName": "a"}, "ServersTransportTCP": {"dialKeepAlive": "1s"},
             "TLSOption": {"minVersion": "VersionTLS12"}, "TLSStore": {"defaultGeneratedCert": {"resolver": "r", "domain": {"main": "a"}}}}
    cluster.apply(service("app", whoami("v1")), *(
        {"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": meta, "spec": spec} for kind, spec in specs.items()))
    status_weir()
    for plural, kind in KINDS.items():
        condition = common.wait_until(f"{kind} has a status", lambda: accepted(cluster, "x", f"{plural}.traefik.io"))
        assert condition["status"] in ("True", "False") and condition["message"], (kind, condition)
        if kind in ("IngressRoute", "IngressRouteTCP", "Middleware", "MiddlewareTCP", "ServersTransport"):
            assert condition["status"] == "True", (kind, condition)
        if kind == "IngressRouteUDP":  # web is none for datagrams
            assert condition["status"] == "False" and "entryPoint" in condition["message"], condition


def test_in_a_steady_state_nothing_is_written(cluster, status_weir, whoami):
    cluster.apply(service("app", whoami("v1")), *(route(f"r{i}", f"r{i}.test", "app" if i % 3 else "missing") for i in range(30)))
    program = status_weir()
    serves(program, "r1.test")
    common.wait_until("all have a status", lambda: all("status" in item for item in get(cluster, "ingressroutes.traefik.io")["items"]))
    before, published = versions(cluster), len(generation(program))
    cluster.apply(route("more", "more.test", "app"))
    common.wait_until("the new one has a status", lambda: accepted(cluster, "more"))
    assert len(generation(program)) == published + 1
    (master,) = program.children("master")
    os.kill(master, signal.SIGKILL)
    cluster.apply(route("last", "last.test", "app"))
    serves(program, "last.test")
    common.wait_until("the last one has a status", lambda: accepted(cluster, "last"))  # after all that a new master would say
    after = versions(cluster)
    assert {name: after[name] for name in before} == before
    assert len(get(cluster, "events.events.k8s.io")["items"]) == 10


def test_another_one_takes_over_when_the_holder_dies(cluster, status_weir, whoami):
    cluster.apply(service("app", whoami("v1")), route("a", "a.test", "app"))
    first = status_weir(pod="weir-0")
    common.wait_until("a has a status", lambda: accepted(cluster, "a") and holder(cluster) == "weir-0")
    second = status_weir(pod="weir-1")
    cluster.apply(route("b", "b.test", "app"))
    serves(second, "b.test")
    common.wait_until("b has a status", lambda: accepted(cluster, "b"))
    managers = {entry["manager"] for entry in get(cluster, "ingressroutes.traefik.io", "b", "--show-managed-fields")["metadata"]["managedFields"]
                if entry.get("subresource") == "status"}
    assert managers == {"weir"} and holder(cluster) == "weir-0"
    before = versions(cluster)
    first.expected_status = -signal.SIGKILL
    os.killpg(first.process.pid, signal.SIGKILL)
    common.wait_until("the other one holds the Lease", lambda: holder(cluster) == "weir-1", seconds=180)
    cluster.apply(route("c", "c.test", "app"))
    common.wait_until("c has a status", lambda: accepted(cluster, "c"))
    assert {name: version for name, version in versions(cluster).items() if name in before} == before
    assert get(cluster, "lease", "weir-kubernetescrd", "-n", "weir")["spec"]["leaseTransitions"] == 1


def test_ingresses_show_the_address(cluster, status_weir, whoami):
    backend = {"service": {"name": "app", "port": {"name": "web"}}}
    rule = {"host": "i.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    cluster.apply(service("app", whoami("v1")), {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i", "namespace": "default"},
                                                 "spec": {"rules": [rule]}})
    program = status_weir("--providers.kubernetesIngress.ingressEndpoint.ip=192.0.2.7", provider="kubernetesIngress")
    serves(program, "i.test")
    address = "jsonpath={.status.loadBalancer.ingress[*].ip}"
    common.wait_until("it has the address", lambda: cluster.kubectl("get", "ingress", "i", "-o", address).stdout == "192.0.2.7")


def test_definitions_without_status_are_one_line(cluster, status_weir, whoami):
    """Those of another router."""
    cluster.kubectl("delete", "crd", "ingressroutes.traefik.io")
    cluster.install_crds("ingressroutes")
    try:
        cluster.apply(service("app", whoami("v1")), *(route(f"r{i}", f"r{i}.test", "app") for i in range(3)), route("bad", "bad.test", "missing"))
        program = status_weir()
        program.wait_log(r"WRN ingressroutes\.traefik\.io: the installed definition has no status \(404\)")
        serves(program, "r2.test")
        common.wait_until("the Event is there", lambda: get(cluster, "events.events.k8s.io")["items"])
        assert len([line for line in program.log().splitlines() if "WRN ingressroutes.traefik.io" in line]) == 1
        program.stop()
    finally:
        cluster.kubectl("delete", "crd", "ingressroutes.traefik.io")
        cluster.apply(definitions())
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=180s", "crd/ingressroutes.traefik.io")
