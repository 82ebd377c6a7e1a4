"""compare.py - the same configuration and the same requests to Traefik and to weir; prints every difference.

Both run side by side with the file provider, against the same upstream, which records the bytes it got. Compared are
status, headers and body of the answer and, header names in canonical spelling, the request that the upstream got.
Ports differ between the two and are replaced by names first. What is left in docs/differences.md on purpose is listed
in ACCEPTED with its reason and counted apart.

usage: compare.py --traefik PATH --weir PATH [--seed N] [--random N] [--only fixed|random] [--verbose] [--host EXPRESSION]
"""
import argparse
import asyncio
import json
import os
import pathlib
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import zlib

import brotli
import zstandard

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from cases import (ENTRY_POINTS, configuration, fixed_requests, random_chain_configuration, random_chain_request,
                   random_configuration, random_request)  # noqa: E402
from corners import corner_configuration, corner_request, odd_configuration, odd_request  # noqa: E402
from values import values_accepted, values_configuration, values_requests  # noqa: E402
from waiting import wait_until  # noqa: E402

# (pattern over the request's bytes, reason): differences that docs/differences.md explains.
ACCEPTED = [
    (rb"(?i)\r\nX\.Real\.Ip:", "every spelling of a forwarding header is removed"),
    (rb" HTTP/1\.[2-9]\r\n", "there is no HTTP/1.2"),
    (rb"Host: compress[a-z-]*\.test\r\nAccept-Encoding: \*;q=0\.5", "gzip is taken for * as well"),
    (rb"Host: compress-in\.test\r\nAccept-Encoding: .*\r\nX-Answer: chunked", "no Content-Type is none of those included"),
    (rb"Host: detect[a-z-]*\.test\r\nX-Answer: chunked", "the type of a body of unknown length is found, too"),
    (rb"Host: (always|inner)\.fail\.test\r\nX-Answer: chunked", "an answer that is replaced leaves nothing behind"),
    (rb"Accept-Encoding: gzip;q=2\r", "a weight over 1 is none"),
    (rb"\r\nTrailer: Content-Length\r\n", "what is announced so is not passed on"),
    (rb"chunked\r\n\r\nzz\r\n", "a malformed chunk is the client's fault"),
    (rb"Host: no-[a-z0-9-]+\.tls\.test", "502, with the reason upstream_tls, where a server is not believed"),
    (rb"(?s)HTTP/1\.0\r\n(.*\r\n)?Transfer-Encoding:", "no Transfer-Encoding with HTTP/1.0"),
    (rb"(?s)HTTP/1\.0\r\n.*\r\nX-Answer: interim", "no interim answers to HTTP/1.0"),
    (rb"(?s)HTTP/1\.0\r\n.*\r\nUpgrade: ", "no switch of protocols with HTTP/1.0"),
    (rb" HTTP/(0\.9|2\.0|3|1\.01|1\.)\r\n", "the version is looked at before the rest"),
    (rb"\r\n folded", "no folded lines"),
    (rb"^CONNECT ", "CONNECT is not served, whatever its target"),
    (rb"^\S+ (k1\.test:80|\?x|#) HTTP", "no target without a slash"),
    (rb"X-Answer: dropped", "who has no body is asked again when a kept connection ends"),
    (rb"Host: min-only\.tls\.test", "a minimum version needs no maximum"),
    *values_accepted(),
]
# The same over a line of the difference: every line must be explained.
ACCEPTED_LINES = [
    (r"^headers: traefik \[\('Content-Type', 'text/(plain|html); charset=utf-8'\)\] weir \[\]$",
     "no Content-Type is guessed where a middleware removed it"),
    (r"^upstream(: traefik .*| headers: traefik \[\['User-Agent', )'Go-http-client/1.1'", "whoever decides about a request without User-Agent is not told that Go asks"),
    (r"^headers: traefik \[\('Trailer', 'X-Trail'\)\] weir \[\]$", "an answer to HEAD announces no trailers"),
    (r"^headers: traefik \[\('X-Trail', '1'\)\] weir \[\]$", "a trailer is no field of the head"),
    (r"^headers: traefik \[\] weir \[\('Set-Cookie', '[^']*'\)\]$", "a cookie is not lost behind an interim answer"),
    (r"^upstream headers: traefik \[\['Te', 'trailers'\]\] weir \[\]$", "a page for errors is asked for without hop-by-hop fields"),
    (r"^upstream headers: traefik \[\['X-Forwarded-For', ', 127.0.0.1'\]\] weir \[\['X-Forwarded-For', '127.0.0.1'\]\]$", "nobody is added to an empty X-Forwarded-For"),
    (r"^(headers: traefik \[\('Content-Type', 'text/plain; charset=utf-8'\)\] weir \[\]|body: traefik '400 Bad Request[a-zA-Z: ]*' weir '(400 Bad Request[a-zA-Z: ]*)?')$", "which of two faults is told"),
    (r"^headers: traefik \[\] weir \[\('Content-Encoding', 'gzip'\)(, \('Vary', 'Accept-Encoding'\))?\]$", "gzip is taken for * and in capitals as well"),
    (r"^headers: traefik \[\('Link', '</x>'\)\] weir \[\]$", "an answer does not repeat the fields of an interim one"),
    (r"^headers: traefik \[\] weir \[\('Content-Type', 'text/plain; charset=utf-8'\)\]$", "the type of a body of unknown length is found, too"),
    (r"^upstream headers: traefik \[(\['Accept-Encoding', 'gzip'\], )?\['User-Agent', 'Go-http-client/1.1'\]\] weir \[\]$", "whoever decides about a request without User-Agent is not told that Go asks"),
    (r"^(status: traefik '(400|501)' weir '(400|417|501)'|body: traefik '(400 Bad Request|Unsupported transfer encoding)' weir '(400 Bad Request[a-zA-Z: ]*|Unsupported transfer encoding)?')$", "which of two faults is told"),
    (r"^upstream headers: traefik \[\['Transfer-Encoding', 'chunked'\](, \['User-Agent', 'Go-http-client/1.1'\])?\] weir \[\['Content-Length', '\d+'\]\]$", "whoever decides gets a body with its length"),
    (r"^upstream line: traefik '\w+ [^/ ]\S* .*' weir '\w+ [^/ ]\S*%zz", "a path without its slash keeps a malformed query"),
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Upstream:
    """Answers every request with the request itself, as JSON; remembers it under the X-Case header."""

    def __init__(self):
        self.seen = {}

    async def start(self, directory):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.names = {"UPSTREAM_ADDRESS": f"127.0.0.1:{self.port}"}
        for name, sans in (("SECURE", "DNS:a.test,IP:127.0.0.1,URI:spiffe://house/room"), ("OTHER", "DNS:a.test")):
            crt, key = (str(directory / f"{name}.{end}") for end in ("crt", "key"))
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", crt,
                            "-subj", f"/CN={name}", "-days", "2", "-addext", f"subjectAltName={sans}"], check=True, capture_output=True)
            self.names |= {f"{name}_CRT": crt, f"{name}_KEY": key}
        for name in ("SECURE", "DEMANDING"):  # the second wants a certificate
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.names["SECURE_CRT"], self.names["SECURE_KEY"])
            if name == "DEMANDING":
                context.load_verify_locations(self.names["OTHER_CRT"])
                context.verify_mode = ssl.CERT_REQUIRED
            server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context)
            self.names[f"{name}_ADDRESS"] = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def named(self, text):
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head[:-4].decode("latin-1").split("\r\n")
                headers = [tuple(line.split(":", 1)) for line in lines[1:]]
                headers = [(k, v.strip(" \t")) for k, v in headers]
                low = {k.lower(): v for k, v in headers}
                body = b""
                if low.get("transfer-encoding", "").lower() == "chunked":
                    while True:
                        size = int((await reader.readline()).split(b";")[0], 16)
                        if size == 0:
                            while (await reader.readline()) not in (b"\r\n", b""):
                                pass
                            break
                        body += await reader.readexactly(size)
                        await reader.readexactly(2)
                elif "content-length" in low:
                    body = await reader.readexactly(int(low["content-length"]))
                self.seen.setdefault(low.get("x-case", "?"), []).append((lines[0], headers, body))
                mode = low.get("x-answer", "")
                answer = b"got it\n"
                extra = "X-Upstream: yes\r\n"
                status = "200 OK"
                if mode == "redirect":
                    status, extra = "302 Found", extra + "Location: /elsewhere\r\n"
                elif mode == "empty":
                    status, answer = "204 No Content", b""
                elif mode == "hop":
                    extra += "Connection: X-Hop\r\nX-Hop: gone\r\nKeep-Alive: timeout=5\r\nX-Kept: yes\r\n"
                elif mode == "encoded":
                    extra += "Content-Encoding: deflate\r\n"
                elif mode == "vary":
                    extra += "Vary: Origin\r\n"
                elif mode == "html":
                    extra += "Content-Type: text/html; charset=utf-8\r\n"
                elif mode == "bare":
                    answer = b"<title>\xe4</title>"
                elif mode == "deny":
                    status, answer = "401 Unauthorized", b"who are you\n"
                    extra += "Www-Authenticate: Some\r\nX-Id-A: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n"
                elif mode == "user":
                    extra += "X-User: bob\r\nX-Id-A: 1\r\nX-Id-A: 2\r\nSet-Cookie: a=1\r\n"
                elif mode == "error":
                    status, answer = "500 Internal Server Error", b"broken\n"
                elif mode == "many":
                    extra += "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Many: 1\r\nX-Many: 2\r\nCache-Control: x\r\nServer: own\r\nVia: x\r\nX-Frame-Options: own\r\nStrict-Transport-Security: own\r\n"
                elif mode == "cors":
                    extra += "Access-Control-Allow-Origin: own\r\nAccess-Control-Max-Age: 9\r\nAccess-Control-Expose-Headers: X\r\nVary: A\r\nVary: B\r\n"
                elif mode == "lower":
                    extra += "x-lower: 1\r\nX_under: 2\r\nset-cookie: a=1\r\n"
                elif mode == "long":
                    answer = b"0123456789" * 300
                elif mode == "interim":
                    writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
                elif mode.startswith("status "):
                    status = mode[7:] + " Some Words"
                    answer = b"" if mode[7:] in ("304", "205") else answer
                typed = mode.startswith("typed ")
                extra += f"Content-Type: {mode[6:]}\r\n" if typed else ""
                if mode == "dropped":
                    return
                if mode in ("unended", "trailers"):
                    writer.write(f"HTTP/1.1 {status}\r\n{extra}{'Connection: close' if mode == 'unended' else 'Trailer: X-Trail' + chr(13) + chr(10) + 'Transfer-Encoding: chunked'}\r\n\r\n".encode())
                    if not lines[0].startswith("HEAD "):
                        writer.write(answer if mode == "unended" else b"7\r\n" + answer + b"\r\n0\r\nX-Trail: 1\r\n\r\n")
                    await writer.drain()
                    if mode == "unended":
                        return
                    continue
                if mode == "chunked":
                    out = f"HTTP/1.1 {status}\r\n{extra}Transfer-Encoding: chunked\r\n\r\n".encode()
                    out += b"7\r\ngot it\n\r\n0\r\n\r\n"
                elif mode == "empty":
                    out = f"HTTP/1.1 {status}\r\n{extra}\r\n".encode()
                else:
                    extra += "" if mode in ("html", "bare") or typed else "Content-Type: text/plain\r\n"
                    out = f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(answer)}\r\n\r\n".encode()
                    if not lines[0].startswith("HEAD "):
                        out += answer
                writer.write(out)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()


