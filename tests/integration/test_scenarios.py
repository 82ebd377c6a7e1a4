"""The scenarios that operators run first: their manifests unchanged, the real binary, curl."""
import base64
import collections
import contextlib
import http.client
import ssl

import pytest
import yaml

from conftest import SCENARIOS, curl, free_port, wait_until
from kube import endpoint_slice, service
from proxying import server  # noqa: F401 a fixture
from rawhttp import ok
from tlskit import Maker, hello


def names(port, host, count, path="/", keep_alive=True):
    """Which backends answered: by the Name line of whoami."""
    found = []
    connection = None
    for _ in range(count):
        if connection is None or not keep_alive:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        found.append(next(line[6:] for line in text.splitlines() if line.startswith("Name: ")))
        if not keep_alive:
            connection.close()
    return found


@pytest.fixture
def crd(weir, manifests):
    def start(*flags, **kw):
        return weir(f"--providers.kubernetesCRD.manifests={manifests.path}", *flags, **kw)
    return start


def whoami_app(manifests, whoami, count=2):
    manifests.copy("whoami-app.yaml")
    backends = [whoami(f"pod-{i}", host=f"127.0.0.{i + 1}") for i in range(count)]
    manifests.write("slices.yaml", endpoint_slice("whoami", backends, "web"))
    return backends


def test_whoami_over_http(crd, manifests, whoami):
    whoami_app(manifests, whoami)
    manifests.copy("whoami-http.yaml")
    router = crd()
    answer = curl(router.ports["web"], "/notls", host="who.qikqiak.com")
    assert answer.status == 200
    lines = answer.body.splitlines()
    assert "GET /notls HTTP/1.1" in lines
    assert "Host: who.qikqiak.com" in lines
    for name, value in (("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Host", "who.qikqiak.com"), ("X-Forwarded-Proto", "http"),
                        ("X-Real-Ip", "127.0.0.1")):
        assert f"{name}: {value}" in lines
    assert any(line.startswith("X-Forwarded-Server: ") for line in lines)
    assert any(line.startswith("X-Forwarded-Port: ") for line in lines)
    counts = collections.Counter(names(router.ports["web"], "who.qikqiak.com", 4, "/notls"))
    assert counts == {"pod-0": 2, "pod-1": 2}


def test_path_and_host_matching(crd, manifests, whoami):
    whoami_app(manifests, whoami, 1)
    manifests.copy("path-match.yaml")
    port = crd().ports["web"]
    for path, status in (("/notls", 200), ("/notls/", 200), ("/notls/a", 200), ("/notlsx", 200), ("/", 404), ("/other", 404),
                         ("/NOTLS", 404), ("/xnotls", 404)):
        assert curl(port, path, host="who.qikqiak.com").status == status, path
    for host, status in (("WHO.QIKQIAK.COM", 200), ("who.qikqiak.com:80", 200), ("who.qikqiak.com.", 200), ("x.qikqiak.com", 404)):
        assert curl(port, "/notls", host=host).status == status, host
    answer = curl(port, "/", host="who.qikqiak.com")
    assert answer.body == "404 page not found\n"
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Content-Length") == "19"


def test_newer_api_group(crd, manifests, whoami):
    whoami_app(manifests, whoami, 1)
    manifests.copy("whoami-io-group.yaml")
    assert curl(crd().ports["web"], "/io", host="who.qikqiak.com").status == 200


def test_redirect_scheme(crd, manifests, whoami):
    whoami_app(manifests, whoami, 1)
    manifests.copy("redirect-https.yaml")
    port = crd().ports["web"]
    answer = curl(port, "/tls?x=1", host="who.qikqiak.com:8000")
    assert answer.status == 302 and answer.body == "Found"
    assert answer.header("Location") == "https://who.qikqiak.com/tls?x=1"
    for method in ("POST", "HEAD", "PUT"):
        assert curl(port, "/tls", host="who.qikqiak.com", method=method).status == 307, method


def nexus(manifests, whoami):
    backend = whoami("nexus")
    manifests.write("slice.yaml", endpoint_slice("nexus", [backend], "nexusport"))
    return backend


