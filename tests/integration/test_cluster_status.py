"""What weir says in a cluster about its objects, against an API server that a test directs: statuses, Events, the Lease."""
import subprocess

import pytest

from api_server import EVENTS, GROUPS, LEASES, api  # noqa: F401 a fixture
from conftest import BINARY
from test_cluster import TOKEN, published, route, serves, service

ROUTES, INGRESSES = GROUPS["IngressRoute"], GROUPS["Ingress"]
LEASE = f"{LEASES}/weir-kubernetescrd"


@pytest.fixture
def cluster_weir(api, weir):
    def start(*args, provider="kubernetesCRD", pod="weir-0", namespace="weir", **options):
        return weir(f"--providers.{provider}.endpoint={api.url}", f"--providers.{provider}.token={TOKEN}", *args,
                    env={"KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": "", "POD_NAMESPACE": namespace, "POD_NAME": pod}, **options)
    return start


def holder(api, path=LEASE):
    return api.leases.get(path, {}).get("spec", {}).get("holderIdentity", "")


def statuses(api):
    return [(path.rsplit("/", 2)[1], body) for method, path, body in api.writes if method == "PATCH"]


def broken(name):
    thing = route(name)
    thing["spec"]["routes"][0]["services"][0]["name"] = "missing"
    return thing


def test_a_route_says_whether_it_is_accepted_and_why_not(api, cluster_weir, whoami):
    half = route("half")
    half["spec"]["routes"].append(broken("other")["spec"]["routes"][0])
    api.put(*service(whoami()), route("good"), broken("bad"), half)
    program = cluster_weir()
    serves(program, "good.test")
    api.wait(lambda: len(statuses(api)) == 3)
    good, bad, partly = (api.condition(name) for name in ("good", "bad", "half"))
    assert (good["status"], good["reason"], good["message"], good["observedGeneration"]) == ("True", "Accepted", "in force", 1)
    assert (bad["status"], bad["reason"]) == ("False", "Refused") and "missing" in bad["message"], bad
    assert bad["message"].startswith("spec.routes[0].services[0]"), bad
    assert partly["reason"] == "PartlyRefused" and partly["message"].startswith("1 of 2 routes refused: spec.routes[1]"), partly
    events = {event["regarding"]["name"]: event for event in api.events.values()}
    assert set(events) == {"bad", "half"}
    event = events["bad"]
    assert (event["type"], event["reason"], event["note"]) == ("Warning", "Refused", bad["message"])
    assert event["reportingInstance"].startswith("weir-0_") and event["regarding"]["kind"] == "IngressRoute"


def test_what_is_said_once_is_not_said_again(api, cluster_weir, whoami):
    """Its own words that come back as events publish nothing; changes elsewhere, a new master and a new weir write nothing."""
    backend = whoami()
    api.put(*service(backend), route("a"), broken("b"))
    program = cluster_weir()
    serves(program, "a.test")
    api.wait(lambda: len(statuses(api)) == 2)
    before = published(program)
    api.put(route("c"))
    serves(program, "c.test")
    api.wait(lambda: api.condition("c"))
    assert published(program) == before + 1  # for the route, not for three statuses
    count = len(api.writes)
    seen = len(api.watched[ROUTES])
    program.kill_master()
    api.wait_watch(ROUTES, seen)
    api.put(route("d"))  # its status comes after all that a new master would have to say
    serves(program, "d.test")
    api.wait(lambda: api.condition("d"))
    assert len(api.writes) == count + 1
    program.stop()
    second = cluster_weir(pod="weir-1")
    serves(second, "a.test")
    api.wait(lambda: holder(api).startswith("weir-1_"))
    api.put(route("e"))
    serves(second, "e.test")
    api.wait(lambda: api.condition("e"))
    assert len(api.writes) == count + 2


def test_a_change_of_its_meaning_is_said(api, cluster_weir, whoami):
    api.put(*service(whoami()), broken("a"))
    cluster_weir()
    first = api.wait(lambda: api.condition("a"))
    api.put(route("a"))
    api.wait(lambda: api.condition("a")["status"] == "True")
    assert api.condition("a")["observedGeneration"] == 2
    api.wait(lambda: [e["type"] for e in api.events.values()] == ["Warning", "Normal"])
    changed = route("a")
    changed["spec"]["routes"][0]["priority"] = 7
    since = api.condition("a")["lastTransitionTime"]
    api.put(changed)
    api.wait(lambda: api.condition("a")["observedGeneration"] == 3)
    assert api.condition("a")["lastTransitionTime"] == since >= first["lastTransitionTime"]
    assert len(api.events) == 2


