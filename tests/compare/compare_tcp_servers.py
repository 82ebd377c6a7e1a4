"""compare_tcp_servers.py - services, transports and middlewares of TCP with good and odd options in Traefik and in weir; prints every
difference.

Each service is asked over TLS by a name of its own. Its servers say who they are and what they saw of the proxy's handshake: server
name, protocol, certificate. Not here: which router a connection gets (compare_tcp.py), the PROXY protocol (compare_proxy.py).

usage: compare_tcp_servers.py --traefik PATH --weir PATH [--verbose]
"""
import contextlib
import json
import pathlib
import socket
import ssl
import sys
import tempfile
import threading

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from compare_tcp import talk  # noqa: E402
from paired import Totals, arguments, both  # noqa: E402
from tlskit import Maker  # noqa: E402

REQUEST = b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"
NOBODY = (("refused",), ("closed",), ("reset",))  # Traefik ends the handshake, weir the connection behind it
WITHOUT = ("nobody",)
ACCEPTED = [
    (lambda question, traefik, weir: question[0].endswith("unnamed") and traefik == WITHOUT, "without serverName the server's address is looked for in its certificate"),
    (lambda question, traefik, weir: question[0][-8:] in ("-sanuri0", "esanuri0") or question[0].endswith("sandnsname0"), "a SAN without a value is an error of the transport"),
    (lambda question, traefik, weir: question[0] == "plain-negative" and traefik == WITHOUT, "a time that is negative is none"),
    (lambda question, traefik, weir: question[0] == "server-nohost" and weir == WITHOUT, "an address has a host"),
    (lambda question, traefik, weir: question[0] == "weighted-minus" and weir == WITHOUT, "a weight below 0 is none"),
    (lambda question, traefik, weir: question[0] == "middleware-minus" and weir[0] == "404", "a bound below 0 is an error of the middleware"),
]


class Servers:
    """Those of TLS have a certificate of `authority` (known, uri, picky, old) or none that anybody knows (own); picky wants to see one."""

    def __init__(self, maker):
        self.authority, self.client, self.ports = maker.authority("authority"), maker.own("client"), {}
        names = ["DNS:srv.test", "IP:127.0.0.1"]
        pairs = {"known": maker.signed("known", self.authority, names), "own": maker.own("own", names), "picky": maker.signed("picky", self.authority, names), "old": maker.signed("old", self.authority, names),
                 "uri": maker.signed("uri", self.authority, [*names, "URI:spiffe://a/b", "email:a@b.test"]), "name": maker.signed("name", self.authority, ["DNS:other.test"]), "plain": None, "plain2": None}
        for name, pair in pairs.items():
            made = None
            if pair:
                made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                made.load_cert_chain(pair.crt, pair.key)
                made.sni_callback = lambda link, sni, _: setattr(link, "asked", sni)
                made.set_alpn_protocols(["h2", "http/1.1"])
            if name == "picky":
                made.verify_mode = ssl.CERT_REQUIRED
                made.load_verify_locations(self.client.crt)
            if name == "old":
                made.maximum_version = ssl.TLSVersion.TLSv1_2
            listener = socket.create_server(("127.0.0.1", 0))
            self.ports[name] = listener.getsockname()[1]
            threading.Thread(target=self.accept, args=(listener, name, made), daemon=True).start()

    def accept(self, listener, name, made):
        while True:
            threading.Thread(target=self.serve, args=(listener.accept()[0], name, made), daemon=True).start()

    @staticmethod
    def serve(peer, name, made):
        with contextlib.suppress(OSError), peer:
            peer.settimeout(5)
            said = name.rstrip("2")
            if made:
                peer = made.wrap_socket(peer, server_side=True)
                said += f" {getattr(peer, 'asked', None)} {peer.selected_alpn_protocol()} {peer.version()} {bool(peer.getpeercert(True))}"
            heard = peer.recv(4096)
            body = f"{said} {heard[:5]}".encode()
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
            if made:
                peer.unwrap()


