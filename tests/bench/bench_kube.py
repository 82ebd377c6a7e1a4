"""bench_kube.py - what a change in a cluster costs: weir before a real kube-apiserver and etcd (tests/e2e/cluster.py).

N IngressRoutes with a Service and an EndpointSlice each. CPU is that of the master alone, all its threads, in
nanoseconds from /proc/PID/task/*/schedstat, less what it takes at rest in the same time. A change is in force when every
worker has acknowledged its generation: the board says when, on the clock that the change was begun on. Nothing but
loopback is used; every process is stopped at the end.
"""
import argparse
import collections
import http.client
import json
import os
import pathlib
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/integration")]
from board import Board  # noqa: E402
from cluster import Cluster, free_port, role  # noqa: E402

SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
SERVICES = "/api/v1/namespaces/default/services"
ROUTES = "/apis/traefik.io/v1alpha1/namespaces/default/ingressroutes"
MIDDLEWARES = "/apis/traefik.io/v1alpha1/namespaces/default/middlewares"
NODES = "/api/v1/nodes"
WORKERS = 2
NODE_COUNT = 100
GUARDED = 100  # one route of so many has middlewares: a chain of two, one of which asks a service
CALM_ENDPOINT, CALM_ROUTE = 0.25, 2.5  # between two changes that are to be single ones, and no burst
HANDFUL = {"endpoints": 30, "routes": 20}  # generations of a burst that takes up to a minute
MERGE = "application/merge-patch+json"


def service(i):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"app{i}"},
            "spec": {"clusterIP": "None", "ports": [{"name": "web", "port": 80}]}}


def endpoints(i, turn=0):
    return [{"addresses": [f"10.{turn % 200}.{i // 250}.{i % 250 + 1}"], "conditions": {"ready": True}}]


def endpoint_slice(i):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": f"app{i}-x", "labels": {"kubernetes.io/service-name": f"app{i}"}},
            "ports": [{"name": "web", "port": 8080}], "endpoints": endpoints(i)}


def route_spec(i, turn=0):
    match = f"Host(`app{i}.test`)" + (f" && PathPrefix(`/{turn}`)" if turn else "")
    rule = {"kind": "Rule", "match": match, "services": [{"name": f"app{i}", "port": 80}]}
    return {"entryPoints": ["web"], "routes": [{**rule, **({} if i % GUARDED else {"middlewares": [{"name": "guard"}]})}]}


def route(i):
    return {"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": {"name": f"app{i}"}, "spec": route_spec(i)}


def middlewares(turn=0):
    """By name: their specs in that turn."""
    pages = {"status": ["500-599"], "query": f"/{turn}", "service": {"name": "app0", "port": 80}}
    return {"prefix": {"addPrefix": {"prefix": f"/{turn}"}}, "pages": {"errors": pages},
            "guard": {"chain": {"middlewares": [{"name": name} for name in ("prefix", "pages")[::1 if turn % 2 else -1]]}}}


def middleware(name):
    return {"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": {"name": name}, "spec": middlewares()[name]}


def node(i):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node{i}"}}


