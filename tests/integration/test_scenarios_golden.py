"""What weir makes of every manifest of the scenarios: routers, services and middlewares with names, rules, priorities and errors.

Golden files stand in scenarios/golden; WEIR_GOLDEN=write makes them anew (read the difference before it is committed).
"""
import json
import os
import re
import subprocess

import pytest
import yaml

from conftest import BINARY, SCENARIOS

GOLDEN = SCENARIOS / "golden"
MANIFESTS = sorted(path for path in SCENARIOS.rglob("*.yaml"))
# what the others use
SUPPORT = ("whoami-app.yaml", "support-my-nginx.yaml", "support-v1-cheeses.yaml", "v1-gm-apps.yaml")
FLAGS = [f"--entryPoints.{name}.address=127.0.0.1:{port}" for name, port in (
    ("web", 8000), ("websecure", 8443), ("mongo", 27017), ("tcpecho", "8080/tcp"), ("udpep", "8080/udp"), ("traefik", 9000))]


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def slices(objects):
    """Two pods for each Service."""
    services = [item for item in objects if item["kind"] == "Service"]
    return [{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
             "metadata": {"name": service["metadata"]["name"], "namespace": service["metadata"].get("namespace", "default"),
                          "labels": {"kubernetes.io/service-name": service["metadata"]["name"]}},
             "ports": [{"name": port.get("name", ""), "port": 8000 + k, "protocol": port.get("protocol", "TCP")}
                       for k, port in enumerate(service["spec"]["ports"])],
             "endpoints": [{"addresses": [f"10.0.{number}.{pod}"], "conditions": {"ready": True}} for pod in (1, 2)]}
            for number, service in enumerate(services)]


def made_of(path, folder):
    taken = [path, *(SCENARIOS / name for name in SUPPORT if name != path.name)]
    objects = [document for each in taken for document in documents(each)]
    (folder / "all.yaml").write_text(yaml.safe_dump_all(objects + slices(objects)))
    said = subprocess.run([BINARY, "config", *FLAGS, f"--providers.kubernetesCRD.manifests={folder}",
                           f"--providers.kubernetesIngress.manifests={folder}", "--providers.kubernetesCRD.allowCrossNamespace=true"],
                          capture_output=True, text=True)
    made = json.loads(said.stdout.replace(str(folder), "FOLDER"))
    return {section: kept for section, items in made.items() if isinstance(items, dict)
            and (kept := {name: item for name, item in items.items() if not name.endswith("@internal")})}


@pytest.mark.parametrize("path", MANIFESTS, ids=[str(path.relative_to(SCENARIOS).with_suffix("")) for path in MANIFESTS])
def test_is_what_it_was(path, tmp_path):
    golden = GOLDEN / path.relative_to(SCENARIOS).with_suffix(".json")
    text = json.dumps(made_of(path, tmp_path), indent=1, sort_keys=True) + "\n"
    if os.environ.get("WEIR_GOLDEN") == "write":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_no_golden_file_is_left_over():
    known = {path.relative_to(SCENARIOS).with_suffix("") for path in MANIFESTS}
    assert {path.relative_to(GOLDEN).with_suffix("") for path in GOLDEN.rglob("*.json")} == known


@pytest.mark.parametrize("path", sorted((GOLDEN / "modern").glob("*.json")), ids=lambda path: path.stem)
def test_today_s_api_version_means_the_same(path):
    modern, old = (re.sub(r"all\.yaml:\d+", "all.yaml", each.read_text()) for each in (path, GOLDEN / path.name))
    assert json.loads(modern) == json.loads(old)
