"""compare_tcp.py - the same TCP routers and connections to Traefik and to weir; prints every difference.

Configurations are drawn at random: routers by name, address and protocol, with TLS that ends here, is passed through or is
absent, beside HTTP routers on the same entry point, in front of servers that say who they are. Compared is who answers, with
which certificate and protocol, or how the connection ends. No two routers have one priority: which of them wins is chance in
Traefik. Not here: HTTP (compare.py).

usage: compare_tcp.py --traefik PATH --weir PATH [--seed N] [--sets N] [--verbose]
"""
import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
import threading

from paired import both, compare_sets

NAMES = ["a.test", "b.test", "x.b.test", "c.test"]
RULES = [f"HostSNI(`{name}`)" for name in NAMES] + [
    "HostSNI(`*`)", "HostSNI(`*`)", "HostSNI(`*.b.test`)", "HostSNIRegexp(`^[a-z]\\.test$`)", "HostSNIRegexp(`^.+\\.b\\.test$`)", "HostSNI(`a.test`) || HostSNI(`b.test`)", "HostSNI(`a.test`) && ClientIP(`127.0.0.0/8`)",
    "HostSNI(`a.test`) && ClientIP(`10.0.0.0/8`)", "HostSNI(`*`) && ClientIP(`127.0.0.1`)", "ClientIP(`127.0.0.1`)", "ALPN(`h2`)", "ALPN(`own`) && HostSNI(`a.test`)", "!HostSNI(`a.test`)", "HostSNI(`A.test`)", "HostSNI(`b.test`) && !ALPN(`h2`)",
    "HostSNI(`a.test`, `b.test`)", "HostSNI(`a.test`", "HostSNI()", "HostSNIRegexp(`(`)", "ClientIP(`x`)", "Host(`a.test`)", "(HostSNI(`a.test`) || ALPN(`own`)) && !ClientIP(`::1`)"]
V2 = ["HostSNI(`a.test`, `b.test`)", "HostSNI(`{x:[a-z]}.test`)", "HostSNIRegexp(`{x:[a-z]+}.b.test`)", "HostSNI(`*`)", "ClientIP(`127.0.0.1`, `::1`)", "ALPN(`h2`, `own`)"]
# What clients of PostgreSQL begin with: a request for TLS, one for GSSAPI, the start itself.
STARTTLS, GSS, STARTUP = b"\0\0\0\x08\x04\xd2\x16\x2f", b"\0\0\0\x08\x04\xd2\x16\x30", b"\0\0\0\x0f\0\x03\0\0user\0a\0"
NO_HTTP = (b"hello\r\n", b"\0", GSS, STARTUP, b"\x80\x2e\x01\x03\x01")
ACCEPTED = [
    (lambda question, traefik, weir: question[0] == "b.test." and traefik[0] == "refused", "a name with a dot at its end is that without it"),
    (lambda question, traefik, weir: question[0] is None and question[2] in NO_HTTP and traefik[0] in ("silent", "?", "closed", "refused") and weir[0] in ("400", "200"), "what is no HTTP is told at once"),
    (lambda question, traefik, weir: question[1] == ["h2"] and question[2] == b"hello\r\n" and traefik == ("silent",) and weir[0] == "h2", "what is no HTTP is told at once"),
    (lambda question, traefik, weir: question[0] is None and traefik[0] == "404" and weir[0] == "400", "plain HTTP where all routers have TLS: told so"),
    (lambda question, traefik, weir: weir == ("refused",) and traefik[3:] == ("closed", "") and question[1] == ["own"], "a protocol that nobody serves is refused at the handshake"),
    (lambda question, traefik, weir: traefik == ("refused",) and weir[3:] == ("closed", ""), "servers are connected to when the handshake is over"),
    (lambda question, traefik, weir: STARTTLS in question[2:] and traefik in (("refused",), ("silent",)) and weir in (("400", "400 Bad Request"), ("not willing", b"H")), "PostgreSQL's question for TLS is one where TCP routers have TLS"),
]


class Servers:
    """One without TLS (p0..p2) and with it (t0..t1): each says its name, then what it heard."""

    def __init__(self, directory):
        self.ports = {}
        for name in ("p0", "p1", "p2", "t0", "t1"):
            crt, key = directory / f"{name}.crt", directory / f"{name}.key"
            make_pair(crt, key, name, "a.test")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if name[0] == "t" else None
            if context:
                context.load_cert_chain(crt, key)
                context.set_alpn_protocols(["h2", "own"])
            listener = socket.create_server(("127.0.0.1", 0))
            self.ports[name] = listener.getsockname()[1]
            threading.Thread(target=self.accept, args=(listener, name, context), daemon=True).start()

    def accept(self, listener, name, context):
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=self.serve, args=(peer, name, context), daemon=True).start()

    @staticmethod
    def serve(peer, name, context):
        with contextlib.suppress(OSError), peer:
            peer.settimeout(5)
            if context:
                peer = context.wrap_socket(peer, server_side=True)
            heard = peer.recv(4096)
            body = name.encode() + b" " + heard.split(b"\r\n")[0]
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
            if context:
                peer.unwrap()


def make_pair(crt, key, common, *names):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", crt, "-subj", f"/CN={common}", "-days", "2",
                    "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)], check=True, capture_output=True)


