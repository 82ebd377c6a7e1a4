"""stand.py - what every section of the benchmark stands on: processes on cores of their own, their CPU, load by wrk.

Not here: what is asked and printed (bench.py, wire.py).
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from waiting import wait_until  # noqa: E402

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


def alone_on(cores):
    """For a process that is about to begin: these cores, and before everything else that the machine does where that is allowed, as on a
    machine of its own. Who is interrupted in each request needs more for it, and who needs little CPU is hit harder."""
    os.sched_setaffinity(0, cores)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        pathlib.Path("/proc/self/autogroup").write_text("-20")  # what counts between sessions


def on_load_cores():
    alone_on(LOAD_CORES)


def wait_port(port, process=None, seconds=120):
    def connects():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            if process is not None and process.poll() is not None:
                raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
            return False
    wait_until(f"a listener on {port}", connects, seconds)


def wait_status(port, path, headers, wanted=200, seconds=240, tls=False):
    """Asks until the answer has the wanted status: the configuration is in force."""
    wrap = unverified().wrap_socket if tls else contextlib.nullcontext
    request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "Connection: close\r\n\r\n"

    def answers():
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as plain, wrap(plain) as s:
                s.sendall(request.encode())
                return s.recv(64).startswith(f"HTTP/1.1 {wanted}".encode())
        except OSError:
            return False
    wait_until(f"a {wanted} for {path} on {port}", answers, seconds)


def unverified():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


class Proxy:
    def __init__(self, name, command, port, log, cores=PROXY_CORE):
        self.name, self.port = name, port
        self.log = open(log, "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
                                        preexec_fn=lambda: alone_on(cores))
        try:
            if port is not None:
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


class Stand:
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
        (self.dir / "big").write_bytes(bytes(1 << 20))
        self.dir.chmod(0o755)  # nginx reads it as another user
        conf.write_text(f"""
worker_processes 1; daemon off; pid {self.dir}/upstream.pid; error_log stderr crit;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_body_temp_path {self.dir}; proxy_temp_path {self.dir}; fastcgi_temp_path {self.dir};
  uwsgi_temp_path {self.dir}; scgi_temp_path {self.dir};
  server {{ listen 127.0.0.1:{self.upstream_port} backlog=4096; location / {{ return 200 "hello from upstream\\n"; }}
    location = /big {{ root {self.dir}; }} }} }}
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

    def built(self, name):
        """The program of a C file beside this one."""
        binary = self.dir / name
        if not binary.exists():
            subprocess.run(["gcc", "-O2", "-D_GNU_SOURCE", "-o", str(binary), str(ROOT / f"tests/bench/{name}.c")], check=True)
        return binary

    def null_proxy(self):
        """What only copies bytes: no peer, but the floor that the kernel sets."""
        port = free_port()
        return self.start("only copies bytes", [str(self.built("null_proxy")), str(port), str(self.upstream_port)], port,
                          self.dir / "null.log")

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

    def wrk(self, proxy, seconds, connections=64, path="/", scheme="http", headers=()):
        before = cpu_seconds(proxy.process.pid)
        more = [part for header in headers for part in ("-H", header)]
        out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-H", "Host: bench.test", *more,
                              f"{scheme}://127.0.0.1:{proxy.port}{path}"], capture_output=True, text=True, check=True,
                             preexec_fn=on_load_cores).stdout
        used = cpu_seconds(proxy.process.pid) - before
        requests = int(re.search(r"(\d+) requests in", out).group(1))
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        errors = re.search(r"Socket errors: (.*)", out)
        if bad or errors:
            print(f"  !! {proxy.name}: {bad.group(0) if bad else ''} {errors.group(0) if errors else ''}")
        p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
        return {"us": used / requests * 1e6, "rps": requests / seconds,
                "p99_ms": float(p99.group(1)) * {"us": 1e-3, "ms": 1, "s": 1e3}[p99.group(2)]}

    def turns(self, start, *loads):
        """For each of `loads` (called with a proxy and seconds) the medians by proxy, named. start() begins the proxies, anew in each round:
        how a process happens to lie in memory and caches costs it some percent for all of its life. Within a round they
        take turns every second, so that what a second of the machine costs hits one figure of many."""
        results = [{} for _ in loads]
        for _ in range(self.args.rounds):
            proxies = start()
            for load, rows in zip(loads, results):
                for p in proxies:
                    load(p, 1)
                for _ in range(self.args.seconds):
                    for p in proxies:
                        rows.setdefault(p.name, []).append(load(p, 1))
            for p in proxies:
                self.stop(p)
        return [{name: {k: statistics.median(r[k] for r in found) for k in found[0]} for name, found in rows.items()} for rows in results]

    def close(self):
        for p in list(self.running):
            p.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
