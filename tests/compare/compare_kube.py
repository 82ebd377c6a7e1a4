"""compare_kube.py - the same Kubernetes objects to Traefik and to weir; prints every difference in what they make of them.

Both read one real kube-apiserver (tests/e2e/cluster.py); Traefik is asked for /api/rawdata, weir by `weir config`. Sets of
objects are drawn at random (kube_sets.py); many are looked at in one run, each in namespaces of its own. Compared are the
names and every option of routers, middlewares and services of HTTP, TCP and UDP, their status, whether they have an error,
and who uses them. What differs on purpose is listed with its reason in kube_accepted.py and counted apart.

usage: compare_kube.py --traefik PATH --weir PATH [--seed N] [--sets N] [--record DIR | --replay DIR] [--only N] [--verbose]
  --record DIR  keeps objects and Traefik's answers; --replay DIR compares with them, weir reading the objects as manifests
"""
import argparse
import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from cluster import KINDS, Cluster, free_port, openssl, role  # noqa: E402

from kube_accepted import accepted  # noqa: E402
from kube_sets import CLASSES, PROFILES, draw, draw_global  # noqa: E402
from waiting import wait_until  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECTIONS = ("routers", "middlewares", "services", "tcpRouters", "tcpMiddlewares", "tcpServices", "udpRouters", "udpServices")
PATHS = {"Service": "services", "Secret": "secrets", "ConfigMap": "configmaps", "EndpointSlice": "endpointslices", "Ingress": "ingresses",
         "IngressClass": "ingressclasses", "Namespace": "namespaces", "Node": "nodes", **{kind: plural for plural, kind in KINDS.items()}}
ENTRY_POINTS = {"web": "/tcp", "websecure": "/tcp", "tcp": "/tcp", "udp": "/udp"}


class Panic(Exception):
    """Traefik's provider does not survive these objects, or reads none of a kind for one of them."""


class Server:
    """Requests to the API server over kept connections, one a thread."""

    def __init__(self, cluster):
        self.port, self.local = cluster.port, threading.local()
        self.context = ssl.create_default_context(cafile=cluster.folder / "ca.crt")

    def ask(self, method, path, body=None, content="application/json"):
        for attempt in range(2):
            try:
                if not hasattr(self.local, "link"):
                    self.local.link = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=60)
                self.local.link.request(method, path, json.dumps(body) if body is not None else None,
                                        {"Authorization": "Bearer admintoken", "Content-Type": content})
                answer = self.local.link.getresponse()
                return answer.status, json.loads(answer.read())
            except (http.client.HTTPException, ConnectionError):
                del self.local.link
                if attempt:
                    raise
        return None

    @staticmethod
    def path(item, named=False):
        version, namespace = item["apiVersion"], item["metadata"].get("namespace")
        return "".join(("/api/" if "/" not in version else "/apis/", version, f"/namespaces/{namespace}" if namespace else "", "/", PATHS[item["kind"]],
                        "/" + item["metadata"]["name"] if named else ""))

    def create(self, item):
        """The object as it is kept; None: refused."""
        status, kept = self.ask("POST", self.path(item), item)
        if status == 409:
            return item
        if status not in (200, 201):
            return None
        return {"apiVersion": item["apiVersion"], "kind": item["kind"], **kept}


