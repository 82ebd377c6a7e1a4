"""check, explain, config, version, healthcheck: what an operator asks before and after a change."""
import json
import re
import subprocess

import pytest

from conftest import BINARY, DEADLINE, ROOT, SCENARIOS, free_port, wait_until
from kube import service

ENTRY_POINT = "--entryPoints.web.address=127.0.0.1:18000"


def run(*args, env=None):
    return subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=DEADLINE, env=env)


def manifests_flag(path):
    return f"--providers.kubernetesCRD.manifests={path}"


@pytest.fixture
def routes(tmp_path):
    def write(text, name="routes.yml"):
        (tmp_path / name).write_text(text)
        return f"--providers.file.filename={tmp_path}/{name}"
    return write


GOOD = """http:
  routers:
    api: {rule: "Host(`a.test`) && PathPrefix(`/api`)", service: app, middlewares: [strip]}
    site: {rule: "Host(`a.test`)", service: app}
  middlewares:
    strip: {stripPrefix: {prefixes: [/api]}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:1"}, {url: "http://127.0.0.1:2"}]}}
"""


# ---- check ----
def test_check_of_a_good_configuration(routes):
    done = run("check", ENTRY_POINT, routes(GOOD))
    assert done.returncode == 0, done.stderr


def test_check_names_every_error_with_file_line_object_and_key(routes, tmp_path):
    done = run("check", ENTRY_POINT, routes("""http:
  routers:
    rule: {rule: "Hst(`a.test`)", service: app}
    field: {rule: "Host(`b.test`)", servce: app}
    gone: {rule: "Host(`c.test`)", service: nowhere, middlewares: [nothing]}
    good: {rule: "Host(`d.test`)", service: app}
  middlewares:
    regexp: {redirectRegex: {regex: "(", replacement: x}}
  services:
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:1"}]}}
"""))
    assert done.returncode == 2
    lines = done.stderr.splitlines() + done.stdout.splitlines()
    for line, words in ((3, ("rule@file", "column 1", "did you mean Host?")), (4, ("field@file", "servce", 'did you mean "service"?')),
                        (5, ("gone@file", "nowhere")), (5, ("gone@file", "nothing")), (8, ("regexp@file", "regex"))):
        assert any(f"{tmp_path}/routes.yml:{line}" in text and all(word in text for word in words) for text in lines), (line, words)
    assert not any("good@file" in text for text in lines)


def test_what_is_wrong_with_another_object_is_said_with_its_name(tmp_path):
    """Else a key of a Middleware is looked for in the IngressRoute that names it, through a chain or not."""
    head = "apiVersion: traefik.io/v1alpha1\nmetadata: {name: %s}\nkind: %s\nspec: "
    rules = ", ".join(f"{{match: 'Host(`{name}.test`)', kind: Rule, middlewares: [{{name: {name}}}], services: [{{name: w, kind: TraefikService}}]}}"
                      for name in ("auth", "chain"))
    (tmp_path / "objects.yaml").write_text("\n---\n".join((
        head % ("r", "IngressRoute") + f"{{routes: [{rules}]}}", head % ("auth", "Middleware") + "{basicAuth: {secret: missing}}",
        head % ("chain", "Middleware") + "{chain: {middlewares: [{name: auth}]}}",
        head % ("w", "TraefikService") + "{weighted: {services: [{name: nowhere, port: 80}]}}")))
    said = run("check", ENTRY_POINT, manifests_flag(tmp_path)).stderr
    secret = ": the Secret default/missing does not exist"
    for words in ("IngressRoute default/r .*: Middleware default/auth: .*basicAuth.secret" + secret,
                  "IngressRoute default/r .*: Middleware default/chain: Middleware default/auth: .*basicAuth.secret" + secret,
                  "IngressRoute default/r .*: TraefikService default/w: .*the Service default/nowhere does not exist",
                  r"error: \S+ Middleware default/auth \(middleware [^ ]+\): .*basicAuth.secret" + secret):
        assert re.search(words, said), (words, said)


