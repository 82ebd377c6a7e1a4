"""TLS on entry points: who gets which certificate and which options, sessions, changes, and what is no TLS."""
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import conftest
from conftest import curl, wait_until
from proxying import server  # noqa: F401
from tlskit import Maker, Pair, context, hello

HOSTS = ("exact.test", "x.wild.test", "common.test", "strict.test", "new.test", "mtls.test")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    maker = Maker(tmp_path_factory.mktemp("certificates"))
    maker.own("exact", ["DNS:exact.test"])
    maker.own("exact-rsa", ["DNS:exact.test"], key="rsa")
    maker.own("wild", ["DNS:*.wild.test"], key="rsa")
    maker.own("common", common="common.test")
    maker.own("address", ["IP:127.0.0.1"])
    maker.own("other", ["DNS:exact.test"])
    maker.own("fallback", ["DNS:fallback.test"])
    authority, stranger = maker.authority("authority"), maker.authority("stranger")
    maker.signed("client", authority)
    maker.signed("unknown", stranger)
    return {path.stem: Pair(maker.folder, path.stem) for path in maker.folder.glob("*.crt")}


def entries(*pairs):
    return "".join(f"    - {{certFile: {pair.crt}, keyFile: {pair.key}}}\n" for pair in pairs)


class Stand:
    """One entry point with routers for HOSTS, all with TLS, in a file that is written anew by change()."""

    def __init__(self, weir, whoami, path):
        self.weir, self.path, self.backend = weir, path / "dynamic.yml", whoami("back")

    def write(self, tls, options=None):
        options = options or {}
        routers = "".join(f"    r{i}: {{rule: 'Host(`{host}`)', service: s, tls: {{{'options: ' + options[host] if host in options else ''}}}}}\n"
                          for i, host in enumerate(HOSTS))
        text = (f"http:\n  routers:\n{routers}  services:\n    s: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:"
                f"{self.backend.port}'}}]}}}}\ntls:\n{tls}")
        self.path.with_suffix(".new").write_text(text)
        self.path.with_suffix(".new").rename(self.path)

    def start(self, tls, *flags, options=None, **kw):
        self.write(tls, options)
        self.router = self.weir(f"--providers.file.filename={self.path}", *flags, **kw)
        self.port = self.router.ports["web"]
        return self.router

    def shows(self, name, pair, **options):
        client = hello(self.port, name, **options)
        with contextlib.closing(client.sock):
            return client.der == pair.der


@pytest.fixture
def stand(weir, whoami, tmp_path):
    return Stand(weir, whoami, tmp_path)


def refused(port, name=None, **options):
    """The words of the handshake's failure; TLS 1.3 tells some only with the first read."""
    try:
        client = hello(port, name, **options)
        with contextlib.closing(client.sock):
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.until(b"\r\n\r\n")
    except (ssl.SSLError, ConnectionError, EOFError) as error:
        return str(error).upper().replace("_", " ") or "CLOSED"
    return ""


def test_certificate_by_name(stand, made):
    stand.start("  certificates:\n" + entries(made["exact"], made["exact-rsa"], made["wild"], made["common"], made["address"]))
    assert stand.shows("exact.test", made["exact"])
    assert stand.shows("EXACT.test", made["exact"])
    assert stand.shows("exact.test", made["exact-rsa"], version="TLSv1_2", ciphers="ECDHE-RSA-AES128-GCM-SHA256")
    assert stand.shows("x.wild.test", made["wild"])
    assert not stand.shows("x.y.wild.test", made["wild"])  # one label
    assert stand.shows("common.test", made["common"])  # no SAN: the CN
    assert stand.shows(None, made["address"])  # no name: the address
    default = hello(stand.port, "nobody.test")
    with contextlib.closing(default.sock):
        assert b"weir default certificate" in default.der
        assert default.get("nobody.test")[0] == 404  # handshakes are for all, routers are not
    with contextlib.closing(hello(stand.port, "exact.test").sock):
        pass


def test_of_two_certificates_the_one_that_the_options_have_a_cipher_for(stand, made):
    """TLS 1.3 has the same ciphers for all keys; below it the suites of the options say which certificate can be shown."""
    suites = "        cipherSuites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n"
    for more, newest in (("", "exact"), ("        maxVersion: VersionTLS12\n", "exact-rsa")):
        stand.start("  certificates:\n" + entries(made["exact"], made["exact-rsa"]) + "  options:\n    default:\n" + suites + more)
        assert stand.shows("exact.test", made["exact-rsa"], version="TLSv1_2")
        assert stand.shows("exact.test", made[newest])


