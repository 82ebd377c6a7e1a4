"""TLS for tests: certificates made by openssl, clients that say exactly what they offer.

`Maker(folder)` makes certificates: .own(name, names) signed by themselves, .authority(name), .signed(name, by). Each is a
Pair with .crt and .key (paths), .pem and .key_pem (texts), .der (what a client sees).
`hello(port, name, ...)` does one handshake and gives the connection as rawhttp's Peer does, with .der, .version, .reused.
"""
import contextlib
import pathlib
import socket
import ssl
import subprocess

from rawhttp import Peer

KEYS = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"],
        "ed25519": ["-newkey", "ed25519"]}


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


class Pair:
    def __init__(self, folder, name):
        self.crt, self.key = folder / f"{name}.crt", folder / f"{name}.key"

    @property
    def pem(self):
        return self.crt.read_text()

    @property
    def key_pem(self):
        return self.key.read_text()

    @property
    def der(self):
        return ssl.PEM_cert_to_DER_cert(self.pem)


class Maker:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def own(self, name, names=(), key="ec", common=None, days=2, extensions=()):
        """names: "DNS:a.test", "IP:127.0.0.1"; none: only the CN."""
        more = ["-addext", "subjectAltName=" + ",".join(names)] if names else []
        more += [word for extension in extensions for word in ("-addext", extension)]
        openssl(self.folder, "req", "-x509", *KEYS[key], "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj",
                f"/CN={common or name}", "-days", str(days), *more)
        return Pair(self.folder, name)

    def authority(self, name):
        return self.own(name)

    def signed(self, name, by, names=(), key="ec", days=2, extensions=()):
        """extensions: lines of an extension file of openssl, besides the names."""
        openssl(self.folder, "req", *KEYS[key], "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        lines = [*extensions] + (["subjectAltName=" + ",".join(names)] if names else [])
        (self.folder / f"{name}.ext").write_text("\n".join(lines) + "\n")
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", by.crt, "-CAkey", by.key, "-CAcreateserial", "-days", str(days),
                "-extfile", f"{name}.ext", "-out", f"{name}.crt")
        return Pair(self.folder, name)


def context(version=None, ciphers=None, alpn=None, client=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if version:
        made.minimum_version = made.maximum_version = getattr(ssl.TLSVersion, version)
    if ciphers:
        made.set_ciphers(ciphers)
    if alpn:
        made.set_alpn_protocols(alpn)
    if client:
        made.load_cert_chain(client.crt, client.key)
    return made


class Client(Peer):
    @property
    def der(self):
        return self.sock.getpeercert(binary_form=True)

    @property
    def version(self):
        return self.sock.version()

    @property
    def reused(self):
        return self.sock.session_reused

    def get(self, host, path="/"):
        """Status and body of one request; the connection stays."""
        self.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head = self.until(b"\r\n\r\n").decode().lower()
        length = next((int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
        return int(head.split()[1]), self.exactly(length).decode()


def client_hello(name, made=None):
    """The bytes that a handshake begins with."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = (made or context()).wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def hello(port, name=None, made=None, session=None, plain=None, **options):
    """One handshake (on `plain`, if there is a connection); ssl.SSLError (or ConnectionError) when it is refused."""
    made = made or context(**options)
    plain = plain or socket.create_connection(("127.0.0.1", port), 20)
    try:
        return Client(made.wrap_socket(plain, server_hostname=name, session=session,
                                       suppress_ragged_eofs=False))  # an end that is not announced is an error
    except BaseException:
        plain.close()
        raise
