"""OCSP stapling: responders are asked, answers stapled, renewed and dropped; whose answer does not count; who is asked instead."""
import http.server
import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest

import conftest
from conftest import wait_until
from marathon import another_build
from ports import free_port
from tlskit import openssl

TEXT = "OCSP Response Status: successful"


class Authority:
    """An authority with its database, and a responder of ours in front of `openssl ocsp`, which signs the answers."""

    def __init__(self, folder):
        self.folder, self.lock = folder, threading.Lock()
        self.asked, self.mode, self.port = [], "good", free_port()
        (folder / "index.txt").write_text("")
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                "-out", "ca.crt", "-subj", "/CN=authority", "-days", "30")
        openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "stranger.key", "-out", "stranger.crt", "-subj",
                "/CN=authority", "-days", "30")
        self.certificate("delegate", "extendedKeyUsage=OCSPSigning", serial=900)
        self.certificate("undelegated", "extendedKeyUsage=serverAuth", serial=901)
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with authority.lock:  # one after the other: files of `openssl ocsp`
                    authority.asked.append((self.path, self.headers["Content-Type"], body))
                    answer = authority.answer(body)
                self.send_response(200 if answer is not None else 500)
                self.send_header("Content-Length", str(len(answer or b"")))
                self.end_headers()
                self.wfile.write(answer or b"")

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def certificate(self, name, extension, serial):
        (self.folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}.test\n{extension}\n")
        openssl(self.folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out",
                f"{name}.csr", "-subj", f"/CN={name}.test")
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-set_serial", str(serial),
                "-days", "20", "-extfile", f"{name}.ext", "-out", f"{name}.crt")
        chain = self.folder / f"{name}.chain"
        chain.write_text((self.folder / f"{name}.crt").read_text() + (self.folder / "ca.crt").read_text())
        return chain, self.folder / f"{name}.key"

    def served(self, name, serial, path="/ocsp", status="V", url=None):
        """A certificate with an AIA, known to the database."""
        end, revoked = "401231235959Z", "250101000000Z" if status == "R" else ""
        with open(self.folder / "index.txt", "a") as index:
            index.write(f"{status}\t{end}\t{revoked}\t{serial:04X}\tunknown\t/CN={name}.test\n")
        return self.certificate(name, f"authorityInfoAccess=OCSP;URI:{url or f'http://127.0.0.1:{self.port}{path}'}", serial)

    def answer(self, request):
        if self.mode == "broken":
            return None
        if self.mode == "garbage":
            return b"\x30\x03\x0a\x01\x06" if len(self.asked) % 2 else b"garbage"
        if self.mode == "long":
            return b"x" * 100000
        signer = {"good": "ca", "delegate": "delegate", "undelegated": "undelegated", "stranger": "stranger"}[self.mode]
        (self.folder / "request.der").write_bytes(request)
        openssl(self.folder, "ocsp", "-index", "index.txt", "-CA", "ca.crt", "-rsigner", f"{signer}.crt", "-rkey", f"{signer}.key",
                "-reqin", "request.der", "-respout", "answer.der", "-ndays", "7")
        return (self.folder / "answer.der").read_bytes()


@pytest.fixture
def authority(tmp_path):
    folder = tmp_path / "authority"
    folder.mkdir()
    made = Authority(folder)
    yield made
    made.close()


@pytest.fixture
def stand(weir, tmp_path, authority):
    class Stand:
        def write(self, *pairs):
            path = tmp_path / "dynamic.yml"
            path.with_suffix(".new").write_text(
                "http:\n  routers:\n    r: {rule: \"PathPrefix(`/`)\", service: ping@internal, tls: {}}\ntls:\n  certificates:\n" +
                "".join(f"    - {{certFile: {chain}, keyFile: {key}}}\n" for chain, key in pairs))
            path.with_suffix(".new").rename(path)

        def start(self, *pairs, flags=("--ocsp",), **kw):
            self.write(*pairs)
            self.router = weir(f"--providers.file.filename={tmp_path / 'dynamic.yml'}", *flags, **kw)
            self.port = self.router.ports["web"]
            return self.router

        def status(self, name):
            """What openssl says about the staple, verified against the authority."""
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", name, "-status",
                                   "-CAfile", str(authority.folder / "ca.crt")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=20)
            return done.stdout

        def stapled(self, name, words="Cert Status: good"):
            wait_until(f"{name} is stapled", lambda: TEXT in self.status(name) and words in self.status(name))
    return Stand()


def test_the_answer_is_stapled_by_all_workers(stand, authority):
    pair = authority.served("a", 16)
    stand.start(pair, authority.certificate("plain", "keyUsage=digitalSignature", 99), workers=2)
    stand.stapled("a.test")
    stand.router.everywhere(2)
    path, kind, question = authority.asked[0]
    assert path == "/ocsp" and kind == "application/ocsp-request" and len(question) < 200
    assert "no response sent" in stand.status("plain.test")  # it names nobody who could be asked
    stand.router.wait_log(r"DBG .*OCSP: http://127\.0\.0\.1:\d+/ocsp has answered about a\.test")
    for _ in range(6):
        assert TEXT in stand.status("a.test")
    assert len(authority.asked) == 1  # kept, not asked for again