def test_challenges_of_acme_find_no_certificate(stand, made):
    """Whatever else the client offers: the authority shall not take our answer for one of its challenge."""
    stand.start("  certificates:\n" + entries(made["exact"]))
    for protocols in (["acme-tls/1"], ["http/1.1", "acme-tls/1"]):
        assert "UNRECOGNIZED NAME" in refused(stand.port, "exact.test", alpn=protocols)
    assert not refused(stand.port, "exact.test", alpn=["http/1.1"])


def test_default_certificate_of_the_store(stand, made):
    stand.start(f"  stores:\n    default:\n      defaultCertificate: {{certFile: {made['fallback'].crt}, keyFile: {made['fallback'].key}}}\n")
    assert stand.shows("nobody.test", made["fallback"])


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_requests_and_bodies(stand, made, version):
    stand.start("  certificates:\n" + entries(made["exact"]), workers=2)
    client = hello(stand.port, "exact.test", version=version)
    with contextlib.closing(client.sock):
        for _ in range(3):
            status, body = client.get("exact.test")
            assert status == 200 and "X-Forwarded-Proto: https" in body and "X-Forwarded-Port: 443" in body
        client.send(b"GET /1 HTTP/1.1\r\nHost: exact.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: exact.test\r\n\r\n")
        for path in (b"GET /1", b"GET /2"):
            client.until(path)
    data = bytes(range(256)) * 12000  # 3 MB up and down
    answer = hello(stand.port, "exact.test", version=version)
    with contextlib.closing(answer.sock):
        # not from a thread: a connection of OpenSSL is for one at a time
        answer.send(b"POST /api HTTP/1.1\r\nHost: exact.test\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
        assert answer.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        answer.send(b"GET /data?size=2500000 HTTP/1.1\r\nHost: exact.test\r\nConnection: close\r\n\r\n")
        assert len(answer.rest()) > 2_500_000


def test_options(stand, made):
    stand.start("  certificates:\n" + entries(made["exact"], made["wild"]) +
                "  options:\n    new: {minVersion: VersionTLS13}\n"
                "    strict: {sniStrict: true, maxVersion: VersionTLS12, cipherSuites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384], alpnProtocols: [http/1.1]}\n    h2: {alpnProtocols: [h2]}\n    own: {alpnProtocols: [own]}\n    empty: {alpnProtocols: []}\n",
                options={"mtls.test": "own", "common.test": "empty", "x.wild.test": "new", "exact.test": "strict", "strict.test": "strict", "new.test": "h2"})
    assert "PROTOCOL VERSION" in refused(stand.port, "x.wild.test", version="TLSv1_2")
    assert stand.shows("x.wild.test", made["wild"], version="TLSv1_3")
    client = hello(stand.port, "exact.test", alpn=["x", "http/1.1"])
    with contextlib.closing(client.sock):
        assert client.version == "TLSv1.2"
        assert client.sock.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
        assert client.sock.selected_alpn_protocol() == "http/1.1"
    assert "NO APPLICATION PROTOCOL" in refused(stand.port, "exact.test", alpn=["x"])
    client = hello(stand.port, "new.test", alpn=["http/1.1"])  # only HTTP/2 is named: as if it had no list
    with contextlib.closing(client.sock):
        assert client.sock.selected_alpn_protocol() is None and client.get("new.test")[0] == 200
    assert "NO APPLICATION PROTOCOL" in refused(stand.port, "new.test", alpn=["x"])
    for alpn in (["h2", "http/1.1"], ["own"]):  # no protocol of HTTP is in the list
        assert "NO APPLICATION PROTOCOL" in refused(stand.port, "mtls.test", alpn=alpn)
    assert refused(stand.port, "mtls.test") == ""
    client = hello(stand.port, "common.test", alpn=["http/1.1", "h2"])  # an empty list is as none: the default
    with contextlib.closing(client.sock):
        assert client.sock.selected_alpn_protocol() == "h2"
    assert "HANDSHAKE FAILURE" in refused(stand.port, "exact.test", version="TLSv1_2", ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "UNRECOGNIZED NAME" in refused(stand.port, "strict.test")
    assert "UNRECOGNIZED NAME" in refused(stand.port, "strict.test", alpn=["http/1.1"])
    assert "NO APPLICATION PROTOCOL" in refused(stand.port, "strict.test", alpn=["x"])  # said first


def test_the_cipher_suite_is_chosen_by_strength_and_hardware(stand, made):
    """As Go does: AES where the client prefers AES, ChaCha20 where it prefers that; the order of `cipherSuites` does not count."""
    aes, chacha, longer = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384"
    stand.start("  certificates:\n" + entries(made["exact"]) + "  options:\n    strict: {cipherSuites: [TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305, "
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]}\n", options={"strict.test": "strict"})
    for offered, chosen in (([longer, chacha, aes], aes), ([chacha, longer, aes], chacha), ([longer, chacha], longer), (["ECDHE-ECDSA-AES128-SHA", chacha], chacha)):
        for name in ("exact.test", "strict.test"):
            client = hello(stand.port, name, version="TLSv1_2", ciphers=":".join(offered))
            with contextlib.closing(client.sock):
                assert client.sock.cipher()[0] == chosen, (name, offered)


@pytest.mark.parametrize("options, words", [
    ("maxVersion: VersionTLS11", "VersionTLS12 to VersionTLS11"), ("minVersion: VersionTLS13, maxVersion: VersionTLS12", "VersionTLS13 to VersionTLS12"),
    ("maxVersion: VersionTLS12, cipherSuites: [TLS_AES_128_GCM_SHA256]", "none of the cipher suites is one of VersionTLS12")])
def test_options_that_leave_no_version_are_told(stand, made, options, words):
    stand.start("  options:\n    strict: {" + options + "}\n", options={"strict.test": "strict"})
    stand.router.wait_log(f"ERR .*no version of TLS is left: {words}")
    assert "HANDSHAKE FAILURE" in refused(stand.port, "strict.test")
    assert refused(stand.port, "exact.test") == ""


def test_host_of_other_options_is_misdirected(stand, made):
    stand.start("  options:\n    new: {minVersion: VersionTLS13}\n", options={"new.test": "new"})
    client = hello(stand.port, "exact.test")
    with contextlib.closing(client.sock):
        assert client.get("new.test") == (421, "Misdirected Request\n")
        assert client.get("exact.test")[0] == 200
        assert client.get("common.test")[0] == 200  # the same options: any name will do
    client = hello(stand.port, "new.test")
    with contextlib.closing(client.sock):
        assert client.get("new.test")[0] == 200
        assert client.get("exact.test")[0] == 421


@pytest.mark.parametrize("mode, without, unknown, known", [
    ("NoClientCert", True, True, True), ("RequestClientCert", True, True, True), ("RequireAnyClientCert", False, True, True),
    ("VerifyClientCertIfGiven", True, False, True), ("RequireAndVerifyClientCert", False, False, True)])
def test_client_certificates(stand, made, mode, without, unknown, known):
    stand.start("  options:\n    default:\n      clientAuth: "
                f"{{caFiles: [{made['authority'].crt}], clientAuthType: {mode}}}\n")
    assert (refused(stand.port, "mtls.test") == "") == without
    assert (refused(stand.port, "mtls.test", client=made["unknown"]) == "") == unknown
    assert (refused(stand.port, "mtls.test", client=made["client"]) == "") == known


@pytest.mark.parametrize("mode", ["RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"])
def test_clients_are_told_whose_certificates_count(stand, made, mode):
    """By the names of the authorities a client that has several certificates chooses one; also where none is checked."""
    stand.start(f"  options:\n    default: {{clientAuth: {{caFiles: [{made['authority'].crt}], clientAuthType: {mode}}}}}\n")
    for version in ("-tls1_2", "-tls1_3"):
        told = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{stand.port}", "-servername", "mtls.test", version], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30).stdout
        assert "Acceptable client certificate CA names\nCN = authority\n" in told, told


def resumes(port, made, session, name="exact.test"):
    client = hello(port, name, made, session)
    with contextlib.closing(client.sock):
        return client.get(name)[0] == 200 and client.reused


def test_an_expired_certificate_is_served_with_a_warning(stand, made, tmp_path):
    expired = Maker(tmp_path).signed("expired", made["authority"], ["DNS:exact.test"], days=-1)
    stand.start("  certificates:\n" + entries(expired))
    stand.router.wait_log(r"WRN .*certificate expired on \d+-\d+-\d+; it is served all the same")
    assert stand.shows("exact.test", expired)


def test_what_boringssl_lacks_is_left_out_with_a_warning(stand, made):
    stand.start("  options: {default: {curvePreferences: [X25519MLKEM768, X25519]}}\n  certificates:\n" + entries(made["exact"]))
    said = subprocess.run([conftest.BINARY, "version"], capture_output=True, text=True, check=True, timeout=20).stdout
    if "Debian" in said:
        stand.router.wait_log(r"WRN .*lacks the curve X25519MLKEM768: it is left out .*make boringssl")
    assert stand.shows("exact.test", made["exact"])
    assert ("lacks the curve" in stand.router.log()) == ("Debian" in said)


def test_nobody_renegotiates(stand, made):
    stand.start("  certificates:\n" + entries(made["exact"]))
    client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{stand.port}", "-servername", "exact.test", "-tls1_2"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        client.stdin.write(b"R\n")
        client.stdin.flush()
        said = client.stdout.read().decode()  # until it ends: the connection does
    finally:
        client.kill()
        client.wait()
        client.stdin.close()
        client.stdout.close()
    assert "RENEGOTIATING" in said and "no renegotiation" in said, said


def test_sessions_go_on_everywhere(stand, made):
    router = stand.start("  certificates:\n" + entries(made["exact"]), workers=2)
    for version in ("TLSv1_2", "TLSv1_3"):
        client = context(version=version)
        first = hello(stand.port, "exact.test", client)
        with contextlib.closing(first.sock):
            assert first.get("exact.test")[0] == 200  # with it comes the ticket
            session = first.sock.session
        assert not first.reused
        assert all(resumes(stand.port, client, session) for _ in range(8))  # whichever worker it meets
    router.wait_log("Configuration changed|Nothing changed|Ready", router.kill_master())
    assert resumes(stand.port, client, session)
    with contextlib.closing(hello(stand.port, "nobody.test").sock):
        pass


def test_no_tickets(stand, made):
    stand.start("  options:\n    default: {disableSessionTickets: true}\n")
    client = context(version="TLSv1_2")
    first = hello(stand.port, "exact.test", client)
    with contextlib.closing(first.sock):
        assert first.get("exact.test")[0] == 200
        assert not first.sock.session.has_ticket


def test_default_certificate_outlives_masters(stand):
    router = stand.start("  options: {}\n", workers=2)

    def shown():
        client = hello(stand.port, "nobody.test")
        with contextlib.closing(client.sock):
            return client.der
    before = {shown() for _ in range(6)}
    assert len(before) == 1
    router.in_force(router.kill_master(), workers=2)
    assert {shown() for _ in range(6)} == before
    mark = router.mark()
    os.kill(router.pid, signal.SIGHUP)
    mark, _ = router.wait_log("SIGHUP: reading the static configuration again", mark)
    router.wait_log("Nothing changed", mark)
    assert {shown() for _ in range(6)} == before


def test_files_change_under_handshakes(stand, made, tmp_path):
    live = Pair(tmp_path, "live")
    live.crt.write_text(made["exact"].pem)
    live.key.write_text(made["exact"].key_pem)
    router = stand.start("  certificates:\n" + entries(live), workers=2)
    kept = hello(stand.port, "exact.test")
    failures, over = [], threading.Event()

    def shake():
        while not over.is_set():
            try:
                client = hello(stand.port, "exact.test")
                with contextlib.closing(client.sock):
                    if client.get("exact.test")[0] != 200:
                        failures.append("status")
            except OSError as error:
                failures.append(repr(error))
    thread = threading.Thread(target=shake)
    thread.start()
    try:
        live.key.write_text("half of it")  # what is there stays
        router.wait_log("what was there before is served")
        assert stand.shows("exact.test", made["exact"])
        live.crt.write_text(made["other"].pem)
        live.key.write_text(made["other"].key_pem)
        wait_until("the new certificate", lambda: stand.shows("exact.test", made["other"]))
    finally:
        over.set()
        thread.join()
    assert not failures
    with contextlib.closing(kept.sock):
        assert kept.get("exact.test")[0] == 200  # over the change
        assert kept.der == made["exact"].der


def test_one_of_many_files_changes(stand, made, tmp_path):
    """So many that their folders are watched: one is swapped by name, then written where it stands."""
    many = [Pair(tmp_path, f"many{i}") for i in range(260)]
    for pair in many:
        pair.crt.write_text(made["exact"].pem)
        pair.key.write_text(made["exact"].key_pem)
    stand.start("  certificates:\n" + entries(*many))
    assert stand.shows("exact.test", made["exact"]) and not stand.shows("fallback.test", made["fallback"])
    for path, text in ((many[7].key, made["fallback"].key_pem), (many[7].crt, made["fallback"].pem)):
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").rename(path)
    wait_until("the new certificate", lambda: stand.shows("fallback.test", made["fallback"]))
    many[7].key.write_text(made["exact"].key_pem)
    many[7].crt.write_text(made["exact"].pem)
    wait_until("it is gone", lambda: not stand.shows("fallback.test", made["fallback"]))


def test_changes_of_routes_leave_connections_alone(stand, made):
    router = stand.start("  certificates:\n" + entries(made["exact"]))
    client = hello(stand.port, "exact.test")
    with contextlib.closing(client.sock):
        for i in range(6):
            mark = router.mark()
            stand.write("  certificates:\n" + entries(made["exact"]), options=None if i % 2 else {"common.test": "gone"})
            router.wait_log("Configuration changed", mark)
            assert client.get("exact.test")[0] == 200


def test_bad_certificates_stay_alone(stand, made, tmp_path):
    garbage = Pair(tmp_path, "garbage")
    garbage.crt.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    garbage.key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    mixed = Pair(tmp_path, "mixed")
    mixed.crt.write_text(made["common"].pem)
    mixed.key.write_text(made["exact"].key_pem)
    router = stand.start("  certificates:\n" + entries(garbage, mixed, Pair(tmp_path, "absent"), made["wild"]) +
                         "  options:\n    odd: {cipherSuites: [TLS_NO_SUCH]}\n    old: {curvePreferences: [SecP384r1MLKEM1024, X25519]}\n",
                         options={"strict.test": "odd"})
    log = router.log()
    assert "the key is not that of the certificate" in log and "No such file" in log and "malformed" in log
    assert "invalid CipherSuite: TLS_NO_SUCH" in log
    assert made["exact"].key_pem.splitlines()[1] not in log
    assert stand.shows("x.wild.test", made["wild"])
    for name in ("exact.test", "common.test"):
        client = hello(stand.port, name)
        with contextlib.closing(client.sock):
            assert b"weir default certificate" in client.der
            assert client.get(name)[0] == 200
    assert "HANDSHAKE FAILURE" in refused(stand.port, "strict.test")  # not with weaker options than were asked for


def connected(port):
    return socket.create_connection(("127.0.0.1", port), 20)


def all_of(sock):
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65536):
            data += piece
    return data


