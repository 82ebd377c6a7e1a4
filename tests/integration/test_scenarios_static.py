"""Scenarios of static configuration: command lines, files and environment of tutorials as they are printed, the real binary."""
import json
import pathlib
import subprocess

import pytest
import yaml

from conftest import BINARY, curl, free_port
from kube import service
from test_scenarios_ingress import answer_of, cheeses, pods  # noqa: F401 fixtures

STATIC = pathlib.Path(__file__).resolve().parent / "static"
SETS = yaml.safe_load((STATIC / "static-args.yaml").read_text())["sets"]
PROVIDERS = ("--providers.kubernetescrd", "--providers.kubernetesingress", "--kubernetes")
# what may be said of settings that are taken: nothing else is a warning, and nothing an error
TAKEN = ("is understood, but not yet served by this build", "is accepted, but has no effect in weir", "is deprecated: ")


def documents(name):
    return [document for document in yaml.safe_load_all((STATIC / name).read_text()) if document]


def without_cluster(arguments, folder):
    """The same, and what providers ask an API server for they find in a folder."""
    switches = [argument for argument in arguments if argument.lower() in PROVIDERS]
    return [*arguments, *(f"{switch}.manifests={folder}" for switch in switches)]


def said(command, *arguments, env=None, cwd=None):
    return subprocess.run([BINARY, command, *arguments], capture_output=True, text=True, timeout=60, cwd=cwd,
                          env={"PATH": "/usr/bin:/bin", **(env or {})})


@pytest.mark.parametrize("name", [name for name in SETS if name != "v1-configfile"])
def test_a_command_line_is_taken(name, tmp_path):
    done = said("check", *without_cluster(SETS[name]["args"], tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    assert [line for line in lines if not line.startswith("ok: ") and not any(words in line for words in TAKEN)] == []


def test_s04_three_forms_say_the_same(tmp_path):
    """Each form alone is enough, and what comes of it is the same to the letter, warnings too."""
    config = documents("static-config-file.yaml")[0]
    for provider in config["providers"].values():
        provider["manifests"] = str(tmp_path / "none")
    (tmp_path / "none").mkdir()
    (tmp_path / "static.yml").write_text(yaml.safe_dump(config))
    variables = {each["name"]: each["value"] for each in documents("static-config-env.yaml")[0]["env"]}
    for name in ("TRAEFIK_PROVIDERS_KUBERNETESINGRESS", "TRAEFIK_PROVIDERS_KUBERNETESCRD"):
        assert variables.pop(name) == "true"
        variables[f"{name}_MANIFESTS"] = str(tmp_path / "none")
    forms = {"flags": said("config", *without_cluster(SETS["deployment-base"]["args"], tmp_path / "none"), cwd=tmp_path),
             "file": said("config", f"--configFile={tmp_path}/static.yml", cwd=tmp_path),
             "environment": said("config", env=variables, cwd=tmp_path)}
    assert {form: done.returncode for form, done in forms.items()} == dict.fromkeys(forms, 0)
    assert forms["flags"].stdout == forms["file"].stdout == forms["environment"].stdout
    assert "ping@internal" in json.loads(forms["flags"].stdout)["services"]


def test_s02_what_is_unknown_ends_the_start_and_is_named(weir):
    router = weir("--entrypoints.web.adress=:80", web=False, wait=False)
    router.expected_status = 1
    assert router.wait() == 1
    assert "--entrypoints.web.adress" in router.log()


def test_s51_flags_of_traefik_1_beside_its_file(weir, manifests, tmp_path, cheeses):  # noqa: F811
    """The file of the ConfigMap and the arguments of the Deployment, but for the port and the folders of the pod."""
    objects = {document["kind"]: document for document in documents("v1-config-accesslog.yaml")}
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == SETS["v1-configfile"]["args"]
    (tmp_path / "config").mkdir()
    port = free_port()
    text = objects["ConfigMap"]["data"]["traefik.toml"]
    (tmp_path / "config/traefik.toml").write_text(text.replace('":80"', f'"127.0.0.1:{port}"'))
    manifests.copy("v1-cheeses.yaml")
    arguments = [argument.replace("/config/", f"{tmp_path}/config/") for argument in container["args"]]
    router = weir(*without_cluster(arguments, manifests.path), web=False)
    assert answer_of(port, "cheeses.minikube", "/cheddar/call") == ("cheddar", "GET /call HTTP/1.1")
    answer = curl(port, "/", host=f"localhost:{port}")
    assert (answer.status, answer.body, answer.header("X-Content-Type-Options")) == (404, "404 page not found\n", "nosniff")
    log = router.log()
    assert "accessLog: is understood, but not yet served" in log and "flags are ignored" not in log


def test_routes_of_the_gateway_api_are_named_and_break_nothing(weir, manifests, whoami):
    for name in ("gateway-objects.yaml", "gateway-whoami.yaml"):
        manifests.write(name, (STATIC / name).read_text())
    manifests.write("app.yaml", service("app", 80, addresses=[whoami("app").address]) + """---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: app}
spec: {entryPoints: [web], routes: [{match: "Host(`app.test`)", kind: Rule, services: [{name: app, port: 80}]}]}
""")
    router = weir(f"--providers.kubernetesCRD.manifests={manifests.path}", *SETS["helm-gateway-extra"]["args"])
    assert curl(router.ports["web"], "/", host="app.test").status == 200
    assert curl(router.ports["web"], "/", host="whoami").status == 404
    for words in ("GatewayClass traefik: ", "Gateway default/traefik-gateway: ", "HTTPRoute default/http-app-1: "):
        router.wait_log(f"WRN .*{words}the Gateway API is not yet served")
    router.wait_log("WRN .*providers.kubernetesGateway: is understood, but not yet served")
