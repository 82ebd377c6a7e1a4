"""compare_tls.py - the same TLS configuration and the same handshakes to Traefik and to weir; prints every difference.

Configurations are drawn at random: certificates by name (exact, wildcard, only a CN, addresses, expired, two for one name), stores,
TLS options and the conflicts of routers about them. Compared are certificate, version, cipher, protocol, the alert that refuses, and
the answer with what the server behind got of the client's certificate. Not here: TCP routers (compare_tcp.py).

usage: compare_tls.py --traefik PATH --weir PATH [--seed N] [--sets N] [--verbose]
"""
import contextlib
import json
import pathlib
import re
import socket
import subprocess
import sys
import threading

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from paired import both, compare_sets  # noqa: E402
from tlskit import Maker, openssl  # noqa: E402

HOSTS = ["a.test", "b.test", "xx.b.test", "c.test", "cn.test", "y.cnw.test", "old.test", "d.test", "e.test"]
SNIS = [None, *HOSTS, "A.TEST", "z.b.test", "x.y.b.test", "nobody.test", "127.0.0.1", "a_b.b.test"]
CIPHERS = ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
           "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"]
RSA = ["CN = ab", "CN = wild-b", "CN = *.cnw.test"]
ACCEPTED = [
    (lambda question, traefik, weir: traefik[0] is None and weir == ("alert", "40"), "options that cannot be had: an alert says so"),
    (lambda question, traefik, weir: traefik[0] in RSA and weir[0] and weir[0] not in RSA and traefik[1:] == weir[1:], "of an ECDSA and an RSA certificate for a name the former"),
    (lambda question, traefik, weir: question[2] == "tls1_2" and traefik[0] == "the default one" and weir == ("alert", "40"), "the default certificate is of ECDSA: client and options have suites for RSA alone"),
    (lambda question, traefik, weir: traefik[0] == "CN = wild" and weir[0] not in ("CN = wild", None, "the default one") and traefik[1:] == weir[1:], "the name itself before a wildcard"),
    (lambda question, traefik, weir: question[4] == "server-only" and (traefik, weir) == (("alert", "42"), ("alert", "43")), "the alert is that for a certificate of another use"),
    (lambda question, traefik, weir: traefik == ("alert", "40") and question[5:] and "aECDSA" in question[5] and len(weir) > 2, "there is one of ECDSA, too"),
    (lambda question, traefik, weir: "acme-tls/1" in (question[3] or "") and (traefik, weir) == (("alert", "120"), ("alert", "112")), "challenges of ACME find no certificate, whatever the protocols of the options"),
    (lambda question, traefik, weir: weir == ("alert", "40") and traefik == ("alert", "70"), "options that leave no version are refused as others that cannot be had"),
]


class Echo:
    """A server of HTTP/1.1 that answers with the fields of the request's head."""

    def __init__(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    @staticmethod
    def serve(peer):
        with contextlib.suppress(OSError), peer:
            reader = peer.makefile("rb")
            while True:
                fields = []
                while (line := reader.readline()) not in (b"\r\n", b""):
                    fields.append(line.strip())
                if not fields:
                    return
                body = b"\n".join(sorted(field for field in fields if field.startswith((b"Host", b"X-Forwarded-Tls", b"X-Forwarded-Proto", b"X-Forwarded-Port"))))
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def make_all(folder):
    """The server certificates in the order in which they may be listed, and the clients' ones."""
    maker = Maker(folder)
    authority, stranger = maker.authority("authority"), maker.authority("stranger")
    servers = {
        "a-ec": maker.own("a-ec", ["DNS:a.test"]), "ab": maker.own("ab", ["DNS:a.test", "DNS:b.test"], key="rsa"), "wild": maker.own("wild", ["DNS:*.test"]),
        "wild-b": maker.own("wild-b", ["DNS:*.b.test"], key="rsa"), "both-b": maker.own("both-b", ["DNS:*.b.test", "DNS:b.test"]), "x-b": maker.own("x-b", ["DNS:xx.b.test", "DNS:*.c.test"]),
        "cn": maker.own("cn", common="cn.test"), "cn-wild": maker.own("cn-wild", common="*.cnw.test", key="rsa"), "cn-and-san": maker.own("cn-and-san", ["DNS:e.test"], common="d.test"),
        "address": maker.own("address", ["IP:127.0.0.1"]), "upper": maker.own("upper", ["DNS:C.Test"]), "ed": maker.own("ed", ["DNS:c.test"], key="ed25519"), "aq": maker.own("aq", ["DNS:a.test", "DNS:q.test"])}
    openssl(folder, "ca", "-config", expired_config(folder), "-batch", "-selfsign", "-keyfile", "old.key", "-in", "old.csr", "-out", "old.crt", "-notext",
            "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-extensions", "ext")
    servers["old"] = type(servers["cn"])(folder, "old")
    clients = {"known": maker.signed("known", authority, ["DNS:known.test", "email:me@known.test", "URI:spiffe://known/x", "IP:10.0.0.1"]), "unknown": maker.signed("unknown", stranger),
               "own": maker.own("own"), "rsa": maker.signed("rsa", authority, key="rsa"), "server-only": maker.signed("server-only", authority, extensions=["extendedKeyUsage=serverAuth"])}
    return servers, clients, authority


def expired_config(folder):
    (folder / "old.txt").write_text("")
    (folder / "old.serial").write_text("01\n")
    (folder / "old.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\nnew_certs_dir={folder}\ndatabase={folder}/old.txt\nserial={folder}/old.serial\ndefault_md=sha256\npolicy=p\n"
                                    "[p]\ncommonName=supplied\n[ext]\nsubjectAltName=DNS:old.test\n")
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "old.key", "-out", "old.csr", "-subj", "/CN=old")
    return "old.cnf"