class Group:
    """Sets that are looked at in one run."""

    def __init__(self, name, profile, sets):
        self.name, self.profile, self.sets = name, profile, sets

    def objects(self):
        first = self.sets[0].spaces[0]
        metadata = {"namespace": first, "name": "marker", "labels": {"team": "red"}}
        routes = {"class": "edge", "half": "edge"}.get(self.profile)
        ingresses = {"class": "edge", "strictsyntax": "traefik"}.get(self.profile)
        yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80, "name": "web"}]}}
        yield {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": [{"name": "web", "port": 80}],
               "metadata": {**metadata, "labels": {"kubernetes.io/service-name": "marker"}}, "endpoints": [{"addresses": ["10.9.9.9"], "conditions": {}}]}
        yield {"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": metadata, "spec": {
            "routes": [{"match": "Host(`marker.test`)", "kind": "Rule"}], **({"ingressClassName": routes} if routes else {})}}
        yield {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
               "metadata": {**metadata, "annotations": {"kubernetes.io/ingress.class": ingresses} if ingresses else {}},
               "spec": {"rules": [{"host": "marker.test", "http": {"paths": [{"pathType": "Exact", "path": "/", "backend": {
                   "service": {"name": "marker", "port": {"number": 80}}}}]}}]}}
        for one in self.sets:
            yield from one.objects

    def options(self):
        """The flags of both programs."""
        out = ["--providers.kubernetesCRD", "--providers.kubernetesIngress"]
        for option in PROFILES[self.profile]:
            scope, rest = option.split(".", 1)
            rest = rest.replace("{A}", ",".join(one.spaces[0] for one in self.sets))
            if scope in ("core", "entryPoints"):
                out.append(f"--{scope}.{rest}")
            if scope in ("crd", "all"):
                out.append(f"--providers.kubernetesCRD.{rest}")
            if scope in ("ingress", "all"):
                out.append(f"--providers.kubernetesIngress.{rest}")
        return out


def ask_traefik(args, group, kubeconfig, directory):
    ports = {**dict.fromkeys(ENTRY_POINTS, 0), "traefik": free_port()}
    flags = [f"--entryPoints.{name}.address=127.0.0.1:{ports[name]}{kind}" for name, kind in {**ENTRY_POINTS, "traefik": "/tcp"}.items()]
    log = directory / "traefik.log"
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(kubeconfig), "HOME": str(directory)}
    process = subprocess.Popen(
        [str(args.traefik), "--api.insecure", "--log.level=DEBUG", "--providers.providersThrottleDuration=100ms", "--global.checknewversion=false",
         "--global.sendanonymoususage=false", *flags, *group.options()],
        stdout=open(log, "wb"), stderr=subprocess.STDOUT, env=environment, start_new_session=True, cwd=directory)
    space = group.sets[0].spaces[0]

    def shown():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ports['traefik']}/api/rawdata", timeout=10) as answer:
                data = json.load(answer)
            providers = [name.rpartition("@")[2] for name in data.get("routers") or {} if f"{space}-marker-" in name]
            if "kubernetes" in providers and "kubernetescrd" in providers:
                return data
        except OSError:
            assert process.poll() is None, "it ended"
        words = log.read_text(errors="replace")
        if "panic in operation" in words:
            raise Panic("panics at " + next(iter(re.findall(r"/pkg/provider/\S+", words)), "?"))
        unread = re.search(r"cannot unmarshal \w+ into \S+ \S+ (\S+)", words)
        if unread:
            raise Panic(f"reads no object of a kind for one {unread[1]}")
        return None
    try:
        return wait_until("it shows the objects", shown, 60, pause=0.1)
    except AssertionError as error:
        raise SystemExit(f"group {group.name}: Traefik: {error}; see\n{log.read_text(errors='replace')[-3000:]}") from error
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def ask_weir(args, options, kubeconfig=None, manifests=None):
    flags = [f"--entryPoints.{name}.address=127.0.0.1:{1000 + i}{kind}" for i, (name, kind) in enumerate(ENTRY_POINTS.items())]
    if manifests:
        flags += [f"--providers.{name}.manifests={manifests}" for name in ("kubernetesCRD", "kubernetesIngress")]
    done = subprocess.run([str(args.weir), "config", "--api.insecure", *flags, *options], capture_output=True, text=True, timeout=120,
                          env={"PATH": os.environ["PATH"], "KUBECONFIG": str(kubeconfig or "")})
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"weir config {options}: {done.stderr[-2000:]}") from None


def qualified(value, provider):
    """References with their provider, which Traefik adds only where it follows them."""
    if isinstance(value, list):
        return [qualified(inner, provider) for inner in value]
    return value if "@" in value or not value else f"{value}@{provider}"


def with_providers(element, provider):
    out = {}
    for key, value in element.items():
        if key in ("middlewares", "serversTransport", "parentRefs", "service", "fallback", "name") and isinstance(value, (str, list)) and (
                not isinstance(value, list) or all(isinstance(inner, str) for inner in value)):
            out[key] = qualified(value, provider)
        elif isinstance(value, dict) and key not in ("cookie", "plugin"):
            out[key] = with_providers(value, provider)
        elif isinstance(value, list) and key in ("services", "mirrors"):
            out[key] = [with_providers(inner, provider) for inner in value]
        else:
            out[key] = value
    return out


