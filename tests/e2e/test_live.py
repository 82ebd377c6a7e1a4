"""The live source against a real API server: what is applied is served, whatever becomes of the API server."""
import base64
import json
import re
import signal
import subprocess

import pytest

from cluster import role
from conftest import common


def service(name, backend, namespace="default"):
    """By name: an API server lets no EndpointSlice point to this machine."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"name": "web", "port": backend.port}]}}


def route(name, host, target, namespace="default", **more):
    entry = {"kind": "Rule", "match": f"Host(`{host}`)", "services": [{"name": target, "port": "web"}], **more}
    return {"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": {"name": name, "namespace": namespace},
            "spec": {"routes": [entry]}}


def serves(program, host, status=200):
    common.wait_until(f"{host} answers {status}",
                      lambda: common.curl(program.ports["web"], host=host).status == status)


def generation(program):
    return [line for line in program.log().splitlines() if "Configuration changed" in line]


def test_what_is_applied_is_served_and_what_is_deleted_is_not(cluster, cluster_weir, whoami):
    backend = whoami("v1")
    program = cluster_weir()
    cluster.apply(service("app", backend), route("app", "app.test", "app"))
    serves(program, "app.test")
    cluster.apply(route("app", "renamed.test", "app"))
    serves(program, "renamed.test")
    assert common.curl(program.ports["web"], host="app.test").status == 404
    cluster.kubectl("delete", "ingressroutes.traefik.io", "app")
    serves(program, "renamed.test", 404)


def test_what_was_there_before_is_served_when_ready(cluster, cluster_weir, whoami):
    cluster.apply(service("app", whoami("v1")), *(route(f"r{i}", f"r{i}.test", "app") for i in range(1200)))
    program = cluster_weir()  # three pages of a list
    for i in (0, 499, 500, 1199):
        assert common.curl(program.ports["web"], host=f"r{i}.test").status == 200


def test_the_api_server_may_go_and_come_back(cluster, cluster_weir, whoami):
    backend = whoami("v1")
    cluster.apply(service("app", backend), route("app", "app.test", "app"))
    program = cluster_weir()
    serves(program, "app.test")
    before = generation(program)
    cluster.kill_api()
    program.wait_log(r"WRN API server .*what is known stays in force")
    assert common.curl(program.ports["web"], host="app.test").status == 200
    mark = program.mark()
    cluster.start_api()
    cluster.apply(route("more", "more.test", "app"))
    serves(program, "more.test")
    program.wait_log("answers again", mark)
    assert len(generation(program)) == len(before) + 1  # what did not change was not published anew


def test_a_master_that_starts_while_the_api_server_is_away_takes_nothing_away(cluster, cluster_weir, whoami):
    cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"))
    program = cluster_weir()
    serves(program, "app.test")
    cluster.kill_api()
    try:
        mark = program.mark()
        (master,) = program.children("master")
        subprocess.run(["kill", "-9", str(master)], check=True)
        program.wait_log(r"WRN API server .*cannot connect", mark)
        for _ in range(20):
            assert common.curl(program.ports["web"], host="app.test").status == 200
    finally:
        cluster.start_api()
    cluster.apply(route("more", "more.test", "app"))
    serves(program, "more.test")


def test_noise_publishes_nothing(cluster, cluster_weir, whoami):
    cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"))
    program = cluster_weir()
    serves(program, "app.test")
    before = generation(program)
    for i in range(5):
        cluster.kubectl("patch", "ingressroutes.traefik.io", "app", "--type=merge", "--field-manager", f"m{i}",
                        "-p", '{"status": {"x": "%d"}}' % i)
    cluster.apply(route("last", "last.test", "app"))
    serves(program, "last.test")
    assert len(generation(program)) == len(before) + 1


def test_a_kind_that_is_not_installed_comes_to_life_later(cluster, cluster_weir, whoami):
    cluster.kubectl("delete", "crd", "middlewares.traefik.io")
    try:
        program = cluster_weir()
        program.wait_log(r"WRN middlewares\.traefik\.io: the API server does not have this kind")
        cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"))
        serves(program, "app.test")
    finally:
        cluster.install_crds("middlewares")
    program.wait_log(r"INF middlewares\.traefik\.io can be read now")
    cluster.apply({"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": {"name": "p", "namespace": "default"},
                   "spec": {"addPrefix": {"prefix": "/added"}}},
                  route("app", "app.test", "app", middlewares=[{"name": "p"}]))
    common.wait_until("the prefix is added", lambda: "GET /added/" in common.curl(program.ports["web"], host="app.test").body)


def test_a_kind_that_is_forbidden_comes_to_life_when_permitted(cluster, cluster_weir, whoami):
    cluster.apply(*role([kind for kind in ("ingressroutes", "middlewares")]))
    cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"))
    program = cluster_weir()
    program.wait_log(r"WRN traefikservices\.traefik\.io: the API server does not permit this \(list is forbidden\): .*"
                     r'User "weir" cannot list resource "traefikservices"')
    serves(program, "app.test")
    assert len([line for line in program.log().splitlines() if "WRN traefikservices.traefik.io" in line]) == 1
    cluster.apply(*role())
    program.wait_log(r"INF traefikservices\.traefik\.io can be read now")


def test_a_rotated_token_is_read_again(cluster, cluster_weir, whoami, tmp_path):
    cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"))
    token = tmp_path / "token"
    token.write_text("weirtoken\n")
    program = cluster_weir(kubeconfig=cluster.kubeconfig("rotated", token_file=token))
    serves(program, "app.test")
    cluster.kill_api()
    cluster.tokens["second"] = cluster.tokens.pop("weirtoken")
    try:
        cluster.start_api()
        program.wait_log(r"the API server answers 401")
        token.write_text("second\n")
        cluster.apply(route("more", "more.test", "app"))
        serves(program, "more.test")
        assert "weirtoken" not in program.log() and "second" not in program.log()
    finally:
        cluster.kill_api()
        cluster.tokens["weirtoken"] = cluster.tokens.pop("second")
        cluster.start_api()


def data(path):
    return base64.b64encode(path.read_bytes()).decode()


@pytest.mark.parametrize("inline", [False, True], ids=["files", "data"])
def test_the_current_context_of_a_kubeconfig_counts(cluster, cluster_weir, whoami, tmp_path, inline):
    """A client certificate there; another context leads to nobody."""
    folder, port = cluster.folder, cluster.port
    cluster.certificate("weir")
    user = {"client-certificate-data": data(folder / "weir.crt"), "client-key-data": data(folder / "weir.key")} if inline else {
        "client-certificate": "weir.crt", "client-key": "weir.key"}  # beside the file
    authority = {"certificate-authority-data": data(folder / "ca.crt")} if inline else {"certificate-authority": str(folder / "ca.crt")}
    path = (tmp_path if inline else folder) / "contexts.kubeconfig"
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "right",
        "clusters": [{"name": "nobody", "cluster": {"server": "https://127.0.0.1:1"}},
                     {"name": "c", "cluster": {"server": f"https://localhost:{port}", **authority}}],
        "users": [{"name": "u", "user": user}, {"name": "other", "user": {"token": "wrong"}}],
        "contexts": [{"name": "wrong", "context": {"cluster": "nobody", "user": "other"}},
                     {"name": "right", "context": {"cluster": "c", "user": "u"}}]}))
    cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"))
    program = cluster_weir(kubeconfig=path)
    serves(program, "app.test")
    assert f"API server localhost:{port} (KUBECONFIG {path} (context right))" in program.log()


def test_endpoint_token_and_authority_as_options(cluster, weir, whoami, tmp_path):
    """A server whose authority is another one is not believed, and not told the token."""
    options = {"endpoint": f"https://127.0.0.1:{cluster.port}", "token": "weirtoken"}
    stranger = tmp_path / "stranger.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key", "-out", stranger, "-subj", "/CN=x"],
                   check=True, capture_output=True)
    cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"))

    def start(authority, **more):
        flags = [f"--providers.kubernetesCRD.{name}={value}" for name, value in {**options, "certAuthFilePath": authority}.items()]
        return weir("--providers.kubernetesCRD.allowExternalNameServices", *flags, env={"KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""}, **more)
    serves(start(cluster.folder / "ca.crt"), "app.test")
    program = start(stranger, wait=False)
    program.wait_log(r"WRN API server 127\.0\.0\.1 \(option endpoint\): the certificate of 127\.0\.0\.1 is refused")
    assert "INF Ready" not in program.log()


def test_only_secrets_that_are_named_are_asked_for(cluster, cluster_weir, whoami):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ca", "namespace": "default"},
              "stringData": {"ca.crt": (cluster.folder / "ca.crt").read_text()}}
    transport = {"apiVersion": "traefik.io/v1alpha1", "kind": "ServersTransport",
                 "metadata": {"name": "t", "namespace": "default"}, "spec": {"rootCAs": [{"secret": "ca"}]}}
    cluster.apply(service("app", whoami("v1")), route("app", "app.test", "app"), transport)
    program = cluster_weir()
    program.wait_log(r"the Secret default/ca does not exist")
    mark = program.mark()
    cluster.apply(secret)
    program.wait_log(r"Configuration changed: .*t@kubernetescrd", mark)


def test_namespaces_and_labels_are_kept_to(cluster, cluster_weir, whoami):
    backend = whoami("v1")
    labelled = route("yes", "yes.test", "app")
    labelled["metadata"]["labels"] = {"team": "a"}
    elsewhere = route("other", "other.test", "app", "other")
    elsewhere["metadata"]["labels"] = {"team": "a"}
    cluster.apply(service("app", backend), service("app", backend, "other"), labelled, elsewhere, route("no", "no.test", "app"))
    program = cluster_weir("--providers.kubernetesCRD.namespaces=default", "--providers.kubernetesCRD.labelSelector=team=a")
    port = program.ports["web"]
    assert common.curl(port, host="yes.test").status == 200
    assert common.curl(port, host="no.test").status == 404
    assert common.curl(port, host="other.test").status == 404


def test_ingresses_are_read_too(cluster, cluster_weir, whoami):
    backend = {"service": {"name": "app", "port": {"name": "web"}}}
    rule = {"host": "i.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    cluster.apply(service("app", whoami("v1")))
    program = cluster_weir(provider="kubernetesIngress")
    cluster.apply({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i", "namespace": "default"},
                   "spec": {"rules": [rule]}})
    serves(program, "i.test")
    cluster.kubectl("delete", "ingress", "i")
    serves(program, "i.test", 404)


def test_check_and_explain_read_the_cluster(cluster, whoami):
    cluster.apply(service("app", whoami("v1")), route("good", "good.test", "app"), route("bad", "bad.test", "missing"))
    done = subprocess.run([common.BINARY, "check", "--providers.kubernetesCRD.allowExternalNameServices",
                           "--entryPoints.web.address=:80"],
                          env={"KUBECONFIG": str(cluster.kubeconfig("weir", "weirtoken")), "PATH": "/usr/bin"},
                          capture_output=True, text=True, timeout=120)
    assert "IngressRoute default/bad" in done.stdout + done.stderr
    assert "IngressRoute default/good" not in done.stdout + done.stderr
    for host, words in (("good.test", "default-good-"), ("nobody.test", "none: 404")):
        why = subprocess.run([common.BINARY, "explain", "--providers.kubernetesCRD.allowExternalNameServices", "--entryPoints.web.address=:80",
                              "GET", f"http://{host}/"], env={"KUBECONFIG": str(cluster.kubeconfig("weir", "weirtoken")), "PATH": "/usr/bin"},
                             capture_output=True, text=True, timeout=120)
        assert words in why.stdout and not re.search(", $", why.stdout, re.M), why
    nobody = subprocess.run([common.BINARY, "check", "--providers.kubernetesCRD", "--entryPoints.web.address=:80"],
                            env={"PATH": "/usr/bin"}, capture_output=True, text=True, timeout=120)
    assert nobody.returncode != 0 and "there is no API server to ask" in nobody.stdout + nobody.stderr


def test_other_providers_are_served_when_a_cluster_does_not_answer(weir, whoami, tmp_path):
    (tmp_path / "f.yml").write_text(
        "http: {routers: {r: {rule: 'Host(`f.test`)', service: s}}, services: {s: {loadBalancer: {servers: "
        f"[{{url: '{whoami().url}'}}]}}}}}}}}\n")
    program = weir("--providers.kubernetesCRD.endpoint=http://127.0.0.1:1", f"--providers.file.filename={tmp_path}/f.yml",
                   env={"KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""}, wait=False)
    program.wait_log(r"WRN API server 127\.0\.0\.1 .*cannot connect")
    serves(program, "f.test")  # after ten seconds
    assert "INF Ready" not in program.log()


def test_other_endpoints_are_in_force_without_a_compile(cluster, cluster_weir):
    def endpoints(*addresses):
        return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {"name": "app-1", "labels": {"kubernetes.io/service-name": "app"}}, "ports": [{"name": "web", "port": 8080}],
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]}

    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"}, "spec": {"ports": [{"name": "web", "port": 80}]}},
                  endpoints("10.1.0.1"), route("app", "app.test", "app"))
    program = cluster_weir()
    for addresses in (("10.1.0.1", "10.1.0.2"), ("10.1.0.2",)):
        mark = program.mark()
        cluster.apply(endpoints(*addresses))
        at, _ = program.wait_log("Only servers changed, of 1 load balancers", mark)
        program.wait_log(r"INF Configuration changed: services: 1 changed \(default-app-", at)
    before, mark = generation(program), program.mark()
    program.process.send_signal(signal.SIGHUP)  # the whole way finds nothing that differs
    program.wait_log("Nothing changed", mark)
    cluster.kubectl("annotate", "ingressroutes.traefik.io", "app", "example.com/seen=1")
    cluster.apply(route("more", "more.test", "app"))
    program.wait_log(r"Configuration changed: routers: 1 added \(default-more-", mark)
    assert len(generation(program)) == len(before) + 1
