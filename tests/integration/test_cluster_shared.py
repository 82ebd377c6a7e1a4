"""Both Kubernetes providers against one API server (api_server.py): what both read is asked for once."""
import json
import signal

from api_server import GROUPS, api  # noqa: F401 a fixture
from conftest import curl, free_port, quick_get, wait_until
from test_cluster import TOKEN, route, serves, service

SHARED = {GROUPS["Service"], GROUPS["EndpointSlice"], GROUPS["Secret"], "/api/v1/nodes"}
ENVIRONMENT = {"KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""}


def ingress(name):
    backend = {"service": {"name": "app", "port": {"number": 80}}}
    return {"kind": "Ingress", "metadata": {"name": name}, "spec": {"tls": [{"secretName": "cert"}], "rules": [
        {"host": f"{name}.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}}


def with_secret():
    """A route that names the Secret that the Ingresses name."""
    out = route("private")
    out["spec"]["tls"] = {"secretName": "cert"}
    return out


SECRET = {"kind": "Secret", "metadata": {"name": "cert"}, "data": {"tls.crt": "YQ==", "tls.key": "YQ=="}}


def asked(api, path):
    """(lists, watches) of a kind."""
    queries = ["watch" in q for p, q, _ in api.requests if p == path]
    return queries.count(False), queries.count(True)


class Settings:
    """A static configuration whose providers a test turns on and off."""

    def __init__(self, path, api):
        self.path, self.url, self.port = path, api.url, free_port()

    def write(self, *providers):
        options = {"endpoint": self.url, "token": TOKEN}
        self.path.write_text(json.dumps({
            "entryPoints": {"web": {"address": f"127.0.0.1:{self.port}"}}, "log": {"level": "DEBUG"}, "workers": 1,
            "providers": {name: options for name in providers}}))


def test_what_both_read_is_asked_for_once(api, weir, whoami):
    old, new = whoami("old"), whoami("new")
    api.put(*service(old), route("a"), with_secret(), ingress("i"), SECRET)
    program = weir(*(f"--providers.{name}.{option}" for name in ("kubernetesCRD", "kubernetesIngress")
                     for option in (f"endpoint={api.url}", f"token={TOKEN}")), env=ENVIRONMENT)
    for host in ("a.test", "i.test"):
        assert curl(program.ports["web"], host=host).status == 200
    for path in SHARED:
        api.wait_watch(path)
        assert asked(api, path) == (1, 1), path
    api.put(service(new)[1])
    for host in ("a.test", "i.test"):
        wait_until(f"{host} has its new server", lambda: "Name: new" in quick_get(program.ports["web"], host=host).body)
    api.put(route("b"), ingress("j"))
    serves(program, "b.test")
    serves(program, "j.test")
    assert {asked(api, path) for path in SHARED} == {(1, 1)}


def test_who_comes_later_is_given_what_is_known_and_keeps_it(api, weir, whoami, tmp_path):
    """Also what changed meanwhile, and also when the other one leaves in the end."""
    settings = Settings(tmp_path / "weir.json", api)
    api.put(*service(whoami()), route("a"), with_secret(), ingress("i"), SECRET)
    settings.write("kubernetesCRD")
    program = weir(f"--configFile={settings.path}", web=False, workers=None, env=ENVIRONMENT)
    program.ports["web"] = settings.port
    assert curl(settings.port, host="a.test").status == 200
    for wanted, host, gone in ((("kubernetesCRD", "kubernetesIngress"), "i.test", None), (("kubernetesIngress",), "i.test", "a.test"),
                               (("kubernetesCRD", "kubernetesIngress"), "a.test", None)):
        settings.write(*wanted)
        program.process.send_signal(signal.SIGHUP)
        serves(program, host)
        if gone:
            serves(program, gone, 404)
    fresh = whoami("fresh")
    api.put(service(fresh)[1])
    for host in ("a.test", "i.test"):
        wait_until(f"{host} has its new server", lambda: "Name: fresh" in quick_get(settings.port, host=host).body)
    for path in SHARED:
        assert asked(api, path) == (1, 1), path


def test_a_kind_that_cannot_be_read_is_said_once_to_both(api, weir, whoami):
    """And what stands in for it is shared as well."""
    api.gone.add(GROUPS["EndpointSlice"])
    backend = whoami("old")
    api.put(*service(backend), route("a"), ingress("i"), SECRET,
            {"kind": "Endpoints", "metadata": {"name": "app"}, "subsets": [{"addresses": [{"ip": backend.host}], "ports": [{"port": backend.port}]}]})
    program = weir(*(f"--providers.{name}.{option}" for name in ("kubernetesCRD", "kubernetesIngress")
                     for option in (f"endpoint={api.url}", f"token={TOKEN}")), env=ENVIRONMENT)
    for host in ("a.test", "i.test"):
        serves(program, host)
    assert asked(api, GROUPS["Endpoints"])[0] == 1
    program.wait_log(r"WRN endpointslices\.discovery\.k8s\.io: the API server does not have this kind")
    assert len([line for line in program.log().splitlines() if "WRN endpointslices" in line]) == 1
    api.gone.discard(GROUPS["EndpointSlice"])
    program.wait_log(r"INF endpointslices\.discovery\.k8s\.io can be read now")
    for host in ("a.test", "i.test"):
        serves(program, host)