def draw_options(rng, authority):
    made = {}
    for word, chance, values in (("minVersion", 0.3, ["VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13", "versiontls12", ""]), ("maxVersion", 0.2, ["VersionTLS12", "VersionTLS13", "VersionTLS11", ""]),
                                 ("sniStrict", 0.25, [True, False]), ("alpnProtocols", 0.25, [["http/1.1"], ["h2"], ["http/1.1", "h2"], ["own"], [], ["h2", "own"]]),
                                 ("disableSessionTickets", 0.2, [True]), ("preferServerCipherSuites", 0.1, [True]), ("curvePreferences", 0.2, [["CurveP256"], ["X25519"], ["secp384r1"], ["x25519", "CurveP521"], ["P-256"], []])):
        if rng.random() < chance:
            made[word] = rng.choice(values)
    if rng.random() < 0.25:
        made["cipherSuites"] = rng.choice([rng.sample(CIPHERS, rng.randint(1, 4)), ["TLS_NONSENSE"], []])
    if rng.random() < 0.45:
        made["clientAuth"] = {"clientAuthType": rng.choice(["NoClientCert", "RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert", "requireAnyClientCert", ""])}
        if rng.random() < 0.75:
            made["clientAuth"]["caFiles"] = [str(authority.crt)]
    return made