class Api:
    """Requests as the administrator, each thread on a connection of its own."""

    def __init__(self, cluster):
        self.port, self.local = cluster.port, threading.local()
        self.tls = ssl.create_default_context(cafile=str(cluster.folder / "ca.crt"))

    def ask(self, method, path, thing, kind="application/json"):
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls)
        self.local.connection.request(method, path, json.dumps(thing), {"Authorization": "Bearer admintoken", "Content-Type": kind})
        answer = self.local.connection.getresponse()
        body = answer.read()
        assert answer.status < 300, (method, path, answer.status, body[:300])

    def create(self, path, thing):
        self.ask("POST", path, thing)

    def remove(self, path):
        self.ask("DELETE", path, {})

    def change(self, path, patch):
        self.ask("PATCH", path, patch, MERGE)

    def all(self, jobs, threads=8):
        """jobs: (function, arguments...); how long it took."""
        jobs, began, failed = collections.deque(jobs), time.monotonic(), []

        def run():
            try:
                while True:
                    function, *arguments = jobs.popleft()
                    function(*arguments)
            except IndexError:
                pass
            except Exception as error:  # said by the thread that waits
                failed.append(error)
        workers = [threading.Thread(target=run) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if failed:
            raise failed[0]
        return time.monotonic() - began


class Weir:
    def __init__(self, binary, cluster, folder):
        self.log = open(folder / "weir.log", "wb")
        self.path = folder / "weir.log"
        env = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig("weir", "weirtoken")), "KUBERNETES_SERVICE_HOST": ""}
        self.began = time.monotonic()
        self.process = subprocess.Popen([str(binary), f"--workers={WORKERS}", "--providers.kubernetesCRD=true", "--log.level=INFO",
                                         f"--entryPoints.web.address=127.0.0.1:{free_port()}"],
                                        env=env, stdout=self.log, stderr=self.log)
        self.pause = threading.Event()
        while "INF Ready: " not in self.path.read_text():
            assert self.process.poll() is None and time.monotonic() < self.began + 60, self.path.read_text()[-3000:]
            self.pause.wait(0.02)
        self.ready = time.monotonic() - self.began
        self.board = Board(self.process.pid)
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        titles = {pid: pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
        (self.master,) = (int(pid) for pid, title in titles.items() if title.startswith(b"weir: master"))

    def cpu_ns(self):
        total = 0
        for task in pathlib.Path(f"/proc/{self.master}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                pass  # a thread that has ended meanwhile
        return total

    def memory_mib(self):
        lines = pathlib.Path(f"/proc/{self.master}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

    def in_force(self, generation, seconds=60):
        """When the last worker had it, or a later one."""
        end = time.monotonic() + seconds
        while True:
            state = self.board.acknowledged()
            if len(state) == WORKERS and all(number >= generation for number, _ in state):
                return max(since for _, since in state)
            assert time.monotonic() < end, (generation, state)
            self.pause.wait(0.001)

    def settled(self):
        """Nothing is published any more, and what was is in force."""
        before = None
        while before != (now := self.board.published()):
            before = now
            self.pause.wait(1.5)
        self.in_force(before)
        return before

    def stop(self):
        self.board.close()
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


class Bench:
    def __init__(self, args, folder):
        self.count, self.folder = args.count, folder
        self.cluster = Cluster(folder)
        self.cluster.install_crds("ingressroutes", "middlewares", "traefikservices", "serverstransports")
        self.cluster.apply(*role())
        self.api = Api(self.cluster)
        self.rows = []

    def say(self, what, figure, wanted=""):
        self.rows.append((what, figure, wanted))
        print(f"  {what:<70} {figure:>26}   {wanted}", flush=True)

    def fill(self):
        jobs = [(self.api.create, path, make(i)) for i in range(self.count)
                for path, make in ((SERVICES, service), (SLICES, endpoint_slice), (ROUTES, route))]
        jobs += [(self.api.create, NODES, node(i)) for i in range(NODE_COUNT)]
        jobs += [(self.api.create, MIDDLEWARES, middleware(name)) for name in middlewares()]
        took = self.api.all(jobs)
        print(f"{self.count} IngressRoutes, Services and EndpointSlices made in {took:.0f} s; {WORKERS} workers", flush=True)

    def start(self, binary):
        self.weir = Weir(binary, self.cluster, self.folder)
        self.weir.settled()
        began, cpu = time.monotonic(), self.weir.cpu_ns()
        self.weir.pause.wait(3)
        self.rest = (self.weir.cpu_ns() - cpu) / (time.monotonic() - began)
        self.say("start to ready", f"{self.weir.ready:.2f} s")
        self.say("master: memory", f"{self.weir.memory_mib():.0f} MiB")
        self.say("master: CPU at rest", f"{self.rest / 1e6:.2f} ms/s")

    def single(self, what, times, calm, change, cpu_wanted):
        cpu, latency = [], []
        for turn in range(1, times + 1):
            generation, before, began = self.weir.board.published(), self.weir.cpu_ns(), time.monotonic_ns()
            change(turn)
            latency.append((self.weir.in_force(generation + 1) - began) / 1e6)
            self.weir.pause.wait(calm)
            cpu.append((self.weir.cpu_ns() - before - self.rest * (time.monotonic_ns() - began) / 1e9) / 1e6)
        self.say(f"{what}: CPU of the master", f"{statistics.median(cpu):.2f} ms (most {max(cpu):.2f})", cpu_wanted)
        self.say(f"{what}: in force in all workers after", f"{statistics.median(latency):.1f} ms (most {max(latency):.1f})", "<= 100 ms")

    def change_endpoint(self, i, turn):
        self.api.change(f"{SLICES}/app{i}-x", {"endpoints": endpoints(i, turn)})

    def change_whether_any(self, turn):
        """Scaled to 0 and back: without servers the route is an error."""
        self.api.change(f"{SLICES}/app7-x", {"endpoints": [] if turn % 2 else endpoints(7, turn)})

    def change_route(self, i, turn):
        self.api.change(f"{ROUTES}/app{i}", {"spec": route_spec(i, turn)})

    def add_route(self, turn):
        """With a Service and a slice of its own."""
        i = self.count + turn
        for path, make in ((SERVICES, service), (SLICES, endpoint_slice), (ROUTES, route)):
            self.api.create(path, make(i))

    def remove_route(self, turn):
        i = self.count + turn
        for path in (f"{ROUTES}/app{i}", f"{SLICES}/app{i}-x", f"{SERVICES}/app{i}"):
            self.api.remove(path)

    def change_middleware(self, name, turn):
        self.api.change(f"{MIDDLEWARES}/{name}", {"spec": middlewares(turn)[name]})

    def burst(self, what, jobs):
        generation, cpu = self.weir.settled(), self.weir.cpu_ns()
        took, last = self.api.all(jobs), time.monotonic_ns()
        number = self.weir.settled()
        after = (max(since for _, since in self.weir.board.acknowledged()) - last) / 1e6
        self.say(f"{len(jobs)} {what} in {took:.1f} s: generations", f"{number - generation}", f"<= {HANDFUL[what]}")
        self.say(f"{len(jobs)} {what}: CPU of the master", f"{(self.weir.cpu_ns() - cpu) / 1e6:.0f} ms")
        self.say(f"{len(jobs)} {what}: last in force after", f"{max(after, 0):.0f} ms")

    def noise(self):
        """An hour of a cluster: 100 nodes tell every five minutes how they are, controllers write notes on objects."""
        jobs = [(self.api.change, f"{NODES}/node{i % NODE_COUNT}/status", {"status": {"conditions": [
            {"type": "Ready", "status": "True", "lastHeartbeatTime": f"2026-01-01T00:{i // 100:02}:{i % 60:02}Z"}]}})
            for i in range(12 * NODE_COUNT)]
        for i in range(600):
            note = {"metadata": {"annotations": {"example.com/seen": str(i)}}}
            jobs += [(self.api.change, f"{path}/app{i % self.count}{tail}", note)
                     for path, tail in ((ROUTES, ""), (SERVICES, ""), (SLICES, "-x"))]
        generation, cpu = self.weir.settled(), self.weir.cpu_ns()
        began = time.monotonic()
        self.api.all(jobs)
        number = self.weir.settled()
        spent = self.weir.cpu_ns() - cpu - self.rest * (time.monotonic() - began)
        self.say(f"an hour's noise, {len(jobs)} events: generations", str(number - generation), "0")
        self.say("an hour's noise: CPU of the master for each", f"{spent / len(jobs) / 1e6:.3f} ms")

    def run(self, binary):
        self.fill()
        self.start(binary)
        n = self.count
        self.single("one endpoint", 40, CALM_ENDPOINT, lambda turn: self.change_endpoint(turn * 97 % n, turn), "<= 1 ms")
        self.single("a Service's last endpoint goes, its first comes", 20, CALM_ROUTE, self.change_whether_any, "<= 50 ms")
        self.single("one route", 20, CALM_ROUTE, lambda turn: self.change_route(turn * 89 % n, turn), "<= 50 ms")
        self.single("one more route, with its Service", 10, CALM_ROUTE, self.add_route, "<= 50 ms")
        self.single("one route less, with its Service", 10, CALM_ROUTE, self.remove_route, "<= 50 ms")
        for what, name in (("a middleware", "prefix"), ("a chain", "guard"), ("one that asks a service,", "pages")):
            self.single(f"{what} of {n // GUARDED} routes", 5, CALM_ROUTE, lambda turn, name=name: self.change_middleware(name, turn), "<= 50 ms")
        self.noise()
        self.burst("endpoints", [(self.change_endpoint, i, 150) for i in range(n)])
        self.burst("routes", [(self.change_route, i, 150) for i in range(n)])
        self.say("master: memory at the end", f"{self.weir.memory_mib():.0f} MiB")

    def close(self):
        if hasattr(self, "weir"):
            self.weir.stop()
        self.cluster.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weir", type=pathlib.Path, default=ROOT / "build/weir")
    parser.add_argument("--count", type=int, default=10000, help="of IngressRoutes, of Services, of EndpointSlices")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, pathlib.Path(folder))
        try:
            bench.run(args.weir)
        finally:
            bench.close()


if __name__ == "__main__":
    main()
