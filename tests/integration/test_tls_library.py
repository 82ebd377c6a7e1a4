"""What the BoringSSL that is linked can do: `weir version` says which it is, and what it lacks is one warning, never an error."""
import json
import re
import ssl
import subprocess

import pytest

from conftest import BINARY, DEADLINE, curl, free_port
from tlskit import Maker, hello

ADVICE = r"the BoringSSL that is linked lacks the \S+( suite)? {}: it is left out \(`make boringssl` builds a full one\)"


def linked():
    """`small` or `full`."""
    text = subprocess.run([BINARY, "version"], capture_output=True, text=True, check=True, timeout=DEADLINE).stdout
    return re.search(r"(?m)^TLS: +BoringSSL \((small, of Debian|full, \d+\.\d+\.\d+)\), API \d+$", text).group(1).split(",")[0]


@pytest.fixture
def stand(weir, whoami, tmp_path):
    """.start(options): a.test over TLS with these options on the entry point `secure`; what comes to `web` goes there, over TLS."""
    class Stand:
        pair, port = Maker(tmp_path).own("a.test", ["DNS:a.test", "IP:127.0.0.1"]), free_port()

        def start(self, **options):
            backend = {"loadBalancer": {"servers": [{"url": whoami().url}]}}
            itself = {"loadBalancer": {"serversTransport": "t", "servers": [{"url": f"https://127.0.0.1:{self.port}"}]}}
            path = tmp_path / "dynamic.yml"
            path.write_text(json.dumps({
                "http": {
                    "routers": {
                        "in": {"rule": "Host(`a.test`)", "service": "itself", "entryPoints": ["web"]},
                        "on": {"rule": "Host(`a.test`)", "service": "backend", "entryPoints": ["secure"], "tls": {"options": "o"}}},
                    "services": {"backend": backend, "itself": itself},
                    "serversTransports": {"t": {"rootCAs": [str(self.pair.crt)], "serverName": "a.test"}}},
                "tls": {"certificates": [{"certFile": str(self.pair.crt), "keyFile": str(self.pair.key)}], "options": {"o": options}}}))
            self.router = weir(f"--providers.file.filename={path}", f"--entryPoints.secure.address=127.0.0.1:{self.port}",
                               leftovers="a connection to itself is kept")
            return self.router

        def warnings(self):
            return [line for line in self.router.log().splitlines() if "make boringssl" in line]
    return Stand()


def test_what_both_builds_lack_is_left_out_with_a_warning(stand):
    stand.start(curvePreferences=["SecP384r1MLKEM1024", "CurveP256"], cipherSuites=["TLS_ECDHE_RSA_WITH_RC4_128_SHA",
                                                                                   "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"])
    cipher, curve = sorted(stand.warnings(), key=lambda line: "curve" in line)
    assert re.search("WRN .*" + ADVICE.format("TLS_ECDHE_RSA_WITH_RC4_128_SHA"), cipher)
    assert re.search("WRN .*" + ADVICE.format("SecP384r1MLKEM1024"), curve)
    assert "ERR " not in stand.router.log()
    client = hello(stand.port, "a.test", version="TLSv1_2")
    assert client.sock.cipher()[0] == "ECDHE-ECDSA-AES128-GCM-SHA256" and client.get("a.test")[0] == 200
    client.sock.close()


def test_the_curve_with_ml_kem(stand):
    """The full build shakes hands with nothing else where nothing else is asked for, and offers it to servers; to the small one the
    preference is a warning and the usual curves serve."""
    stand.start(curvePreferences=["X25519MLKEM768"])
    if linked() == "full":
        assert not stand.warnings()
        with pytest.raises(ssl.SSLError):
            hello(stand.port, "a.test")  # Debian's OpenSSL lacks that curve
    else:
        warning, = stand.warnings()
        assert re.search("WRN .*" + ADVICE.format("X25519MLKEM768"), warning)
        client = hello(stand.port, "a.test")
        assert client.get("a.test")[0] == 200
        client.sock.close()
    assert curl(stand.router.ports["web"], host="a.test").status == 200