def normal(section, name, element):
    out = with_providers(element, name.rpartition("@")[2])
    if "error" in out:
        out["error"] = True
    for key in ("usedBy", "using"):
        if key in out:
            out[key] = sorted(out[key])
    for kind in ("loadBalancer",):
        if isinstance(out.get(kind), dict) and "servers" in out[kind]:
            out[kind] = {**out[kind], "servers": sorted(out[kind]["servers"] or [], key=json.dumps)}
    return out


def flat(value, path=""):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def differences(traefik, weir):
    """(section, name, path, Traefik's value, weir's value); path "" when one of the two does not have it."""
    for section in SECTIONS:
        ours, theirs = weir.get(section) or {}, traefik.get(section) or {}
        for name in sorted({*ours, *theirs}):
            if name.endswith("@internal"):
                continue
            if name not in ours or name not in theirs:
                yield section, name, "", theirs.get(name), ours.get(name)
                continue
            a, b = dict(flat(normal(section, name, theirs[name]))), dict(flat(normal(section, name, ours[name])))
            for path in sorted({*a, *b}):
                if a.get(path) != b.get(path):
                    yield section, name, path, a.get(path), b.get(path)


def compare(args, group_name, profile, traefik, weir, totals):
    for difference in differences(traefik, weir):
        reason = accepted(difference, traefik, weir, profile)
        section, name, path, a, b = difference
        if reason:
            totals["accepted"][reason] += 1
            if not args.verbose:
                continue
        else:
            totals["different"][(section, re.sub(r"^serverStatus.*", "serverStatus", path) or ("only in weir" if a is None else "only in Traefik"))] += 1
        error = lambda data: ((data.get(section) or {}).get(name) or {}).get("error")
        print(f"-- {group_name} ({profile}) {section} {name} {path or '(whole)'}" + (f" (accepted: {reason})" if reason else ""))
        print(f"     traefik {json.dumps(a, ensure_ascii=False)[:600]}")
        print(f"     weir    {json.dumps(b, ensure_ascii=False)[:600]}")
        for who, data in (("traefik", traefik), ("weir", weir)):
            if error(data):
                print(f"     {who} says {json.dumps(error(data), ensure_ascii=False)[:400]}")


def make_keys(directory):
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k.key", "-out", "k.crt",
            "-subj", "/CN=a.test", "-days", "30")
    return {"crt": (directory / "k.crt").read_text(), "key": (directory / "k.key").read_text()}


def groups_of(args, keys):
    """Fixed sizes: the same number gives the same set."""
    profiles = list(PROFILES)
    numbers = [args.only] if args.only is not None else range(args.sets)
    by_profile = collections.defaultdict(list)
    for number in numbers:
        profile = profiles[number % len(profiles)]
        if number % 20 == 19:
            yield Group(f"global-{number}", profile, [draw_global(number, args.seed, keys, profile)])
        else:
            by_profile[profile].append(draw(number, args.seed, keys, profile))
    for profile, sets in by_profile.items():
        size = 4 if profile == "watched" else 40  # Traefik lists each kind of each namespace, and not fast
        for i in range(0, len(sets), size):
            yield Group(f"{profile}-{i // size}", profile, sets[i:i + size])


