"""The chart without a cluster: what helm renders, what the binary says about it, what is refused. `make chart-test`."""
import os
import pathlib
import subprocess

import pytest

from chart import CACHE, CHART, GOLDEN, NAMES, ROOT, container, helm, objects, of_kind, pod, render

WEIR = os.environ.get("WEIR", str(ROOT / "build/weir"))
# Scenario S02: what Traefik's chart makes of values/base.yaml, to the letter.
S02 = """--global.checknewversion
--global.sendanonymoususage
--entrypoints.metrics.address=:9100/tcp
--entrypoints.traefik.address=:9000/tcp
--entrypoints.web.address=:8000/tcp
--entrypoints.websecure.address=:8443/tcp
--api.dashboard=true
--ping=true
--metrics.prometheus=true
--metrics.prometheus.entrypoint=metrics
--providers.kubernetescrd
--providers.kubernetescrd.allowCrossNamespace=true
--providers.kubernetescrd.allowExternalNameServices=true
--providers.kubernetesingress
--providers.kubernetesingress.allowExternalNameServices=true
--entrypoints.websecure.http.tls=true
--log.level=DEBUG
--accesslog=true
--accesslog.fields.defaultmode=keep
--accesslog.fields.headers.defaultmode=drop
""".split()
GOLDENS = [None, "base", "hostnetwork", "hostnetwork-root", "file", "namespaced", "secrets", "everything"]


def weir(*arguments):
    return subprocess.run([WEIR, *arguments], capture_output=True, text=True, timeout=60, cwd="/", env={"PATH": "/usr/bin:/bin"})


def served(arguments, tmp_path):
    """The arguments with empty folders for the API server and for files of the pod."""
    (tmp_path / "dynamic").mkdir(exist_ok=True)
    (tmp_path / "manifests").mkdir(exist_ok=True)
    kept = [argument.replace("/etc/weir/dynamic", str(tmp_path / "dynamic")) for argument in arguments]
    return [*kept, *(f"--providers.{kind}.manifests={tmp_path}/manifests" for kind in ("kubernetescrd", "kubernetesingress"))]


def test_helm_finds_nothing_to_say():
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART).stdout


