"""Scenarios with Ingresses, today's and those with annotations of Traefik 1: manifests unchanged, the real binary, curl."""
import collections
import re
import subprocess
import threading

import pytest

from conftest import BINARY, SCENARIOS, curl, free_port
from kube import endpoint_slice, service
from test_scenarios import names


@pytest.fixture
def ingress(weir, manifests):
    def start(*flags, **kw):
        return weir(f"--providers.kubernetesIngress.manifests={manifests.path}", *flags, **kw)
    return start


@pytest.fixture
def pods(manifests, whoami):
    """pods("cheddar", 2): that many backends behind the Service, each with an address of its own."""
    given = []

    def start(name, count=1, port_name="http"):
        backends = []
        for number in range(count):
            given.append(name)
            backends.append(whoami(name, host=f"127.0.1.{len(given)}"))
        manifests.write(f"slice-{name}.yaml", endpoint_slice(name, backends, port_name))
        return backends
    return start


@pytest.fixture
def cheeses(manifests, pods):
    manifests.copy("support-v1-cheeses.yaml")
    for name in ("stilton", "cheddar", "wensleydale"):
        pods(name)


@pytest.fixture
def gm(manifests, pods):
    """Two versions with two pods each."""
    manifests.copy("v1-gm-apps.yaml")
    for name in ("gm-v1", "gm-v2"):
        pods(name, 2)


def answer_of(port, host, path):
    """Which application, and the request line that arrived."""
    answer = curl(port, path, host=host)
    if answer.status != 200:
        return answer.status
    lines = answer.body.splitlines()
    return next(line[6:] for line in lines if line.startswith("Name: ")), next(line for line in lines if line.endswith(" HTTP/1.1"))


# ---- today's Ingress ----
def test_ingress_by_class(ingress, manifests, pods):
    manifests.copy("support-my-nginx.yaml", "ingress-class.yaml", "ingress-class-others.yaml")
    pods("my-nginx", 2, "")
    port = ingress().ports["web"]
    assert curl(port, "/", host="ngdemo-by-traefik.qikqiak.com").status == 200
    assert curl(port, "/", host="ngdemo-by-nginx.qikqiak.com").status == 404
    assert curl(port, "/", host="ngdemo-no-class.qikqiak.com").status == 200
    port = ingress("--providers.kubernetesIngress.ingressClass=traefik").ports["web"]
    assert curl(port, "/", host="ngdemo-by-traefik.qikqiak.com").status == 200
    assert curl(port, "/", host="ngdemo-no-class.qikqiak.com").status == 404


def test_names_in_the_resolved_configuration(manifests, pods):
    manifests.copy("support-my-nginx.yaml", "ingress-class.yaml")
    pods("my-nginx", 1, "")
    done = subprocess.run([BINARY, "config", f"--providers.kubernetesIngress.manifests={manifests.path}"], capture_output=True, text=True)
    assert '"default-my-nginx-by-traefik-ngdemo-by-traefik-qikqiak-com@kubernetes"' in done.stdout
    assert '"default-my-nginx-80@kubernetes"' in done.stdout
    done = subprocess.run([BINARY, "check", str(manifests.path)], capture_output=True, text=True)
    assert done.returncode == 0 and "1 routers" in done.stdout, done.stdout + done.stderr


PATHS = """apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: paths}
spec:
  rules:
  - host: a.test
    http:
      paths:
      - {path: /exact, pathType: Exact, backend: {service: {name: exact, port: {number: 80}}}}
      - {path: /pre, pathType: Prefix, backend: {service: {name: prefix, port: {name: web}}}}
      - {path: /gone, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}}
  - host: "*.wild.test"
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: prefix, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: rest}
spec: {defaultBackend: {service: {name: rest, port: {number: 80}}}}
"""


def test_paths_hosts_and_the_default_backend(ingress, manifests, whoami):
    for name in ("exact", "prefix", "rest"):
        manifests.write(f"{name}.yaml", service(name, 80, port_name="web", addresses=[whoami(name).address]))
    manifests.write("paths.yaml", PATHS)
    router = ingress()
    port = router.ports["web"]
    for host, path, name in (("a.test", "/exact", "exact"), ("a.test", "/exact/x", "rest"), ("a.test", "/pre", "prefix"),
                             ("a.test", "/pre/x", "prefix"), ("a.test", "/prex", "prefix"), ("a.test", "/gone", "rest"),
                             ("x.wild.test", "/", "prefix"), ("wild.test", "/", "rest"), ("x.y.wild.test", "/", "rest"),
                             ("other.test", "/any", "rest")):
        assert answer_of(port, host, path)[0] == name, (host, path)
    router.wait_log(r"default-paths-a-test-gone@kubernetes.*default/gone does not exist")
    port = ingress("--providers.kubernetesIngress.strictPrefixMatching").ports["web"]
    assert answer_of(port, "a.test", "/pre/x")[0] == "prefix"
    assert answer_of(port, "a.test", "/prex")[0] == "rest"


