"""What rows of the scenarios say beside their main line, where no other test of that scenario looks."""
import collections
import re

import pytest

from conftest import SCENARIOS, curl, free_port
from kube import endpoint_slice, service
from tcpkit import connect, named, tcp_server  # noqa: F401 a fixture
from test_scenarios import crd, names, nexus, whoami_app  # noqa: F401 a fixture
from test_scenarios_ingress import answer_of, cheeses, gm, ingress, pods  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("crd", "ingress")


def entry_point(name):
    port = free_port()
    return port, f"--entryPoints.{name}.address=127.0.0.1:{port}"


def test_s12_an_ingress_is_on_every_entry_point_but_the_internal_one(ingress, manifests, pods):  # noqa: F811
    manifests.copy("support-my-nginx.yaml", "ingress-class.yaml")
    pods("my-nginx", 1, "")
    (other, second), (inner, third) = entry_point("other"), entry_point("traefik")
    port = ingress(second, third, "--ping").ports["web"]
    wanted = {port: 200, other: 200, inner: 404}
    assert {each: curl(each, "/", host="ngdemo-by-traefik.qikqiak.com").status for each in wanted} == wanted


def test_s13_the_old_annotation_names_the_class_too(ingress, manifests, pods):  # noqa: F811
    manifests.copy("support-my-nginx.yaml")
    pods("my-nginx", 1, "")
    text = (SCENARIOS / "ingress-class.yaml").read_text()
    for name in ("traefik", "nginx"):
        manifests.write(f"{name}.yaml", re.sub(r"  ingressClassName: \S+\n", "", text).replace("my-nginx-by-traefik", f"by-{name}").replace(
            "ngdemo-by-traefik", name).replace("metadata:\n", f"metadata:\n  annotations: {{kubernetes.io/ingress.class: {name}}}\n", 1))
    port = ingress().ports["web"]
    assert [curl(port, "/", host=f"{name}.qikqiak.com").status for name in ("traefik", "nginx")] == [200, 404]


def test_s15_a_route_is_on_its_entry_points_only(crd, manifests, whoami):  # noqa: F811
    whoami_app(manifests, whoami, 1)
    manifests.copy("path-match.yaml")
    secure, flag = entry_point("websecure")
    port = crd(flag).ports["web"]
    assert curl(port, "/notls", host="who.qikqiak.com").status == 200
    assert curl(secure, "/notls", host="who.qikqiak.com").status == 404


def test_s24_what_a_trusted_sender_had_by_https_is_not_redirected(crd, manifests, whoami):  # noqa: F811
    whoami_app(manifests, whoami, 1)
    manifests.copy("redirect-https.yaml")
    port = crd("--entryPoints.web.forwardedHeaders.trustedIPs=127.0.0.1/32").ports["web"]
    for source, status in (("127.0.0.1", 200), ("127.0.0.2", 302)):
        answer = curl(port, "/tls", host="who.qikqiak.com", headers=["X-Forwarded-Proto: https"], extra=["--interface", source])
        assert answer.status == status, source


def test_s26_a_middleware_of_another_namespace_is_refused_by_default(crd, manifests, whoami):  # noqa: F811
    nexus(manifests, whoami)
    for step in (1, 2):
        manifests.apply(f"nexus-step{step}.yaml")
    router = crd()
    assert curl(router.ports["web"], "/foo", host="nexus.qikqiak.com").status == 404
    router.wait_log(r"default/strip-foo-path.*kube-system|strip-foo-path is not in the namespace kube-system")


CLASSED = """apiVersion: traefik.containo.us/v1alpha1
kind: {kind}
metadata: {{name: {name}, {mark}}}
spec: {spec}
---
"""


@pytest.mark.parametrize("flag, mark, all_kinds", [
    ("--providers.kubernetescrd.ingressclass=traefik-in", "annotations: {kubernetes.io/ingress.class: traefik-in}", False),
    ("--providers.kubernetescrd.labelselector=ingressclass=traefik-out", "labels: {ingressclass: traefik-out}", True)])
