"""Names of custom resources are NAMESPACE-NAME: what comes to one name is never taken for another."""
import collections
import hashlib
import json
import os
import random
import re
import resource
import subprocess

import pytest
import yaml

from api_server import GROUPS, api  # noqa: F401 a fixture
from conftest import BINARY, curl, quick_get, wait_until
from test_refresh import CHANGED, PATCH, Markers, cluster_weir, lines, patches, whole_way_finds_nothing  # noqa: F401 a fixture

OURS = "traefik.io/v1alpha1"
MEANT = "is meant, but a-b-m is the name of"


def thing(kind, namespace, name, spec, created=None):
    metadata = {"namespace": namespace, "name": name, **({"creationTimestamp": created} if created else {})}
    return {"apiVersion": "v1" if kind == "Service" else OURS, "kind": kind, "metadata": metadata, "spec": spec}


def pods(namespace, name, host, port):
    """A Service and whoever is behind it."""
    return (thing("Service", namespace, name, {"clusterIP": "10.96.0.9", "ports": [{"port": 80}]}),
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": [{"name": "", "port": port}],
             "metadata": {"namespace": namespace, "name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
             "endpoints": [{"addresses": [host], "conditions": {"ready": True}}]})


def service(name, **more):
    return {"name": name, **({"port": 80} if more.get("kind") != "TraefikService" else {}), **more}


def route(namespace, name, services, middlewares=(), match=None, created=None):
    return thing("IngressRoute", namespace, name, {"routes": [
        {"match": match or f"Host(`{name}.{namespace}.test`)", "kind": "Rule", "services": services,
         "middlewares": [{"name": each} if isinstance(each, str) else each for each in middlewares]}]}, created)


def prefix(namespace, name, created=None):
    return thing("Middleware", namespace, name, {"addPrefix": {"prefix": f"/of/{namespace}/{name}"}}, created)


def weighted(namespace, name, *services, created=None):
    return thing("TraefikService", namespace, name, {"weighted": {"services": list(services)}}, created)


def body(program, host, path="/"):
    return quick_get(program.ports["web"], path, host=host).body


def by(program, host, name, begin=""):
    wait_until(f"{host} is answered by {name}", lambda: f"Name: {name}" in (said := body(program, host)) and f"GET {begin}/ " in said)


def test_no_route_gets_what_is_called_so_of_another_namespace(weir, whoami, manifests):
    """Nor is anything else taken out: check names both objects; a name with @ names whoever has it."""
    mine, theirs, other = whoami("mine", host="127.0.0.2"), whoami("theirs", host="127.0.0.3"), whoami("other", host="127.0.0.4")
    part = [service("c"), service("app")]
    things = [*pods("a", "app", mine.host, mine.port), *pods("a", "b-c", mine.host, mine.port), *pods("a-b", "app", theirs.host, theirs.port),
              *pods("a-b", "c", other.host, other.port), prefix("a", "b-m"), prefix("a-b", "m"), prefix("a-b", "n"),
              route("a", "good", [service("app")], ["b-m"]), route("a-b", "bad", [service("app")], ["m"]),
              route("a-b", "good", [service("app")], ["n"]), route("a-b", "parts", part),
              weighted("a", "w", service("b-c"), service("app")), route("a", "parts", [service("w", kind="TraefikService")])]
    manifests.write("all.yaml", yaml.safe_dump_all(things))
    manifests.write("ingress.yaml", yaml.safe_dump({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": "a-b", "name": "i", "annotations": {
            "traefik.ingress.kubernetes.io/router.middlewares": "a-b-m@kubernetescrd"}},
        "spec": {"rules": [{"host": "ingress.test", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "app", "port": {"number": 80}}}}]}}]}}))
    flags = [f"--providers.{name}.manifests={manifests.path}" for name in ("kubernetesCRD", "kubernetesIngress")]
    program = weir(*flags)
    by(program, "good.a.test", "mine", "/of/a/b-m")
    by(program, "good.a-b.test", "theirs", "/of/a-b/n")
    by(program, "ingress.test", "theirs", "/of/a/b-m")
    assert {re.search("Name: (.*)", body(program, "parts.a-b.test"))[1].strip() for _ in range(4)} == {"theirs", "other"}
    for host in ("bad.a-b.test", "parts.a.test"):
        assert curl(program.ports["web"], host=host).status == 404
    said = subprocess.run([BINARY, "check", "--entryPoints.web.address=127.0.0.1:1", *flags], capture_output=True, text=True)
    assert said.returncode == 2 and "4 errors" in said.stderr, said.stderr
    for words in ("Middleware a-b/m: it would be called a-b-m, which is the name of Middleware a/b-m: rename one of the two",
                  f"spec.routes[0].middlewares[0]: Middleware a-b/m {MEANT} Middleware a/b-m: rename one of the two",
                  "spec.weighted.services[0]: what is made for Service a/b-c:80 would be called a-b-c-80, which is the name of Service a-b/c:80"):
        assert words in said.stderr
    for old, new in (("name: m", "name: x"), ("name: b-m", "name: y")):  # either way to make it good
        renamed = re.sub(rf"{old}\b", new, (manifests.path / "all.yaml").read_text())
        (folder := manifests.path.parent / new[-1]).mkdir()
        (folder / "all.yaml").write_text(renamed)
        said = subprocess.run([BINARY, "check", "--entryPoints.web.address=127.0.0.1:1", f"--providers.kubernetesCRD.manifests={folder}"],
                              capture_output=True, text=True)
        assert "Middleware" not in said.stderr, said.stderr