def test_annotations_of_today(ingress, manifests, whoami):
    manifests.write("app.yaml", service("app", 80, addresses=[whoami("app").address]).replace(
        "annotations:", "annotations:\n    traefik.ingress.kubernetes.io/service.passhostheader: \"false\""))
    manifests.write("route.yaml", """apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: app
  annotations:
    traefik.ingress.kubernetes.io/router.middlewares: default-strip@kubernetescrd
    traefik.ingress.kubernetes.io/router.entrypoints: web
spec:
  rules: [{host: app.test, http: {paths: [{path: /api, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: strip}
spec: {stripPrefix: {prefixes: [/api]}}
""")
    port = ingress(f"--providers.kubernetesCRD.manifests={manifests.path}").ports["web"]
    answer = curl(port, "/api/x", host="app.test")
    assert "GET /x HTTP/1.1" in answer.body.splitlines()
    assert "Host: app.test" not in answer.body.splitlines()


def test_a_change_of_an_ingress_is_served(ingress, manifests, pods):
    manifests.copy("support-my-nginx.yaml", "ingress-class.yaml")
    pods("my-nginx", 1, "")
    router = ingress()
    assert curl(router.ports["web"], "/", host="other.test").status == 404
    start = router.mark()
    text = (SCENARIOS / "ingress-class.yaml").read_text().replace("ngdemo-by-traefik.qikqiak.com", "other.test")
    manifests.write("ingress-class.yaml", text)
    router.in_force(start)
    assert curl(router.ports["web"], "/", host="other.test").status == 200
    assert curl(router.ports["web"], "/", host="ngdemo-by-traefik.qikqiak.com").status == 404


# ---- annotations of Traefik 1 ----
def test_the_flags_of_traefik_1(weir, manifests, cheeses):
    manifests.copy("v1-cheeses.yaml")
    router = weir("--kubernetes", f"--kubernetes.manifests={manifests.path}", "--defaultEntryPoints=web", "--logLevel=INFO",
                  "--log.level=INFO")
    router.wait_log(r"kubernetes: is deprecated.*providers\.kubernetesIngress")
    assert answer_of(router.ports["web"], "stilton.minikube", "/") == ("stilton", "GET / HTTP/1.1")


@pytest.mark.parametrize("version", ["", "modern/"])
def test_path_prefix_strip(ingress, manifests, cheeses, version):
    manifests.write("cheeses.yaml", (SCENARIOS / f"{version}v1-cheeses.yaml").read_text())
    port = ingress().ports["web"]
    assert answer_of(port, "stilton.minikube", "/") == ("stilton", "GET / HTTP/1.1")
    assert answer_of(port, "stilton.minikube", "/x") == ("stilton", "GET /x HTTP/1.1")
    assert answer_of(port, "cheeses.minikube", "/cheddar/call") == ("cheddar", "GET /call HTTP/1.1")
    assert answer_of(port, "cheeses.minikube", "/wensleydale") == ("wensleydale", "GET / HTTP/1.1")
    assert "X-Forwarded-Prefix: /cheddar" in curl(port, "/cheddar", host="cheeses.minikube").body.splitlines()
    answer = curl(port, "/", host="cheeses.minikube")
    assert (answer.status, answer.body) == (404, "404 page not found\n")


def test_rule_types(ingress, manifests, cheeses):
    manifests.copy("v1-rule-types.yaml")
    port = ingress().ports["web"]
    for host, path, arrives in (("path", "/cheddar", "/cheddar"), ("path", "/cheddar/x", 404), ("pathprefix", "/cheddar", "/cheddar"),
                                ("pathprefix", "/cheddar/x", "/cheddar/x"), ("pathstrip", "/cheddar", "/"),
                                ("pathstrip", "/cheddar/x", 404), ("pathprefixstrip", "/cheddar/x", "/x")):
        wanted = arrives if arrives == 404 else ("cheddar", f"GET {arrives} HTTP/1.1")
        assert answer_of(port, f"{host}.minikube", path) == wanted, (host, path)


