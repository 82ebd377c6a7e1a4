"""An endpoint that changes costs its own page and nothing else, and what comes of it is what the whole way would publish."""
import base64
import copy
import hashlib
import itertools
import os
import random
import re
import signal

import pytest

import api_server
from api_server import GROUPS, api  # noqa: F401 a fixture
from conftest import curl, quick_get, wait_until

SHORT = r"Only servers changed, of [1-9]"
CHANGED = "Configuration changed"


@pytest.fixture
def cluster_weir(api, weir):
    def start(*args, **options):
        return weir(*(f"--providers.{name}.{option}" for name in ("kubernetesCRD", "kubernetesIngress")
                      for option in (f"endpoint={api.url}", "token=s3cret")), *args,
                    env={"KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""}, **options)
    return start


def service(name, **spec):
    return {"kind": "Service", "metadata": {"name": name},
            "spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "web", "port": 80}, {"name": "more", "port": 81}], **spec}}


def endpoint_slice(name, owner, endpoints, port=8080, ports=("web", "more")):
    """endpoints: addresses, or (address, conditions)."""
    pairs = [item if isinstance(item, tuple) else (item, {"ready": True}) for item in endpoints]
    return {"kind": "EndpointSlice", "metadata": {"name": name, "labels": {"kubernetes.io/service-name": owner}},
            "addressType": "IPv4", "ports": [{"name": each, "port": port} for each in ports],
            "endpoints": [{"addresses": [address], "conditions": conditions} for address, conditions in pairs]}


def route(name, *services, kind="Rule", **more):
    return {"kind": "IngressRoute", "metadata": {"name": name},
            "spec": {"routes": [{"match": f"Host(`{name}.test`)", "kind": kind,
                                 "services": [{"port": 80, **each} for each in services], **more}]}}


def ingress(name, *backends):
    paths = [{"path": f"/{number}", "pathType": "Prefix", "backend": {"service": {"name": backend, "port": {"name": port}}}}
             for number, (backend, port) in enumerate(backends)]
    return {"kind": "Ingress", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": name},
            "spec": {"rules": [{"host": f"{name}.test", "http": {"paths": paths}}]}}


def short(program):
    return sum("Only servers changed" in line and "of 0 " not in line for line in program.log().splitlines())


def lines(program, words, mark=0):
    return [line for line in program.log().splitlines()[mark:] if words in line]


def answers(program, host, name):
    wait_until(f"{host} is answered by {name}", lambda: f"Name: {name}" in quick_get(program.ports["web"], "/0", host=host).body)


class Marker:
    """Two backends that take turns: what was put before has arrived when the other one answers."""

    def __init__(self, api, whoami):
        self.api, self.backends, self.turn = api, [whoami("one", host="127.0.0.2"), whoami("two", host="127.0.0.3")], 0
        api.put(service("marker"), route("marker", {"name": "marker"}), ingress("marker2", ("marker", "web")))
        self.put()

    def put(self):
        backend = self.backends[self.turn]
        self.api.put(endpoint_slice("marker-1", "marker", [backend.host], port=backend.port))

    def wait(self, program):
        self.turn = 1 - self.turn
        self.put()
        for host in ("marker.test", "marker2.test"):  # each provider has a watch of its own
            answers(program, host, self.backends[self.turn].name)


def whole_way_finds_nothing(program):
    """What was changed before has been said when this returns: its line may come later than the change itself."""
    mark = program.mark()
    os.kill(program.pid, signal.SIGHUP)
    mark, _ = program.wait_log("SIGHUP: reading the static configuration again", mark)
    program.wait_log(r"Nothing changed|" + CHANGED, mark)
    assert not lines(program, CHANGED, mark), "\n".join(program.log().splitlines()[mark - 20:])


def test_an_endpoint_is_in_force_without_a_compile(api, cluster_weir, whoami):
    marker = Marker(api, whoami)
    api.put(service("a"), endpoint_slice("a-1", "a", ["10.0.0.1"]), route("a", {"name": "a"}), ingress("b", ("a", "web")))
    program = cluster_weir()
    marker.wait(program)
    whole_way_finds_nothing(program)
    mark, before = program.mark(), short(program)
    api.put(endpoint_slice("a-1", "a", ["10.0.0.1", "10.0.0.2"]))
    for name in (r"default-a-[0-9a-f]+@kubernetescrd", "default-a-web@kubernetes"):  # together or one after the other
        program.wait_log(rf"INF Configuration changed: services: . changed \(.*{name}", mark)
    changes = lines(program, CHANGED, mark)
    assert len(changes) == short(program) - before <= 2 and not lines(program, "ERR", mark)
    whole_way_finds_nothing(program)


def test_what_is_no_news_publishes_nothing(api, cluster_weir, whoami):
    marker = Marker(api, whoami)
    api.put(service("a"), endpoint_slice("a-1", "a", ["10.0.0.1"]), route("a", {"name": "a"}), service("nobody"))
    program = cluster_weir()
    mark = program.mark()
    for i in range(20):
        thing = endpoint_slice("a-1", "a", ["10.0.0.1"])
        thing["metadata"]["annotations"] = {"endpoints.kubernetes.io/last-change-trigger-time": str(i)}
        thing["endpoints"][0].update(nodeName=f"n{i}", hints={"forZones": [{"name": f"z{i}"}]})  # read by nobody
        api.put(thing, endpoint_slice("n-1", "nobody", [f"10.0.1.{i}"]))
    marker.wait(program)
    program.wait_log(CHANGED, mark)
    changes = lines(program, CHANGED, mark)
    assert 1 <= len(changes) <= 2 and all("changed (default-marker-" in line and "default-a-" not in line for line in changes), changes


def test_no_server_and_servers_again_are_read_without_the_others(api, cluster_weir, whoami):
    """To none and back: the routes that ask for them go and come, with their errors, and no other object is looked at."""
    backend = whoami("back", host="127.0.0.4")
    some, none = endpoint_slice("a-1", "a", [backend.host], port=backend.port), endpoint_slice("a-1", "a", [])
    api.put(service("a"), some, route("a", {"name": "a"}), route("two", {"name": "a"}, {"name": "a", "port": 81}),
            service("b"), endpoint_slice("b-1", "b", [backend.host], port=backend.port), route("b", {"name": "b"}))
    named = route("named", {"name": "b"})
    named["spec"]["tls"] = {"options": {"name": "x"}}  # concerns nobody without TLS
    api.put(named)
    program = cluster_weir()
    for host in ("a.test", "two.test", "b.test"):
        answers(program, host, "back")
    for _ in range(2):
        mark = program.mark()
        api.put(none)
        wait_until("the routes are gone", lambda: {quick_get(program.ports["web"], host=f"{name}.test").status for name in ("a", "two")} == {404})
        program.wait_log(r"ERR .*router default-a-.*the Service default/a has no servers: no ready endpoint", mark)
        api.put(some)
        for host in ("a.test", "two.test"):
            answers(program, host, "back")
        whole_way_finds_nothing(program)
        changes = lines(program, CHANGED, mark)
        assert patches(program, mark) == len(changes) >= 2, "\n".join(changes)
    assert curl(program.ports["web"], host="b.test").status == 200
    api.remove("EndpointSlice", "a-1")  # an Endpoints object may count now
    wait_until("the routes are gone", lambda: quick_get(program.ports["web"], host="a.test").status == 404)
    whole_way_finds_nothing(program)
    mark = program.mark()
    api.put(some)
    answers(program, "two.test", "back")
    whole_way_finds_nothing(program)
    assert patches(program, mark) == len(lines(program, CHANGED, mark)) == 1


def test_no_server_for_ingresses_is_read_without_the_others(api, cluster_weir, whoami):
    """Two that share what they make of a Service, and one that has nothing to do with it."""
    backend = whoami("back", host="127.0.0.4")
    some, none = endpoint_slice("a-1", "a", [backend.host], port=backend.port), endpoint_slice("a-1", "a", [])
    api.put(service("a"), some, service("b"), endpoint_slice("b-1", "b", [backend.host], port=backend.port),
            ingress("one", ("a", "web")), ingress("two", ("a", "web"), ("b", "web")), ingress("three", ("b", "web")))
    program = cluster_weir()

    def statuses():
        return [curl(program.ports["web"], path, host=f"{host}.test").status for host, path in (("one", "/0"), ("two", "/0"), ("two", "/1"), ("three", "/0"))]

    wait_until("all are served", lambda: statuses() == [200] * 4)
    whole_way_finds_nothing(program)
    mark = program.mark()
    for away, back in ((none, some), (none, some), (service("a", ports=[{"name": "more", "port": 80}]), service("a"))):
        api.put(away)
        wait_until("two paths are gone", lambda: statuses() == [404, 404, 200, 200])
        whole_way_finds_nothing(program)
        api.put(back)
        wait_until("all are served", lambda: statuses() == [200] * 4)
        whole_way_finds_nothing(program)
    changes = lines(program, CHANGED, mark)
    assert patches(program, mark) == len(changes) >= 6, "\n".join(changes)
    mark = program.mark()
    api.put(ingress("one", ("b", "web")))  # the other goes on with what the first made
    program.wait_log(r"routers: 1 changed \(default-one-one-test-0@kubernetes\)", mark)
    api.put(none)
    wait_until("one path is gone", lambda: statuses() == [200, 404, 200, 200])
    whole_way_finds_nothing(program)
    assert patches(program, mark) == 1


def test_no_server_where_that_is_fine_is_a_change_of_servers(api, cluster_weir, whoami):
    backend = whoami("back", host="127.0.0.4")
    some, none = endpoint_slice("a-1", "a", [backend.host], port=backend.port), endpoint_slice("a-1", "a", [])
    api.put(service("a"), none, route("a", {"name": "a"}), ingress("b", ("a", "web")))
    program = cluster_weir(*(f"--providers.{name}.allowEmptyServices=true" for name in ("kubernetesCRD", "kubernetesIngress")))

    def statuses():
        return {curl(program.ports["web"], "/0", host=f"{name}.test").status for name in "ab"}

    wait_until("nobody is there", lambda: statuses() == {503})
    for _ in range(2):
        mark, before = program.mark(), short(program)
        api.put(some)
        wait_until("somebody is there", lambda: statuses() == {200})
        api.put(none)
        wait_until("nobody is there", lambda: statuses() == {503})
        whole_way_finds_nothing(program)
        assert 2 <= short(program) - before == len(lines(program, CHANGED, mark)) <= 4


def test_a_pod_that_ends_serves_its_sessions_and_nobody_else(api, cluster_weir, whoami):
    one, two = whoami("one", host="127.0.0.4"), whoami("two", host="127.0.0.5")
    api.put(service("a"), endpoint_slice("a-1", "a", [one.host], port=one.port), endpoint_slice("a-2", "a", [two.host], port=two.port),
            route("a", {"name": "a", "sticky": {"cookie": {"name": "c"}}}))
    program = cluster_weir()

    def ask(*headers):
        answer = curl(program.ports["web"], host="a.test", headers=headers)
        return re.search("Name: (.*)", answer.body).group(1), answer.header("set-cookie")

    found = {}
    wait_until("both have a session", lambda: found.update([ask()]) or len(found) == 2)
    session = "Cookie: " + found["one"].partition(";")[0]
    ending = {"ready": False, "serving": True, "terminating": True}
    api.put(endpoint_slice("a-1", "a", [(one.host, ending)], port=one.port))
    wait_until("nobody comes to it any more", lambda: {ask()[0] for _ in range(8)} == {"two"})
    assert [ask(session) for _ in range(4)] == [("one", None)] * 4
    api.put(endpoint_slice("a-1", "a", [(one.host, {**ending, "serving": False})], port=one.port))
    wait_until("its session goes on elsewhere", lambda: ask(session)[0] == "two")


NAMES = ("a", "b", "c", "d")


def some_endpoints(rng):
    conditions = [{"ready": True}, {"ready": True}, {}, {"ready": False}, {"ready": False, "serving": True, "terminating": True}]
    return [(f"10.0.0.{rng.randrange(1, 12)}", rng.choice(conditions)) for _ in range(rng.randrange(0, 5))]


def some_slice(rng):
    """Its name says to whom it belongs at first; now and then another Service gets it, or a port is missing."""
    owner = rng.choice(NAMES)
    return endpoint_slice(f"{owner}-{rng.randrange(3)}", owner if rng.random() < 0.9 else rng.choice(NAMES), some_endpoints(rng),
                          port=rng.choice([8080, 8080, 9090]), ports=rng.choice([("web", "more")] * 6 + [("web",)]))


def odd_ingresses():
    """A default backend; two paths of one name; annotations of Traefik 1; one whose router would be called as another's."""
    whole, twins, old = ingress("whole"), ingress("twins", ("a", "web"), ("d", "web")), ingress("old", ("b", "web"), ("c", "web"))
    whole["spec"] = {"defaultBackend": {"service": {"name": "d", "port": {"name": "web"}}}}
    for path in twins["spec"]["rules"][0]["http"]["paths"]:
        path.update(path="/x", pathType="Exact" if path["path"] == "/0" else "Prefix")
    old["metadata"]["annotations"] = {"traefik.frontend.rule.type": "PathPrefixStrip"}
    other = ingress("k-k", ("d", "web"))
    other["spec"]["rules"][0]["host"] = "test"
    return whole, twins, old, ingress("k", ("a", "more")), other


@pytest.mark.parametrize("seed", range(2))
def test_random_events_come_to_what_the_whole_way_publishes(api, cluster_weir, whoami, seed):
    rng, seen = random.Random(seed), itertools.count()
    marker = Marker(api, whoami)
    api.put(*(service(name) for name in NAMES),
            *(endpoint_slice(f"{name}-0", name, ["10.0.0.1", "10.0.0.2"]) for name in NAMES))
    api.put(route("r1", {"name": "a"}), route("r2", {"name": "a", "port": 81}), route("r3", {"name": "b"}, {"name": "c", "weight": 3}),
            route("r4", {"name": "b"}, {"name": "a"}), route("r5", {"name": "d", "sticky": {"cookie": {"name": "x"}}}),
            route("r6", {"name": "c", "nativeLB": True}), route("r7", {"name": "d", "scheme": "https"}),
            ingress("i1", ("a", "web"), ("b", "more")), ingress("i2", ("c", "web"), ("a", "web")),
            *(odd_ingresses() if seed % 2 else (ingress("i4", ("a", "web"), ("d", "web")), ingress("i5", ("d", "web"), ("b", "more")))))
    program = cluster_weir(*(f"--providers.{name}.allowEmptyServices=true" for name in ("kubernetesCRD", "kubernetesIngress")
                             if rng.random() < 0.5))
    mark = program.mark()
    for _ in range(10):
        known = [name for name in api.objects[GROUPS["EndpointSlice"]] if not name.startswith("marker")]
        for _ in range(rng.randrange(1, 5)):
            if known and rng.random() < 0.15:
                name = known.pop(rng.randrange(len(known)))
                api.remove("EndpointSlice", name)
            elif known and rng.random() < 0.3:  # a pod begins to go, or is there again: its address stays
                thing = copy.deepcopy(api.objects[GROUPS["EndpointSlice"]][rng.choice(known)])
                for endpoint in thing["endpoints"]:
                    endpoint["conditions"] = rng.choice([{"ready": True}, {"ready": False, "serving": True, "terminating": True}])
                api.put(thing)
            elif rng.random() < 0.1:  # only one of the two providers has to be loaded
                name = f"seen{next(seen)}"
                if rng.random() < 0.5:
                    api.put(route("r8", {"name": rng.choice(NAMES)}), route(name, {"name": "marker"}))
                else:
                    api.put(ingress("i3", (rng.choice(NAMES), "web")), ingress(name, ("marker", "web")))
                wait_until("it has come", lambda: quick_get(program.ports["web"], "/0", host=f"{name}.test").status == 200)
            else:
                api.put(some_slice(rng))
        marker.wait(program)
        whole_way_finds_nothing(program)
    before = short(program)
    for _ in range(3):
        marker.wait(program)
    wait_until("three were said", lambda: short(program) >= before + 3)
    assert not lines(program, "is withdrawn", mark)


def test_notes_of_others_on_objects_are_not_even_looked_at(api, cluster_weir, whoami):
    marker = Marker(api, whoami)
    api.put(service("a"), endpoint_slice("a-1", "a", ["10.0.0.1"]), route("a", {"name": "a"}), ingress("b", ("a", "web")))
    program = cluster_weir()
    mark = program.mark()
    for i in range(10):
        for thing in (service("a"), endpoint_slice("a-1", "a", ["10.0.0.1"]), route("a", {"name": "a"}), ingress("b", ("a", "web"))):
            thing["metadata"].update(annotations={"example.com/seen": str(i)}, managedFields=[{"time": str(i)}], generation=i)
            api.put(thing)
    marker.wait(program)
    program.wait_log(SHORT, mark)
    assert len(lines(program, "Nothing changed", mark)) <= 2  # the marker is seen twice, once in each watch
    whole_way_finds_nothing(program)


# ---- objects ----
PATCH = r"Only a few objects changed: [1-9]"


def patches(program, mark=0):
    return len(lines(program, "Only a few objects changed", mark))


def middleware(name, **spec):
    return {"kind": "Middleware", "metadata": {"name": name}, "spec": spec}


def traefik_service(name, *services):
    return {"kind": "TraefikService", "metadata": {"name": name},
            "spec": {"weighted": {"services": [{"port": 80, **each} for each in services]}}}


def secret(name, *users):
    lines = "".join(f"{user}:{{SHA}}" + base64.b64encode(hashlib.sha1(b"x").digest()).decode() + "\n" for user in users)
    return {"kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": {"users": base64.b64encode(lines.encode()).decode()}}


class Markers(Marker):
    """Each kind of object has a watch of its own, and an object here that tells when what was put before has arrived."""

    def __init__(self, api, whoami):
        super().__init__(api, whoami)
        self.number = 0
        one, two = self.backends
        api.put(service("one"), endpoint_slice("one-1", "one", [one.host], port=one.port),
                service("two"), endpoint_slice("two-1", "two", [two.host], port=two.port),
                endpoint_slice("port-1", "port", [one.host], port=one.port, ports=("web",)),
                endpoint_slice("port-2", "port", [two.host], port=two.port, ports=("more",)),
                route("mark-weighted", {"name": "mark", "kind": "TraefikService"}), route("mark-port", {"name": "port"}))
        self.put_objects()

    def put_objects(self):
        first = self.number % 2 == 0
        match = f"Host(`mark.test`) && PathPrefix(`/{self.number}`)"
        self.api.put(middleware("mark", addPrefix={"prefix": f"/{self.number}"}), traefik_service("mark", {"name": "one" if first else "two"}),
                     service("port", ports=[{"name": "web" if first else "more", "port": 80}]),
                     {"kind": "IngressRoute", "metadata": {"name": "mark"}, "spec": {"routes": [
                         {"match": match, "kind": "Rule", "services": [{"name": "one", "port": 80}], "middlewares": [{"name": "mark"}]}]}})

    def wait(self, program):
        self.number += 1
        self.put_objects()
        super().wait(program)
        port, path, name = program.ports["web"], f"/{self.number}", self.backends[self.number % 2].name
        wait_until("route and middleware", lambda: f"GET {path}{path} " in quick_get(port, path, host="mark.test").body)
        answers(program, "mark-weighted.test", name)
        answers(program, "mark-port.test", name)


def asking(name, of):
    return middleware(name, errors={"status": ["500"], "query": "/e", "service": of})


def some_reference(rng):
    name = {"name": rng.choice(NAMES), "port": 80}
    return rng.choice([name, name, {**name, "port": 81}, {"name": "w", "kind": "TraefikService"}, {**name, "sticky": {"cookie": {"name": "x"}}}])


def some_route(rng):
    """Mostly good; some refer to what is not there, are the same as others, or have what only a load can tell."""
    rules = [{"match": f"Host(`{rng.choice(NAMES)}.test`) && PathPrefix(`/{rng.randrange(3)}`)", "kind": "Rule",
              "services": [some_reference(rng) for _ in range(rng.choice([1, 1, 1, 2]))],
              **({"middlewares": [{"name": rng.choice(["m", "n", "n", "c", "d", "e", "p"])}]} if rng.random() < 0.4 else {})}
             for _ in range(rng.choice([1, 1, 2]))]
    if rng.random() < 0.06:
        rng.choice(rules)["services"] = [{"name": "missing", "port": 80}]
    if rng.random() < 0.03:
        rng.choice(rules)["match"] = "Host(`"
    spec = {"routes": rules, **({"tls": rng.choice([{}, {}, {"options": {"name": "x"}}])} if rng.random() < 0.1 else {})}
    return {"kind": "IngressRoute", "metadata": {"name": f"r{rng.randrange(8)}"}, "spec": spec}


def some_middleware_of_others(rng):
    """Chains, one of them in the other; one that asks a service; p comes and goes."""
    return rng.choice([middleware("c", chain={"middlewares": [{"name": name} for name in rng.sample("mn", rng.randrange(1, 3))]}),
                       middleware("d", chain={"middlewares": [{"name": name} for name in rng.choice(["c", "cm", "n"])]}),
                       asking("e", {"name": rng.choice(NAMES), "port": 80}),
                       middleware("p", addPrefix={"prefix": f"/p{rng.randrange(9)}"})])


def some_object(rng):
    choice = rng.random()
    if choice < 0.65:
        return some_route(rng)
    if choice < 0.75:
        return middleware(rng.choice("mn"), **rng.choice([{"basicAuth": {"secret": rng.choice("st"), "realm": rng.choice("xy")}}, {"digestAuth": {"secret": "u"}},
                                                          {"apiKey": {"keySource": {"header": "X-Key"}, "secretValues": ["x"]}}, {"addPrefix": {"prefix": f"/{rng.randrange(9)}"}}, {"stripPrefix": {"prefixes": ["/1"]}},
                                                          {"rateLimit": {"average": rng.randrange(1, 9)}},
                                                          {"addPrefix": {"prefix": rng.choice(["", "/a", "/b", "/c"])}}]))
    if choice < 0.8:
        return some_middleware_of_others(rng)
    if choice < 0.9:
        return traefik_service("w", *({"name": name, "weight": rng.randrange(1, 4)} for name in rng.sample(NAMES, 2)))
    ports = [{"name": "web", "port": 80}, {"name": "more", "port": 81}]
    return service(rng.choice(NAMES), ports=ports[:rng.choice([1, 2, 2])] + [{"name": "x", "port": rng.randrange(90, 99)}])


def test_a_route_is_in_force_without_reading_the_others(api, cluster_weir, whoami):
    backend = whoami("back", host="127.0.0.4")
    api.put(service("a"), endpoint_slice("a-1", "a", [backend.host], port=backend.port), route("a", {"name": "a"}),
            *(route(f"r{i}", {"name": "a"}) for i in range(20)), middleware("m", addPrefix={"prefix": "/one"}))
    program = cluster_weir()
    answers(program, "a.test", "back")
    mark = program.mark()
    changed = route("a", {"name": "a"}, middlewares=[{"name": "m"}])
    changed["spec"]["routes"][0]["match"] = "Host(`new.test`)"
    api.put(changed)
    answers(program, "new.test", "back")
    program.wait_log(PATCH, mark)
    program.wait_log(r"INF Configuration changed: routers: 1 added .*, 1 removed .*; services: 1 added .*, 1 removed", mark)
    assert curl(program.ports["web"], host="a.test").status == 404
    whole_way_finds_nothing(program)
    mark = program.mark()
    api.put(middleware("m", addPrefix={"prefix": "/two"}))
    wait_until("the prefix is another", lambda: "GET /two/0" in quick_get(program.ports["web"], "/0", host="new.test").body)
    program.wait_log(PATCH, mark)
    program.wait_log(r"INF Configuration changed: middlewares: 1 changed \(default-m@kubernetescrd\)", mark)
    api.remove("IngressRoute", "r7")
    wait_until("the route is gone", lambda: quick_get(program.ports["web"], host="r7.test").status == 404)
    whole_way_finds_nothing(program)


def test_users_in_a_secret_are_read_without_the_others(api, cluster_weir, whoami):
    backend = whoami("back", host="127.0.0.4")

    def status(host, user):
        return curl(program.ports["web"], host=host, extra=("-u", f"{user}:x")).status

    def looked_at(mark):
        return [re.search(r"changed: (\d+) routers", line).group(1) for line in lines(program, "Only a few objects changed", mark)]

    api.put(service("a"), endpoint_slice("a-1", "a", [backend.host], port=backend.port), secret("users", "bob"), secret("others", "joe"))
    api.put(*(middleware(name, basicAuth={"secret": "users"}) for name in ("m", "n")), middleware("o", basicAuth={"secret": "others"}),
            *(route(f"{name}r", {"name": "a"}, middlewares=[{"name": name}]) for name in "mno"))
    program = cluster_weir()
    for host, user in (("mr.test", "bob"), ("nr.test", "bob"), ("or.test", "joe")):
        wait_until(f"{user} may", lambda: status(host, user) == 200)
    whole_way_finds_nothing(program)
    mark = program.mark()
    api.put(secret("users", "eve"))
    for host in ("mr.test", "nr.test"):
        wait_until("eve may", lambda: [status(host, user) for user in ("eve", "bob")] == [200, 401])
    program.wait_log(r"Configuration changed: middlewares: 2 changed \(default-m@kubernetescrd, default-n@kubernetescrd\)", mark)
    assert looked_at(mark) == ["2"] and status("or.test", "joe") == 200
    whole_way_finds_nothing(program)
    mark = program.mark()
    api.put(middleware("o", basicAuth={"secret": "others", "realm": "here"}))  # the object is another, its Secret is not
    program.wait_log(r"Configuration changed: middlewares: 1 changed \(default-o@kubernetescrd\)", mark)
    assert looked_at(mark) == ["1"]
    whole_way_finds_nothing(program)
    mark = program.mark()
    api.put(middleware("o", basicAuth={"secret": "users"}))  # nobody asks for the other Secret any more: a load has to say so
    wait_until("eve may there, too", lambda: [status("or.test", user) for user in ("eve", "joe")] == [200, 401])
    assert looked_at(mark) == []
    api.remove("Secret", "users")
    wait_until("nobody may", lambda: status("mr.test", "eve") == 404)
    whole_way_finds_nothing(program)
    api.put(secret("users", "ann"))
    wait_until("ann may", lambda: status("mr.test", "ann") == 200)
    whole_way_finds_nothing(program)


def test_what_a_watch_was_not_asked_for_is_passed_over(api, cluster_weir, whoami):
    """Else who drops the one Secret that it asked for would drop the other."""
    api.sloppy = True
    backend = whoami("back", host="127.0.0.4")
    api.put(service("a"), endpoint_slice("a-1", "a", [backend.host], port=backend.port), secret("one", "bob"), secret("two", "joe"),
            *(middleware(name, basicAuth={"secret": name}) for name in ("one", "two")),
            *(route(f"{name}r", {"name": "a"}, middlewares=[{"name": name}]) for name in ("one", "two")))
    program = cluster_weir()

    def status(name, user):
        return curl(program.ports["web"], host=f"{name}r.test", extra=("-u", f"{user}:x")).status

    wait_until("both are served", lambda: [status("one", "bob"), status("two", "joe")] == [200, 200])
    for kept, dropped in (("one", "two"), ("two", "one")):
        api.put(secret(kept, "eve"))  # each of the two watches tells of it
        wait_until("eve may", lambda: status(kept, "eve") == 200)
        mark = program.mark()
        api.put(middleware(dropped, basicAuth={"secret": kept}))
        wait_until("eve may there, too", lambda: status(dropped, "eve") == 200)
        api.put(secret(dropped, "ann"))  # nobody asks for it: what its watch had told before has been heard
        api.put(middleware(dropped, basicAuth={"secret": dropped}))
        wait_until("ann may", lambda: status(dropped, "ann") == 200)
        assert not lines(program, "does not exist", mark) and status(kept, "eve") == 200


def test_a_route_that_cannot_be_compiled_goes_the_whole_way(api, cluster_weir):
    """Its middleware asks a service that is not there: resolve lets it pass."""
    asks = asking("asks", {"name": "gone@file", "kind": "TraefikService"})
    api.put(service("a"), endpoint_slice("a-1", "a", ["10.0.0.1"]), route("a", {"name": "a"}), asks)
    program = cluster_weir()
    mark = program.mark()
    api.put(route("b", {"name": "a", "middlewares": [{"name": "asks"}]}))
    program.wait_log(CHANGED, mark)
    assert not lines(program, "Only a few objects changed", mark)
    whole_way_finds_nothing(program)


def test_what_is_wrong_with_a_service_is_said_when_a_route_comes_to_use_it(api, cluster_weir, monkeypatch):
    path = "/apis/traefik.io/v1alpha1/serverstransports"
    monkeypatch.setitem(GROUPS, "ServersTransport", path)
    monkeypatch.setattr(api_server, "LISTS", api_server.LISTS | {path})
    api.put(service("a"), endpoint_slice("a-1", "a", ["10.0.0.1"]), route("a", {"name": "a"}),
            {"kind": "ServersTransport", "metadata": {"name": "broken"}, "spec": {"maxIdleConnsPerHost": "many"}},
            traefik_service("w", {"name": "a", "serversTransport": "broken"}))
    program = cluster_weir()
    mark = program.mark()
    api.put(route("b", {"name": "w", "kind": "TraefikService"}))
    program.wait_log(r"WRN .*serversTransport default-broken@kubernetescrd has errors: its servers are left out", mark)
    program.wait_log(CHANGED, mark)
    whole_way_finds_nothing(program)


def test_middlewares_of_others_are_patched_too(api, cluster_weir, whoami):
    """A chain, one in another, one that asks a service; one that comes with its route, and goes with it."""
    backend = whoami("back", host="127.0.0.4")
    api.put(service("a"), endpoint_slice("a-1", "a", [backend.host], port=backend.port), service("b"), endpoint_slice("b-1", "b", ["10.0.0.1"]),
            middleware("m", addPrefix={"prefix": "/m"}), middleware("n", addPrefix={"prefix": "/n"}), asking("e", {"name": "b", "port": 80}),
            middleware("c", chain={"middlewares": [{"name": "m"}]}), middleware("d", chain={"middlewares": [{"name": "c"}, {"name": "e"}]}),
            *(route(name, {"name": "a"}, middlewares=[{"name": "d"}]) for name in ("a", "b")))
    program = cluster_weir()

    def asked(host):
        return quick_get(program.ports["web"], "/0", host=host).body

    wait_until("the chain has one", lambda: "GET /m/0 " in asked("a.test"))
    whole_way_finds_nothing(program)
    mark = program.mark()
    api.put(middleware("c", chain={"middlewares": [{"name": "m"}, {"name": "n"}]}))
    for host in ("a.test", "b.test"):
        wait_until("the chain has two", lambda: "GET /n/m/0 " in asked(host))
    api.put(asking("e", {"name": "a", "port": 80}))
    program.wait_log(r"services: 1 changed \(default-e-errorpage-service@kubernetescrd\)", mark)
    api.put(middleware("new", addPrefix={"prefix": "/new"}))
    program.wait_log(r"middlewares: 1 added \(default-new@kubernetescrd\)", mark)
    api.put(route("new", {"name": "a"}, middlewares=[{"name": "new"}]))
    wait_until("the new one is there", lambda: "GET /new/0 " in asked("new.test"))
    api.remove("IngressRoute", "new")
    wait_until("it is gone", lambda: quick_get(program.ports["web"], host="new.test").status == 404)
    api.remove("Middleware", "new")
    program.wait_log(r"middlewares: 1 removed \(default-new@kubernetescrd\)", mark)
    assert len(lines(program, "Only a few objects changed: ", mark)) >= len(lines(program, CHANGED, mark))
    whole_way_finds_nothing(program)


@pytest.mark.parametrize("seed", range(2))
def test_random_objects_come_to_what_the_whole_way_publishes(api, cluster_weir, whoami, seed):
    rng = random.Random(seed)
    marker = Markers(api, whoami)
    api.put(*(service(name) for name in NAMES), *(endpoint_slice(f"{name}-0", name, ["10.0.0.1", "10.0.0.2"]) for name in NAMES),
            middleware("m", addPrefix={"prefix": "/m"}), middleware("n", stripPrefix={"prefixes": ["/n"]}),
            *(secret(name, "bob") for name in "st"), *(middleware(f"of-{name}", basicAuth={"secret": name}) for name in "st"),
            *(route(f"of-{name}", {"name": "one"}, middlewares=[{"name": f"of-{name}"}]) for name in "st"),
            middleware("c", chain={"middlewares": [{"name": "m"}]}), middleware("d", chain={"middlewares": [{"name": "c"}]}),
            asking("e", {"name": "a", "port": 80}), traefik_service("w", {"name": "a"}, {"name": "b"}))
    for _ in range(12):
        api.put(some_route(rng))
    program = cluster_weir()
    mark = program.mark()
    for turn in range(60):
        if turn >= 12 and patches(program) >= 3:
            break  # on a busy machine changes come together, and then mostly with one that is no patch
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            routes = [name for name in api.objects.get(GROUPS["IngressRoute"], {}) if name.startswith("r")]
            if routes and rng.random() < 0.15:
                api.remove("IngressRoute", rng.choice(routes))
            elif "p" in api.objects[GROUPS["Middleware"]] and rng.random() < 0.1:
                api.remove("Middleware", "p")
            elif rng.random() < 0.2:
                api.put(some_slice(rng))
            else:
                api.put(some_object(rng))
        name, user = rng.choice("st"), f"user-{turn}"
        if rng.random() < 0.4:
            api.put(secret(name, user, "bob"))
            wait_until("the Secret has come", lambda: curl(program.ports["web"], host=f"of-{name}.test", extra=("-u", f"{user}:x")).status == 200)
        marker.wait(program)
        whole_way_finds_nothing(program)
    assert patches(program) >= 3 and not lines(program, "is withdrawn", mark)
