"""instructions.py - how many instructions a worker executes for a request: the same on a busy machine as on an idle one.

    make instructions [BENCH_ARGS='--only get --routers 1 --callgrind=--cache-sim=yes']
    make instructions BENCH_ARGS='--only middlewares'

valgrind's callgrind counts what the worker itself executes; the kernel's part is for `make bench`. Open connections get a request
each, and the next when all of them are answered, so every run does nearly the same. The binary is one without sandbox (of
those that sanitizers get), whose filter would refuse what callgrind does.
"""
import argparse
import collections
import json
import pathlib
import re
import socket
import subprocess

from stand import CORES, Stand, free_port, tree, wait_status
from wire import MIDDLEWARE_HEADERS, MIDDLEWARE_PATH, MIDDLEWARES, Wire

CONNECTIONS = 16
WARM_UP = 50
ROUNDS = 100
REQUEST = b"GET / HTTP/1.1\r\nHost: bench.test\r\n\r\n"
END = b"hello from upstream\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"
SHOWN = 25


class Instructions(Wire, Stand):
    def weir_under(self, name, dynamic):
        port = free_port()
        command = ["valgrind", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={self.args.out}/callgrind.{name}.%p",
                   *self.args.callgrind.split(), str(self.args.weir), f"--entryPoints.web.address=127.0.0.1:{port}",
                   f"--providers.file.filename={dynamic}", "--workers=1", "--log.level=INFO"]
        return self.start(name, command, port, self.dir / f"{name}.log", cores=set(CORES))

    def sessions(self):
        """A dynamic file with one TCP router."""
        path = self.dir / "tcp.json"
        path.write_text(json.dumps({"tcp": {
            "routers": {"r": {"rule": "HostSNI(`*`)", "service": "s"}},
            "services": {"s": {"loadBalancer": {"servers": [{"address": f"127.0.0.1:{self.upstream_port}"}]}}}}}))
        return path

    def file(self, name, http):
        path = self.dir / f"{name}.json"
        path.write_text(json.dumps({"http": http}))
        return path

    def middlewares(self):
        lines = [f"GET {MIDDLEWARE_PATH} HTTP/1.1", "Host: bench.test", *MIDDLEWARE_HEADERS]
        request = "".join(line + "\r\n" for line in lines).encode() + b"\r\n"
        costs = {"none": self.measure("none", self.file("none", self.dynamic()), request)}
        for title, middlewares in MIDDLEWARES.items():
            name = re.sub("[^a-zA-Z]+", "-", title)
            http = {**self.dynamic(middlewares=list(middlewares)), "middlewares": middlewares}
            end = LAST_CHUNK if title == "compress" else END
            costs[title] = self.measure(name, self.file(name, http), request, end)
        print("\n## middlewares: instructions for a request against the same without any")
        for title, cost in costs.items():
            print(f"  {title:24} {cost:8.0f}   {cost / costs['none']:5.2f}x")

    def measure(self, name, dynamic, request=REQUEST, end=END):
        """Instructions for a request."""
        proxy = self.weir_under(name, dynamic)
        wait_status(proxy.port, "/", {"Host": "bench.test", "Authorization": "Basic dTpw"})
        worker = worker_of(proxy)
        sockets = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(CONNECTIONS)]
        load(sockets, WARM_UP, request, end)
        control("--zero", worker)
        load(sockets, ROUNDS, request, end)
        control("--dump", worker)
        profile = self.args.out / f"callgrind.{name}.{worker}.1"
        functions = own_costs(profile)
        cost = sum(functions.values()) / (CONNECTIONS * ROUNDS)
        print(f"\n## {name}: {cost:.0f} instructions for a request ({profile})")
        for function, count in functions.most_common(self.args.shown):
            print(f"  {count / CONNECTIONS / ROUNDS:8.1f}  {function}")
        for s in sockets:
            s.close()
        self.stop(proxy)
        return cost


def worker_of(proxy):
    for pid in tree(proxy.process.pid):
        if b"\0worker\0" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise SystemExit("there is no worker")


def load(sockets, rounds, request, end):
    for _ in range(rounds):
        for s in sockets:
            s.sendall(request)
        for s in sockets:
            answer = b""
            while not answer.endswith(end):
                more = s.recv(65536)
                if not more:
                    raise SystemExit("the connection was closed")
                answer += more


def control(what, pid):
    subprocess.run(["callgrind_control", what, str(pid)], check=True, capture_output=True)


def own_costs(profile):
    """By function, what it executed itself. callgrind_annotate counts functions that were under way at --zero wrongly."""
    names, costs, function, called = {}, collections.Counter(), None, False
    for line in profile.read_text().splitlines():
        said = re.match(r"c?fn=\((\d+)\)(?: (.*))?", line)
        if said:
            names[said.group(1)] = said.group(2) or names[said.group(1)]
            function = function if line[0] == "c" else names[said.group(1)]
        elif line.startswith("calls="):
            called = True  # what the callee costs stands in the next line
        elif re.match(r"[0-9+*-]", line):
            parts = line.split()
            costs[function] += 0 if called or len(parts) < 2 else int(parts[1])
            called = False
    return costs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weir", type=pathlib.Path, required=True, help="a build without sandbox")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the profiles")
    parser.add_argument("--only", choices=("get", "tcp", "middlewares"))
    parser.add_argument("--routers", type=int, default=10000)
    parser.add_argument("--shown", type=int, default=SHOWN, help="functions of each case")
    parser.add_argument("--callgrind", default="", help="more options for callgrind")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    bench = Instructions(args)
    try:
        bench.upstream()
        if args.only in (None, "get"):
            bench.measure("get", bench.routers(args.routers, "hosts"))
        if args.only in (None, "tcp"):
            bench.measure("tcp", bench.sessions())
        if args.only in (None, "middlewares"):
            bench.middlewares()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