def test_s45_s46_which_kinds_are_told_apart(crd, manifests, whoami, tcp_server, flag, mark, all_kinds):  # noqa: F811
    """A class is asked of routes only; a selector of middlewares and TraefikServices too, but not of Services and their endpoints."""
    http = "{{entryPoints: [web], routes: [{{match: Host(`{0}.test`), kind: Rule, middlewares: [{1}], services: [{2}]}}]}}"
    tcp = "{entryPoints: [mongo], routes: [{match: HostSNI(`*`), services: [{name: wire, port: 80}]}]}"
    plain, weighted = "{name: app, port: 80}", "{name: both, kind: TraefikService}"
    objects = [service("app", 80, addresses=[whoami("app").address]), "---\n",
               service("wire", 80, addresses=[f"127.0.0.1:{tcp_server(named('wire')).port}"]), "---\n"]
    for kind, name, marked, spec in (
            ("IngressRoute", "marked", mark, http.format("marked", "", plain)),
            ("IngressRoute", "unmarked", "", http.format("unmarked", "", plain)),
            ("IngressRoute", "cuts", mark, http.format("cuts", "{name: cut}", plain)),
            ("IngressRoute", "shares", mark, http.format("shares", "", weighted)),
            ("Middleware", "cut", "", "{stripPrefix: {prefixes: [/cut]}}"),
            ("TraefikService", "both", "", "{weighted: {services: [{name: app, port: 80, weight: 1}]}}"),
            ("IngressRouteTCP", "wire", "", tcp)):
        objects.append(CLASSED.format(kind=kind, name=name, mark=marked, spec=spec))
    manifests.write("all.yaml", "".join(objects))
    mongo, address = entry_point("mongo")
    router = crd(flag, address)
    port = router.ports["web"]
    used = 404 if all_kinds else 200
    wanted = {"marked": 200, "unmarked": 404, "cuts": used, "shares": used}
    assert {name: curl(port, "/cut", host=f"{name}.test").status for name in wanted} == wanted
    client = connect(mongo, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert client.rest().startswith(b"HTTP/1.1 404")  # no TCP route took it
    client.close()
    start = router.mark()
    manifests.write("all.yaml", "".join(objects).replace("name: wire, }", f"name: wire, {mark}}}"))
    router.in_force(start)
    client = connect(mongo)
    assert client.until(b"\n") == b"wire\n"
    client.close()


def test_s53_an_ingress_without_priority_outranks_small_ones(ingress, manifests, cheeses):  # noqa: F811
    manifests.copy("v1-priority-step2.yaml")
    text = (SCENARIOS / "v1-priority-step1.yaml").read_text().split("---\n")
    manifests.write("stilton.yaml", text[0].replace("cheddar", "stilton").replace("/stilton", "/cheddar/wens"))
    port = ingress().ports["web"]
    assert answer_of(port, "cheeses.minikube", "/cheddar/wensleydale/xxx") == ("stilton", "GET /leydale/xxx HTTP/1.1")
    assert answer_of(port, "cheeses.minikube", "/cheddar/x") == ("cheddar", "GET /x HTTP/1.1")


def test_s65_allowed_by_x_forwarded_for_of_a_trusted_sender(ingress, manifests, gm):  # noqa: F811
    manifests.copy("v1-whitelist-xff.yaml")
    port = ingress("--entryPoints.web.forwardedHeaders.trustedIPs=127.0.0.0/8").ports["web"]
    for forwarded, status in (("127.0.0.1", 200), ("9.9.9.9", 403), ("9.9.9.9, 127.0.0.1", 200)):
        answer = curl(port, "/dm1/gm/call", host="localhost", headers=[f"X-Forwarded-For: {forwarded}"], extra=["--interface", "127.0.0.2"])
        assert answer.status == status, forwarded
    router = ingress()  # trusts nobody: the header is the client's own word
    answer = curl(router.ports["web"], "/dm1/gm/call", host="localhost", headers=["X-Forwarded-For: 127.0.0.1"],
                  extra=["--interface", "127.0.0.2"])
    assert answer.status == 403
    router.wait_log("whitelist-x-forwarded-for.*trustedIPs")


def test_s69_headers_that_are_always_added(ingress, manifests, gm):  # noqa: F811
    manifests.copy("v1-request-headers.yaml")
    port = ingress().ports["web"]
    lines = curl(port, "/dm2/gm", host="localhost:8123", headers=["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil", "X-Real-Ip: 6.6.6.6",
                                                                  "X-Forwarded-Port: 1", "X-Forwarded-Proto: https"]).body.splitlines()
    for line in ("X-Forwarded-Host: localhost:8123", "X-Forwarded-Port: 8123", "X-Forwarded-For: 127.0.0.1", "X-Real-Ip: 127.0.0.1",
                 "X-Forwarded-Proto: http"):
        assert line in lines
    assert "X-Forwarded-Port: 80" in curl(port, "/dm2/gm", host="localhost").body.splitlines()


def test_s77_s78_s79_an_application_comes_grows_and_goes(ingress, manifests, whoami):  # noqa: F811
    """Nothing of it is there at the start; what the router asks are the pods, each in its turn."""
    manifests.copy("support-my-nginx.yaml")
    backends = [whoami(f"pod-{number}", host=f"127.0.1.{number + 1}") for number in range(5)]
    router = ingress()
    port = router.ports["web"]

    def scaled(count):
        start = router.mark()
        manifests.write("slices.yaml", endpoint_slice("late-app", backends[:count], "http"))
        router.in_force(start)
        return collections.Counter(names(port, "late.qikqiak.com", 10))
    assert curl(port, "/", host="late.qikqiak.com").status == 404
    manifests.write("slices.yaml", endpoint_slice("late-app", backends[:1], "http"))
    start = router.mark()
    manifests.copy("discovery.yaml")
    router.in_force(start, " routers: ")
    lines = curl(port, "/", host="late.qikqiak.com", extra=["--interface", "127.0.0.7"]).body.splitlines()
    assert "X-Real-Ip: 127.0.0.7" in lines and any(line.startswith("RemoteAddr: 127.0.0.1:") for line in lines)
    assert scaled(5) == {f"pod-{number}": 2 for number in range(5)}
    assert scaled(1) == {"pod-0": 10}
    start = router.mark()
    manifests.remove("discovery.yaml")
    router.in_force(start)
    assert curl(port, "/", host="late.qikqiak.com").status == 404