def test_check_says_what_of_tcp_udp_and_tls_is_wrong(routes):
    done = run("check", ENTRY_POINT, routes("""tcp:
  routers:
    good: {rule: "HostSNI(`*`)", service: db}
    bad: {rule: "HostSNI(`a.test`)", service: db}
  services:
    db: {loadBalancer: {servers: [{address: "127.0.0.1:1"}], healthCheck: {}}}
    odd: {loadBalancer: {servers: [{address: "127.0.0.1"}]}}
tls:
  certificates: [{certFile: a.pem, keyFile: b.pem}]
  option: {}
"""))
    assert done.returncode == 1
    assert "TCP router good@file" not in done.stderr
    for words in (("error: ", "routes.yml:4: TCP router bad@file", "no TLS on router"),
                  ("warning: ", "routes.yml:7: TCP service odd@file", "HOST:PORT"),
                  ("error: ", "TLS certificate certificates[0]@file", "a.pem: No such file"),
                  ("error: ", "tls.option", "did you mean options")):
        assert any(all(word in line for word in words) for line in done.stderr.splitlines()), (words, done.stderr)


@pytest.mark.parametrize("flags, words", [
    (["--entryPoints.web.adress=:80"], ("entryPoints.web.adress", "entryPoints.web.address")),
    (["--entryPoints.web.address=:99999"], ("entryPoints.web.address", "99999")),
    (["--entryPoints.web.address=:80", "--log.level=LOUD"], ("log.level", "LOUD")),
    (["--providers.file.filename=/does/not/exist.yml"], ("/does/not/exist.yml",)),
])
def test_check_of_static_configuration(flags, words):
    done = run("check", *flags)
    assert done.returncode == 1
    assert all(word in done.stdout + done.stderr for word in words), done.stdout + done.stderr


def test_templates(routes):
    flag = routes('http:\n  routers:\n    a:\n      rule: Host(`{{ env "A_HOST" }}`)\n      service: app\n'
                  '  services:\n    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:1"}]}}\n')
    done = run("config", ENTRY_POINT, flag, env={"A_HOST": "from.env.test"})
    assert json.loads(done.stdout)["routers"]["a@file"]["rule"] == "Host(`from.env.test`)"
    done = run("check", ENTRY_POINT, routes('http:\n  routers:\n{{ range .Nodes }}\n'))
    assert done.returncode == 1 and "routes.yml:3" in done.stderr and "range" in done.stderr


@pytest.mark.parametrize("name, text", [
    ("a.toml", '[http.routers.a]\nrule = "Host(`a.test`)"\nservice = "app"\n'
               '[[http.services.app.loadBalancer.servers]]\nurl = "http://127.0.0.1:1"\n'),
    ("a.json", '{"http": {"routers": {"a": {"rule": "Host(`a.test`)", "service": "app"}},'
               ' "services": {"app": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}]}}}}}'),
    ("a.yaml", 'http:\n  routers: {a: {rule: "Host(`a.test`)", service: app}}\n'
               '  services: {app: {loadBalancer: {servers: [{url: "http://127.0.0.1:1"}]}}}\n'),
])
def test_formats_of_the_file_provider(routes, name, text):
    done = run("config", ENTRY_POINT, routes(text, name))
    assert done.returncode == 0, done.stderr
    config = json.loads(done.stdout)
    assert config["routers"]["a@file"]["status"] == "enabled"
    assert config["services"]["app@file"]["usedBy"] == ["a@file"]


# ---- config: names are an interface ----
# router -> rule and priority, as Traefik names them for the same manifests
NAMES = {
    "kube-system-traefik-dashboard-47f2cf6a81d9968eaf4e@kubernetescrd": ("Host(`traefik.qikqiak.com`)", 27),
    "default-ingressroute-demo-a410fa2a97fbcb16102c@kubernetescrd": ("Host(`who.qikqiak.com`) && PathPrefix(`/notls`)", 47),
    "default-simpleingressroute-a410fa2a97fbcb16102c@kubernetescrd": ("Host(`who.qikqiak.com`) && PathPrefix(`/notls`)", 47),
    "default-ingressroute-tls-demo-4facef24ddd645f7e0a6@kubernetescrd": ("Host(`who.qikqiak.com`) && PathPrefix(`/tls`)", 45),
    "default-ingressroutetls-http-4facef24ddd645f7e0a6@kubernetescrd": ("Host(`who.qikqiak.com`) && PathPrefix(`/tls`)", 45),
    "kube-system-nexus-f6ba29268f0e60d585fe@kubernetescrd": ("Host(`nexus.qikqiak.com`)", 25),
    "default-wrr-ingressroute-de4539016544c405045c@kubernetescrd": ("Host(`wrr.qikqiak.com`)", 23),
    "default-mirror-ingress-route-3ced7bef360f1eab7094@kubernetescrd": ("Host(`mirror.qikqiak.com`)", 26),
}