class Router:
    def __init__(self, name, binary, directory, dynamic, ports):
        self.name, self.ports = name, ports
        args = [f"--providers.file.filename={dynamic}", "--log.level=DEBUG", "--log.format=common", "--global.checknewversion=false",
                "--global.sendanonymoususage=false"]
        for entry_point, options in ENTRY_POINTS.items():
            args.append(f"--entryPoints.{entry_point}.address=127.0.0.1:{ports[entry_point]}")
            args += [f"--entryPoints.{entry_point}.{o}" for o in options]
        self.log_path = directory / f"{name}.log"
        self.process = subprocess.Popen([str(binary), *args], stdout=open(self.log_path, "wb"), stderr=subprocess.STDOUT,
                                        start_new_session=True, cwd=directory)

    def wait(self, port):
        def answers():
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as s:
                    s.sendall(b"GET /configured HTTP/1.1\r\nHost: ready.test\r\nConnection: close\r\n\r\n")
                    return s.recv(12).endswith(b"200")
            except OSError:
                assert self.process.poll() is None, "it ended"
                return False
        try:
            wait_until("it is ready", answers)
        except AssertionError as error:
            words = [line for line in self.log_path.read_text().splitlines(True) if " DBG " not in re.sub("\x1b\\[[0-9;]*m", "", line)]
            raise SystemExit(f"{self.name}: {error}; see\n" + "".join(words)[-3000:]) from error

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


