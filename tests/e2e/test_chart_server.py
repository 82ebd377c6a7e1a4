"""The chart, the custom resource definitions and the manifests of the scenarios before a real API server that checks strictly."""
import json
import pathlib
import sys

import pytest
import yaml

from cluster import Cluster
from test_live import route, serves, service

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
        server.kubectl("wait", "--for=condition=Established", "--timeout=180s", "crd", "--all")
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


def account(server, name="weir", namespace="edge"):
    """A kubeconfig of the chart's ServiceAccount."""
    return server.kubeconfig("account", server.kubectl("create", "token", name, "-n", namespace).stdout.strip())


def test_what_the_chart_grants_in_single_namespaces_is_enough(server, weir, whoami, tmp_path):
    """And nothing else is asked for: no line of the log speaks of a right."""
    rights(server, "namespaced")
    backend = whoami("v1")
    for namespace in ("shop", "web", "default"):
        server.apply(service("app", backend, namespace), route("app", f"{namespace}.test", "app", namespace))
    try:
        program = weir("--providers.kubernetesCRD.namespaces=shop,web", "--providers.kubernetesCRD.disableClusterScopeResources",
                       "--providers.kubernetesCRD.allowExternalNameServices", "--providers.kubernetesIngress.namespaces=shop",
                       "--providers.kubernetesIngress.disableClusterScopeResources",
                       env={"KUBECONFIG": str(account(server)), "KUBERNETES_SERVICE_HOST": "", "POD_NAMESPACE": "edge"})
        for host, status in (("shop.test", 200), ("web.test", 200), ("default.test", 404)):
            serves(program, host, status)
        assert "does not permit" not in program.log() and "cannot be" not in program.log()
    finally:
        for namespace in ("shop", "web", "default"):
            server.kubectl("delete", "-n", namespace, "service/app", "ingressroutes.traefik.io/app")


def test_a_secret_that_may_not_be_read_is_an_error_of_who_names_it(server, weir, whoami):
    rights(server, "secrets")
    backend = whoami("v1")
    items = [service("app", backend, "shop")]
    for name, secret in (("may", "shop-tls"), ("may-not", "other")):
        items.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": "shop"},
                      "stringData": {"users": "test:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/"}})
        items.append({"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": {"name": name, "namespace": "shop"},
                      "spec": {"basicAuth": {"secret": secret}}})
        items.append(route(name, f"{name}.test", "app", "shop", middlewares=[{"name": name}]))
    server.apply(*items, route("plain", "plain.test", "app", "shop"))
    try:
        program = weir("--providers.kubernetesCRD.allowExternalNameServices",
                       env={"KUBECONFIG": str(account(server)), "KUBERNETES_SERVICE_HOST": "", "POD_NAMESPACE": "edge"})
        for host, status in (("plain.test", 200), ("may.test", 401), ("may-not.test", 404)):
            serves(program, host, status)
        program.wait_log(r"secrets in namespace shop, name other: the API server does not permit this \(list is forbidden\)")
        assert "name shop-tls" not in program.log()
    finally:
        server.kubectl("delete", "-n", "shop", "--all", "service,secret,middlewares.traefik.io,ingressroutes.traefik.io")


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