NO_TLS = {
    "zeros": bytes(65536),
    "bad record": b"\x16\x04\x01\x00\x10" + bytes(16),
    "no hello": b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
    "endless": b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc" + b"\x03\x03" + bytes(16384 - 6) + b"\x16\x03\x01\x40\x00" + bytes(16384),
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
}
SHORT = "--entryPoints.web.transport.respondingTimeouts.readTimeout=1500ms"


def no_tls_is_refused(port):
    """Plain HTTP gets words, everything else is closed, and a ClientHello that does not go on when its time is over."""
    answer = curl(port, "/", host="exact.test")
    assert (answer.status, answer.body) == (400, "Client sent an HTTP request to an HTTPS server.\n")
    for what, data in NO_TLS.items():
        with connected(port) as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(data)
            said = all_of(sock)  # ends: closed
            assert said == b"" or said[0] == 0x15 or b" 400 " in said or what == "http/2", what
    for half in (b"\x16", b"\x16\x03\x01\x00\xff\x01\x00"):
        began = time.monotonic()
        with connected(port) as sock:
            sock.sendall(half)
            assert all_of(sock) == b""
        assert time.monotonic() - began > 0.3


def test_what_is_no_tls(stand, made):
    stand.start("  options: {}\n", SHORT)
    no_tls_is_refused(stand.port)