def test_service_and_middleware_of_another_namespace(crd, manifests, whoami):
    nexus(manifests, whoami)
    manifests.apply("nexus-step1.yaml")
    router = crd("--providers.kubernetesCRD.allowCrossNamespace=true")
    port = router.ports["web"]
    assert curl(port, "/", host="nexus.qikqiak.com").status == 200

    start = router.mark()
    manifests.apply("nexus-step2.yaml")  # two files: the middleware may come first, in a change of its own
    router.in_force(start, " routers: ")
    for path, arrives in (("/foo", "GET / HTTP/1.1"), ("/foo/a?b=1", "GET /a?b=1 HTTP/1.1")):
        answer = curl(port, path, host="nexus.qikqiak.com")
        assert answer.status == 200 and arrives in answer.body.splitlines(), path
        assert "X-Forwarded-Prefix: /foo" in answer.body.splitlines()
    assert curl(port, "/", host="nexus.qikqiak.com").status == 404
    assert curl(port, "/static/x", host="nexus.qikqiak.com").status == 404

    start = router.mark()
    manifests.apply("nexus-step3.yaml")
    router.in_force(start, " routers: ")
    assert "GET /static/x HTTP/1.1" in curl(port, "/static/x", host="nexus.qikqiak.com").body.splitlines()
    assert curl(port, "/service/x", host="nexus.qikqiak.com").status == 404

    start = router.mark()
    manifests.apply("nexus-step4.yaml")
    router.in_force(start, " routers: ")
    for path in ("/foo", "/static/x", "/service/x"):
        assert curl(port, path, host="nexus.qikqiak.com").status == 200, path
    assert curl(port, "/", host="nexus.qikqiak.com").status == 404


def test_another_namespace_is_refused_by_default(crd, manifests, whoami):
    nexus(manifests, whoami)
    manifests.apply("nexus-step1.yaml")
    router = crd()
    assert curl(router.ports["web"], "/", host="nexus.qikqiak.com").status == 404
    router.wait_log(r"default/nexus.*kube-system")


@pytest.mark.parametrize("workers", [1, 3])
def test_canary_three_of_four(crd, manifests, whoami, workers):
    manifests.copy("canary-wrr.yaml")
    manifests.write("v1.yaml", endpoint_slice("appv1", [whoami("v1")], "http"))
    manifests.write("v2.yaml", endpoint_slice("appv2", [whoami("v2")], "http"))
    port = crd(workers=workers).ports["web"]
    one_connection = names(port, "wrr.qikqiak.com", 40)
    for at in range(0, 40, 4):
        assert collections.Counter(one_connection[at:at + 4]) == {"v1": 3, "v2": 1}
    fresh = collections.Counter(names(port, "wrr.qikqiak.com", 400, keep_alive=False))
    assert fresh == {"v1": 300, "v2": 100}


@pytest.mark.parametrize("workers", [1, 3])
def test_mirroring_half(crd, manifests, server, workers):  # noqa: F811
    def nginx(name):
        def handler(peer, server):
            with contextlib.suppress(EOFError, ConnectionError):
                while True:
                    server.requests.append(peer.request())
                    peer.send(ok(name))
        return server(handler)
    v1, v2 = nginx(b"v1"), nginx(b"v2")
    v1.host = v2.host = "127.0.0.1"
    manifests.copy("mirroring.yaml")
    manifests.write("v1.yaml", endpoint_slice("v1", [v1], "web"))
    manifests.write("v2.yaml", endpoint_slice("v2", [v2], "web"))
    port = crd(workers=workers).ports["web"]
    for i in range(4):
        assert curl(port, f"/{i}", host="mirror.qikqiak.com").body == "v1"
    wait_until("two copies", lambda: len(v2.requests) == 2)
    assert sorted(r.line for r in v2.requests) == ["GET /0 HTTP/1.1", "GET /2 HTTP/1.1"] and len(v1.requests) == 4
    assert {r.get("x-forwarded-for") for r in v1.requests + v2.requests} == {"127.0.0.1"}


def test_controllers_by_annotation(crd, manifests, whoami):
    whoami_app(manifests, whoami, 1)
    manifests.copy("multi-controller-annotation.yaml")
    port = crd("--providers.kubernetescrd.ingressclass=traefik-in").ports["web"]
    assert curl(port, "/", host="in.qikqiak.com").status == 200
    assert curl(port, "/", host="noclass.qikqiak.com").status == 404
    port = crd().ports["web"]
    assert curl(port, "/", host="in.qikqiak.com").status == 404
    assert curl(port, "/", host="noclass.qikqiak.com").status == 200