def test_a_name_goes_to_the_other_when_its_owner_is_gone(api, cluster_weir, whoami):
    """And comes back with it: an owner is the oldest, whatever came first. Other objects are patched meanwhile."""
    mine, theirs = whoami("mine", host="127.0.0.4"), whoami("theirs", host="127.0.0.5")
    api.put(*pods("a", "app", mine.host, mine.port), *pods("a-b", "app", theirs.host, theirs.port), prefix("a", "b-m", "2026-01-02T00:00:00Z"),
            route("a", "r", [service("app")], ["b-m"]), route("a-b", "r", [service("app")], ["m"]), route("a", "other", [service("app")]))
    program = cluster_weir()
    by(program, "r.a.test", "mine", "/of/a/b-m")
    assert curl(program.ports["web"], host="r.a-b.test").status == 404
    mark = program.mark()
    api.put(route("a-b", "late", [service("app")], ["m"]))
    program.wait_log(f"ERR IngressRoute a-b/late: .*Middleware a-b/m {MEANT} Middleware a/b-m", mark)
    program.wait_log(CHANGED, mark)  # its service is there all the same
    assert curl(program.ports["web"], host="late.a-b.test").status == 404
    whole_way_finds_nothing(program)
    api.put(prefix("a-b", "m", "2026-01-01T00:00:00Z"))  # older than what is there
    by(program, "r.a-b.test", "theirs", "/of/a-b/m")
    wait_until("the younger is out", lambda: curl(program.ports["web"], host="r.a.test").status == 404)
    whole_way_finds_nothing(program)
    mark = program.mark()
    api.put(route("a", "other", [service("app")], match="Host(`fresh.test`)"))
    by(program, "fresh.test", "mine")
    program.wait_log(PATCH, mark)
    api.remove("Middleware", "a-b/m")
    by(program, "r.a.test", "mine", "/of/a/b-m")
    wait_until("the other is out", lambda: curl(program.ports["web"], host="r.a-b.test").status == 404)
    whole_way_finds_nothing(program)
    api.put(prefix("a-b", "m", "2026-01-03T00:00:00Z"))  # younger: nothing changes but that it is told of
    program.wait_log(r"ERR .*Middleware a-b/m.* it would be called a-b-m", mark)
    by(program, "r.a.test", "mine", "/of/a/b-m")
    assert curl(program.ports["web"], host="r.a-b.test").status == 404
    api.remove("Middleware", "a/b-m")
    by(program, "r.a-b.test", "theirs", "/of/a-b/m")
    whole_way_finds_nothing(program)