@pytest.mark.parametrize("tls", ["{}", "{passthrough: true}"])
def test_what_is_no_tls_where_tcp_alone_is_served(weir, tmp_path, tls):
    dynamic = tmp_path / "dynamic.yml"
    dynamic.write_text("tcp: {routers: {r: {rule: 'HostSNI(`exact.test`)', service: s, tls: " + tls + "}}, "
                       "services: {s: {loadBalancer: {servers: [{address: '127.0.0.1:1'}]}}}}\n")
    no_tls_is_refused(weir(f"--providers.file.filename={dynamic}", SHORT).ports["web"])


def test_tls_on_a_plain_port(weir, whoami, tmp_path):
    """Junk is answered or closed; a ClientHello is answered as in Traefik (the default certificate); none keeps a connection."""
    dynamic = tmp_path / "dynamic.yml"
    dynamic.write_text("http: {routers: {r: {rule: 'PathPrefix(`/`)', service: s}}, services: {s: {loadBalancer: {servers: "
                       f"[{{url: 'http://127.0.0.1:{whoami().port}'}}]}}}}}}}}\n")
    port = weir(f"--providers.file.filename={dynamic}", SHORT).ports["web"]
    for what, data in NO_TLS.items():
        with connected(port) as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(data)
            said = all_of(sock)
            assert said == b"" or said[0] == 0x15 or b" 400 " in said or what == "http/2", (what, said)
    with connected(port) as sock:
        sock.sendall(b"\x16\x03\x01\x00\xff\x01\x00")
        assert all_of(sock) == b""
    assert curl(port, "/").status == 200