def test_an_unknown_rule_type_takes_only_its_ingress_down(ingress, manifests, cheeses):
    manifests.write("a.yaml", (SCENARIOS / "v1-rule-types.yaml").read_text().replace("rule-type: PathStrip", "rule-type: AddPrefix"))
    router = ingress()
    assert curl(router.ports["web"], "/cheddar", host="pathstrip.minikube").status == 404
    assert curl(router.ports["web"], "/cheddar", host="path.minikube").status == 200
    router.wait_log(r'"AddPrefix" is none of PathPrefix')


def test_expressions_in_paths(ingress, manifests, cheeses):
    manifests.copy("v1-regex-path.yaml")
    router = ingress()
    port = router.ports["web"]
    for path, status in (("/cheddar/a/123", 200), ("/cheddar/a/b", 404), ("/cheddar/a", 404), ("/cheddar/a/123/x", 200)):
        assert curl(port, path, host="regex.minikube").status == status, path
    assert curl(port, "/cheddar/a/123", host="regexstrip.minikube").status == 404
    router.wait_log(r"PathPrefixStrip cannot cut off")


def test_priorities(ingress, manifests, cheeses):
    manifests.copy("v1-priority-step1.yaml")
    router = ingress()
    port = router.ports["web"]
    assert answer_of(port, "cheeses.minikube", "/cheddar/wensleydale/xxx") == ("wensleydale", "GET /xxx HTTP/1.1")
    assert answer_of(port, "cheeses.minikube", "/cheddar/y") == ("cheddar", "GET /y HTTP/1.1")
    start = router.mark()
    manifests.write("v1-priority-step1.yaml", (SCENARIOS / "v1-priority-step2.yaml").read_text())
    router.in_force(start)
    assert answer_of(port, "cheeses.minikube", "/cheddar/wensleydale/xxx") == ("cheddar", "GET /wensleydale/xxx HTTP/1.1")


@pytest.mark.parametrize("file", ["v1-weights.yaml", "v1-weights-omitted.yaml", "modern/v1-weights.yaml"])
def test_weights_in_percent(ingress, manifests, pods, file):
    manifests.copy("support-v1-cheeses.yaml")
    pods("cheddar", 2)
    pods("wensleydale", 3)  # the shares hold for the Services, whatever the number of their pods
    manifests.write("weights.yaml", (SCENARIOS / file).read_text())
    port = ingress(workers=2).ports["web"]
    for keep_alive in (True, False):
        assert collections.Counter(names(port, "cheeses.minikube", 96, keep_alive=keep_alive)) == {"cheddar": 72, "wensleydale": 24}


def test_a_weighted_service_is_missing(ingress, manifests, cheeses):
    manifests.copy("v1-weights.yaml")
    router = ingress()
    port = router.ports["web"]
    start = router.mark()
    apps = re.split(r"(?m)^---\s*$", (SCENARIOS / "support-v1-cheeses.yaml").read_text())
    manifests.write("support-v1-cheeses.yaml", "---".join(a for a in apps if "kind: Service\nmetadata:\n  name: cheddar" not in a))
    router.in_force(start)
    assert {curl(port, "/", host="cheeses.minikube").status for _ in range(4)} == {404}
    router.wait_log(r"service-weights: cannot be kept: the Service cheddar has an error", start)


def test_a_weighted_service_has_no_pod(ingress, manifests, pods):
    manifests.copy("support-v1-cheeses.yaml", "v1-weights.yaml")
    pods("wensleydale")
    manifests.write("none.yaml", """apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: cheddar-1, labels: {kubernetes.io/service-name: cheddar}}
ports: [{name: http, port: 80}]
endpoints: []
""")
    assert set(names(ingress().ports["web"], "cheeses.minikube", 8)) == {"wensleydale"}


@pytest.mark.parametrize("version", ["", "modern/"])
def test_two_ingresses_with_one_path_share_their_pods(ingress, manifests, gm, pods, version):
    for step in (1, 2):
        manifests.write(f"step{step}.yaml", (SCENARIOS / f"{version}v1-gm-step{step}.yaml").read_text())
    router = ingress(workers=2)
    port = router.ports["web"]
    for keep_alive in (True, False):
        assert collections.Counter(names(port, "localhost", 20, "/dm0/gm/call", keep_alive)) == {"gm-v1": 10, "gm-v2": 10}
    start = router.mark()
    pods("gm-v2", 4)  # pods count, not Services
    router.in_force(start, workers=2)
    assert collections.Counter(names(port, "localhost", 30, "/dm0/gm/call")) == {"gm-v1": 10, "gm-v2": 20}