def test_only_the_holder_writes_and_another_one_follows(api, cluster_weir, whoami):
    api.put(*service(whoami()), route("a"))
    first = cluster_weir(pod="weir-0")
    api.wait(lambda: holder(api).startswith("weir-0_") and api.condition("a"))
    second = cluster_weir(pod="weir-1")
    serves(second, "a.test")
    api.put(route("b"))
    serves(second, "b.test")
    api.wait(lambda: api.condition("b"))
    assert {h.split("_")[0] for code, h in api.renewals if code == 200} == {"weir-0"}
    first.stop()  # gives it back, so nobody waits for 15 s
    api.wait(lambda: (200, "") in api.renewals)
    api.wait(lambda: holder(api).startswith("weir-1_"))
    assert api.leases[LEASE]["spec"]["leaseTransitions"] == 1
    api.put(route("c"))
    api.wait(lambda: api.condition("c"))
    assert sum(name == "a" for name, _ in statuses(api)) == 1


@pytest.mark.parametrize("code,words,line", [
    (404, "page not found", r"WRN ingressroutes\.traefik\.io: the installed definition has no status \(404\)"),
    (403, 'User "weir" cannot patch', r"WRN ingressroutes\.traefik\.io: status cannot be written \(403: User"),
])
def test_a_status_that_cannot_be_written_is_one_line(api, cluster_weir, whoami, code, words, line):
    api.put(*service(whoami()), *(route(f"r{i}") for i in range(5)))
    api.refuse[f"PATCH {ROUTES}"] = [(code, words)]
    program = cluster_weir()
    program.wait_log(line)
    serves(program, "r4.test")
    api.put(route("more"), broken("bad"))
    serves(program, "more.test")
    api.wait(lambda: [e["regarding"]["name"] for e in api.events.values()] == ["bad"])  # Events are another right
    program.wait_log("WRN ingressroutes.traefik.io:")
    assert len([l for l in program.log().splitlines() if "WRN ingressroutes.traefik.io:" in l]) == 1
    if code == 403:
        program.wait_log(r"INF ingressroutes\.traefik\.io can be written now", seconds=60)  # tried again after 5 s
        api.wait(lambda: all(api.condition(f"r{i}") for i in range(5)))


def test_a_refusal_that_may_pass_is_met_again(api, cluster_weir, whoami):
    api.put(*service(whoami()), route("a"))
    api.refuse[f"PATCH {ROUTES}"] = [(409, "conflict"), (500, "later")]
    program = cluster_weir()
    api.wait(lambda: api.condition("a"))
    assert [name for name, _ in statuses(api)] == ["a"] * 3
    assert "WRN ingressroutes" not in program.log()


def test_events_that_are_forbidden_are_one_line(api, cluster_weir, whoami):
    api.put(*service(whoami()), broken("a"), broken("b"))
    api.refuse[f"POST {EVENTS}"] = [(403, "no events")] * 9
    program = cluster_weir()
    api.wait(lambda: api.condition("a") and api.condition("b"))
    program.wait_log(r"Events cannot be written \(403: no events\)")
    assert len([l for l in program.log().splitlines() if "Events cannot be written (403: no events)" in l]) == 1


def test_a_lease_that_cannot_be_had_is_one_line(api, cluster_weir, whoami):
    api.put(*service(whoami()), route("a"))
    api.refuse[LEASE] = [(403, "no leases")] * 99
    program = cluster_weir()
    serves(program, "a.test")
    program.wait_log(r"WRN The Lease weir/weir-kubernetescrd cannot be had \(403: no leases\)")
    api.put(route("b"))
    serves(program, "b.test")
    assert api.writes == [] and program.log().count("cannot be had") == 1


@pytest.mark.parametrize("args,namespace,line", [
    (["--providers.kubernetesCRD.status=false"], "weir", None),
    ([], "", r"INF Status of objects is not written: this is no pod"),
])
def test_nothing_is_written_without_leave(api, cluster_weir, whoami, args, namespace, line):
    api.put(*service(whoami()), broken("bad"), route("a"))
    program = cluster_weir(*args, namespace=namespace)
    serves(program, "a.test")
    if line:
        program.wait_log(line)
    assert api.writes == [] and api.renewals == [] and not any("/leases/" in path for path, _, _ in api.requests)


