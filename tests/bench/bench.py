"""bench.py - nginx, HAProxy and weir side by side in one run: what a request costs the proxy.

The figure is CPU microseconds per request: user plus system time of the proxy's whole process tree, from /proc, over
the requests that the load generator counted. Rates and latencies are shown beside it. All figures of a row come from
rounds that alternate between the proxies, so that whatever else the machine does hits all of them; read the ratios.

One upstream (nginx, small fixed answer) serves all three. With two or more cores the proxy has one to itself and load
generator and upstream share the rest. Nothing but loopback is used; every process is stopped at the end.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE = {CORES[0]}
LOAD_CORES = set(CORES[1:]) or {CORES[0]}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tree(pid):
    """pid and all its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        p = queue.pop()
        found.append(p)
        queue.extend(children.get(p, []))
    return found


def cpu_seconds(pid):
    total = 0
    for p in tree(pid):
        try:
            fields = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / TICK


def pss_kib(pid):
    total = 0
    for p in tree(pid):
        try:
            for line in pathlib.Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total


def wait_port(port, process=None, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process is not None and process.poll() is not None:
                raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
            time.sleep(0.02)
    raise SystemExit(f"nothing listens on {port}")


def wait_status(port, path, headers, wanted=200, seconds=240):
    """Asks until the answer has the wanted status: the configuration is in force."""
    request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "Connection: close\r\n\r\n"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as s:
                s.sendall(request.encode())
                if s.recv(64).startswith(f"HTTP/1.1 {wanted}".encode()):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"no {wanted} for {path} on {port}")