def test_names_rules_and_priorities(manifests):
    for scenario in sorted(SCENARIOS.glob("*.yaml")):
        if not scenario.name.startswith("nexus-step") or scenario.name == "nexus-step1.yaml":
            manifests.apply(scenario.name)
    for name, port, namespace in (("whoami", 80, "default"), ("nexus", 8081, "default"), ("appv1", 80, "default"), ("appv2", 80, "default"),
                                  ("v1", 80, "default"), ("v2", 80, "default")):
        manifests.write(f"Service-{name}-default.yaml", service(name, port, namespace, addresses=["127.0.0.1:1"]))
    done = run("config", ENTRY_POINT, "--entryPoints.websecure.address=127.0.0.1:18443",
               manifests_flag(manifests.path), "--providers.kubernetesCRD.allowCrossNamespace=true")
    config = json.loads(done.stdout)
    for name, (rule, priority) in NAMES.items():
        assert name in config["routers"], (name, sorted(config["routers"]))
        assert (config["routers"][name]["rule"], config["routers"][name]["priority"]) == (rule, priority)
    for name in ("default-app-wrr@kubernetescrd", "default-appv1-80@kubernetescrd", "default-appv2-80@kubernetescrd",
                 "default-app-mirror@kubernetescrd", "default-v1-80@kubernetescrd", "default-v2-80@kubernetescrd"):
        assert name in config["services"], (name, sorted(config["services"]))
    assert "default-redirect-https@kubernetescrd" in config["middlewares"]


@pytest.mark.parametrize("step, name, rule, priority", [
    ("nexus-step2.yaml", "kube-system-nexus-1e76507728a5b866c167@kubernetescrd", "Host(`nexus.qikqiak.com`) && PathPrefix(`/foo`)", 47),
    ("nexus-step3.yaml", "kube-system-nexus-6531cc8262ef10535143@kubernetescrd", "Host(`nexus.qikqiak.com`) && PathPrefix(`/static`)", 50),
    ("nexus-step4.yaml", "kube-system-nexus-6e5627338b932481c3c9@kubernetescrd",
     "Host(`nexus.qikqiak.com`) && (PathPrefix(`/static`) || PathPrefix(`/service`))", 78),
])
def test_names_of_the_rewrite_steps(manifests, step, name, rule, priority):
    manifests.apply(step)
    manifests.write("Service-nexus-default.yaml", service("nexus", 8081, addresses=["127.0.0.1:1"]))
    done = run("config", ENTRY_POINT, manifests_flag(manifests.path), "--providers.kubernetesCRD.allowCrossNamespace=true")
    router = json.loads(done.stdout)["routers"][name]
    assert (router["rule"], router["priority"]) == (rule, priority)


def test_config_hides_credentials(routes):
    done = run("config", ENTRY_POINT, routes("""http:
  routers: {a: {rule: "Host(`a.test`)", service: app, middlewares: [m]}}
  middlewares: {m: {headers: {customRequestHeaders: {Authorization: canary-1, X-Plain: seen}}}}
  services: {app: {loadBalancer: {servers: [{url: "http://127.0.0.1:1"}]}}}
"""))
    assert "canary-1" not in done.stdout + done.stderr
    assert "seen" in done.stdout


# ---- explain ----
def test_explain_a_match(routes):
    done = run("explain", ENTRY_POINT, routes(GOOD), "GET", "http://a.test:18000/api/x")
    assert done.returncode == 0, done.stderr
    for word in ("web", "api@file", "strip@file", "app@file", "http://127.0.0.1:1", "http://127.0.0.1:2"):
        assert word in done.stdout, done.stdout