def test_a_part_is_whose_it_was_and_its_endpoints_are_its_own(api, cluster_weir, whoami):
    mine, theirs, fresh = (whoami(name, host=f"127.0.0.{5 + i}") for i, name in enumerate(("mine", "theirs", "fresh")))
    api.put(*pods("a", "b-c", mine.host, mine.port), *pods("a-b", "c", theirs.host, theirs.port), weighted("a-b", "w", service("c")),
            route("a-b", "r", [service("w", kind="TraefikService")]), route("a", "r", [service("w", kind="TraefikService")]))
    program = cluster_weir()
    by(program, "r.a-b.test", "theirs")
    assert curl(program.ports["web"], host="r.a.test").status == 404
    api.put(weighted("a", "w", service("b-c")))  # read before the other
    by(program, "r.a.test", "mine")
    wait_until("the other is refused", lambda: curl(program.ports["web"], host="r.a-b.test").status == 404)
    whole_way_finds_nothing(program)
    for host, address in (("mine", fresh), ("theirs", mine)):  # of either Service
        api.put(*pods("a", "b-c", address.host, address.port) if host == "mine" else pods("a-b", "c", address.host, address.port))
        by(program, "r.a.test", "fresh")
        whole_way_finds_nothing(program)
    api.remove("TraefikService", "a/w")
    by(program, "r.a-b.test", "mine")  # whose pods those of a-b/c are now
    wait_until("it is gone", lambda: curl(program.ports["web"], host="r.a.test").status == 404)
    whole_way_finds_nothing(program)


# ---- odd objects ----
def config(path, *flags):
    said = subprocess.run([BINARY, "config", "--entryPoints.web.address=127.0.0.1:1", f"--providers.kubernetesCRD.manifests={path}", *flags],
                          capture_output=True, text=True)
    return json.loads(said.stdout)


def test_a_route_that_makes_no_service_gets_none_of_its_name(manifests):
    """Its 81st route is called as the part of another's is that is made for svc:80."""
    udp = [{"services": [{"name": "svc", "port": 80}, {"name": "app", "port": 80}]}]
    manifests.write("all.yaml", yaml.safe_dump_all([
        *pods("a", "svc", "10.0.0.1", 8080), *pods("a", "app", "10.0.0.2", 8080),
        thing("IngressRouteUDP", "a", "b-v", {"entryPoints": ["u"], "routes": udp}),
        thing("IngressRouteUDP", "a-b", "v-0-svc", {"entryPoints": ["own"], "routes": [{"services": []}] * 81})]))
    said = config(manifests.path, "--entryPoints.u.address=127.0.0.1:2/udp", "--entryPoints.own.address=127.0.0.1:3/udp")
    router = said["udpRouters"]["a-b-v-0-svc-80@kubernetescrd"]
    assert router["status"] == "disabled" and "which is the name of Service a/svc:80" in router["error"][0], router
    assert said["udpRouters"]["a-b-v-0@kubernetescrd"]["status"] == "enabled"


def test_options_for_all_take_no_other_name(manifests):
    """a-b/default is called default: a-b-default is the name of a/b-default, however old the other is."""
    manifests.write("all.yaml", yaml.safe_dump_all([
        *pods("a", "app", "10.0.0.1", 8080), *pods("a-b", "app", "10.0.0.2", 8080),
        thing("TLSOption", "a-b", "default", {"sniStrict": True}, "2026-01-01T00:00:00Z"),
        thing("TLSOption", "a", "b-default", {"minVersion": "VersionTLS13"}, "2026-01-02T00:00:00Z"),
        *(thing("IngressRoute", namespace, "r", {"tls": {"options": {"name": name}}, "routes": [
            {"match": f"Host(`{namespace}.test`)", "kind": "Rule", "services": [service("app")]}]})
          for namespace, name in (("a", "b-default"), ("a-b", "default")))]))
    routers = config(manifests.path)["routers"]
    own, other = (routers[router_name(namespace, "r", f"Host(`{namespace}.test`)")] for namespace in ("a", "a-b"))
    assert own["status"] == "enabled" and own["tls"]["options"] == "a-b-default", own
    assert other["status"] == "disabled" and "is the name of TLSOption a/b-default" in other["error"][0], other


def test_many_parents_and_many_errors_are_refused_with_few_words(manifests):
    """What a few lines name may be their product: it is never made."""
    parent = thing("IngressRoute", "a", "parent", {"routes": [{"match": f"Host(`{i}.test`)", "kind": "Rule"} for i in range(2000)]})
    child = thing("IngressRoute", "a", "child", {"parentRefs": [{"name": "parent"}] * 2000, "routes": [
        {"match": "Path(`/child`)", "kind": "Rule", "services": [service("app")]}]})
    wrong = thing("IngressRoute", "a", "wrong", {"parentRefs": [{"name": f"none{i}"} for i in range(2000)], "routes": [
        {"match": f"Path(`/{i}`)", "kind": "Rule", "services": [service("app")]} for i in range(2000)]})
    manifests.write("all.yaml", yaml.safe_dump_all([*pods("a", "app", "10.0.0.1", 8080), parent, child, wrong]))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    routers = config(manifests.path)["routers"]
    said = routers[router_name("a", "child", "Path(`/child`)")]
    assert said["status"] == "disabled" and "parentRefs[0]: more than 256 routes would be parents" in said["error"][0], said
    said = routers[router_name("a", "wrong", "Path(`/7`)")]
    assert said["status"] == "disabled" and "there are more errors than are told" in said["error"] and len(said["error"]) < 40, said
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < max(before, 256 << 10)  # the largest child's; it would be gigabytes