def test_controllers_by_label(crd, manifests, whoami):
    whoami_app(manifests, whoami, 1)
    manifests.copy("multi-controller-label.yaml")
    router = crd("--providers.kubernetescrd.labelselector=ingressclass=traefik-out")
    port = router.ports["web"]
    assert curl(port, "/", host="out.qikqiak.com").status == 200
    assert curl(port, "/", host="nolabel.qikqiak.com").status == 404
    start = router.mark()
    text = (manifests.path / "multi-controller-label.yaml").read_text().replace("ingressclass: traefik-out", "ingressclass: other")
    manifests.write("multi-controller-label.yaml", text)
    router.in_force(start)
    assert curl(port, "/", host="out.qikqiak.com").status == 404


def test_an_invalid_object_never_takes_down_a_valid_one(crd, manifests, whoami):
    backend = whoami("good")
    manifests.write("good.yaml", service("app", 80, addresses=[backend.address]) + """---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: good}
spec:
  entryPoints: [web]
  routes:
    - {match: "Host(`good.test`)", kind: Rule, services: [{name: app, port: 80}]}
""")
    broken = {
        "syntax.yaml": "a: b: c: [\n",
        "kind.yaml": "apiVersion: traefik.io/v1alpha1\nkind: IngresRoute\nmetadata: {name: x}\n",
        "field.yaml": """apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: bad-field}
spec: {entryPoints: [web], routes: [{match: "Host(`f.test`)", kind: Rule, servces: [{name: app, port: 80}]}]}
""",
        "rule.yaml": """apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: bad-rule}
spec: {entryPoints: [web], routes: [{match: "Hst(`f.test`)", kind: Rule, services: [{name: app, port: 80}]}]}
""",
        "service.yaml": """apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: bad-service}
spec: {entryPoints: [web], routes: [{match: "Host(`s.test`)", kind: Rule, services: [{name: nowhere, port: 80}]}]}
""",
        "middleware.yaml": """apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: bad-middleware}
spec: {entryPoints: [web], routes: [{match: "Host(`m.test`)", kind: Rule, middlewares: [{name: nowhere}], services: [{name: app, port: 80}]}]}
""",
        "regexp.yaml": """apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: bad-regexp}
spec: {redirectRegex: {regex: "(", replacement: x}}
""",
        "port.yaml": """apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: bad-port}
spec: {entryPoints: [web], routes: [{match: "Host(`p.test`)", kind: Rule, services: [{name: app, port: 70000}]}]}
""",
    }
    for name, text in broken.items():
        manifests.write(name, text)
    router = crd()
    port = router.ports["web"]
    assert curl(port, "/", host="good.test").status == 200
    for host in ("f.test", "s.test", "m.test", "p.test"):
        assert curl(port, "/", host=host).status == 404, host
    log = router.log()
    for word in ("syntax.yaml:1", "IngresRoute", "bad-field", "bad-rule", "bad-service", "bad-middleware", "bad-regexp", "bad-port"):
        assert word in log, word

    start = router.mark()
    manifests.write("half.yaml", "apiVersion: traefik.io/v1alpha1\nkind: IngressRoute\nmetadata: {name: half\n")
    router.wait_log(r"half\.yaml", start)
    assert curl(port, "/", host="good.test").status == 200


# ---- HTTPS: S17, S18, S23, S24 ----
def tls_secret(manifests, pair, name="who-tls"):
    def line(data):
        return base64.b64encode(data.encode()).decode()
    manifests.write(f"{name}.yaml", "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: " + name +
                    f", namespace: default}}\ndata:\n  tls.crt: {line(pair.pem)}\n  tls.key: {line(pair.key_pem)}\n")