class Proxy:
    def __init__(self, name, command, port, log, cores=PROXY_CORE):
        self.name, self.port = name, port
        self.log = open(log, "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, cores))
        try:
            wait_port(port, self.process)
        except SystemExit:
            print(pathlib.Path(log).read_text())
            raise

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


class Bench:
    def __init__(self, args):
        self.args = args
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weir-bench-"))
        self.running = []
        self.upstream_port = free_port()

    def start(self, *args, **kw):
        proxy = Proxy(*args, **kw)
        self.running.append(proxy)
        return proxy

    def stop(self, proxy):
        proxy.stop()
        self.running.remove(proxy)

    def upstream(self):
        conf = self.dir / "upstream.conf"
        conf.write_text(f"""
worker_processes 1; daemon off; pid {self.dir}/upstream.pid; error_log stderr crit;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_temp_path {self.dir}; proxy_temp_path {self.dir}; fastcgi_temp_path {self.dir};
  uwsgi_temp_path {self.dir}; scgi_temp_path {self.dir};
  server {{ listen 127.0.0.1:{self.upstream_port} backlog=4096; location / {{ return 200 "hello from upstream\\n"; }} }} }}
""")
        return self.start("upstream", ["nginx", "-c", str(conf), "-p", str(self.dir)], self.upstream_port,
                          self.dir / "upstream.log", cores=LOAD_CORES)

    def nginx(self, workers=1, cores=PROXY_CORE):
        port, conf = free_port(), self.dir / "nginx.conf"
        conf.write_text(f"""
worker_processes {workers}; daemon off; pid {self.dir}/nginx.pid; error_log stderr crit;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_temp_path {self.dir}; proxy_temp_path {self.dir}; fastcgi_temp_path {self.dir};
  uwsgi_temp_path {self.dir}; scgi_temp_path {self.dir};
  upstream u {{ server 127.0.0.1:{self.upstream_port}; keepalive 128; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; server_name bench.test;
    location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Forwarded-Server bench; proxy_set_header X-Real-Ip $remote_addr; }} }} }}
""")
        return self.start("nginx", ["nginx", "-c", str(conf), "-p", str(self.dir)], port, self.dir / "nginx.log",
                          cores=cores)

    def haproxy(self, threads=1, cores=PROXY_CORE):
        port, conf = free_port(), self.dir / "haproxy.cfg"
        conf.write_text(f"""
global
  nbthread {threads}
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  http-reuse always
  option http-keep-alive
frontend f
  bind 127.0.0.1:{port} backlog 4096
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Server bench
  http-request set-header X-Real-Ip %[src]
  use_backend b if {{ hdr(host) -i bench.test }}
backend b
  server s 127.0.0.1:{self.upstream_port} pool-max-conn 256
""")
        return self.start("haproxy", ["haproxy", "-db", "-f", str(conf)], port, self.dir / "haproxy.log", cores=cores)

    def routers(self, count, shape):
        """A dynamic file with `count` routers besides the one that is asked for, which is the last to match by rank."""
        routers = {"bench": {"rule": "Host(`bench.test`)", "service": "s", "priority": 1}}
        for i in range(count - 1):
            if shape == "hosts":
                routers[f"r{i}"] = {"rule": f"Host(`h{i}.test`)", "service": "s"}
            elif shape == "paths":
                routers[f"r{i}"] = {"rule": f"Host(`bench.test`) && PathPrefix(`/app/{i}/`)", "service": "s"}
            elif shape == "regex":
                routers[f"r{i}"] = {"rule": f"Host(`bench.test`) && PathRegexp(`^/svc-{i}/[0-9]+$`)", "service": "s"}
        path = self.dir / f"{shape}-{count}.json"
        path.write_text(json.dumps({"http": {
            "routers": routers,
            "services": {"s": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{self.upstream_port}"}]}}}}}))
        return path

    def weir(self, count=1, shape="hosts", workers=1, cores=PROXY_CORE):
        port = free_port()
        proxy = self.start("weir", [str(self.args.weir), f"--entryPoints.web.address=127.0.0.1:{port}",
                                    f"--providers.file.filename={self.routers(count, shape)}",
                                    f"--workers={workers}", "--log.level=INFO"], port,
                           self.dir / f"weir-{shape}-{count}-{workers}.log", cores=cores)
        wait_status(port, "/", {"Host": "bench.test"})
        return proxy

    def wrk(self, proxy, seconds, connections=64, path="/"):
        before = cpu_seconds(proxy.process.pid)
        out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-H", "Host: bench.test",
                              f"http://127.0.0.1:{proxy.port}{path}"], capture_output=True, text=True, check=True,
                             preexec_fn=lambda: os.sched_setaffinity(0, LOAD_CORES)).stdout
        used = cpu_seconds(proxy.process.pid) - before
        requests = int(re.search(r"(\d+) requests in", out).group(1))
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        errors = re.search(r"Socket errors: (.*)", out)
        if bad or errors:
            print(f"  !! {proxy.name}: {bad.group(0) if bad else ''} {errors.group(0) if errors else ''}")
        p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
        return {"us": used / requests * 1e6, "rps": requests / seconds,
                "p99_ms": float(p99.group(1)) * {"us": 1e-3, "ms": 1, "s": 1e3}[p99.group(2)]}

    def rounds(self, proxies, seconds=None, **kw):
        """Alternates between the proxies; the median of each figure."""
        results = {p: [] for p in proxies}
        for p in proxies:
            self.wrk(p, 1, **kw)
        for _ in range(self.args.rounds):
            for p in proxies:
                results[p].append(self.wrk(p, seconds or self.args.seconds, **kw))
        return {p: {k: statistics.median(r[k] for r in rows) for k in rows[0]} for p, rows in results.items()}

    # ---- the sections ----
    def section_small(self):
        print("\n## small GET, 64 keep-alive connections, one worker each")
        nginx, haproxy, weir, weir10k = self.nginx(), self.haproxy(), self.weir(), self.weir(10000)
        weir10k.name = "weir, 10,000 routers"
        rows = self.rounds([nginx, haproxy, weir, weir10k])
        best = min(rows[nginx]["us"], rows[haproxy]["us"])
        print(f"{'':22} {'CPU us/req':>10} {'requests/s':>10} {'p99 ms':>8}   CPU against the better peer (to reach: 0.85)")
        for p, r in rows.items():
            print(f"{p.name:22} {r['us']:10.2f} {r['rps']:10.0f} {r['p99_ms']:8.2f}   {r['us'] / best:5.2f}x")
        self.open_loop([nginx, haproxy, weir], max(rows[nginx]["rps"], rows[haproxy]["rps"]))
        for p in (nginx, haproxy, weir, weir10k):
            self.stop(p)

    def open_loop(self, proxies, peak):
        rate = int(peak * 0.6)
        print(f"\n## open loop at {rate} requests/s (60 % of the better peer's peak), latency from the intended start")
        binary = build_open_loop(self.dir)
        generator = [str(binary)]
        results = {}
        for _ in range(self.args.rounds):
            for p in proxies:
                out = subprocess.run(generator + [str(p.port), str(rate), str(self.args.seconds), "64"],
                                     capture_output=True, text=True, check=True,
                                     preexec_fn=lambda: os.sched_setaffinity(0, LOAD_CORES)).stdout
                results.setdefault(p, []).append(json.loads(out))
        peer = min(statistics.median(r["p999_us"] for r in rows) for p, rows in results.items() if p.name != "weir")
        print(f"{'':22} {'p50 us':>8} {'p99 us':>8} {'p99.9 us':>9}   p99.9 against the better peer (to reach: 1.0)")
        for p, rows in results.items():
            m = {k: statistics.median(r[k] for r in rows) for k in rows[0]}
            print(f"{p.name:22} {m['p50_us']:8.0f} {m['p99_us']:8.0f} {m['p999_us']:9.0f}   {m['p999_us'] / peer:5.2f}x")

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
        for _ in range(self.args.rounds):
            a.append(self.wrk(one, self.args.seconds)["us"])
            b.append(self.wrk(other, self.args.seconds, path=path)["us"])
        return statistics.median(a), statistics.median(b)

    def section_workers(self):
        workers = len(CORES)
        print(f"\n## workers = cores ({workers}): cost per request stays that of one worker when the work scales linearly")
        one = self.weir(1, "hosts", workers=1, cores=set(CORES))
        many = self.weir(1, "hosts", workers=workers, cores=set(CORES))
        rows = self.rounds([one, many])
        print(f"  1 worker {rows[one]['us']:.2f} us/req, {workers} workers {rows[many]['us']:.2f} us/req:"
              f" {rows[one]['us'] / rows[many]['us']:.2f} of linear (to reach: 0.9)")
        self.stop(one)
        self.stop(many)

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

    def close(self):
        for p in list(self.running):
            p.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def build_open_loop(directory):
    binary = directory / "open_loop"
    if not binary.exists():
        subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", "-o", str(binary), str(ROOT / "tests/bench/open_loop.c")], check=True)
    return binary


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weir", type=pathlib.Path, default=ROOT / "build/weir")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="without the million routers")
    parser.add_argument("--only", choices=["small", "scale", "workers", "memory"])
    args = parser.parse_args()
    bench = Bench(args)
    try:
        bench.upstream()
        for name in ("small", "scale", "workers", "memory"):
            if args.only in (None, name):
                getattr(bench, f"section_{name}")()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
