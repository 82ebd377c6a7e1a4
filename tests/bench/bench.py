"""bench.py - nginx, HAProxy and weir side by side in one run: what a request costs the proxy.

The figure is CPU microseconds per request: user plus system time of the proxy's whole process tree, from /proc, over
the requests that the load generator counted. Rates and latencies are shown beside it. All figures of a table come from
seconds that alternate between the proxies, at the highest priority, so that whatever else the machine does hits all of them and
none hard, and from several lives of each, because the same program is some percent dearer in one life than in the next; read
the ratios.
"only copies bytes" is no peer: it shows what the kernel alone asks for so many reads and writes.

One upstream (nginx, small fixed answer) serves all three. With two or more cores the proxy has one to itself and load
generator and upstream share the rest. Nothing but loopback is used; every process is stopped at the end.
"""
import argparse
import json
import pathlib
import re
import socket
import statistics
import subprocess
import time

from stand import CORES, ROOT, Stand, free_port, on_load_cores, pss_kib, wait_status, wait_until
from wire import Wire

SECTIONS = ("small", "scale", "workers", "memory", "tls", "bulk", "layer4", "middlewares", "compile")


class Bench(Wire, Stand):
    # ---- the sections ----
    def section_small(self):
        print("\n## small GET, 64 keep-alive connections, one worker each")
        rows, = self.turns(lambda: self.peers() + [self.named("weir, 10,000 routers", self.weir(10000)), self.null_proxy()], self.wrk)
        best = min(rows["nginx"]["us"], rows["haproxy"]["us"])
        print(f"{'':22} {'CPU us/req':>10} {'requests/s':>10} {'p99 ms':>8}   CPU against the better peer (to reach: 0.85)")
        for name, r in rows.items():
            print(f"{name:22} {r['us']:10.2f} {r['rps']:10.0f} {r['p99_ms']:8.2f}   {r['us'] / best:5.2f}x")
        self.open_loop(max(rows["nginx"]["rps"], rows["haproxy"]["rps"]))

    def peers(self):
        return [self.nginx(), self.haproxy(), self.weir()]

    def named(self, name, proxy):
        proxy.name = name
        return proxy

    def open_loop(self, peak):
        """In slices of a fifth of a second, by turns. Where the machine itself is taken away for some milliseconds a second, as a shared
        one is, most slices show that and nothing else, also for what only copies bytes: the lowest tenth tells the proxies apart."""
        rate = int(peak * 0.6)
        print(f"\n## open loop at {rate} requests/s (60 % of the better peer's peak), of slices of 0.2 s that of the lowest tenth")
        generator = [str(self.built("open_loop"))]
        results = {}
        for _ in range(self.args.rounds):
            proxies = self.peers() + [self.null_proxy()]
            for _ in range(self.args.seconds * 10):
                for p in proxies:
                    out = subprocess.run(generator + [str(p.port), str(rate), "0.2", "64"], capture_output=True, text=True, check=True,
                                         preexec_fn=on_load_cores).stdout
                    results.setdefault(p.name, []).append(json.loads(out))
            for p in proxies:
                self.stop(p)
        figures = {name: {k: statistics.quantiles((r[k] for r in rows), n=10)[0] for k in rows[0]} for name, rows in results.items()}
        peer = min(figures["nginx"]["p999_us"], figures["haproxy"]["p999_us"])
        print(f"{'':22} {'p50 us':>8} {'p99 us':>8} {'p99.9 us':>9} {'(median)':>9}   p99.9 against the better peer (to reach: 1.0)")
        for name, m in figures.items():
            median = statistics.median(r["p999_us"] for r in results[name])
            print(f"{name:22} {m['p50_us']:8.0f} {m['p99_us']:8.0f} {m['p999_us']:9.0f} {median:9.0f}   {m['p999_us'] / peer:5.2f}x")

    def section_scale(self):
        print("\n## number of routers (CPU us/req; to reach: within 1.3x of one router; 10,000 regexes at most 3x)")
        base = None
        cases = [(1, "hosts"), (1000, "hosts"), (100000, "hosts"), (10000, "paths"), (100000, "paths"), (10000, "regex")]
        if not self.args.quick:
            cases.append((1000000, "hosts"))
        one = self.weir(1, "hosts")
        for count, shape in cases[1:]:
            started = time.monotonic()
            proxy = self.weir(count, shape)
            ready = time.monotonic() - started
            path = "/svc-77/12" if shape == "regex" else ("/app/77/x" if shape == "paths" else "/")
            rows = self.rounds_pair(one, proxy, path)
            base = rows[0]
            compiled = re.findall(r"compileMs=\"?([\d.]+)", pathlib.Path(proxy.log.name).read_text())
            print(f"{count:>9} {shape:6} {rows[1]:8.2f} us, one router {base:8.2f} us: {rows[1] / base:5.2f}x"
                  f"   start to served {ready:6.2f} s, compile {compiled[0] if compiled else '?'} ms,"
                  f" PSS {pss_kib(proxy.process.pid) / 1024:.1f} MiB")
            self.stop(proxy)
        self.stop(one)

    def rounds_pair(self, one, other, path):
        a, b = [], []
        for _ in range(self.args.rounds * self.args.seconds):
            a.append(self.wrk(one, 1)["us"])
            b.append(self.wrk(other, 1, path=path)["us"])
        return statistics.median(a), statistics.median(b)

    def section_workers(self):
        workers = len(CORES)
        print(f"\n## workers = cores ({workers}): cost per request stays that of one worker when the work scales linearly")
        rows, = self.turns(lambda: [self.named(str(count), self.weir(1, "hosts", workers=count, cores=set(CORES)))
                                    for count in (1, workers)], self.wrk)
        one, many = rows["1"]["us"], rows[str(workers)]["us"]
        print(f"  1 worker {one:.2f} us/req, {workers} workers {many:.2f} us/req: {one / many:.2f} of linear (to reach: 0.9)")

    def section_memory(self):
        print("\n## memory")
        proxy = self.weir(1, "hosts", workers=2, cores=set(CORES))
        rest = pss_kib(proxy.process.pid)
        print(f"  process tree at rest, two workers: {rest / 1024:.1f} MiB PSS (to reach: under 14)")
        held = []
        for _ in range(2000):
            s = socket.create_connection(("127.0.0.1", proxy.port))
            s.sendall(b"GET / HTTP/1.1\r\nHost: bench.test\r\n\r\n")
            s.recv(4096)
            held.append(s)
        idle = pss_kib(proxy.process.pid)
        print(f"  2,000 idle keep-alive connections: {(idle - rest) / 2000:.2f} KiB each (to reach: at most 4)")
        for s in held:
            s.close()
        self.stop(proxy)

    def section_compile(self):
        print("\n## 10,000 middlewares and 10,000 services (ms from the change that is seen to the generation; to reach: all of it under 1,000)")
        users = [self.dir / f"users-{i}" for i in range(100)]
        for path in users:
            path.write_text("bob:{SHA}2oguq15ANCGsJCWKX31fllwpyEk=\n")
        path = self.dir / "compile.json"
        http = many(users, self.upstream_port)
        write(path, http)
        port = free_port()
        proxy = self.start("weir", [str(self.args.weir), f"--entryPoints.web.address=127.0.0.1:{port}", f"--providers.file.filename={path}",
                                    "--log.level=INFO"], port, self.dir / "compile.log", cores=set(CORES))
        wait_status(port, "/", {"Host": "h0.test"})
        print(f"  {'all of it, at the start':36} {self.reload_ms(proxy):8.1f}")
        for name, change in (("one router", lambda: http["routers"]["r7"].update(rule="Host(`other.test`)")),
                             ("one middleware", lambda: http["middlewares"]["m20"].update(addPrefix={"prefix": "/changed"})),
                             ("one server", lambda: http["services"]["s7"]["loadBalancer"]["servers"].pop()),
                             ("one users file", lambda: users[3].write_text("anna:{SHA}2oguq15ANCGsJCWKX31fllwpyEk=\n"))):
            before = self.reloads(proxy)
            change()
            if name != "one users file":
                write(path, http)
            wait_until("the change is in force", lambda: self.reloads(proxy) != before, 240, pause=0.05)
            print(f"  {name:36} {self.reload_ms(proxy):8.1f}")
        self.stop(proxy)

    def said(self, proxy):
        return json.loads(subprocess.run([str(self.args.weir), "status", "--json", "--pid", str(proxy.process.pid)], capture_output=True, text=True,
                                         check=True).stdout)

    def reloads(self, proxy):
        return self.said(proxy)["generation"]

    def reload_ms(self, proxy):
        return 1000 * self.said(proxy)["reload"]["took"]