# ---- random objects ----
PAIRS = [("a", "b-c-x"), ("a", "x"), ("a-b", "c-x"), ("a-b", "x"), ("a-b-c", "x"), ("a", "b-x"), ("b", "x"), ("b", "y")]
AGES = [None, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]


def full(namespace, name):
    return f"{namespace}-{name}"


def some_service(rng, namespace, kinds=("Service", "Service", "TraefikService")):
    kind = rng.choice(kinds)
    other, name = rng.choice([(space, name) for space, name in PAIRS if space == namespace] + rng.choice([[], PAIRS]))
    name = f"{name}-80" if kind == "TraefikService" and rng.random() < 0.15 else name
    return service(name, **({"kind": kind} if kind != "Service" else {}), **({} if other == namespace else {"namespace": other}))


def some_thing(rng):
    namespace, name = rng.choice(PAIRS)
    own = [each for space, each in PAIRS if space == namespace]
    created = rng.choice(AGES)
    kind = rng.random()
    if kind < 0.25:
        return prefix(namespace, name, created)
    if kind < 0.3:
        return thing("Middleware", namespace, name, {"chain": {"middlewares": [{"name": rng.choice(own)}]}}, created)
    if kind < 0.55:
        parts = [some_service(rng, namespace, ("Service",)) for _ in range(rng.choice([1, 2]))]
        return weighted(namespace, f"{name}-80" if rng.random() < 0.1 else name, *parts, created=created)
    match = "Host(`shared.test`)" if rng.random() < 0.3 else f"Host(`{name}.{namespace}.test`)"
    return route(namespace, name, [some_service(rng, namespace) for _ in range(rng.choice([1, 1, 2]))],
                 [rng.choice(own)] if rng.random() < 0.5 else [], match, created)


class Documents:
    """What the objects say, pair by pair: what each route may reach, and which names mean one thing alone."""

    def __init__(self, things):
        self.of = {(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]): each["spec"] for each in things}
        self.means = collections.defaultdict(set)  # (domain, name) -> who is meant by it
        for kind, namespace, name in self.of:
            if kind in ("Middleware", "TraefikService"):
                self.means[kind, full(namespace, name)].add((kind, namespace, name))
            if kind == "IngressRoute":
                self.reach(namespace, name)
            elif kind != "Service":
                self.follow(kind, namespace, name)

    def part(self, namespace, reference, alone):
        kind, space = reference.get("kind", "Service"), reference.get("namespace", namespace)
        found = (kind, space, reference["name"])
        if not (kind == "Service" and alone):  # else it has the name of its route
            self.means["TraefikService", full(space, reference["name"]) + ("-80" if kind == "Service" else "")].add(found)
        if kind == "TraefikService" and found not in self.of:  # what is made for a Service of that namespace, as in Traefik
            return {found, ("Service", space, reference["name"].removesuffix("-80"))}
        return {found} | (self.follow(*found) if kind == "TraefikService" else set())

    def follow(self, kind, namespace, name):
        """All that an object refers to, and whatever that does: pairs that may not exist."""
        spec, out = self.of.get((kind, namespace, name), {}), set()
        for reference in spec.get("weighted", {}).get("services", []):
            out |= self.part(namespace, reference, False)
        for reference in spec.get("chain", {}).get("middlewares", []):
            found = ("Middleware", namespace, reference["name"])
            self.means["Middleware", full(*found[1:])].add(found)
            out |= {found} | (self.follow(*found) if reference["name"] != name else set())
        return out

    def reach(self, namespace, name):
        (rule,), out = self.of["IngressRoute", namespace, name]["routes"], set()
        self.means["IngressRoute", full(namespace, name), rule["match"]].add((namespace, name))
        for reference in rule["services"]:
            out |= self.part(namespace, reference, len(rule["services"]) == 1)
        for reference in rule["middlewares"]:
            found = ("Middleware", namespace, reference["name"])
            self.means["Middleware", full(*found[1:])].add(found)
            out |= {found} | self.follow(*found)
        return rule["match"], out

    def undisputed(self, namespace, name, reached):
        """Everything is there, and no name on the way could be another's."""
        pairs = {full(*found[1:]) for found in reached} | {f"{full(*found[1:])}-80" for found in reached}
        chained = any("chain" in self.of.get(found, {}) for found in reached)
        return not chained and all(found in self.of for found in reached) and all(
            len(meant) == 1 for (domain, *key), meant in self.means.items()
            if key[0] in pairs or (domain == "IngressRoute" and key[0] == full(namespace, name)))


