"""The chart, the custom resource definitions and the manifests of the scenarios before a real API server that checks strictly."""
import json
import pathlib
import sys

import pytest
import yaml

from cluster import Cluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(1, str(ROOT / "tests/chart"))
from chart import CHART, NAMES, helm, objects, of_kind, render, values  # noqa: E402

SCENARIOS = ROOT / "tests/integration/scenarios"
ROUTE = {"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": {"name": "r", "namespace": "default"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A cluster of its own: that of the other tests has definitions that take everything."""
    server = Cluster(tmp_path_factory.mktemp("strict"))
    try:
        server.kubectl("apply", "--server-side", "-f", str(ROOT / "helm/weir/crds"))
        server.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        server.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                       for name in ("edge", "shop", "web", "weir", "team-in", "team-out", "nexus", "infra")))
        yield server
    finally:
        server.stop()


def dry_run(server, items):
    """Items as the server would take them; a field that it does not know is an error."""
    return server.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", check=False,
                          stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, default=str))


@pytest.mark.parametrize("name", [None, *NAMES])
def test_the_server_takes_what_the_chart_gives(server, name):
    done = dry_run(server, objects(render(name)))
    assert done.returncode == 0, done.stderr


def test_the_server_takes_the_plain_manifests(server):
    items = [item for item in objects((ROOT / "deploy/kubernetes/weir.yaml").read_text()) if item["kind"] != "Namespace"]
    done = dry_run(server, items)
    assert done.returncode == 0, done.stderr


def test_the_server_takes_the_custom_resources_of_the_scenarios(server):
    items = []
    for path in sorted(SCENARIOS.rglob("*.yaml")):
        items += [item for item in yaml.safe_load_all(path.read_text()) if item and item["apiVersion"].startswith("traefik.")]
    assert len(items) > 10
    for number, item in enumerate(items):  # one name may be in several files
        item["metadata"].update(name=f"o{number}", namespace="default")
    done = dry_run(server, items)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("spec, words", [
    ({"routes": [{"match": "Host(`a`)", "kind": "Rule", "priority": "high"}]}, "spec.routes[0].priority"),
    ({"routes": [{"match": "Host(`a`)", "kind": "Route"}]}, "spec.routes[0].kind"),
    ({"routes": {"match": "Host(`a`)"}}, "spec.routes"),
    ({"routes": [{"match": "Host(`a`)", "kind": "Rule", "services": [{"name": 1}]}]}, "spec.routes[0].services[0].name"),
])
def test_the_server_refuses_a_wrong_type(server, spec, words):
    done = dry_run(server, [{**ROUTE, "spec": spec}])
    assert done.returncode != 0 and words in done.stderr, done.stderr


def may(server, verb, what, *more):
    return server.kubectl("auth", "can-i", verb, what, "--as=system:serviceaccount:edge:weir", *more, check=False).stdout.strip() == "yes"


def rights(server, name):
    """The roles of a rendering in force, those of the one before gone."""
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    server.kubectl("delete", "clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/name=weir")
    server.kubectl("delete", "role,rolebinding", "-A", "-l", "app.kubernetes.io/name=weir")
    server.apply(*of_kind(render(name), *kinds))


def test_rights_are_as_narrow_as_asked_for(server):
    rights(server, "hostnetwork")
    assert may(server, "watch", "ingressroutes.traefik.io", "-A") and may(server, "list", "nodes") and may(server, "list", "secrets", "-A")
    assert not may(server, "create", "secrets", "-n", "default") and not may(server, "patch", "ingressroutes.traefik.io", "-n", "default")
    assert may(server, "patch", "ingressroutes.traefik.io", "--subresource=status", "-n", "shop") and may(server, "create", "events.events.k8s.io", "-n", "shop")
    assert may(server, "update", "leases.coordination.k8s.io", "-n", "edge") and not may(server, "update", "leases.coordination.k8s.io", "-n", "kube-system")
    rights(server, "namespaced")
    assert may(server, "watch", "ingressroutes.traefik.io", "-n", "shop") and may(server, "watch", "services", "-n", "web")
    assert not may(server, "list", "ingressroutes.traefik.io", "-A") and not may(server, "list", "nodes")
    rights(server, "secrets")
    assert may(server, "watch", "secrets/shop-tls", "-n", "shop") and not may(server, "watch", "secrets/other", "-n", "shop")
    assert not may(server, "list", "secrets", "-A") and may(server, "watch", "services", "-A")


def test_helm_installs_upgrades_and_takes_away(server):
    """No pod runs here: nobody schedules. With the definitions of the fixture, which helm lets be."""
    at = ("-n", "infra", "--kubeconfig", server.kubeconfig("admin", "admintoken"))
    done = helm("install", "traefik", CHART, *values("base"), *at)
    assert "STATUS: deployed" in done.stdout and "REVISION: 1" in done.stdout and "on infra namespace !" in done.stdout
    assert json.loads(server.kubectl("get", "deployment", "-n", "infra", "traefik", "-o", "json").stdout)["spec"]["replicas"] == 1
    done = helm("upgrade", "traefik", CHART, *values("udp"), "--set", "ingressRoute.dashboard.enabled=true", *at)
    assert "has been upgraded. Happy Helming!" in done.stdout and "serves no dashboard yet" in done.stdout
    assert "traefik-dashboard" in server.kubectl("get", "ingressroutes.traefik.io", "-n", "infra").stdout
    helm("uninstall", "traefik", "--wait", *at)
    assert server.kubectl("get", "ingressclass,clusterrole", "-l", "app.kubernetes.io/instance=traefik-infra", "-o", "name").stdout == ""