@pytest.fixture
def https(crd, manifests, whoami, tmp_path):
    """The route for /tls on websecure with a certificate of its own; gives the router, the certificate, how to make more."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    maker = Maker(folder)
    pair = maker.own("who", key="rsa", common="who.qikqiak.com")  # as in the seed: no SAN
    whoami_app(manifests, whoami)
    tls_secret(manifests, pair)
    manifests.copy("whoami-tls-secret.yaml")
    secure = free_port()

    def start(*flags):
        router = crd(f"--entryPoints.websecure.address=127.0.0.1:{secure}", *flags)
        router.ports["websecure"] = secure
        return router, pair, maker
    return start


def ask_https(port, path="/tls", name="who.qikqiak.com"):
    client = hello(port, name)
    try:
        return (client.der, *client.get(name, path))
    finally:
        client.sock.close()


def test_https_with_a_secret(https, manifests):
    router, pair, maker = https()
    der, status, body = ask_https(router.ports["websecure"])
    assert (der, status) == (pair.der, 200)
    assert "X-Forwarded-Proto: https" in body and "X-Forwarded-Port: 443" in body
    assert curl(router.ports["web"], "/tls", host="who.qikqiak.com").status == 404  # S18
    assert b"weir default certificate" in ask_https(router.ports["websecure"], name="other.test")[0]
    renewed = maker.own("renewed", common="who.qikqiak.com")
    tls_secret(manifests, renewed)
    wait_until("the renewed certificate", lambda: ask_https(router.ports["websecure"])[0] == renewed.der)
    mark = router.mark()
    manifests.remove("who-tls.yaml")
    router.wait_log("Secret default/who-tls does not exist", mark)
    wait_until("the default one", lambda: b"weir default" in ask_https(router.ports["websecure"])[0])
    assert ask_https(router.ports["websecure"])[1] == 200


def test_the_same_path_with_and_without_tls(https, manifests):
    manifests.copy("whoami-also-http.yaml")
    router, _, _ = https()
    assert curl(router.ports["web"], "/tls", host="who.qikqiak.com").status == 200
    assert ask_https(router.ports["websecure"])[1] == 200


def test_redirect_to_https(https, manifests):
    manifests.copy("redirect-https.yaml")
    router, _, _ = https()
    answer = curl(router.ports["web"], "/tls?a=b", host="who.qikqiak.com")
    assert (answer.status, answer.header("Location")) == (302, "https://who.qikqiak.com/tls?a=b")
    assert ask_https(router.ports["websecure"])[1] == 200


def test_s19_s20_s21_a_route_with_a_resolver(https, manifests):
    """Until there is the certificate that it asks for the default one serves it; others have theirs, and what is not done is said."""
    manifests.remove("whoami-tls-secret.yaml")  # which has an object of the same name
    manifests.copy("acme-route.yaml")
    manifests.write("mine.yaml", "apiVersion: traefik.io/v1alpha1\nkind: IngressRoute\nmetadata: {name: mine}\nspec:\n  entryPoints: "
                    "[websecure]\n  routes: [{match: Host(`mine.test`), kind: Rule, services: [{name: whoami, port: 80}]}]\n"
                    "  tls: {secretName: mine-tls}\n")
    router, _, maker = https("--certificatesResolvers.ali.acme.email=a@b.test", "--certificatesResolvers.ali.acme.storage=/data/acme.json",
                                "--certificatesResolvers.ali.acme.dnsChallenge.provider=alidns")
    router.wait_log("WRN .*certificatesResolvers.*not yet served")
    tls_secret(manifests, mine := maker.own("mine", ["DNS:mine.test"]), "mine-tls")
    wait_until("the other route's certificate", lambda: ask_https(router.ports["websecure"], "/", "mine.test")[:2] == (mine.der, 200))
    der, status, _ = ask_https(router.ports["websecure"])
    assert b"weir default certificate" in der and status == 200


def test_s74_an_expired_certificate_is_served(crd, manifests, whoami):
    """That of the tutorial, whose time is over: with a warning, to whoever asks for its name; its route serves whatever name is asked for."""
    whoami_app(manifests, whoami)
    manifests.copy("gateway-tls-secret.yaml")
    manifests.write("route.yaml", "apiVersion: traefik.io/v1alpha1\nkind: IngressRoute\nmetadata: {name: whoami}\nspec:\n"
                    "  entryPoints: [websecure]\n  routes: [{match: Host(`whoami`) && Path(`/foo`), kind: Rule, services: [{name: whoami, "
                    "port: 80}]}]\n  tls: {secretName: mysecret}\n")
    port = free_port()
    router = crd(f"--entryPoints.websecure.address=127.0.0.1:{port}")
    router.wait_log("WRN .*expired")
    secret = base64.b64decode(next(iter(yaml.safe_load_all((SCENARIOS / "gateway-tls-secret.yaml").read_text())))["data"]["tls.crt"])
    served = ssl.PEM_cert_to_DER_cert(secret.decode())
    assert bytes.fromhex("5A332077CF4B350AF44FF574EC51990C") in served
    client = hello(port, "whoami")
    assert client.der == served
    status, body = client.get("whoami", "/foo")
    assert status == 200 and "X-Forwarded-Proto: https" in body and "X-Forwarded-Port: 443" in body
    client.sock.close()
    der, status, _ = ask_https(port, "/foo", "localhost")
    assert der != served and status == 404  # that Host is another one
    client = hello(port, "localhost")
    assert client.get("whoami", "/foo")[0] == 200
    client.sock.close()