@pytest.mark.parametrize("name", NAMES)
def test_values_give_arguments_that_weir_takes(name, tmp_path):
    if name == "file":
        return check_file(name, tmp_path)
    done = weir("check", *served(container(render(name))["args"], tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def check_file(name, tmp_path):
    (config,) = of_kind(render(name), "ConfigMap")
    text = config["data"]["weir.yaml"]
    for kind in ("kubernetescrd", "kubernetesingress"):
        (tmp_path / "manifests").mkdir(exist_ok=True)
        assert f"{kind}: true" in text
        text = text.replace(f"{kind}: true", f"{kind}: {{manifests: {tmp_path}/manifests}}")
    (tmp_path / "weir.yaml").write_text(text)
    done = weir("check", f"--configFile={tmp_path}/weir.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_says_what_the_arguments_say(tmp_path):
    """Everything that can be switched on: the resolved configuration is the same in both forms."""
    config = of_kind(render("everything", "--set", "staticConfig.mode=configMap", "--set", "providers.file.enabled=false"), "ConfigMap")
    text = next(each for each in config if "weir.yaml" in each["data"])["data"]["weir.yaml"]
    (tmp_path / "manifests").mkdir()
    folder = f"manifests: {tmp_path}/manifests"
    text = text.replace("kubernetescrd:\n", f"kubernetescrd:\n    {folder}\n").replace("kubernetesingress:\n", f"kubernetesingress:\n    {folder}\n")
    (tmp_path / "weir.yaml").write_text(text)
    flags = served(container(render("everything", "--set", "providers.file.enabled=false"))["args"], tmp_path)
    answers = [weir("config", *arguments).stdout for arguments in (flags, [f"--configFile={tmp_path}/weir.yaml"])]
    assert answers[0] == answers[1] and "web-to-443" in answers[0]


def test_arguments_are_those_of_scenario_s02():
    assert container(render("base", release="traefik", namespace="kube-system"))["args"] == S02


def test_scenario_s01():
    text = render("base", release="traefik", namespace="kube-system")
    (deployment,) = of_kind(text, "Deployment")
    assert deployment["metadata"]["name"] == "traefik"
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}  # a port is there once
    ports = {port["name"]: (port["containerPort"], port.get("hostPort")) for port in container(text)["ports"]}
    assert ports == {"web": (8000, 80), "websecure": (8443, 443), "metrics": (9100, 9101), "traefik": (9000, None)}
    assert not of_kind(text, "Service", "IngressRoute")
    (ingress_class,) = of_kind(text, "IngressClass")
    assert ingress_class["metadata"]["name"] == "traefik"
    assert ingress_class["metadata"]["annotations"]["ingressclass.kubernetes.io/is-default-class"] == "false"


@pytest.mark.parametrize("name", GOLDENS)
def test_rendering_is_as_kept(name):
    """`WEIR_GOLDEN=write make chart-test` writes them anew."""
    path = GOLDEN / f"{name or 'default'}.yaml"
    text = render(name)
    if os.environ.get("WEIR_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text(), f"{path} is another; look at the difference, then WEIR_GOLDEN=write make chart-test"


@pytest.mark.parametrize("setting, words", [
    ("ports.web.hostport=80", "hostport"),
    ("deploymnet.kind=DaemonSet", "deploymnet"),
    ("providers.kubernetesCRD.allowCrossNamespaces=true", "allowCrossNamespaces"),
    ("ports.web.transport.lifeCycle.graceTimeout=1s", "graceTimeout"),
    ("deployment.kind=StatefulSet", "/deployment/kind"),
    ("edge.privilegedPorts=yes", "/edge/privilegedPorts"),
    ("deployment.terminationGracePeriodSeconds=5", "terminationGracePeriodSeconds: 5 s are less than the 20 s"),
    ("autoscaling.enabled=true", "a DaemonSet has one pod for each node"),
    ("tlsOptions.default.minimum=VersionTLS12", "/tlsOptions/default': additional properties 'minimum'"),
    ("ports.web.redirectTo=websecur", 'there is no port "websecur"'),
    ("service.additionalServices.inner.type=ClusterIP", "service.additionalServices.inner: it has no ports"),
])
def test_what_is_wrong_is_named(setting, words):
    done = helm("template", "weir", CHART, "--set", setting, check=False)
    assert done.returncode != 0 and words in done.stderr, done.stderr


def test_no_pod_has_more_rights_than_it_needs():
    for name in (None, *NAMES):
        if name in ("hostnetwork-root", "acme-alidns", "acme-alidns-staging"):  # these ask for root
            continue
        text = render(name)
        context = {**pod(text)["securityContext"], **container(text)["securityContext"]}
        assert context["runAsNonRoot"] is True and context["runAsUser"] != 0, name
        assert context["capabilities"] == {"drop": ["ALL"]} and context["allowPrivilegeEscalation"] is False, name
        assert context["readOnlyRootFilesystem"] is True and context["seccompProfile"] == {"type": "RuntimeDefault"}, name
    for role in of_kind("---\n".join(render(name) for name in NAMES), "Role", "ClusterRole"):
        for rule in role["rules"]:
            resources = set(rule["resources"])
            assert "*" not in resources
            if set(rule["verbs"]) <= {"get", "list", "watch"}:
                continue
            may_write = {"coordination.k8s.io": ["get", "create", "update"], "events.k8s.io": ["create"]}  # Leases, Events
            assert rule["verbs"] == may_write.get(rule["apiGroups"][0], ["patch"]), rule
            assert rule["verbs"] != ["patch"] or all(name.endswith("/status") for name in resources), rule


def test_rights_to_write_are_a_switch():
    roles = of_kind(render(None, "--set", "rbac.status=false"), "Role", "ClusterRole")
    assert roles and all(set(rule["verbs"]) <= {"get", "list", "watch"} for role in roles for rule in role["rules"])
    (lease,) = of_kind(render(), "Role")
    assert lease["metadata"]["namespace"] == "edge" and lease["rules"][0]["resources"] == ["leases"]


def test_low_ports_take_the_safe_sysctl():
    context = pod(render("low-ports"))["securityContext"]
    assert context["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "80"}]
    assert "sysctls" not in pod(render())["securityContext"]


def test_on_the_network_of_the_node_two_pods_share_the_ports():
    text = render("hostnetwork")
    (workload,) = of_kind(text, "DaemonSet")
    assert workload["spec"]["updateStrategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert pod(text)["hostNetwork"] is True and "ports" not in container(text)  # they would be ports of the node
    for probe in ("readinessProbe", "livenessProbe"):  # by HTTP the other pod could answer
        assert "weir status" in " ".join(container(text)[probe]["exec"]["command"]) and "httpGet" in container(render())[probe]
    arguments = container(text)["args"]
    assert "--entrypoints.web.address=:80/tcp" in arguments and "--entrypoints.web.reuseport=true" in arguments
    assert container(render("hostnetwork-root"))["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}


def test_more_services(tmp_path):
    """Each has the ports that name it; the one of old stays as it is; the address of Ingresses is that of the first."""
    (tmp_path / "values.yaml").write_text("""
ports: {web: {expose: {default: true, inner: true}, nodePort: 30080}, traefik: {expose: {inner: true}}}
service:
  enabled: true
  nameOverride: taken-over
  additionalServices:
    inner: {type: ClusterIP, labels: {for: us}, single: false}
    other: {enabled: false}
providers: {kubernetesIngress: {publishedService: {enabled: true}}}
rbac: {aggregateTo: [view]}
deployment: {tmpVolume: {emptyDir: {sizeLimit: 1Gi}}}
""")
    text = render(None, "-f", tmp_path / "values.yaml")
    services = {service["metadata"]["name"]: service for service in of_kind(text, "Service")}
    assert {name: [port["name"] for port in service["spec"]["ports"]] for name, service in services.items()} == \
        {"taken-over": ["web", "websecure"], "weir-inner": ["traefik", "web"]}
    assert [services[name]["spec"]["type"] for name in ("taken-over", "weir-inner")] == ["LoadBalancer", "ClusterIP"]
    assert services["weir-inner"]["metadata"]["labels"]["for"] == "us"
    assert "--providers.kubernetesingress.ingressendpoint.publishedservice=edge/taken-over" in container(text)["args"]
    assert {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}} in pod(text)["volumes"]
    (role,) = of_kind(text, "ClusterRole")
    assert role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"


@pytest.mark.parametrize("ready", [True, False])
def test_the_question_of_the_readiness_probe_tells_ready_from_not(ready, tmp_path):
    """The shell line of the probe, with a `weir` in its path that prints what `weir status --json` begins with."""
    (tmp_path / "weir").write_text(f"""#!/bin/sh\necho '{{"version":"1","ready":{str(ready).lower()},"stopping":false}}'\n""")
    (tmp_path / "weir").chmod(0o755)
    command = container(render("hostnetwork"))["readinessProbe"]["exec"]["command"]
    assert (subprocess.run(command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).returncode == 0) == ready


def test_a_change_of_the_file_starts_no_pod():
    one, other = (of_kind(render("file", "--set", f"workers={number}"), "DaemonSet", "ConfigMap") for number in (1, 2))
    kinds = {document["kind"]: document for document in one}
    for document in other:
        assert (document == kinds[document["kind"]]) == (document["kind"] == "DaemonSet")


def test_every_object_is_in_the_namespace_or_of_the_cluster():
    cluster = {"ClusterRole", "ClusterRoleBinding", "IngressClass"}
    for name in (None, *NAMES):
        for document in objects(render(name)):
            if document["kind"] not in cluster and name != "everything":
                assert document["metadata"].get("namespace"), document["metadata"]["name"]


def test_the_schema_of_values_is_that_of_the_options():
    reference = subprocess.run([WEIR, "reference"], capture_output=True, check=True).stdout
    done = subprocess.run(["/usr/bin/python3", str(ROOT / "helm/schema.py")], input=reference, capture_output=True, check=True)
    assert done.stdout == (CHART / "values.schema.json").read_bytes(), "run make reference"


def test_version_is_that_of_the_program():
    (chart,) = objects((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == (ROOT / "VERSION").read_text().strip()


def test_plain_manifests_are_those_of_the_chart(tmp_path):
    folder = ROOT / "deploy/kubernetes"
    subprocess.run([str(folder / "render.sh"), str(CACHE / "bin/helm")], check=True, env={**os.environ, "OUT": str(tmp_path / "weir.yaml")})
    assert (tmp_path / "weir.yaml").read_text() == (folder / "weir.yaml").read_text(), "run deploy/kubernetes/render.sh"


def test_the_image_has_the_libraries_that_the_program_names():
    """The packages of the last stage are those of the libraries that the linker put into the program, but for BoringSSL, which
    the image builds and links whole."""
    needed = subprocess.run(["ldd", WEIR], capture_output=True, text=True, check=True).stdout
    files = [line.split()[2] for line in needed.splitlines() if "=>" in line]
    listed = subprocess.run(["dpkg-query", "-S", *(str(pathlib.Path(path).resolve()) for path in files)], capture_output=True, text=True).stdout
    packages = {line.split(":")[0] for line in listed.splitlines()}
    last = (ROOT / "deploy/Dockerfile").read_text().split("FROM debian:12-slim\n")[-1]
    assert {"libuv1", "libc-ares2"} <= packages
    assert packages - {"libc6", "libgcc-s1", "libstdc++6", "android-libboringssl"} <= set(last.split())