def test_tls_where_no_router_has_it(weir, whoami, tmp_path):
    dynamic = tmp_path / "dynamic.yml"
    dynamic.write_text("http: {routers: {r: {rule: 'PathPrefix(`/`)', service: s}}, services: {s: {loadBalancer: {servers: "
                       f"[{{url: 'http://127.0.0.1:{whoami().port}'}}]}}}}}}}}\n")
    port = weir(f"--providers.file.filename={dynamic}").ports["web"]
    client = hello(port, "a.test")
    with contextlib.closing(client.sock):
        assert client.get("a.test")[0] == 404  # as in Traefik: the default certificate, and no route
    assert curl(port, "/").status == 200


def test_entry_point_with_tls(weir, whoami, tmp_path, made):
    dynamic = tmp_path / "dynamic.yml"
    dynamic.write_text("http: {routers: {r: {rule: 'PathPrefix(`/`)', service: s}}, services: {s: {loadBalancer: {servers: "
                       f"[{{url: 'http://127.0.0.1:{whoami().port}'}}]}}}}}}}}\n")
    port = weir(f"--providers.file.filename={dynamic}", "--entryPoints.web.http.tls=true").ports["web"]
    client = hello(port, "a.test")
    with contextlib.closing(client.sock):
        assert client.get("a.test")[0] == 200
    assert curl(port, "/").status == 400


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n"