def services(ports, authority, client):
    """{name: (service, transport or None, middlewares)}"""
    at = lambda name, **more: {"address": f"127.0.0.1:{ports[name]}", **more}
    one = lambda server, **more: {"loadBalancer": {"servers": [server], **more}}
    unnamed, pair = {"rootCAs": [str(authority.crt)]}, {"certFile": str(client.crt), "keyFile": str(client.key)}
    known, made = {**unnamed, "serverName": "srv.test"}, {}
    transports = {"none": None, "insecure": {"insecureSkipVerify": True}, "unnamed": unnamed, "known": known, "misnamed": {**known, "serverName": "x.test"}, "othername": {**known, "serverName": "other.test"},
                  "insecurenamed": {"insecureSkipVerify": True, "serverName": "x.test"}, "addressed": {**known, "serverName": "127.0.0.1"}, "shown": {**known, "certificates": [pair]}, "uri": {**known, "peerCertURI": "spiffe://a/b"}, "otheruri": {**known, "peerCertURI": "spiffe://a/c"},
                  "insecureuri": {"insecureSkipVerify": True, "peerCertURI": "spiffe://a/c"}, "nofile": {"rootCAs": ["/nowhere.crt"]}, "norubbish": {"rootCAs": ["rubbish"]}, "nocertificate": {**known, "certificates": [{"certFile": "/nowhere", "keyFile": "/nowhere"}]}, "empty": {}}
    transports |= {f"san{kind.lower()}{value[:1]}{len(value)}": {**known, "peerCertSANs": [{"type": kind, "value": value}]} for kind, value in (("URI", "spiffe://a/b"), ("URI", "x"), ("URI", "SPIFFE://A/B"), ("DNSName", "srv.test"), ("DNSName", "SRV.test."), ("DNSName", "x"), ("DNSName", "127.0.0.1"), ("URI", ""), ("DNSName", ""))}
    transports |= {f"insecure{name}": {"insecureSkipVerify": True, **{word: value for word, value in tls.items() if word != "serverName"}} for name, tls in transports.items() if name.startswith("san")}
    transports |= {"saneither": {**known, "peerCertSANs": [{"type": "URI", "value": "x"}, {"type": "DNSName", "value": "srv.test"}]}, "sanunnamed": {**unnamed, "peerCertSANs": [{"type": "URI", "value": "spiffe://a/b"}]}}
    for name, tls in transports.items():
        for server in ("known", "own", "picky", "old", "uri", "name", "plain"):
            made[f"{server}-{name}"] = one(at(server, tls=server != "plain")), {"tls": tls} if tls is not None else None, []
    for name, transport in (("dial", {"dialTimeout": "1s", "dialKeepAlive": "5s"}), ("zero", {"dialTimeout": 0, "terminationDelay": 0}), ("negative", {"dialTimeout": "-1s", "dialKeepAlive": "-1s", "terminationDelay": "-1s"}),
                            ("v0", {"proxyProtocol": {"version": 0}}), ("v3", {"proxyProtocol": {"version": 3}}), ("v1", {"proxyProtocol": {"version": 1}}), ("v", {"proxyProtocol": {}})):
        made[f"plain-{name}"] = one(at("plain")), transport, []
    for name, more in (("delay", {"terminationDelay": 100}), ("minus", {"terminationDelay": -1}), ("v1", {"proxyProtocol": {"version": 1}}), ("v7", {"proxyProtocol": {"version": 7}}), ("nowhere", {"serversTransport": "nowhere"})):
        made[f"balancer-{name}"] = one(at("plain"), **more), None, []
    for name, server in (("untold", at("known")), ("toldplain", at("plain", tls=True)), ("noport", {"address": "127.0.0.1"}), ("scheme", {"address": f"tcp://127.0.0.1:{ports['plain']}"}), ("badport", {"address": "127.0.0.1:99999"}), ("portzero", {"address": "127.0.0.1:0"}),
                         ("name", {"address": f"localhost:{ports['plain']}"}), ("noname", {"address": "nowhere.invalid:80"}), ("noaddress", {"address": ""}), ("nohost", {"address": f":{ports['plain']}"}), ("slash", {"address": f"127.0.0.1:{ports['plain']}/x"}), ("space", {"address": f" 127.0.0.1:{ports['plain']}"})):
        made[f"server-{name}"] = one(server), None, []
    made["balancer-none"] = {"loadBalancer": {"servers": []}}, None, []
    made["balancer-two"] = {"loadBalancer": {"servers": [at("plain"), at("plain2")]}}, None, []
    weighted = lambda *of: {"weighted": {"services": [{"name": name, **({"weight": weight} if weight is not None else {})} for name, weight in of]}}
    for name, of in (("one", [("plain-dial", 1)]), ("zero", [("plain-dial", 0)]), ("zeros", [("plain-dial", 1), ("known-none", 0)]), ("minus", [("plain-dial", -1)]), ("unset", [("plain-dial", None)]), ("nowhere", [("nowhere", 1)]), ("half", [("nowhere", 1), ("plain-dial", 1)]),
                     ("nested", [("weighted-one", 2)]), ("none", []), ("empty", [("balancer-none", 1)]), ("dead", [("server-noport", 1)])):
        made[f"weighted-{name}"] = weighted(*of), None, []
    for name, middlewares in (("whole", ["in"]), ("full", ["zero"]), ("minus", ["minus"]), ("deny", ["deny"]), ("white", ["white"]), ("rubbish", ["rubbish"]), ("nothing", ["nothing"]), ("nowhere", ["nowhere"]), ("both", ["in", "deny"]), ("empty", ["empty"]), ("kinds", ["kinds"])):
        made[f"middleware-{name}"] = one(at("plain")), None, middlewares
    return made