def draw(rng, ports, pair):
    routers, used = {}, set()
    for i in range(rng.randint(2, 9)):
        v2 = rng.random() < 0.15
        kind = rng.choice(("plain", "ended", "ended", "passed"))
        router = {"rule": rng.choice(V2 if v2 else RULES), "service": ("t" if kind == "passed" else "p") + str(rng.randrange(2)), "entryPoints": ["web"], "priority": 0}
        if v2:
            router["ruleSyntax"] = "v2"
        if kind != "plain":
            router["tls"] = {"passthrough": True} if kind == "passed" else rng.choice([{}, {}, {"options": "old"}, {"options": "own"}, {"options": "nowhere"}])
        if rng.random() < 0.1:
            router["middlewares"] = [rng.choice(["deny", "allow", "nowhere"])]
        if rng.random() < 0.07:
            router["service"] = rng.choice(["nowhere", "empty", "weighted", "dead"])
        if rng.random() < 0.3 or len(router["rule"]) in used or router["rule"] in ("HostSNI(`*`)", "HostSNIRegexp(`^.*$`)"):
            router["priority"] = 100 + i if rng.random() < 0.8 else i + 1
            router["priority"] += 1000 * (router["priority"] in used)
        else:
            del router["priority"]
        used.add(router.get("priority", len(router["rule"])))
        routers[f"r{i}"] = router
    http = {f"h{i}": {"rule": rng.choice(["Host(`a.test`)", "Host(`b.test`)", "PathPrefix(`/`)", "HostRegexp(`^.+$`)"]), "service": "h", "priority": 10 + i, "entryPoints": ["web"],
                      **({"tls": rng.choice([{}, {"options": "own"}])} if rng.random() < 0.6 else {})} for i in range(rng.choice((0, 1, 2)))}
    balanced = lambda *addresses: {"loadBalancer": {"servers": [{"address": address} for address in addresses]}}
    return {
        "tcp": {"routers": routers, "middlewares": {"deny": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}}, "allow": {"ipAllowList": {"sourceRange": ["127.0.0.1"]}}},
                "services": {**{name: balanced(f"127.0.0.1:{port}") for name, port in ports.items()}, "empty": balanced(), "dead": balanced("127.0.0.1:1"),
                             "weighted": {"weighted": {"services": [{"name": "p2", "weight": 1}]}}}},
        "http": {"routers": {**http, "ready": {"rule": "Path(`/ready-here`)", "service": "h", "entryPoints": ["ready"]}}, "services": {"h": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{ports['p2']}"}]}}}},
        "tls": {"certificates": [{"certFile": str(crt), "keyFile": str(key)} for crt, key in pair], "options": {
            "old": {"maxVersion": "VersionTLS12"}, "own": {"alpnProtocols": ["own", "h2"], "minVersion": "VersionTLS13"}}},
    }


def talk(port, sni, alpn, words, first=b""):
    """What comes of it: protocol, version, certificate and the answer's body, or how it ended. `first` is sent and answered by one byte before TLS."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as plain:
            plain.settimeout(1.5)
            link, head = plain, ()
            if first:
                plain.sendall(first)
                if (said := plain.recv(1)) != b"S":
                    return ("not willing", said)
            if sni is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                if alpn:
                    context.set_alpn_protocols(alpn)
                link = context.wrap_socket(plain, server_hostname=sni or None)
                names = re.findall(rb"\x06\x03U\x04\x03\x0c.([ -~]+?)0", link.getpeercert(True))
                head = (link.selected_alpn_protocol(), link.version(), names[-1].decode() if names and b"default" not in names[-1] else "the default one")
            link.sendall(words)
            heard = b""
            while True:
                piece = link.recv(4096)
                if not piece:
                    break
                heard += piece
                if b"Content-Length" in heard and len(heard.partition(b"\r\n\r\n")[2]) >= int(re.search(rb"Content-Length: (\d+)", heard)[1]):
                    break
            return (*head, (heard.split(b" ", 2) + [b"?"])[1].decode() if heard else "closed", heard.partition(b"\r\n\r\n")[2].decode("latin-1")[:80])
    except ssl.SSLError:
        return ("refused",)
    except TimeoutError:
        return ("silent",)
    except OSError:
        return ("reset",)


def questions():
    for words in (b"GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", b"hello\r\n"):
        yield None, None, words
        for sni in (*NAMES, "A.TEST", "y.b.test", "b.test.", ""):
            for alpn in (None, ["h2"], ["own"], ["http/1.1"], ["other"]):
                if words[:5] == b"hello" or alpn in (None, ["http/1.1"]):
                    yield sni, alpn, words
        for sni in NAMES[:2]:
            yield sni, None, words, STARTTLS
    for words in (STARTTLS, GSS, STARTUP, b"\0", b"\x80\x2e\x01\x03\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        yield None, None, words
    yield "a.test", ["acme-tls/1"], b"hello\r\n"


def prepare(directory):
    servers, pair = Servers(directory), []
    for name in ("a", "b"):
        pair.append((directory / f"own-{name}.crt", directory / f"own-{name}.key"))
        make_pair(*pair[-1], f"own-{name}", f"{name}.test", *(["*.b.test"] if name == "b" else []))
    return servers, pair


def ask_set(args, rng, shared, directory, number, totals):
    servers, pair = shared
    dynamic = directory / f"{number}.yaml"
    config = draw(rng, servers.ports, pair)
    dynamic.write_text(json.dumps(config))
    with both(args, directory, dynamic) as ports:
        if totals.ask_all(number, ports, questions(), talk, ACCEPTED):
            print("   routers", json.dumps({**config["tcp"]["routers"], **config["http"]["routers"]}))


if __name__ == "__main__":
    sys.exit(compare_sets("connections", prepare, ask_set))
