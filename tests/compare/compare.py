"""compare.py - the same configuration and the same requests to Traefik and to weir; prints every difference.

Both run side by side with the file provider, against the same upstream, which records the bytes it got. Compared are
status, headers and body of the answer and, header names in canonical spelling, the request that the upstream got.
Ports differ between the two and are replaced by names first. What is left in docs/differences.md on purpose is listed
in ACCEPTED with its reason and counted apart.

usage: compare.py --traefik PATH --weir PATH [--seed N] [--random N] [--only fixed|random] [--verbose] [--host EXPRESSION]
"""
import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import zlib

import brotli
import zstandard

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from answers import answers_accepted, answers_configuration, answers_requests  # noqa: E402
from cases import (ENTRY_POINTS, SETTLED, configuration, fixed_requests, random_chain_configuration, random_chain_request,
                   random_configuration, random_request)  # noqa: E402
from combos import combos_configuration, combos_request  # noqa: E402
from corners import corner_configuration, corner_request, odd_configuration, odd_request  # noqa: E402
from ports import free_port  # noqa: E402
from rules import rules_configuration, rules_request  # noqa: E402
from talks import ACCEPTED as TALKS_ACCEPTED, answers_in, talk, talks  # noqa: E402
from upstream import Upstream  # noqa: E402
from values import values_accepted, values_configuration, values_requests  # noqa: E402
from waiting import wait_until  # noqa: E402

