"""The fixtures of tests/integration, and a cluster for the whole run whose objects are gone after each test."""
import importlib.util
import json
import pathlib
import sys

import pytest

from cluster import KINDS, Cluster, role
from node import measured

_path = pathlib.Path(__file__).resolve().parents[1] / "integration/conftest.py"
sys.path.insert(1, str(_path.parent))  # for what it imports
_spec = importlib.util.spec_from_file_location("integration_conftest", _path)
common = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(common)
programs, whoami, weir, manifests = common.programs, common.whoami, common.weir, common.manifests
pytest_unconfigure = common.pytest_unconfigure
BINARY, READY, Program, Weir = common.BINARY, common.READY, common.Program, common.Weir  # for marathon.py
curl, free_port, wait_port, wait_until = common.curl, common.free_port, common.wait_port, common.wait_until


def pytest_terminal_summary(terminalreporter):
    for line in measured:
        terminalreporter.write_line(f"measured: {line}")


@pytest.fixture(scope="session")
def the_cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.install_crds(*KINDS)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(the_cluster):
    """With the role that weir has; what a test adds to the namespaces default and other is taken away afterwards."""
    the_cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}, *role())
    yield the_cluster
    present = the_cluster.kubectl("get", "crd", "-o", "name").stdout.split()
    kinds = [f"{plural}.traefik.io" for plural in KINDS if any(name.endswith(f"/{plural}.traefik.io") for name in present)]
    for namespace in ("default", "other"):
        the_cluster.kubectl("delete", "-n", namespace, "--all", "--wait=false",
                            ",".join(["endpointslices.discovery.k8s.io", "ingresses.networking.k8s.io", "secrets", *kinds]))
        services = json.loads(the_cluster.kubectl("get", "services", "-n", namespace, "-o", "json").stdout)["items"]
        names = [item["metadata"]["name"] for item in services if item["metadata"]["name"] != "kubernetes"]
        if names:
            the_cluster.kubectl("delete", "-n", namespace, "--wait=false", "services", *names)


@pytest.fixture
def cluster_weir(cluster, weir):
    """weir(...) that reads the cluster as the user weir."""
    def start(*args, kubeconfig=None, provider="kubernetesCRD", **options):
        path = kubeconfig or cluster.kubeconfig("weir", "weirtoken")
        return weir(f"--providers.{provider}.allowExternalNameServices", *args, env={"KUBECONFIG": str(path), "KUBERNETES_SERVICE_HOST": ""}, **options)
    return start
