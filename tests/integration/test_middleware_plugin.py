"""plugin: modules that weir has an equivalent of. plugindemo: request headers with templates."""
import pytest

from conftest import curl, wait_until
from proxying import server  # noqa: F401 a fixture
from rawhttp import answer_all, get
from routing import one_route, routed, write  # noqa: F401 fixtures

pytestmark = pytest.mark.usefixtures("server", "routed")

DEMO = "--experimental.plugins.plugindemo.modulename=github.com/traefik/plugindemo"
VERSION = "--experimental.plugins.plugindemo.version=v0.2.1"
LOCAL = "--experimental.localPlugins.Mine.moduleName=github.com/traefik/plugindemo"


def plugin(name="plugindemo", **headers):
    return {"p": {"plugin": {name: {"Headers": headers}}}}


def ask(proxied, data):
    client = proxied.connect()
    client.send(data)
    return client.response()


def got(server, routed, headers, data=get("/a%20b/%C3%A9?x=1", "User-Agent: me", "X-In: in", "X-In: two")):
    app = server(answer_all())
    proxied = routed(one_route(app, {"p": {"plugin": {"plugindemo": {"headers": headers}}}}), DEMO, VERSION)
    assert ask(proxied, data).status == 200
    return app.requests[-1]


def test_headers_are_set(server, routed):
    request = got(server, routed, {"X-Demo": "test", "foo": "bar", "X-In": "mine", "Host": "no.test", "X-Number": 5})
    assert [request.all(name) for name in ("x-demo", "foo", "x-in", "x-number")] == [["test"], ["bar"], ["mine"], ["5"]]
    assert request.get("host") == "a.test" and b"\r\nFoo: bar\r\n" in request.raw


@pytest.mark.parametrize("template, value", [
    ("[[.Host]]", "a.test"),
    ("[[ .Method ]] [[.Proto]]", "GET HTTP/1.1"),
    ("a [[- .RequestURI -]] b", "a/a%20b/%C3%A9?x=1b"),
    ("[[.URL]]|[[.URL.String]]", "/a%20b/%C3%A9?x=1|/a%20b/%C3%A9?x=1"),
    ("[[.URL.Path]]", "/a b/é"),
    ("[[.URL.EscapedPath]]?[[.URL.RawQuery]]", "/a%20b/%C3%A9?x=1"),
    ("[[.UserAgent]][[.Referer]]", "me"),
    ("[[.Header.Get \"x-in\"]] [[.Header.Get `X-None`]]", "in "),
    ("[[/* nothing */]][.Host] ]] [[\"[x]\"]]", "[.Host] ]] [x]"),
])
def test_templates(server, routed, template, value):
    request = got(server, routed, {"X-Made": template})
    assert request.get("x-made").strip() == value.strip().encode().decode("latin-1")


def test_remote_address(server, routed):
    app = server(answer_all())
    proxied = routed(one_route(app, plugin(**{"X-Remote": "[[.RemoteAddr]]"})), DEMO)
    client = proxied.connect()
    client.send(get("/"))
    client.response()
    assert app.requests[-1].get("x-remote") == "127.0.0.1:%d" % client.sock.getsockname()[1]


def test_names_are_bound_to_modules_over_changes(server, routed):
    app = server(answer_all())
    config = one_route(app, plugin("mine", X="1"))
    proxied = routed(config, LOCAL, "--experimental.plugins.other.moduleName=github.com/some/other")
    assert ask(proxied, get("/")).status == 200 and app.requests[-1].get("x") == "1"
    config["middlewares"] = plugin("mine", X="2")
    proxied.change(config)
    assert ask(proxied, get("/")).status == 200 and app.requests[-1].get("x") == "2"
    for name, words in (("other", 'plugin other: this build has no equivalent of the module .*github.com/some/other'),
                        ("nowhere", "unknown plugin type: nowhere")):
        mark = proxied.router.mark()
        config["middlewares"] = plugin(name, X="3")
        write(proxied.path, config)
        proxied.router.wait_log(words, start=mark)
    wait_until("the router is gone", lambda: ask(proxied, get("/")).status == 404)


@pytest.mark.parametrize("options, words", [
    ({}, "plugin plugindemo: headers cannot be empty"),
    ({"headers": {}}, "plugin plugindemo: headers cannot be empty"),
    ({"headers": {"X": "1"}, "other": 1}, "other is not known"),
    ({"headers": {"X y": "1"}}, "is no name of a header"),
    ({"headers": {"X": "[[.Host"}}, "the end of the template is missing"),
    ({"headers": {"X": "[[.Body]]"}}, "headers.X: the template is not served"),
    ({"headers": {"X": "[[if .Host]]a[[end]]"}}, "headers.X: the template is not served"),
])
def test_wrong_options_disable_the_router(server, routed, options, words):
    proxied = routed(one_route(server(answer_all()), {"p": {"plugin": {"plugindemo": options}}}), DEMO)
    assert ask(proxied, get("/")).status == 404
    proxied.router.wait_log(words)


WHOAMI = """
apiVersion: v1
kind: Service
metadata:
  name: whoami
  annotations: {{weir.dev/addresses: "127.0.0.1:{port}"}}
spec:
  ports: [{{port: 80, name: http}}]
"""
OBJECTS = """
apiVersion: traefik.containo.us/v1alpha1
kind: Middleware
metadata:
  name: my-private-plugin
spec:
  plugin:
    plugindemo:
      Headers:
        X-Demo: private-demo
        Foo: bar
---
apiVersion: traefik.containo.us/v1alpha1
kind: IngressRoute
metadata:
  name: ingressroute-demo
  namespace: default
spec:
  entryPoints: [web]
  routes:
    - match: Host(`who.qikqiak.com`) && PathPrefix(`/notls`)
      kind: Rule
      services: [{name: whoami, port: 80}]
      middlewares: [{name: my-private-plugin}]
"""


@pytest.mark.parametrize("bound", [DEMO, "--experimental.localPlugins.plugindemo.moduleName=github.com/traefik/plugindemo"])
def test_objects_of_kubernetes(weir, whoami, manifests, bound):
    backend = whoami("w1")
    manifests.write("service.yaml", WHOAMI.format(port=backend.port))
    manifests.write("plugin.yaml", OBJECTS)
    router = weir(f"--providers.kubernetesCRD.manifests={manifests.path}", bound, "--pilot.token=x")
    body = curl(router.ports["web"], "/notls", host="who.qikqiak.com").body
    assert "\nFoo: bar\n" in body.replace("\r", "") and ("X-Demo: private-demo" in body)