# (pattern over the request's bytes, reason): differences that docs/differences.md explains.
ACCEPTED = [
    (rb"(?i)\r\nX\.Real\.Ip:", "every spelling of a forwarding header is removed"),
    (rb" HTTP/1\.[2-9]\r\n", "there is no HTTP/1.2"),
    (rb"Host: compress[a-z-]*\.test\r\nAccept-Encoding: \*;q=0\.5", "gzip is taken for * as well"),
    (rb"\r\nAccept-Encoding: GZIP\r\n", "gzip is taken in capitals as well"),
    (rb"Host: compress-in\.test\r\nAccept-Encoding: .*\r\nX-Answer: chunked", "no Content-Type is none of those included"),
    (rb"Host: detect[a-z-]*\.test\r\nX-Answer: chunked", "the type of a body of unknown length is found, too"),
    (rb"Host: (always|inner)\.fail\.test\r\nX-Answer: chunked", "an answer that is replaced leaves nothing behind"),
    (rb"Accept-Encoding: gzip;q=2\r", "a weight over 1 is none"),
    (rb"(?i)\r\nUpgrade: h2c\r\n", "no tunnel for another HTTP"),
    (rb"(?is)\r\nAuthorization:.*\r\nAuthorization:", "only the Authorization that was judged goes on"),
    (rb"\r\nTrailer: Content-Length\r\n", "what is announced so is not passed on"),
    (rb"chunked\r\n\r\nzz\r\n", "a malformed chunk is the client's fault"),
    (rb"Host: no-[a-z0-9-]+\.tls\.test", "502, with the reason upstream_tls, where a server is not believed"),
    (rb"(?s)HTTP/1\.0\r\n(.*\r\n)?Transfer-Encoding:", "no Transfer-Encoding with HTTP/1.0"),
    (rb"(?s)HTTP/1\.0\r\n.*\r\nX-Answer: (odd )?interim", "no interim answers to HTTP/1.0"),
    (rb"(?s)HTTP/1\.0\r\n(.*\r\n)?Upgrade: ", "no switch of protocols with HTTP/1.0"),
    (rb" HTTP/(0\.9|2\.0|3|1\.01|1\.)\r\n", "the version is looked at before the rest"),
    (rb"\r\n folded", "no folded lines"),
    (rb"^CONNECT ", "CONNECT is not served, whatever its target"),
    (rb"^\S+ (k1\.test:80|\?x|#) HTTP", "no target without a slash"),
    (rb"(?i)\r\nHost: [^\r]*\.\.(:\d+)?\r\n", "no host ends with two dots"),
    (rb"(?is)\r\n(Content-Length:.*\r\nTransfer-Encoding: *chunked|Transfer-Encoding: *chunked\r\n.*Content-Length:)", "a length or chunks, never both"),
    (rb"(?s)\r\nContent-Length: 00\r\n.*Content-Length:", "two lengths are equal as numbers without leading zeros only"),
    (rb"(?s)\r\nExpect: 100-continue\r\n.*Expect: x\r\n", "a second Expect asks for something, too"),
    (rb"\r\nAccept-Encoding: gzip;q=2\r\n", "no weight is over 1"),
    (rb"Host: \[::1\]:99\r\n", "redirects know hosts of IPv6 with ports"),
    (rb"^GET /p{6000}", "a target that is too long is told as that"),
    (rb"X-Answer: (dropped|odd nothing)", "who has no body is asked again when a kept connection ends"),
    (rb"Host: min-only\.tls\.test", "a minimum version needs no maximum"),
    *values_accepted(),
]
# (pattern over the request and all lines of the difference behind it, reason)
ACCEPTED_WHOLE = [
    (r"\nstatus: traefik 'closed' weir '304'\n", "a page that comes with a body in the place of a 304"),
    (r"(?s)\nheaders: traefik \[\('Content-Type', 'text/html; charset=utf-8'\)\] weir \[\]\nbody: traefik '<a href=\"[^\"]*\">Found</a>", "the redirection to an authSigninURL has no body"),
    (r"(?s)X-Answer: unended.*\nheaders: traefik \[\('Content-Encoding', 'gzip'\)\] weir \[\]$", "no Content-Type is none of those included"),
    *answers_accepted(),
]
# The same over a line of the difference: every line must be explained.
ACCEPTED_LINES = [
    (r"^headers: traefik \[\('Content-Type', '(text/(plain|html); charset=utf-8|image/png)'\)\] weir \[\]$",
     "no Content-Type is guessed where a middleware removed it"),
    (r"^upstream(: traefik asked .*| headers: traefik \[\['User-Agent', )'Go-http-client/1.1'", "whoever decides about a request without User-Agent is not told that Go asks"),
    (r"^headers: traefik \[\('Trailer', '(X-Trail|X-A, X-B)'\)(, \('X-Trail', '1'\))?\] weir \[\]$", "an answer to HEAD announces no trailers"),
    (r"^headers: traefik \[\('Trailer', 'X-Trail'\)\] weir \[\('Content-Type', 'text/plain; charset=utf-8'\)\]$", "HTTP/1.0 has no trailers; the type of a body of unknown length is found"),
    (r"^headers: traefik \[\('X-Trail', '1'\)\] weir \[\]$", "a trailer is no field of the head"),
    (r"^headers: traefik \[\] weir \[\('Set-Cookie', '[^']*'\)\]$", "a cookie is not lost behind an interim answer"),
    (r"^upstream headers: traefik \[\['Te', 'trailers'\]\] weir \[\]$", "a page for errors is asked for without hop-by-hop fields"),
    (r"^upstream headers: traefik \[\['X-Forwarded-For', ', 127.0.0.1'\]\] weir \[\['X-Forwarded-For', '127.0.0.1'\]\]$", "nobody is added to an empty X-Forwarded-For"),
    (r"^(headers: traefik \[\('Content-Type', 'text/plain; charset=utf-8'\)\] weir \[\]|body: traefik '400 Bad Request[a-zA-Z: ]*' weir '(400 Bad Request[a-zA-Z: ]*)?')$", "which of two faults is told"),
    (r"^headers: traefik \[\] weir \[\('Content-Encoding', 'gzip'\)(, \('Vary', 'Accept-Encoding'\))?\]$", "gzip is taken for * and in capitals as well"),
    (r"^headers: traefik \[\('Link', '</x>'\)\] weir \[\]$", "an answer does not repeat the fields of an interim one"),
    (r"^headers: traefik \[\] weir \[\('Content-Type', 'text/(plain|html); charset=utf-8'\)\]$", "the type of a body of unknown length is found, too, and that behind retry and errors"),
    (r"^headers: traefik \[\] weir \[\('Vary', 'Accept-Encoding'\)\]$", "Vary of compress is not lost behind an interim answer, nor that of one of two around errors"),
    (r"^headers: traefik \[\('Vary', 'Accept-Encoding,Origin'\)\] weir \[\('Vary', 'Accept-Encoding'\)(, \('Vary', '[A-Za-z]*'\))*, \('Vary', 'Origin'\)\]$", "the Vary of compress, of addVaryHeader and of the server stand each for itself"),
    (r"^headers: traefik \[\('Access-Control-Expose-Headers', '([^']*)'\)\] weir \[\('Access-Control-Expose-Headers', 'Content-Type, \1'\)\]$", "Content-Type is named behind contentType, too"),
    (r"^upstream headers: traefik \[(\['Accept-Encoding', 'gzip'\], )?\['User-Agent', 'Go-http-client/1.1'\]\] weir \[\]$", "whoever decides about a request without User-Agent is not told that Go asks"),
    (r"^(status: traefik '(400|501)' weir '(400|501)'|body: traefik '(400 Bad Request|Unsupported transfer encoding)' weir '(400 Bad Request[a-zA-Z: ]*|Unsupported transfer encoding)')$", "which of two faults is told"),
    (r"^upstream line: traefik '\w+ /.*' weir '\w+ [^/ :]*:", "a path without its slash keeps what stands before a colon"),
    (r"^upstream headers: traefik \[\['Accept-Encoding', 'gzip'\]\] weir \[\]$", "whoever decides about a request is not told that Go asks for gzip"),
    (r"^upstream headers: traefik \[\['Transfer-Encoding', 'chunked'\]\] weir \[\['Content-Length', '0'\]\]$", "a body that is known to be empty says so"),
    (r"^upstream headers: traefik \[\['Transfer-Encoding', 'chunked'\], \['User-Agent', 'Go-http-client/1.1'\]\] weir \[\['Content-Length', '\d+'\]\]$", "a body that was kept has a length"),
    (r"^(status: traefik '(400|501)' weir '(400|417|501)'|body: traefik '(400 Bad Request|Unsupported transfer encoding)' weir '(400 Bad Request[a-zA-Z: ]*|Unsupported transfer encoding)?')$", "which of two faults is told"),
    (r"^upstream headers: traefik \[\['Transfer-Encoding', 'chunked'\](, \['User-Agent', 'Go-http-client/1.1'\])?\] weir \[\['Content-Length', '\d+'\]\]$", "whoever decides gets a body with its length"),
    (r"^upstream line: traefik '\w+ [^/ ]\S* .*' weir '\w+ [^/ ]\S*%zz", "a path without its slash keeps a malformed query"),
]


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

    def wait(self, port, host="ready.test", status=200):
        """Until requests for this host are answered so."""
        def answers():
            try:
                with socket.create_connection(("127.0.0.1", port), 20) as s:
                    s.sendall(f"GET /configured HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                    return s.recv(12).endswith(b"%d" % status)
            except OSError:
                assert self.process.poll() is None, "it ended"
                return False
        try:
            wait_until(f"{host} is answered with {status}", answers)
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
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    try:
        writer.write(data)
        await writer.drain()
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            while head.startswith(b"HTTP/1.1 1") and not head.startswith(b"HTTP/1.1 101"):
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        except asyncio.IncompleteReadError as error:
            return ("closed", [], error.partial)
        except asyncio.TimeoutError:
            return ("silent", [], b"")
        lines = head[:-4].decode("latin-1").split("\r\n")
        headers = []
        for line in lines[1:]:
            key, _, value = line.partition(":")
            headers.append((key, value.strip(" \t")))
        low = {k.lower(): v for k, v in headers}
        status = int(lines[0].split()[1])
        body = b""
        try:
            if data.startswith(b"HEAD ") or status in (204, 304):
                pass
            elif low.get("transfer-encoding") == "chunked":
                while True:
                    line = await asyncio.wait_for(reader.readuntil(b"\n"), 20)
                    size = int(line.split(b";")[0], 16)
                    body += (await reader.readexactly(size + 2))[:-2]
                    if size == 0:
                        break
            elif "content-length" in low:
                body = await asyncio.wait_for(reader.readexactly(int(low["content-length"])), 20)
            else:
                body = await asyncio.wait_for(reader.read(), 20)
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
    try:
        if encoding == "gzip":
            return zlib.decompress(body, 31)
        if encoding == "br":
            return brotli.decompress(body)
        return zstandard.ZstdDecompressor().decompressobj().decompress(body) if encoding == "zstd" else body
    except (zlib.error, brotli.error, zstandard.ZstdError):
        return b"<not " + encoding.encode() + b"> " + body


def view(answer, upstream, ports, asked_encoding):
    status, headers, body = answer
    body = decoded(headers, body)
    headers = [(k, re.sub(r"[0-9.]+(m|µ|Âµ)?s$|^[0-9]{4,}$", "<seconds>", v) if k.lower() in ("x-retry-in", "retry-after") else v) for k, v in headers]
    headers = [(k, ", ".join(sorted(canonical(word) for word in v.split(", "))) if k.lower() in ("access-control-expose-headers", "trailer") else v) for k, v in headers]  # a Go map
    headers = [(k, re.sub(r'(nonce|opaque)="[^"]*"', r'\1="<random>"', v) if k.lower() == "www-authenticate" else v) for k, v in headers]
    shown = sorted((canonical(k), normal(v, ports)) for k, v in headers
                   if k.lower() not in ("date", "connection", "transfer-encoding", "content-length"))
    got = []
    if not asked_encoding:  # Go's client asks for gzip by itself and unpacks the answer: docs/differences.md
        upstream = [(line, [h for h in up_headers if h != ("Accept-Encoding", "gzip")], up_body)
                    for line, up_headers, up_body in upstream]
    for line, up_headers, up_body in upstream:
        got.append([normal(line, ports), sorted([canonical(k), normal(v, ports)] for k, v in up_headers
                                                if k.lower() != "x-case"), up_body.decode("latin-1")])
    return {"status": status, "headers": shown, "body": normal(body.decode("latin-1"), ports), "upstream": got}


def more(one, other):
    """What stands in one list more often than in the other."""
    left = list(other)
    return [item for item in one if item not in left or left.remove(item)]


def difference(a, b):
    out = []
    for key in a:
        if a[key] == b[key]:
            continue
        if key == "upstream" and len(a[key]) == len(b[key]):
            for (line_a, head_a, body_a), (line_b, head_b, body_b) in zip(a[key], b[key]):
                if line_a != line_b:
                    out.append(f"upstream line: traefik {line_a!r} weir {line_b!r}")
                only_a, only_b = more(head_a, head_b), more(head_b, head_a)
                if only_a or only_b:
                    out.append(f"upstream headers: traefik {only_a} weir {only_b}")
                if body_a != body_b:
                    out.append(f"upstream body: traefik {body_a[:80]!r} weir {body_b[:80]!r}")
        elif key == "headers":
            out.append(f"headers: traefik {more(a[key], b[key])} weir {more(b[key], a[key])}")
        else:
            asked = [f" asked {len(of[key])}" if key == "upstream" else "" for of in (a, b)]
            out.append(f"{key}: traefik{asked[0]} {str(a[key])[:300]!r} weir{asked[1]} {str(b[key])[:300]!r}")
    return out


@contextlib.asynccontextmanager
async def both(args, upstream, title, dynamic, directory, settled=()):
    """Traefik and weir with one configuration. `settled`: hosts, and with which status they are answered when all may begin."""
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
            for host, status in {"ready.test": 200, **dict(settled)}.items():
                await asyncio.to_thread(router.wait, router.ports["web"], host, status)
        yield routers
    finally:
        for router in routers:
            router.stop()


async def run_talks(args, upstream, directory, totals):
    if args.sets and not re.search(args.sets, "talks"):
        return
    async with both(args, upstream, "talks", configuration(), directory) as routers:
        for title, requests in talks():
            views = [answers_in(await talk(router.ports["web"], requests), requests) for router in routers]
            views = [[one if isinstance(one, bytes) else (one[0], normal(one[1].decode("latin-1"), router.ports)) for one in answers] for answers, router in zip(views, routers)]
            totals["asked"] += len(requests)
            if views[0] != views[1]:
                accepted = next((why for pattern, why in TALKS_ACCEPTED if re.search(pattern, title)), None)
                totals["accepted" if accepted else "different"] += 1
                if not accepted or args.verbose:
                    print(f"-- talk {title}:\n     traefik {str(views[0])[:300]}\n     weir {str(views[1])[:300]}" + (f" (accepted: {accepted})" if accepted else ""))


async def run_set(args, upstream, title, dynamic, requests, directory, totals, settled=()):
    if args.sets and not re.search(args.sets, title):
        return
    async with both(args, upstream, title, dynamic, directory, settled) as routers:
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
                accepted = accepted or next((why for pattern, why in ACCEPTED_WHOLE if re.search(pattern, "\n".join([data.decode("latin-1"), *lines]))), None)
                if not accepted:
                    reasons = [next((why for pattern, why in ACCEPTED_LINES if re.search(pattern, line)), None) for line in lines]
                    accepted = "; ".join(sorted(set(reasons))) if all(reasons) else None
                totals["accepted" if accepted else "different"] += 1
                if not accepted or args.verbose:
                    print(f"-- {title} #{number} on {entry_point}: {data[:300]!r}" + (f" (accepted: {accepted})" if accepted else ""))
                    for line in lines:
                        print(f"     {line}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--traefik", type=pathlib.Path, required=True)
    parser.add_argument("--weir", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", type=int, default=4, help="number of random sets: rules (400 requests) and chains of middlewares (800)")
    parser.add_argument("--only", help="fixed or random")
    parser.add_argument("--sets", help="only sets whose title holds this expression, such as 'combos|odd'")
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
            await run_set(args, upstream, "fixed", configuration(), fixed_requests(), directory, totals, SETTLED)
            await run_talks(args, upstream, directory, totals)
            await run_set(args, upstream, "answers", answers_configuration(), list(answers_requests()), directory, totals)
            await run_set(args, upstream, "values", values_configuration(), values_requests(), directory, totals)
        if args.only != "fixed":
            for i in range(args.random):
                rng = random.Random(args.seed * 1000 + i)
                await run_set(args, upstream, f"random {args.seed * 1000 + i}", random_configuration(rng),
                              [random_request(rng) for _ in range(400)], directory, totals)
                rules = rules_configuration(rng, 300)
                await run_set(args, upstream, f"rules {args.seed * 1000 + i}", rules,
                              [rules_request(rng, number, rules["http"]["routers"][f"n{number}"]["rule"]) for number in range(300) for _ in range(5)], directory, totals)
                await run_set(args, upstream, f"corners {args.seed * 1000 + i}", corner_configuration(rng),
                              [corner_request(rng) for _ in range(2000)], directory, totals)
                await run_set(args, upstream, f"combos {args.seed * 1000 + i}", combos_configuration(rng),
                              [combos_request(rng) for _ in range(1500)], directory, totals)
                await run_set(args, upstream, f"odd {args.seed * 1000 + i}", odd_configuration(),
                              [odd_request(rng) for _ in range(600)], directory, totals)
                await run_set(args, upstream, f"chain {args.seed * 1000 + i}", random_chain_configuration(rng),
                              [random_chain_request(rng) for _ in range(800)], directory, totals)
    print(f"{totals['asked']} requests, {totals['different']} different, {totals['accepted']} different on purpose")
    return 1 if totals["different"] else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