def test_explain_who_gets_which_share(routes):
    done = run("explain", ENTRY_POINT, routes("""http:
  routers: {a: {rule: "Host(`a.test`) && Cookie(`canary`, `always`)", service: top}}
  services:
    top: {weighted: {services: [{name: copied, weight: 3}, {name: safe}], sticky: {cookie: {name: c}}}}
    copied: {mirroring: {service: app, mirrors: [{name: none, percent: 10}]}}
    safe: {failover: {service: app, fallback: none, errors: {status: ["500"]}}}
    app: {loadBalancer: {servers: [{url: "http://127.0.0.1:1", weight: 3}, {url: "http://127.0.0.1:2", fenced: true}, {url: "http://127.0.0.1:3"}]}}
    none: {loadBalancer: {servers: []}}
"""), "GET", "http://a.test:18000/", "-H", "Cookie: a=b; canary=always")
    assert done.returncode == 0, done.stderr
    for words in ("top@file: weighted, clients stick by the cookie c", "copied@file (weight 3): mirroring", "app@file (answers)", "none@file (copies of 10 %)",
                  "safe@file (weight 1): failover", "app@file (the first)", "none@file (the second)", "http://127.0.0.1:1 (weight 3)\n",
                  "http://127.0.0.1:2 (weight 0: only for clients that stick to it)", "http://127.0.0.1:3\n"):
        assert words in done.stdout, done.stdout


def test_explain_why_higher_priorities_did_not_match(routes):
    done = run("explain", ENTRY_POINT, routes(GOOD), "GET", "http://a.test:18000/other")
    assert "site@file" in done.stdout
    assert "PathPrefix(`/api`)" in done.stdout and "/other" in done.stdout


def test_explain_no_match(routes):
    done = run("explain", ENTRY_POINT, routes(GOOD), "GET", "http://b.test:18000/")
    assert "404" in done.stdout and "no_route" in done.stdout
    assert "Host(`a.test`) does not match" in done.stdout


@pytest.mark.parametrize("url, words", [
    ("https://tcp.test:18000/", ("TCP router     named@file takes the connection", "ends here", "TCP service    db@file")),
    ("https://pass.test:18000/", ("TCP router     pass@file", "passthrough")),
    ("https://h.test:18000/", ("h@file", "app@file")),
    ("https://other.test:18000/", ("TCP router     all@file",)),
    ("http://tcp.test:18000/", ("TCP router     plain@file", "TCP service    db@file")),
])
def test_explain_what_comes_before_http(routes, url, words):
    done = run("explain", ENTRY_POINT, routes("""http:
  routers: {h: {rule: "Host(`h.test`)", service: app, tls: {}}}
  services: {app: {loadBalancer: {servers: [{url: "http://127.0.0.1:1"}]}}}
tcp:
  routers:
    named: {rule: "HostSNI(`tcp.test`)", service: db, tls: {}}
    pass: {rule: "HostSNI(`pass.test`) && ALPN(`h2`)", service: db, tls: {passthrough: true}}
    all: {rule: "HostSNI(`*`)", service: db, tls: {}}
    plain: {rule: "HostSNI(`*`)", service: db}
  services: {db: {loadBalancer: {servers: [{address: "127.0.0.1:2"}]}}}
"""), "GET", url)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in words), done.stdout
    assert ("TCP router" in done.stdout) == ("TCP router" in words[0])


def test_explain_headers(routes):
    flag = routes('http:\n  routers: {a: {rule: "Header(`X-Team`, `red`)", service: app}}\n'
                  '  services: {app: {loadBalancer: {servers: [{url: "http://127.0.0.1:1"}]}}}\n')
    assert "a@file" in run("explain", ENTRY_POINT, flag, "GET", "http://x.test:18000/", "-H", "X-Team: red").stdout
    assert "no_route" in run("explain", ENTRY_POINT, flag, "GET", "http://x.test:18000/", "-H", "X-Team: blue").stdout


# ---- version, healthcheck, help ----
def test_version():
    done = run("version")
    assert done.returncode == 0 and "Version:" in done.stdout and "libuv" in done.stdout


def test_healthcheck(weir):
    port = free_port()
    flags = ["--ping", f"--entryPoints.traefik.address=127.0.0.1:{port}"]
    assert run("healthcheck", *flags).returncode == 1
    router = weir(*flags)
    wait_until("a healthy answer", lambda: run("healthcheck", *flags).returncode == 0)
    router.stop()
    assert run("healthcheck", *flags).returncode == 1