def prepare(cluster, server, crds):
    cluster.kubectl("apply", "--server-side", "-f", str(crds))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{plural}.traefik.io" for plural in KINDS))
    cluster.apply(*role())
    for number, addresses in enumerate(([("InternalIP", "10.8.0.1"), ("ExternalIP", "192.0.2.1")], [("InternalIP", "10.8.0.2"), ("Hostname", "n")])):
        node = server.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node{number}"}})
        node["status"] = {"addresses": [{"type": kind, "address": address} for kind, address in addresses]}
        status, answer = server.ask("PUT", f"/api/v1/nodes/node{number}/status", node)
        assert status == 200, answer
    for name, controller, default in CLASSES:
        server.create({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {
            "name": name, **({"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}} if default else {})}, "spec": {"controller": controller}})


def look(args, group, cluster, server, pool, directory, totals):
    """One run of both; where Traefik panics the halves by themselves, until the sets at fault are alone."""
    list(pool.map(server.create, ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}} for one in group.sets for space in one.spaces)))
    kept = list(pool.map(server.create, group.objects()))
    made = [item for item in kept if item]
    halves = []
    try:
        traefik = ask_traefik(args, group, cluster.folder / "admin.kubeconfig", directory)
        weir = ask_weir(args, group.options(), cluster.folder / "weir.kubeconfig")
        if args.record:
            shared = [item for path in ("/apis/networking.k8s.io/v1/ingressclasses", "/api/v1/nodes") for item in with_kind(server.ask("GET", path)[1])]
            (args.record / f"{group.name}.json").write_text(json.dumps(
                {"name": group.name, "profile": group.profile, "options": group.options(), "objects": made + shared, "traefik": traefik}))
        totals["refused"] += kept.count(None)
        totals["objects"] += len(made)
        totals["sets"] += len(group.sets)
        compare(args, group.name, group.profile, traefik, weir, totals)
    except Panic as error:
        middle = len(group.sets) // 2
        halves = [Group(f"{group.name}{letter}", group.profile, part) for letter, part in (("a", group.sets[:middle]), ("b", group.sets[middle:]))]
        if middle == 0:
            halves = []
            totals["accepted"][f"Traefik {error}"] += 1
    list(pool.map(lambda item: server.ask("DELETE", server.path(item, True)), made))
    for half in halves:
        look(args, half, cluster, server, pool, directory, totals)


def run(args, directory, totals):
    keys = make_keys(directory)
    cluster_directory = directory / "cluster"
    cluster_directory.mkdir()
    cluster = Cluster(cluster_directory)
    try:
        server = Server(cluster)
        prepare(cluster, server, args.crds)
        cluster.kubeconfig("weir", "weirtoken")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for group in groups_of(args, keys):
                look(args, group, cluster, server, pool, directory, totals)
    finally:
        cluster.stop()


def with_kind(answer):
    return [{"apiVersion": answer["apiVersion"], "kind": answer["kind"].removesuffix("List"), **item} for item in answer["items"]]


def replay(args, directory, totals):
    for path in sorted(args.replay.glob("*.json")):
        group = json.loads(path.read_text())
        if args.only is not None and not re.search(rf"-{args.only}$", group["name"]):
            continue
        for item in group["objects"]:  # in manifests a condition "ready" that is left out holds, in a cluster it does not
            for endpoint in item.get("endpoints") or []:
                endpoint.setdefault("conditions", {}).setdefault("ready", False)
        manifests = directory / "objects.yaml"
        manifests.write_text("".join("---\n" + json.dumps(item) + "\n" for item in group["objects"]))
        totals["objects"] += len(group["objects"])
        totals["sets"] += len({item["metadata"].get("namespace", "-")[:-2] for item in group["objects"]}) - 1
        compare(args, group["name"], group["profile"], group["traefik"], ask_weir(args, group["options"], manifests=manifests), totals)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--traefik", type=pathlib.Path)
    parser.add_argument("--weir", type=pathlib.Path, required=True)
    parser.add_argument("--crds", type=pathlib.Path, default=ROOT / "helm/weir/crds/traefik.io.yaml")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sets", type=int, default=300)
    parser.add_argument("--only", type=int, help="one set by its number")
    parser.add_argument("--record", type=pathlib.Path)
    parser.add_argument("--replay", type=pathlib.Path)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    totals = {"sets": 0, "objects": 0, "refused": 0, "different": collections.Counter(), "accepted": collections.Counter()}
    if args.record:
        args.record.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="weir-compare-") as temporary:
        (replay if args.replay else run)(args, pathlib.Path(temporary), totals)
    for reason, count in totals["accepted"].most_common():
        print(f"{count:6} on purpose: {reason}")
    for (section, path), count in totals["different"].most_common():
        print(f"{count:6} different: {section} {path}")
    print(f"{totals['sets']} sets, {totals['objects']} objects ({totals['refused']} refused by the API server), "
          f"{sum(totals['different'].values())} differences, {sum(totals['accepted'].values())} on purpose")
    return 1 if totals["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