def write(path, http):
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"http": http}))
    part.rename(path)


def many(users, port):
    """One router for each of as many middlewares of all sorts and services."""
    kinds = (lambda i: {"addPrefix": {"prefix": f"/p{i}"}}, lambda i: {"headers": {"customRequestHeaders": {"X-N": str(i)}, "frameDeny": True}},
             lambda i: {"redirectRegex": {"regex": f"^http://h{i}\\.test/old/(.*)$", "replacement": "http://new.test/$1"}},
             lambda i: {"ipAllowList": {"sourceRange": ["127.0.0.0/8", f"10.{i % 256}.0.0/16"]}}, lambda i: {"rateLimit": {"average": 1000 + i}},
             lambda i: {"stripPrefix": {"prefixes": [f"/a{i}", f"/b{i}"]}}, lambda i: {"compress": {}}, lambda i: {"inFlightReq": {"amount": 1000}},
             lambda i: {"circuitBreaker": {"expression": "NetworkErrorRatio() > 0.5"}}, lambda i: {"basicAuth": {"usersFile": str(users[i // 10 % len(users)])}})
    count = 10000
    return {"routers": {f"r{i}": {"rule": f"Host(`h{i}.test`)", "service": f"s{i}", "middlewares": [f"m{i}"]} for i in range(count)},
            "middlewares": {f"m{i}": kinds[i % len(kinds)](i) for i in range(count)},
            "services": {f"s{i}": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"}, {"url": f"http://127.0.0.2:{port}"}]}}
                         for i in range(count)}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weir", type=pathlib.Path, default=ROOT / "build/weir")
    parser.add_argument("--traefik", type=pathlib.Path, help="its binary: shown beside the others where large bodies and TCP are measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="without the million routers")
    parser.add_argument("--only", choices=SECTIONS)
    args = parser.parse_args()
    bench = Bench(args)
    try:
        bench.upstream()
        for name in SECTIONS:
            if args.only in (None, name):
                getattr(bench, f"section_{name}")()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