def upgraded(port):
    client = hello(port, "a.test")
    client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    return client


def test_the_end_is_said_both_ways(proxy_tls, server):  # noqa: F811
    """A tunnel: the end of one side comes out at the other as what it is."""
    heard = []

    def speaks_and_ends(peer, _srv):
        peer.head()
        peer.send(SWITCH + b"y" * 300_000)

    def listens(peer, _srv):
        peer.head()
        peer.send(SWITCH)
        heard.append(peer.rest())
    client = upgraded(proxy_tls(server(speaks_and_ends)))
    with contextlib.closing(client.sock):
        assert client.rest() == b"y" * 300_000  # and no "unexpected EOF"
    client = upgraded(proxy_tls(server(listens)))
    client.send(b"x" * 300_000)
    client.sock.unwrap().close()  # says the end, waits for the other's
    assert heard == [b"x" * 300_000]


@pytest.fixture
def proxy_tls(weir, tmp_path):
    def start(backend):
        dynamic = tmp_path / f"{backend.port}.yml"
        dynamic.write_text("http: {routers: {r: {rule: 'PathPrefix(`/`)', service: s, tls: {}}}, services: {s: {loadBalancer: "
                           f"{{servers: [{{url: 'http://127.0.0.1:{backend.port}'}}]}}}}}}}}\n")
        return weir(f"--providers.file.filename={dynamic}").ports["web"]
    return start