def test_one_of_two_ingresses_goes_without_a_failed_request(ingress, manifests, gm):
    manifests.copy("v1-gm-step1.yaml", "v1-gm-step2.yaml")
    router = ingress(workers=2)
    port = router.ports["web"]
    over, failed = threading.Event(), []

    def load():
        while not over.is_set():
            try:
                names(port, "localhost", 10, "/dm0/gm/call", keep_alive=False)
            except (AssertionError, OSError) as error:
                failed.append(str(error))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        start = router.mark()
        manifests.remove("v1-gm-step1.yaml")
        router.in_force(start, workers=2)
    finally:
        over.set()
        thread.join()
    assert not failed, failed[0]
    assert set(names(port, "localhost", 20, "/dm0/gm/call")) == {"gm-v2"}


def test_precise_canary(ingress, manifests, gm):
    manifests.copy("v1-precise-step1.yaml")
    router = ingress(workers=2)
    port = router.ports["web"]
    assert collections.Counter(names(port, "localhost", 20, "/dm0/gm/call")) == {"gm-v1": 20}
    for step, wanted in ((2, {"gm-v1": 15, "gm-v2": 5}), (3, {"gm-v2": 20})):
        start = router.mark()
        manifests.write("v1-precise-step1.yaml", (SCENARIOS / f"v1-precise-step{step}.yaml").read_text())
        router.in_force(start, workers=2)
        for keep_alive in (True, False):
            counted = collections.Counter(names(port, "localhost", 40, "/dm0/gm/call", keep_alive))
            assert counted == {name: 2 * count for name, count in wanted.items()}, step


def test_allowed_addresses(ingress, manifests, gm):
    manifests.copy("v1-whitelist.yaml")
    router = ingress()
    port = router.ports["web"]
    assert curl(port, "/dm0/gm/call", host="localhost", extra=["--interface", "127.0.0.2"]).status == 200
    assert curl(port, "/dm1/gm/call", host="localhost").status == 200
    refused = curl(port, "/dm1/gm/call", host="localhost", extra=["--interface", "127.0.0.2"])
    assert (refused.status, refused.body) == (403, "Forbidden")
    start = router.mark()
    ranges = (SCENARIOS / "v1-whitelist-ranges.yaml").read_text()
    manifests.write("v1-whitelist.yaml", ranges.replace("1.2.3.0/24", "127.0.0.2/31"))
    router.in_force(start)
    assert curl(port, "/dm1/gm/call", host="localhost", extra=["--interface", "127.0.0.3"]).status == 200
    assert curl(port, "/dm1/gm/call", host="localhost").status == 403
    start = router.mark()
    manifests.write("v1-whitelist.yaml", ranges.replace("1.2.3.0/24", "1.2.3.0/99"))
    router.wait_log(r'"1.2.3.0/99": the length of the prefix must be', start)
    router.in_force(start)
    assert curl(port, "/dm1/gm/call", host="localhost").status == 404  # closed, never open to all