async def ask(port, data):
    """Sends the bytes, closes nothing, reads one answer (status, headers, body) or what ended the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            while head.startswith(b"HTTP/1.1 1"):
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        except asyncio.IncompleteReadError as error:
            return ("closed", [], error.partial)
        except asyncio.TimeoutError:
            return ("silent", [], b"")
        lines = head[:-4].decode("latin-1").split("\r\n")
        headers = []
        for line in lines[1:]:
            key, _, value = line.partition(":")
            headers.append((key, value.strip(" ")))
        low = {k.lower(): v for k, v in headers}
        status = int(lines[0].split()[1])
        body = b""
        try:
            if data.startswith(b"HEAD ") or status in (204, 304):
                pass
            elif low.get("transfer-encoding") == "chunked":
                while True:
                    size = int((await asyncio.wait_for(reader.readline(), 5)).split(b";")[0], 16)
                    body += (await reader.readexactly(size + 2))[:-2]
                    if size == 0:
                        break
            elif "content-length" in low:
                body = await asyncio.wait_for(reader.readexactly(int(low["content-length"])), 5)
            else:
                body = await asyncio.wait_for(reader.read(), 5)
        except (asyncio.IncompleteReadError, asyncio.TimeoutError):
            body += b"<cut>"
        return (status, headers, body)
    except ConnectionError:
        return ("reset", [], b"")
    finally:
        writer.close()


def canonical(name):
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def normal(text, ports):
    for name, port in ports.items():
        text = re.sub(rf"(?<!\d){port}(?!\d)", f"<{name}>", text)
    return text


def decoded(headers, body):
    """Two encoders write different bytes: what they mean is compared."""
    encoding = next((v for k, v in headers if k.lower() == "content-encoding"), None)
    if not body:
        return body
    if encoding == "gzip":
        return zlib.decompress(body, 31)
    if encoding == "br":
        return brotli.decompress(body)
    return zstandard.ZstdDecompressor().decompressobj().decompress(body) if encoding == "zstd" else body


def view(answer, upstream, ports, asked_encoding):
    status, headers, body = answer
    body = decoded(headers, body)
    headers = [(k, re.sub(r"[0-9.]+(m|µ|Âµ)?s$|^[0-9]{4,}$", "<seconds>", v) if k.lower() in ("x-retry-in", "retry-after") else v) for k, v in headers]
    headers = [(k, ", ".join(sorted(v.split(", "))) if k.lower() == "access-control-expose-headers" else v) for k, v in headers]  # a Go map
    headers = [(k, re.sub(r'(nonce|opaque)="[^"]*"', r'\1="<random>"', v) if k.lower() == "www-authenticate" else v) for k, v in headers]
    shown = sorted((canonical(k), normal(v, ports)) for k, v in headers
                   if k.lower() not in ("date", "connection", "transfer-encoding", "content-length"))
    got = []
    if not asked_encoding:  # Go's client asks for gzip by itself and unpacks the answer: docs/differences.md
        upstream = [(line, [h for h in up_headers if h != ("Accept-Encoding", "gzip")], up_body)
                    for line, up_headers, up_body in upstream]
    for line, up_headers, up_body in upstream:
        got.append([normal(line, ports), sorted([canonical(k), normal(v, ports)] for k, v in up_headers
                                                if k.lower() not in ("x-case", "connection")), up_body.decode("latin-1")])
    return {"status": status, "headers": shown, "body": normal(body.decode("latin-1"), ports), "upstream": got}


def difference(a, b):
    out = []
    for key in a:
        if a[key] == b[key]:
            continue
        if key == "upstream" and len(a[key]) == len(b[key]):
            for (line_a, head_a, body_a), (line_b, head_b, body_b) in zip(a[key], b[key]):
                if line_a != line_b:
                    out.append(f"upstream line: traefik {line_a!r} weir {line_b!r}")
                only_a = [h for h in head_a if h not in head_b]
                only_b = [h for h in head_b if h not in head_a]
                if only_a or only_b:
                    out.append(f"upstream headers: traefik {only_a} weir {only_b}")
                if body_a != body_b:
                    out.append(f"upstream body: traefik {body_a[:80]!r} weir {body_b[:80]!r}")
        elif key == "headers":
            out.append(f"headers: traefik {[h for h in a[key] if h not in b[key]]} weir {[h for h in b[key] if h not in a[key]]}")
        else:
            out.append(f"{key}: traefik {str(a[key])[:300]!r} weir {str(b[key])[:300]!r}")
    return out


async def run_set(args, upstream, title, dynamic, requests, directory, totals):
    path = directory / f"{re.sub('[^a-z0-9]+', '-', title)}.yaml"
    dynamic["http"]["routers"]["ready"] = {"rule": "Host(`ready.test`)", "service": "upstream", "priority": 100000,
                                            "entryPoints": list(ENTRY_POINTS)}
    dynamic["http"].setdefault("services", {})["upstream"] = {
        "loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{upstream.port}"}]}}
    path.write_text(upstream.named(json.dumps(dynamic, indent=1)))
    routers = []
    try:
        for name, binary in (("traefik", args.traefik), ("weir", args.weir)):
            routers.append(Router(name, binary, directory, path, {e: free_port() for e in ENTRY_POINTS}))
        for router in routers:
            await asyncio.to_thread(router.wait, router.ports["web"])
        for number, (entry_point, data) in enumerate(requests):
            if args.host and not re.search(args.host.encode(), data):
                continue
            views = []
            for router in routers:
                case = f"{title}-{number}-{router.name}"
                raw = data.replace(b"\r\n", f"\r\nX-Case: {case}\r\n".encode(), 1)
                answer = await ask(router.ports[entry_point], raw)
                ports = dict(router.ports, upstream=upstream.port)
                views.append(view(answer, upstream.seen.pop(case, []), ports, re.search(rb"(?i)\naccept-encoding: *[^\r ]", data)))
            totals["asked"] += 1
            lines = difference(*views)
            if lines:
                accepted = next((why for pattern, why in ACCEPTED if re.search(pattern, data)), None)
                if not accepted:
                    reasons = [next((why for pattern, why in ACCEPTED_LINES if re.search(pattern, line)), None) for line in lines]
                    accepted = "; ".join(sorted(set(reasons))) if all(reasons) else None
                totals["accepted" if accepted else "different"] += 1
                if not accepted or args.verbose:
                    print(f"-- {title} #{number} on {entry_point}: {data[:300]!r}" + (f" (accepted: {accepted})" if accepted else ""))
                    for line in lines:
                        print(f"     {line}")
    finally:
        for router in routers:
            router.stop()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--traefik", type=pathlib.Path, required=True)
    parser.add_argument("--weir", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", type=int, default=4, help="number of random sets: rules (400 requests) and chains of middlewares (800)")
    parser.add_argument("--only", help="fixed or random")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--host", help="only requests that hold this expression, such as 'Host: errors'")
    args = parser.parse_args()
    args.traefik, args.weir = args.traefik.resolve(), args.weir.resolve()
    upstream = Upstream()
    totals = {"asked": 0, "different": 0, "accepted": 0}
    with tempfile.TemporaryDirectory(prefix="weir-compare-") as temporary:
        directory = pathlib.Path(temporary)
        await upstream.start(directory)
        if args.only != "random":
            await run_set(args, upstream, "fixed", configuration(), fixed_requests(), directory, totals)
            await run_set(args, upstream, "values", values_configuration(), values_requests(), directory, totals)
        if args.only != "fixed":
            for i in range(args.random):
                rng = random.Random(args.seed * 1000 + i)
                await run_set(args, upstream, f"random {args.seed * 1000 + i}", random_configuration(rng),
                              [random_request(rng) for _ in range(400)], directory, totals)
                await run_set(args, upstream, f"corners {args.seed * 1000 + i}", corner_configuration(rng),
                              [corner_request(rng) for _ in range(2000)], directory, totals)
                await run_set(args, upstream, f"odd {args.seed * 1000 + i}", odd_configuration(),
                              [odd_request(rng) for _ in range(600)], directory, totals)
                await run_set(args, upstream, f"chain {args.seed * 1000 + i}", random_chain_configuration(rng),
                              [random_chain_request(rng) for _ in range(800)], directory, totals)
    print(f"{totals['asked']} requests, {totals['different']} different, {totals['accepted']} different on purpose")
    return 1 if totals["different"] else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