def test_without_the_option_nobody_is_asked(stand, authority):
    stand.start(authority.served("a", 16), flags=())
    assert "no response sent" in stand.status("a.test")
    assert authority.asked == []


def test_delegates_count_and_others_do_not(stand, authority):
    pair = authority.served("a", 16)
    authority.mode = "delegate"
    stand.start(pair)
    stand.stapled("a.test")
    for number, mode in enumerate(("undelegated", "stranger")):
        authority.mode = mode
        mark = stand.router.mark()
        stand.write(pair, authority.served(mode + "1", 32 + number))
        stand.router.wait_log(rf"WRN .*OCSP: no answer about {mode}1\.test .*signed by nobody", mark)
        assert "no response sent" in stand.status(mode + "1.test")
        assert TEXT in stand.status("a.test")


@pytest.mark.parametrize("mode,words", [("broken", "it answers 500"), ("garbage", "it does not answer us|malformed"),
                                        ("long", "its answer is longer than 65536 bytes")],
                         ids=["broken", "garbage", "long"])
def test_responders_that_do_not_answer(stand, authority, mode, words):
    authority.mode = mode
    stand.start(authority.served("a", 16))
    stand.router.wait_log(rf"WRN .*OCSP: no answer about a\.test from http://127\.0\.0\.1:\d+/ocsp: ({words})")
    assert "no response sent" in stand.status("a.test")  # served all the same


def test_revoked_and_unknown(stand, authority):
    revoked, unknown = authority.served("revoked", 17, status="R"), authority.certificate(
        "unknown", f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{authority.port}/", 18)
    stand.start(revoked, unknown)
    stand.router.wait_log(r"WRN .*OCSP: .* says that the certificate of revoked\.test is revoked")
    stand.stapled("revoked.test", "Cert Status: revoked")
    stand.router.wait_log(r"WRN .*OCSP: no answer about unknown\.test .*does not know")
    assert "no response sent" in stand.status("unknown.test")


def test_answers_outlive_a_master(stand, authority):
    """The next one has them: no worker gets a certificate without its staple, and nobody is asked again."""
    pairs = [authority.served("a", 16), authority.served("b", 17)]
    stand.start(*pairs, workers=2)
    for name in ("a.test", "b.test"):
        stand.stapled(name)
    stand.router.everywhere(2)
    authority.mode = "broken"
    first = [question for _, _, question in authority.asked]
    for turn in range(2):
        master = stand.router.master()
        os.kill(master, signal.SIGKILL)
        stand.router.master(other_than=[master])
        pairs.append(authority.served(f"c{turn}", 32 + turn))
        stand.write(*pairs)  # a generation that is the new master's own
        wait_until("the new one is served", lambda t=turn: f"CN = c{t}.test" in stand.status(f"c{t}.test"))
        for name in ("a.test", "b.test") * 3:
            assert TEXT in stand.status(name)
    asked = [question for _, _, question in authority.asked]
    assert [asked.count(question) for question in first] == [1, 1]


def test_answers_outlive_an_upgrade(stand, authority, tmp_path, monkeypatch):
    good, binary = pathlib.Path(conftest.BINARY).read_bytes(), tmp_path / "weir"

    def install(data):
        part = binary.with_suffix(".part")
        part.write_bytes(data)
        part.chmod(0o755)
        part.rename(binary)
    install(good)
    monkeypatch.setattr(conftest, "BINARY", str(binary))
    stand.start(authority.served("a", 16), workers=2)
    stand.stapled("a.test")
    authority.mode = "broken"
    install(another_build(good, 1))
    mark = stand.router.mark()
    os.kill(stand.router.pid, signal.SIGUSR2)
    stand.router.wait_log("The new workers serve", mark)
    for _ in range(6):
        assert TEXT in stand.status("a.test")
    assert len(authority.asked) == 1


def test_overrides_and_changes(stand, authority, tmp_path, weir):
    gone = f"http://127.0.0.1:{free_port()}/gone"
    pair, static = authority.served("a", 16, url=gone), tmp_path / "weir.yml"
    stand.write(pair)
    stand.port = free_port()

    def say(ocsp):
        static.write_text(f"entryPoints:\n  web:\n    address: 127.0.0.1:{stand.port}\nproviders:\n  file:\n    filename: "
                          f"{tmp_path / 'dynamic.yml'}\nlog:\n  level: DEBUG\nworkers: 1\n{ocsp}")
    say("ocsp: {}\n")
    router = weir(f"--configFile={static}", web=False, workers=None)
    router.wait_log(r"WRN .*OCSP: no answer about a\.test from " + re.escape(gone))
    say(f"ocsp:\n  responderOverrides:\n    '{gone}': 'http://127.0.0.1:{authority.port}/other'\n")
    os.kill(router.pid, signal.SIGHUP)
    stand.stapled("a.test")
    assert authority.asked[0][0] == "/other"
    say("")
    os.kill(router.pid, signal.SIGHUP)
    wait_until("nothing is stapled", lambda: "no response sent" in stand.status("a.test"))


def test_a_bad_override_is_an_error(weir):
    router = weir("--ocsp.responderOverrides.a=ftp://b", wait=False)
    router.expected_status = 1
    router.wait_log(r'ocsp\.responderOverrides\.a: "ftp://b" is no URL of http or https')
    assert router.wait() == 1