def configuration(made, pair):
    allow = lambda *ranges: {"ipAllowList": {"sourceRange": list(ranges)}}
    host = lambda name: f"HostSNI(`{name}.test`)"
    return {
        "tcp": {"routers": {name: {"rule": host(name), "service": name, "entryPoints": ["web"], "tls": {}, **({"middlewares": middlewares} if middlewares else {})} for name, (_, _, middlewares) in made.items()},
                "services": {name: {kind: {**options, "serversTransport": name} if transport is not None else options for kind, options in service.items()} for name, (service, transport, _) in made.items()},
                "serversTransports": {name: transport for name, (_, transport, _) in made.items() if transport is not None},
                "middlewares": {"in": {"inFlightConn": {"amount": 5}}, "zero": {"inFlightConn": {"amount": 0}}, "minus": {"inFlightConn": {"amount": -1}}, "deny": allow("10.0.0.0/8"), "white": {"ipWhiteList": {"sourceRange": ["127.0.0.1"]}},
                                "rubbish": allow("x"), "nothing": allow(), "kinds": {**allow("127.0.0.1"), "inFlightConn": {"amount": 1}}}},
        "http": {"routers": {"ready": {"rule": "Path(`/ready-here`)", "service": "ready", "entryPoints": ["ready"]}}, "services": {"ready": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{made['plain-dial'][0]['loadBalancer']['servers'][0]['address'].split(':')[1]}"}]}}}},
        "tls": {"certificates": [{"certFile": str(pair.crt), "keyFile": str(pair.key)}]}}


def ask(port, name):
    """What the server said, or that there is none."""
    answer = talk(port, f"{name.lower()}.test", None, REQUEST)
    return ("nobody",) if answer in NOBODY or answer[3:] == ("closed", "") else answer[3:] or answer


def main():
    args = arguments(sets=False)
    totals = Totals(args.verbose)
    with tempfile.TemporaryDirectory(prefix="weir-compare-tcp-") as temporary:
        directory = pathlib.Path(temporary)
        maker = Maker(directory)
        servers = Servers(maker)
        made = services(servers.ports, servers.authority, servers.client)
        (directory / "dynamic.yaml").write_text(json.dumps(configuration(made, maker.own("ours", ["DNS:*.test"]))))
        with both(args, directory, directory / "dynamic.yaml") as ports:
            totals.ask_all(0, ports, ((name,) for name in made), ask, ACCEPTED)
    print(f"{totals.asked} services, {totals.different} different, {totals.accepted} different on purpose")
    return 1 if totals.different else 0


if __name__ == "__main__":
    sys.exit(main())