@pytest.mark.parametrize("tool", ["check", "config"])
def test_tools_never_write(api, whoami, tool):
    api.put(*service(whoami()), broken("bad"))
    done = subprocess.run([BINARY, tool, "--entryPoints.web.address=:80", f"--providers.kubernetesCRD.endpoint={api.url}"],
                          env={"POD_NAMESPACE": "weir", "POD_NAME": "weir-0", "PATH": "/usr/bin"}, capture_output=True, text=True, timeout=60)
    assert "missing" in done.stdout + done.stderr
    assert api.writes == [] and api.renewals == [] and not any("/leases/" in path for path, _, _ in api.requests)


def ingress(name="i"):
    backend = {"service": {"name": "app", "port": {"number": 80}}}
    return {"kind": "Ingress", "metadata": {"name": name}, "spec": {"rules": [
        {"host": f"{name}.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}}


def balancer(api, name="i"):
    return api.objects[INGRESSES][name].get("status", {}).get("loadBalancer", {}).get("ingress")


@pytest.mark.parametrize("arguments,spec,want", [
    (["ingressEndpoint.ip=192.0.2.7", "ingressEndpoint.hostname=edge.test"], None, [{"ip": "192.0.2.7", "hostname": "edge.test"}]),
    (["ingressEndpoint.publishedService=default/pub"],
     {"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.8", "ipMode": "VIP"}, {"hostname": "h"}]}}},
     [{"ip": "192.0.2.8"}, {"hostname": "h"}]),
    (["ingressEndpoint.publishedService=default/pub"],
     {"spec": {"type": "ClusterIP", "externalIPs": ["192.0.2.9"], "ports": [{"port": 80, "protocol": "TCP"}]}},
     [{"ip": "192.0.2.9", "ports": [{"port": 80, "protocol": "TCP"}]}]),
    (["ingressEndpoint.publishedService=default/pub"],
     {"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}}, [{"ip": "198.51.100.1", "ports": [{"port": 30080, "protocol": "TCP"}]}]),
    (["ingressEndpoint.publishedService=default/pub"], {"spec": {"type": "ExternalName", "externalName": "x.test"}}, [{"hostname": "x.test"}]),
    (["reportNodeInternalIPs"], None, [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]),
])
def test_ingresses_show_addresses(api, cluster_weir, whoami, arguments, spec, want):
    api.objects["/api/v1/nodes"] = {f"n{i}": {"metadata": {"name": f"n{i}"}, "status": {"addresses": [
        {"type": "InternalIP", "address": f"10.0.0.{i}"}, *([{"type": "ExternalIP", "address": "198.51.100.1"}] if i == 1 else [])]}} for i in (1, 2)}
    api.put(*service(whoami()), ingress())
    if spec:
        api.put({"kind": "Service", "metadata": {"name": "pub"}, **spec})
    program = cluster_weir(*(f"--providers.kubernetesIngress.{a}" for a in arguments), provider="kubernetesIngress")
    api.wait(lambda: balancer(api))
    assert balancer(api) == want
    before = published(program)
    api.put(ingress("more"))
    serves(program, "more.test")
    api.wait(lambda: balancer(api, "more"))
    assert len(statuses(api)) == 2 and published(program) == before + 1


def test_a_published_service_that_is_missing_is_said_and_leaves_the_status(api, cluster_weir, whoami):
    api.put(*service(whoami()), {**ingress(), "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}})
    program = cluster_weir("--providers.kubernetesIngress.ingressEndpoint.publishedService=default/none", provider="kubernetesIngress")
    program.wait_log(r"ERR .*publishedService: the Service default/none does not exist")
    serves(program, "i.test")
    path = f"{LEASES}/weir-kubernetes"
    api.wait(lambda: holder(api, path))
    api.put({"kind": "Service", "metadata": {"name": "none"}, "spec": {"type": "ExternalName", "externalName": "x.test"}})
    api.wait(lambda: balancer(api) == [{"hostname": "x.test"}])
    assert len(statuses(api)) == 1