@pytest.mark.parametrize("args, words", [
    (["--help"], "usage: weir [flags]"), (["help"], "usage: weir [flags]"), (["--entryPoints.web.address=:80", "-h"], "usage: weir [flags]"),
    (["check", "--help"], "usage: weir check [flags]"), (["explain", "GET", "-h"], "usage: weir explain"), (["whoami", "--help"], "usage: weir whoami --port"),
])
def test_help_wherever_it_is_asked_for(args, words):
    got = run(*args)
    assert got.returncode == 0 and words in got.stdout and got.stderr == ""


def test_unknown_command():
    done = run("frobnicate")
    assert done.returncode == 1 and "frobnicate" in done.stderr


@pytest.mark.parametrize("args, words", [
    (["chek"], 'unknown command "chek", did you mean check?'), (["version", "x"], "weir version: takes no arguments"),
    (["check", "nowhere"], "nowhere: No such file or directory: write a folder or file of Kubernetes manifests here, or flags"),
    (["explain", "--providers.file.filename=x.yml", "http://a.test/"], "METHOD is missing in front of http://a.test/"),
    (["explain", "get", "http://a.test/"], '"get" in front of http://a.test/ is no method: it has capital letters'),
    (["explain", "GET", "a.test/x"], '"a.test/x" behind GET is no whole URL: write http://a.test/x'),
    (["explain", "GET"], "METHOD and URL are missing: GET http://example.com/path"),
    (["explain", "GET", "http://a.test/", "-H", "X-A"], "\"X-A\": -H needs 'Name: value'"),
    (["whoami", "--port"], "--port needs a value"), (["whoami", "--port", "65536"], '--port: "65536" is no port'),
    (["whoami", "--prot", "80"], '"--prot" is no option'), (["whoami", "--delay=soon"], "--delay: "),
    (["status", "--jsn"], '"--jsn" is no option'), (["status", "--pid", "x"], '--pid: "x" is no process id'), (["status", "--pid"], "--pid needs a value"),
    (["status", "--pid", "2147483647"], "there is no process 2147483647"),
    (["check", "--entryPoints.web.address=70000"], 'entryPoints.web.address: "70000": a port is a number from 1 to 65535'),
    (["check", "--entryPoints.web.address=web"], 'entryPoints.web.address: "web": the port is missing, write "web:80" for port 80'),
])
def test_wrong_arguments_are_named(args, words):
    got = run(*args)
    assert got.returncode in (1, 2) and words in got.stderr and got.stdout == ""


@pytest.mark.parametrize("text, words", [
    ("routers: {}", "routers: unknown field (http, tcp, udp, tls are known: it belongs below one of them)"),
    ("entryPoints: {}", "entryPoints: unknown field (http, tcp, udp, tls are known: it belongs to the static configuration, --configFile)"),
    ("http: {routers: {a: {rule: 'HostRegexp(`{x}.a.test`)', service: noop@internal}}}", "router a@file: rule: {x} is a template of the v2 syntax"),
])
def test_what_is_taken_for_something_else(text, words, routes):
    assert words in run("check", routes(text)).stderr


@pytest.mark.parametrize("tool, question", [("explain", ["GET", "http://a.test/"]), ("config", [])])
def test_flags_beside_a_file_are_said_to_be_ignored(tool, question, tmp_path):
    (tmp_path / "traefik.yml").write_text("entryPoints: {web: {address: ':80'}}\n")
    got = run(tool, f"--configFile={tmp_path}/traefik.yml", "--providers.file.filename=other.yml", *question)
    assert got.stderr == f"warning: the file {tmp_path}/traefik.yml is the configuration, these flags are ignored: --providers.file.filename\n"
    assert run(tool, f"--configFile={tmp_path}/traefik.yml", *question).stderr == ""


@pytest.mark.parametrize("flag", ["--version", "-v"])
def test_version_as_a_flag(flag):
    got = run(flag)
    assert (got.returncode, got.stderr) == (0, "") and got.stdout.startswith("Version: ")


@pytest.mark.parametrize("group", ["traefik.io", "traefik.containo.us"])
def test_custom_resource_definitions_are_fresh(group):
    done = run("crds", group)
    assert done.stdout == (ROOT / f"helm/weir/crds/{group}.yaml").read_text(), "run make reference"
    assert done.stdout.count("kind: CustomResourceDefinition") == done.stdout.count(f"  group: {group}\n") > 3


def test_reference_page_is_fresh():
    done = run("reference")
    assert done.stdout == (ROOT / "docs/reference.md").read_text(), "run make reference"