def draw(rng, port, servers, authority):
    certificates = [{"certFile": str(pair.crt), "keyFile": str(pair.key), **({"stores": [rng.choice(["default", "other"])]} if rng.random() < 0.15 else {})}
                    for pair in rng.sample(list(servers.values()), rng.randint(0, 6))]
    options = {name: draw_options(rng, authority) for name in ("one", "two", *(["default"] if rng.random() < 0.35 else []))}
    routers = {}
    for i in range(rng.randint(1, 9)):
        hosts = [rng.choice(HOSTS), *([f"q{i}.test"] if rng.random() < 0.25 else [])]  # of two that others name, which options hold is chance in Traefik
        rule = rng.choice([" || ".join(f"Host(`{host}`)" for host in hosts)] * 6 + ["PathPrefix(`/`)", f"Host(`{hosts[0].upper()}`)", f"HostRegexp(`^.*{hosts[0][-6:]}$`)", f"!Host(`{hosts[0]}`)", f"Host(`{hosts[0]}`) && Path(`/x`)", f"Host(`*.b.test`)"])
        router = {"rule": rule, "service": "echo", "priority": i + 5, "entryPoints": ["web"]}
        if rng.random() < 0.9:
            router["tls"] = rng.choice([{}, {"options": "one"}, {"options": "two"}, {"options": "default"}, {"options": "one@file"}, {"options": "nowhere"}] + [{"options": "one"}] * 3)
        if rng.random() < 0.5:
            router["middlewares"] = ["pass"]
        routers[f"r{i}"] = router
    stores = {}
    if rng.random() < 0.3:
        pair = rng.choice(list(servers.values()))
        stores["default"] = {"defaultCertificate": {"certFile": str(pair.crt), "keyFile": str(pair.key)}}
    yes = True
    return {"http": {"routers": {**routers, "ready": {"rule": "Path(`/ready-here`)", "service": "echo", "entryPoints": ["ready"]}}, "services": {"echo": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"}]}}},
                     "middlewares": {"pass": {"passTLSClientCert": {"pem": rng.random() < 0.5, "info": {"serialNumber": False, "sans": yes, "subject": {"commonName": yes}, "issuer": {"commonName": yes}}}}}},
            "tls": {**({"certificates": certificates} if certificates else {}), "options": {name: value for name, value in options.items() if value} or {"one": {"sniStrict": True}}, **({"stores": stores} if stores else {})}}


def shake(port, clients, sni, host, version, alpn, client, more=()):
    """What comes of a handshake and a request: certificate, version, cipher, protocol, status and body, or the alert."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof", *(["-servername", sni] if sni else ["-noservername"]), *([f"-{version}"] if version else []), *(["-alpn", alpn] if alpn else []),
               *(["-cert", clients[client].crt, "-key", clients[client].key] if client else []), *more]
    try:
        done = subprocess.run(command, input=f"GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(), capture_output=True, timeout=3)
    except subprocess.TimeoutExpired:
        return ("silent",)
    reply = re.search(rb"(?s)HTTP/1\.1 (\d+) .*?Content-Length: (\d+).*?\r\n\r\n", done.stdout)  # s_client writes it amid what it says of tickets
    status, body = (reply[1].decode(), done.stdout[reply.end():reply.end() + int(reply[2])].decode()) if reply else ("", "")
    out, err = done.stdout.decode("latin-1"), done.stderr.decode("latin-1")
    found = lambda pattern, text=out: (re.search(pattern, text) or [None, None])[1]
    alert = found(r"SSL alert number (\d+)", err)
    names = found(r"subject=(.*)")
    names = "the default one" if names and ("TRAEFIK DEFAULT" in names or "weir default" in names) else names
    asks = (found(r"Acceptable client certificate CA names\n(.*)\n"), "Client Certificate Types" in out or "Requested Signature Algorithms" in out)
    if alert:
        return ("alert", alert)
    return (names, (found(r"\nNew, (TLSv1.3)") or found(r"\n    Protocol  : (.*)\n")), found(r"Server Temp Key: (.*)"), found(r"ALPN protocol: (.*)"), asks, status, body.replace(str(port), "PORT"))


def questions(rng):
    for sni in SNIS:
        yield sni, sni or "a.test", None, None, None
        if sni in HOSTS:
            for alpn in ("h2", "http/1.1", "h2,http/1.1", "other", "acme-tls/1", "h2,acme-tls/1"):
                if rng.random() < 0.25:
                    yield sni, sni, None, alpn, None
            for version in ("tls1_2", "tls1_3"):
                if rng.random() < 0.3:
                    yield sni, sni, version, None, rng.choice([None, "known"])
            for client in ("known", "unknown", "own", "rsa", "server-only"):
                if rng.random() < 0.35:
                    yield sni, sni, None, None, client
            if rng.random() < 0.5:
                yield sni, rng.choice(HOSTS), None, None, None
            if rng.random() < 0.2:
                yield sni, sni, "tls1_2", None, None, ("-cipher", rng.choice(["aRSA", "aECDSA", "AES256", "kRSA"]))
            if rng.random() < 0.2:
                yield sni, sni, None, None, None, ("-groups", rng.choice(["P-256", "P-384", "X25519:P-256", "P-521"]))


def prepare(directory):
    return Echo(), make_all(directory)


def ask_set(args, rng, shared, directory, number, totals):
    echo, (servers, clients, authority) = shared
    dynamic = directory / f"{number}.yaml"
    config = draw(rng, echo.port, servers, authority)
    dynamic.write_text(json.dumps(config))
    with both(args, directory, dynamic) as ports:
        if totals.ask_all(number, ports, questions(rng), lambda port, *question: shake(port, clients, *question), ACCEPTED):
            print("   routers", json.dumps(config["http"]["routers"]))
            print("   tls", json.dumps(config["tls"]).replace(str(directory), ""))


if __name__ == "__main__":
    sys.exit(compare_sets("handshakes", prepare, ask_set))