def made(api, tmp_path):
    said = subprocess.run([BINARY, "config", "--entryPoints.web.address=127.0.0.1:1", f"--providers.kubernetesCRD.endpoint={api.url}",
                           "--providers.kubernetesCRD.token=s3cret", "--providers.kubernetesCRD.allowCrossNamespace=true"],
                          capture_output=True, text=True, env={**os.environ, "KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""})
    return json.loads(said.stdout)


def served(config, name):
    """Addresses of all servers below a service."""
    at = config["services"].get(name if "@" in name else f"{name}@kubernetescrd", {})
    if at.get("status") == "disabled":
        return set()
    below = (served(config, each["name"]) for each in at.get("weighted", {}).get("services", []))
    return {each["url"] for each in at.get("loadBalancer", {}).get("servers", [])}.union(*below)


def prefixes(config, name):
    at = config["middlewares"][name if "@" in name else f"{name}@kubernetescrd"]
    return {at["addPrefix"]["prefix"]} if "addPrefix" in at else set().union(
        *(prefixes(config, each) for each in at["chain"]["middlewares"]))


def router_name(namespace, name, match):
    return f"{namespace}-{name}-{hashlib.sha256(match.encode()).hexdigest()[:20]}@kubernetescrd"


def check(config, things, addresses):
    """Each router reaches what one of its manifests means, and those that nobody disputes are served."""
    documents, may = Documents(things), collections.defaultdict(list)
    for kind, namespace, name in documents.of:
        if kind == "IngressRoute":
            match, reached = documents.reach(namespace, name)
            may[router_name(namespace, name, match)].append(reached)
            if documents.undisputed(namespace, name, reached):
                assert config["routers"][router_name(namespace, name, match)]["status"] == "enabled", (namespace, name)
    checked = 0
    for name, router in config["routers"].items():
        if name in may and router["status"] == "enabled":
            urls, begins = served(config, router["service"]), set().union(*(prefixes(config, each) for each in router.get("middlewares", [])))
            assert any(urls <= {addresses[found[1:]] for found in reached if found[0] == "Service"} and
                       begins <= {"/of/" + "/".join(found[1:]) for found in reached if found[0] == "Middleware"}
                       for reached in may[name]), (name, router, urls, begins, may[name])
            checked += 1
    return checked


@pytest.mark.parametrize("seed", range(3, 6))
def test_random_objects_reach_what_they_mean_whatever_way_they_came(api, cluster_weir, whoami, tmp_path, seed):
    rng = random.Random(seed)
    marker = Markers(api, whoami)
    addresses = {pair: f"http://10.0.0.{i + 1}:8080" for i, pair in enumerate(PAIRS)}
    for i, pair in enumerate(PAIRS):
        api.put(*pods(*pair, f"10.0.0.{i + 1}", 8080))
    for _ in range(24):
        api.put(some_thing(rng))
    program = cluster_weir("--providers.kubernetesCRD.allowCrossNamespace=true")
    mark, checked = program.mark(), 0
    for turn in range(60):
        if turn >= 10 and patches(program) >= 3:
            break  # on a busy machine changes come together, and then mostly with one that is no patch
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            kind = rng.choice(["IngressRoute", "Middleware", "TraefikService"])
            there = [name for name in api.objects.get(GROUPS[kind], {}) if "/" in name]
            if there and rng.random() < 0.3:
                api.remove(kind, rng.choice(there))
            else:
                api.put(some_thing(rng))
        marker.wait(program)
        whole_way_finds_nothing(program)
        things = [each for kind in ("IngressRoute", "Middleware", "TraefikService", "Service")
                  for name, each in api.objects[GROUPS[kind]].items() if "/" in name]
        checked += check(made(api, tmp_path), things, addresses)
    assert checked >= 5 and patches(program) >= 3 and lines(program, CHANGED, mark) and lines(program, "rename one of the two")