def test_custom_headers(ingress, manifests, gm):
    manifests.copy("v1-request-headers.yaml", "v1-headers-more.yaml")
    port = ingress().ports["web"]
    lines = curl(port, "/dm2/gm", host="localhost").body.splitlines()
    assert "X-Custom-Id: test" in lines
    for name, value in (("X-Forwarded-Host", "localhost"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-For", "127.0.0.1"),
                        ("X-Real-Ip", "127.0.0.1")):
        assert f"{name}: {value}" in lines
    lines = curl(port, "/dm3/gm", host="localhost").body.splitlines()
    assert "Header1: Value1" in lines and "Header2: Value2" in lines
    answer = curl(port, "/dm4/gm", host="localhost")
    assert answer.header("X-Custom-Reply") == "test" and answer.header("X-Custom-Other") == "a:b"


REWRITES = {
    "add": ("/x", "request-modifier: 'AddPrefix: /api'", "/x/y", "GET /api/x/y HTTP/1.1"),
    "replace": ("/x", "request-modifier: 'ReplacePath: /new'", "/x/y", "GET /new HTTP/1.1"),
    "regex": ("/x", "request-modifier: 'ReplacePathRegex: ^/x/(.*) /y/$1'", "/x/z", "GET /y/z HTTP/1.1"),
    "target": ("/x", "rewrite-target: /t", "/x/y", "GET /t/y HTTP/1.1"),
    "fixed": ("/fixed", "rule-type: ReplacePath", "/any", "GET /fixed HTTP/1.1"),
}
REDIRECTS = {
    "root": ("/", "app-root: /start", "/", "http://root.test/start", 302),
    "point": ("/", "redirect-entry-point: secure", "/a?b=1", "https://point.test:{secure}/a?b=1", 302),
    "rule": ("/", "redirect-regex: '^http://rule.test/(.*)', ingress.kubernetes.io/redirect-replacement: 'http://new.test/$1', "
             "ingress.kubernetes.io/redirect-permanent: 'true'", "/q", "http://new.test/q", 301),
    "tls": ("/", "ssl-redirect: 'true'", "/q", "https://tls.test/q", 301),
}


def test_rewriting_and_redirecting(ingress, manifests, whoami):
    app = service("app", 80, addresses=[whoami("app").address])
    for name, case in {**REWRITES, **REDIRECTS}.items():
        app += f"""---
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata: {{name: {name}, annotations: {{ingress.kubernetes.io/{case[1]}}}}}
spec: {{rules: [{{host: {name}.test, http: {{paths: [{{path: {case[0]}, backend: {{serviceName: app, servicePort: 80}}}}]}}}}]}}
"""
    manifests.write("all.yaml", app)
    secure = free_port()
    port = ingress(f"--entryPoints.secure.address=127.0.0.1:{secure}", "--entryPoints.secure.http.tls=true",
                   "--entryPoints.web.asDefault").ports["web"]
    for name, (_, _, path, arrives) in REWRITES.items():
        assert answer_of(port, f"{name}.test", path) == ("app", arrives), name
    for name, (_, _, path, location, status) in REDIRECTS.items():
        answer = curl(port, path, host=f"{name}.test")
        assert (answer.status, answer.header("Location")) == (status, location.format(secure=secure)), name


def test_users(ingress, manifests, whoami):
    """Basic authentication as Traefik 1 had it: users of a Secret."""
    manifests.write("all.yaml", service("app", 80, addresses=[whoami("app").address]) + """---
apiVersion: v1
kind: Secret
metadata: {name: people}
stringData: {users: "bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\\n"}
---
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata:
  name: basic
  annotations:
    ingress.kubernetes.io/auth-type: basic
    ingress.kubernetes.io/auth-secret: people
    ingress.kubernetes.io/auth-realm: the office
    ingress.kubernetes.io/auth-header-field: X-User
    ingress.kubernetes.io/auth-remove-header: "true"
spec: {rules: [{host: basic.test, http: {paths: [{path: /, backend: {serviceName: app, servicePort: 80}}]}}]}
""")
    port = ingress().ports["web"]
    answer = curl(port, "/", host="basic.test")
    assert (answer.status, answer.header("Www-Authenticate")) == (401, 'Basic realm="the office"')
    assert curl(port, "/", host="basic.test", extra=["-u", "bob:wrong"]).status == 401
    answer = curl(port, "/", host="basic.test", extra=["-u", "bob:secret"])
    lines = answer.body.splitlines()
    assert answer.status == 200 and "X-User: bob" in lines and not [line for line in lines if line.startswith("Authorization")]


def test_who_passes_is_asked(ingress, manifests, whoami):
    """Forward authentication as Traefik 1 had it: a whoami says yes to everything."""
    auth = whoami("auth")
    manifests.write("all.yaml", service("app", 80, addresses=[whoami("app").address]) + f"""---
apiVersion: networking.k8s.io/v1beta1
kind: Ingress
metadata:
  name: asks
  annotations:
    ingress.kubernetes.io/auth-type: forward
    ingress.kubernetes.io/auth-url: http://{auth.address}/decide
    ingress.kubernetes.io/auth-response-headers: Content-Type
spec: {{rules: [{{host: asks.test, http: {{paths: [{{path: /, backend: {{serviceName: app, servicePort: 80}}}}]}}}}]}}
""")
    answer = curl(ingress().ports["web"], "/", host="asks.test")
    assert answer.status == 200 and "Content-Type: text/plain; charset=utf-8" in answer.body.splitlines()
