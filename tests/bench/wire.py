"""wire.py - sections of the benchmark beyond plain small requests: TLS, HTTP/2, handshakes, large bodies, TCP, UDP, middlewares.

The same figure everywhere: CPU of the proxy's process tree for each request (connection, MiB, datagram), alternating rounds,
ratios to the better peer. h2load makes HTTP/2, wrk the rest of HTTP, udp_load.c datagrams.
"""
import base64
import hashlib
import json
import re
import statistics
import subprocess

from stand import LOAD_CORES, PROXY_CORE, cpu_seconds, free_port, on_load_cores, wait_status

PEERS = ("nginx", "haproxy")
MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
DIRS = "client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0}; uwsgi_temp_path {0}; scgi_temp_path {0};"
FORWARD = ('proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;'
           " proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Host $host;"
           " proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Port $server_port;"
           " proxy_set_header X-Forwarded-Server bench; proxy_set_header X-Real-Ip $remote_addr;")
MIDDLEWARES = {
    "headers + stripPrefix": {"one": {"headers": {"customRequestHeaders": {"X-A": "b"}, "customResponseHeaders": {"X-C": "d"}}},
                              "two": {"stripPrefix": {"prefixes": ["/app"]}}},
    "rate limit": {"one": {"rateLimit": {"average": 10000000, "burst": 10000000}}},
    "basicAuth, known": {"one": {"basicAuth": {"users": ["u:{SHA}" + base64.b64encode(hashlib.sha1(b"p").digest()).decode()]}}},
    "compress": {"one": {"compress": {"minResponseBodyBytes": 1}}},
}
MIDDLEWARE_HEADERS = ("Authorization: Basic dTpw", "Accept-Encoding: gzip")
MIDDLEWARE_PATH = "/app/x"


class Wire:
    # ---- proxies ----
    def pair(self):
        """A certificate of ECDSA P-256; the key stands behind it in the file that HAProxy reads."""
        crt, key, both = (self.dir / name for name in ("bench.crt", "bench.key", "bench.pem"))
        if not both.exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                            "-keyout", str(key), "-out", str(crt), "-days", "2", "-subj", "/CN=bench.test",
                            "-addext", "subjectAltName=DNS:bench.test,IP:127.0.0.1"], check=True, capture_output=True)
            both.write_text(crt.read_text() + key.read_text())
        return crt, key, both

    def nginx_of(self, name, text):
        port, conf = free_port(), self.dir / f"{name}.conf"
        conf.write_text(f"worker_processes 1; daemon off; pid {self.dir}/{name}.pid; error_log stderr crit;\n"
                        + text.replace("PORT", str(port)))
        return self.start("nginx", ["nginx", "-c", str(conf), "-p", str(self.dir)], port, self.dir / f"{name}.log")

    def haproxy_of(self, name, text):
        port, conf = free_port(), self.dir / f"{name}.cfg"
        conf.write_text("global\n  nbthread 1\n  maxconn 4000\n  tune.ssl.default-dh-param 2048\ndefaults\n  timeout connect 5s\n"
                        "  timeout client 600s\n  timeout server 600s\n  http-reuse always\n" + text.replace("PORT", str(port)))
        return self.start("haproxy", ["haproxy", "-db", "-f", str(conf)], port, self.dir / f"{name}.log")

    def weir_of(self, name, dynamic, tls=False, flags=(), http=True):
        proxy = self.started("weir", self.args.weir, name, dynamic, "--workers=1", *flags)
        proxy.name = "weir" if name in ("tls", "tcp") else name
        if http and not tls:
            wait_status(proxy.port, "/", {"Host": "bench.test", "Authorization": "Basic dTpw"})
        return proxy

    def traefik_of(self, name, dynamic, tls=False):
        """A list: none when there is no Traefik. It has one core, so its runtime takes one thread to run on."""
        if self.args.traefik is None:
            return []
        proxy = self.started("traefik", self.args.traefik, name, dynamic, "--global.checkNewVersion=false",
                             "--global.sendAnonymousUsage=false")
        wait_status(proxy.port, "/", {"Host": "bench.test"}, tls=tls)
        return [proxy]

    def started(self, who, binary, name, dynamic, *flags):
        """Either takes the same flags and the same file; JSON is YAML."""
        port, path = free_port(), self.dir / f"{who}-{name}.yml"
        path.write_text(json.dumps(dynamic))
        return self.start(who, [str(binary), f"--entryPoints.web.address=127.0.0.1:{port}", *flags,
                                f"--providers.file.filename={path}", "--log.level=INFO"], port, self.dir / f"{who}-{name}.log")

    def dynamic(self, **router):
        return {"routers": {"bench": {"rule": "Host(`bench.test`)", "service": "s", **router}},
                "services": {"s": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{self.upstream_port}"}]}}}}

    # ---- loads: CPU us for each ----
    def h2load(self, proxy, seconds, clients, streams):
        before = cpu_seconds(proxy.process.pid)
        out = subprocess.run(["h2load", "-t1", f"-c{clients}", f"-m{streams}", "-D", str(seconds), "--connect-to",
                              f"127.0.0.1:{proxy.port}", f"https://bench.test:{proxy.port}/"], capture_output=True, text=True,
                             check=True, preexec_fn=on_load_cores).stdout
        used = cpu_seconds(proxy.process.pid) - before
        done, failed = (int(re.search(rf"(\d+) {word}", out).group(1)) for word in ("succeeded", "failed"))
        if failed:
            print(f"  !! {proxy.name}: {failed} failed")
        return {"us": used / max(done, 1) * 1e6, "rps": done / seconds}

    def udp(self, proxy, seconds):
        before = cpu_seconds(proxy.process.pid)
        out = subprocess.run([str(self.built("udp_load")), str(proxy.port), "64", str(seconds)], capture_output=True,
                             text=True, check=True, preexec_fn=on_load_cores).stdout
        answers = int(out)
        return {"us": (cpu_seconds(proxy.process.pid) - before) / max(answers, 1) * 1e6, "rps": answers / seconds}

    def tables(self, start, *wanted):
        """A table for each (title, what is counted, load, bar, names); start() begins the proxies. The bar is what weir is to reach of the best
        of those named; where none of them is here, the usual peers are shown."""
        found = self.turns(start, *(load for _, _, load, _, _ in wanted))
        for (title, what, _, bar, against), rows in zip(wanted, found):
            against = against if any(name in against for name in rows) else PEERS
            best = min(r["us"] for name, r in rows.items() if name in against)
            print(f"\n## {title}\n{'':22} {'CPU us/' + what:>16} {what + 's/s':>14}   CPU against {' or '.join(against)} (to reach: {bar})")
            for name, r in rows.items():
                print(f"{name:22} {r['us']:16.2f} {r['rps']:14.0f}   {r['us'] / best:5.2f}x")

    # ---- the sections ----
    def section_tls(self):
        crt, key, both = self.pair()
        nginx = lambda: self.nginx_of("nginx-tls", f"""
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s; {DIRS.format(self.dir)}
  upstream u {{ server 127.0.0.1:{self.upstream_port}; keepalive 128; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:PORT ssl http2 backlog=4096; server_name bench.test; ssl_certificate {crt}; ssl_certificate_key {key};
    ssl_protocols TLSv1.3; http2_max_requests 100000000; location / {{ proxy_pass http://u; {FORWARD} }} }} }}
""".replace("http2_max_requests 100000000; ", ""))
        haproxy = lambda: self.haproxy_of("haproxy-tls", f"""
frontend f
  mode http
  bind 127.0.0.1:PORT ssl crt {both} alpn h2,http/1.1 ssl-min-ver TLSv1.3 backlog 4096
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Real-Ip %[src]
  default_backend b
backend b
  mode http
  server s 127.0.0.1:{self.upstream_port} pool-max-conn 256
""")
        dynamic = {"http": self.dynamic(tls={}), "tls": {"certificates": [{"certFile": str(crt), "keyFile": str(key)}],
                                                         "options": {"default": {"minVersion": "VersionTLS13"}}}}

        def start():
            return [nginx(), haproxy(), *self.traefik_of("tls", dynamic, tls=True), self.weir_of("tls", dynamic, tls=True)]
        version = subprocess.run([str(self.args.weir), "version"], capture_output=True, text=True, check=True).stdout
        print(f"\nTLS of weir: {re.search('(?m)^TLS: +(.*)', version).group(1)}")
        self.tables(
            start,
            ("HTTP/1.1 over TLS 1.3, small GET, 64 connections", "request",
             lambda p, s: self.wrk(p, s, scheme="https"), 0.95, PEERS),
            ("HTTP/2 over TLS 1.3, small GET, 16 connections of 16 streams", "request",
             lambda p, s: self.h2load(p, s, 16, 16), 0.95, PEERS),
            ("full handshakes, a request each", "handshake",
             lambda p, s: self.wrk(p, s, connections=16, scheme="https", headers=("Connection: close",)), 0.95, PEERS),
            ("1 MiB bodies over TLS 1.3, 16 connections", "request",
             lambda p, s: self.wrk(p, s, connections=16, path="/big", scheme="https"), "0.9 of traefik", ("traefik",)))

    def section_bulk(self):
        self.tables(
            lambda: [self.nginx(), self.haproxy(), *self.traefik_of("bulk", {"http": self.dynamic()}), self.weir(), self.null_proxy()],
            ("1 MiB bodies, 16 connections", "request", lambda p, s: self.wrk(p, s, connections=16, path="/big"),
             1.0, ("only copies bytes",)))

    def section_layer4(self):
        to = f"127.0.0.1:{self.upstream_port}"
        dynamic = {"tcp": {"routers": {"r": {"rule": "HostSNI(`*`)", "service": "s"}},
                           "services": {"s": {"loadBalancer": {"servers": [{"address": to}]}}}}}
        self.tables(lambda: [
            self.nginx_of("nginx-tcp", f"load_module {MODULE};\nevents {{ worker_connections 8192; }}\n"
                                       f"stream {{ server {{ listen 127.0.0.1:PORT backlog=4096; proxy_pass {to}; }} }}\n"),
            self.haproxy_of("haproxy-tcp", f"frontend f\n  mode tcp\n  bind 127.0.0.1:PORT backlog 4096\n  default_backend b\n"
                                           f"backend b\n  mode tcp\n  option splice-auto\n  server s {to}\n"),
            *self.traefik_of("tcp", dynamic), self.weir_of("tcp", dynamic, http=False), self.null_proxy()],
            ("TCP, small requests through open sessions", "request", self.wrk, 0.95, PEERS),
            ("TCP, 1 MiB, 16 sessions", "request", lambda p, s: self.wrk(p, s, connections=16, path="/big"), 0.95, PEERS))
        self.layer4_udp()

    def layer4_udp(self):
        port = free_port()
        echo = self.start("echo", [str(self.args.weir), "whoami", "--udp", "--bind", "127.0.0.1", "--port", str(port)], None,
                          self.dir / "echo.log", cores=LOAD_CORES)

        def start():
            own = free_port()
            weir = self.weir_of("tcp", {"udp": {"routers": {"r": {"entryPoints": ["udp"], "service": "s"}}, "services": {
                "s": {"loadBalancer": {"servers": [{"address": f"127.0.0.1:{port}"}]}}}}},
                flags=(f"--entryPoints.udp.address=127.0.0.1:{own}/udp",), http=False)
            weir.port = own
            return [self.nginx_of("nginx-udp", f"load_module {MODULE};\nevents {{ worker_connections 8192; }}\n"
                                               f"stream {{ server {{ listen 127.0.0.1:PORT; proxy_pass 127.0.0.1:{port}; }}\n"
                                               f"  server {{ listen 127.0.0.1:PORT udp; proxy_pass 127.0.0.1:{port}; }} }}\n"), weir]
        self.tables(start, ("UDP, 64 clients, one datagram under way each", "datagram", self.udp, 0.95, PEERS))
        self.stop(echo)

    def section_middlewares(self):
        print("\n## middlewares (CPU us/req against the same without; to reach: two cheap ones 1.05, rate limit 1.08)")
        none = self.weir_of("none", {"http": self.dynamic()})
        for name, middlewares in MIDDLEWARES.items():
            other = self.weir_of(name, {"http": {**self.dynamic(middlewares=list(middlewares)), "middlewares": middlewares}})
            self.compared(none, other)
            self.stop(other)
        self.stop(none)

    def compared(self, none, other):
        """Seconds in turns (AB, BA, AB...), and the median of the ratios of neighbours: what the machine does besides, and how
        fast its core runs just then, hits both of a pair."""
        def slice_of(proxy):
            return self.wrk(proxy, 1, headers=MIDDLEWARE_HEADERS, path=MIDDLEWARE_PATH)["us"]
        slice_of(none), slice_of(other)
        pairs = []
        for turn in range(self.args.rounds * self.args.seconds):
            order = (none, other) if turn % 2 == 0 else (other, none)
            found = {p: slice_of(p) for p in order}
            pairs.append((found[none], found[other]))
        ratios = sorted(b / a for a, b in pairs)
        without, used = (statistics.median(column) for column in zip(*pairs))
        quarter = len(ratios) // 4
        print(f"  {other.name:24} {used:8.2f} us, none {without:8.2f} us: {statistics.median(ratios):.3f}x"
              f" (half of the pairs between {ratios[quarter]:.3f} and {ratios[-1 - quarter]:.3f})")
